"""Lunary's real Python SDK against a running copy: runs, trace, thread and user are there within a second."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.journeys.browsing import signed_in
from tests.journeys.conftest import Instance, new_project
from tests.supervisor.instances import Copy, until

PROGRAM = Path(__file__).with_name("python_program.py")
VISIBLE_SECONDS = 1.0
"""What the issue promises, from the moment the SDK sends its last events; it gathers them for up to half a second."""
TRIES = 3
"""A machine that is doing something else measures that; one try in so many must be undisturbed."""
PATIENCE = 20
PROGRAM_SECONDS = 60

pytestmark = pytest.mark.xdist_group("copy")


@dataclass(frozen=True)
class Try:
    """One run of the program: what it holds, and how long it took from sending to seeing."""

    instance: Instance
    held: dict[str, str]
    seconds: float


def tried(instance: Instance) -> Try:
    """Run the program, and look at the pages until they show all of it; sent is when the last request left."""
    with (
        signed_in(instance.copy) as person,
        subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            env=os.environ | instance.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as program,
    ):
        assert program.stdout
        held = json.loads(program.stdout.readline() or "null")
        assert held, program.communicate(timeout=PROGRAM_SECONDS)[1]
        until(shown(person, instance, held), PATIENCE, "runs, trace and thread on their pages")
        seen = time.monotonic()
        _, told = program.communicate(timeout=PROGRAM_SECONDS)
    assert program.returncode == 0, told
    requests_made = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    return Try(instance, held, seen - max(each["sent"] for each in requests_made if each["sent"] < seen))


def shown(person: requests.Session, instance: Instance, held: dict[str, str]) -> Callable[[], bool]:
    """Return a question, to be asked until it is true: has each page shown what happened by now."""
    names = ("travel-agent", "plan_route", "gpt-4o", "search_trains")
    awaited: dict[str, Callable[[str], bool]] = {
        "runs?type=agent": lambda page: "travel-agent" in page,
        "traces": lambda page: "travel-agent" in page,
        f"threads/{held['thread']}": lambda page: held["said"] in page and 'class="thumb thumb-up"' in page,
    }

    def asked() -> bool:
        for path, is_there in list(awaited.items()):
            answer = person.get(f"{instance.url}/p/{instance.project_id}/{path}", timeout=10)
            page = unescape(answer.text).partition("<main")[2]
            if not (answer.ok and is_there(page)):
                return False
            del awaited[path]
            if path == "traces":
                linked = re.search(r"/traces/([0-9a-f-]{36})", page)
                assert linked, page
                awaited[f"traces/{linked[1]}"] = lambda page: all(name in page for name in names)
                awaited[f"runs/{linked[1]}"] = lambda page: held["said"] in page
        return not awaited

    return asked


@pytest.fixture(scope="module")
def best(whole_copy: Copy) -> Try:
    """Return the quickest of up to three tries, each in a project of its own; the first is the first start's."""
    done: list[Try] = []
    while len(done) < TRIES and (not done or done[-1].seconds > VISIBLE_SECONDS):
        project = whole_copy.connection if not done else None
        instance = Instance(whole_copy, project) if project else new_project(whole_copy, f"SDK, try {len(done) + 1}")
        done.append(tried(instance))
    return min(done, key=lambda each: each.seconds)


def test_what_the_sdk_sends_is_on_the_pages_within_a_second(best: Try) -> None:
    assert best.seconds <= VISIBLE_SECONDS, (
        f"{best.seconds:.2f} s at best of {TRIES}, from the SDK's last request to the run, its trace and its thread "
        "on their pages"
    )


def test_a_program_with_the_sdk_fills_runs_trace_thread_and_user(best: Try) -> None:
    instance, held = best.instance, best.held
    runs = instance.wait_for_runs(6)
    by_name: dict[str, Any] = {run["name"]: run for run in runs if run["name"]}
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
