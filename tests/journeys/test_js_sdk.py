"""Lunary's real JavaScript SDK, where node is present: raw ids of a program's own choice, seen through the API."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.journeys.conftest import new_project
from tests.supervisor.instances import ROOT, Copy

PROGRAM = Path(__file__).with_name("js_program.mjs")
PACKAGES = ("lunary@1.0.18", "openai@4.104.0")
pytestmark = [
    pytest.mark.xdist_group("copy"),
    pytest.mark.skipif(not shutil.which("npm"), reason="node and npm are not here: the JavaScript SDK can't run"),
]


@pytest.fixture(scope="session")
def program() -> Path:
    """Return the program beside the packages it needs, fetched from the npm registry once per machine."""
    home = ROOT / "var" / "node-tests"
    if not all((home / "node_modules" / name.split("@")[0]).is_dir() for name in PACKAGES):
        home.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--prefix", str(home), "--no-audit", "--no-fund", "--silent", *PACKAGES]
        subprocess.run(command, check=True, timeout=240, cwd=home)
    copied = home / PROGRAM.name
    copied.write_text(PROGRAM.read_text())
    return copied


def test_a_program_with_the_js_sdk_fills_runs_trace_and_thread(whole_copy: Copy, program: Path) -> None:
    instance = new_project(whole_copy, "From JavaScript")
    done = subprocess.run(
        ["node", str(program)],
        env=os.environ | instance.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    held = json.loads(done.stdout)
    by_type = {run["type"]: run for run in instance.wait_for_runs(5)}
    agent, tool, call, thread = (by_type[kind] for kind in ("agent", "tool", "llm", "thread"))
    assert tool["parentRunId"] == call["parentRunId"] == agent["id"]
    assert agent["threadId"] == thread["id"]
    assert agent["user"]["props"] == {"vip": True}
    assert call["cost"] == 0.0075
    told = instance.get(f"/v1/threads/{held['thread']}")
    assert [message["content"] for message in told["messages"]] == ["Which green tea?", "Try the Sencha."]
    assert told["messages"][1]["feedback"]["comment"] == "too sweet"
    assert agent["parentFeedback"]["thumb"] == "down", "feedback on the answer is shown on the runs beneath it"
