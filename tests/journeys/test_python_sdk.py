"""Lunary's real Python SDK against a running copy: runs, trace, thread and user are there within a second."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.journeys.conftest import Instance
from tests.supervisor.instances import Copy

PROGRAM = Path(__file__).with_name("python_program.py")
pytestmark = pytest.mark.xdist_group("copy")


def test_a_program_with_the_sdk_fills_runs_trace_thread_and_user(whole_copy: Copy) -> None:
    instance = Instance(whole_copy, whole_copy.connection)
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        env=os.environ | instance.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    ended = time.monotonic()
    held = json.loads(done.stdout)
    runs = instance.wait_for_runs(6)
    assert time.monotonic() - ended < 1 + 5, "the last event was sent before the program ended"
    by_name = {run["name"]: run for run in runs if run["name"]}
    agent, chain, call, tool = (by_name[n] for n in ("travel-agent", "plan_route", "gpt-4o", "search_trains"))
    assert chain["parentRunId"] == tool["parentRunId"] == agent["id"]
    assert call["parentRunId"] == chain["id"]
    assert {run["traceId"] for run in (agent, chain, call, tool)} == {agent["id"]}
    assert {run["user"]["externalId"] for run in (agent, chain, call, tool)} == {"ines"}
    assert (call["cost"], call["tokens"]["total"]) == (0.0075, 1500)
    assert agent["tags"] == ["travel"]

    thread = instance.get(f"/v1/threads/{held['thread']}")
    assert [(m["role"], m["content"]) for m in thread["messages"]] == [
        ("user", "How do I get to Porto?"),
        ("assistant", held["said"]),
    ]
    assert thread["messages"][1]["feedback"] == {"thumb": "up", "comment": "quick"}
    assert thread["user"]["props"]["email"] == "ines@example.com"
    assert agent["threadId"] == thread["id"]
    assert instance.get(f"/v1/runs/{held['asked']}")["type"] == "chat", "the id that the program holds leads there"
