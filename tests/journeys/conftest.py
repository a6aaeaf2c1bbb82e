"""A whole copy of the product, shared by the journeys of one worker."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.journeys.events import made_id, run_events, said
from tests.supervisor.instances import ROOT, Copy, running, until

MANY_TAGS = [f"tag-{number}" for number in range(60)]
TURNS = 120
"""Of the project's long thread: a page shows 100 at most."""


class Instance:
    """A running copy, seen by a program that holds the private key of a project."""

    def __init__(self, copy: Copy, project: dict[str, str]) -> None:
        self.url = copy.url
        self.copy = copy
        self.project_id = project["project_id"]
        self.public_key = project["public_key"]
        self.private_key = project["private_key"]

    @property
    def environment(self) -> dict[str, str]:
        """Return what `make run` says to export."""
        return {"LUNARY_API_URL": self.url, "LUNARY_PUBLIC_KEY": self.public_key}

    def get(self, path: str) -> Any:
        """Return the JSON answer of the data API, which must be 200."""
        answer = requests.get(self.url + path, headers={"Authorization": f"Bearer {self.private_key}"}, timeout=10)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def send(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Post events as an SDK does; return what the server says of each."""
        headers = {"Authorization": f"Bearer {self.public_key}"}
        answer = requests.post(f"{self.url}/v1/runs/ingest", json={"events": events}, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["results"])

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs of the project (at most 50)."""
        return list(self.get("/v1/runs?type=all")["data"])

    def wait_for_runs(self, number: int, seconds: float = 10) -> list[dict[str, Any]]:
        """Return the project's runs as soon as there are so many."""
        return until(lambda: len(found := self.runs()) >= number and found, seconds, f"{number} runs") or []


def new_project(copy: Copy, name: str) -> Instance:
    """Make one more project, as `make -s project NAME=…` does."""
    made = subprocess.run(
        [sys.executable, "manage.py", "create_project", name],
        cwd=ROOT,
        env=copy.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return Instance(copy, json.loads(made.stdout))


@pytest.fixture(scope="session")
def whole_copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """Start everything once, in a directory of its own."""
    with running(Copy(tmp_path_factory.mktemp("copy"))) as copy:
        yield copy


@pytest.fixture(scope="session")
def many_runs(whole_copy: Copy) -> Instance:
    """Make a project with 70 model calls (one with MANY_TAGS), two traces, an orphan, two threads, a refused event."""
    instance = new_project(whole_copy, "Many runs")
    events = [
        event
        for number in range(70)
        for event in run_events(
            "llm",
            "gpt-4.1-mini" if number % 2 else "gpt-4o",
            f"{number}",
            ago=200 + number,
            took=number + 1,
            error={"message": "overloaded", "stack": "Traceback\n  line 1"} if number % 10 == 9 else None,
            userId=f"user-{number % 5}",
            tags=MANY_TAGS if number == 1 else ["web"],
            metadata={"teamId": f"team-{number % 3}", "organizationId": "Halden Air"},
        )
    ]
    thread = "thread of many"
    events += [said("user", "Is it late?", "asked", thread, 60), said("assistant", "It is.", "answered", thread, 58)]
    events += run_events("agent", "claims-agent", "agent", 59, parent="asked", tags=["claims"])
    events += run_events("tool", "lookup", "tool", 58.5, parent="agent", error={"message": "no such booking"})
    events += run_events("retriever", "search", "retriever", 58.4, parent="agent")
    events += run_events("agent", "claims-agent", "agent again", 55, tags=["claims"])
    events += run_events("tool", "lookup", "tool again", 54.5, parent="agent again")
    events += run_events("tool", "orphan", "orphan", 53, parent="never sent")
    events += run_events("tool", "alone", "standalone", 50)
    opinion = {"thumb": "down", "comment": "too late"} | {f"key-{number}": f"value {number}" for number in range(8)}
    events.append({"type": "llm", "event": "feedback", "runId": made_id("1"), "feedback": opinion})
    for turn in range(TURNS):
        events.append(said("user", f"Question {turn + 1}?", f"q{turn}", "long thread", 4000 - 20 * turn))
        events.append(said("assistant", f"Answer {turn + 1}.", f"a{turn}", "long thread", 3990 - 20 * turn))
    results = instance.send(events)
    assert [answer["success"] for answer in results].count(False) == 2, "the tool without a parent is held"
    return instance
