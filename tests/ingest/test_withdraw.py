"""A standalone tool leaves the same behind whatever the order of its events, and a replay brings all of it (rule 6)."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import combinations, pairwise, permutations
from random import Random
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from ingest import held, intake
from ingest.models import Rejection
from projects import keys
from projects.models import Project
from runs import ledger
from runs.ids import run_id as canonical
from runs.models import Feedback, LedgerEntry, Run, RunBody, RunLog, StaleHour
from tests.ingest.conftest import Sender, new_sender
from tests.ingest.test_write import picture

TOOL = {"type": "tool", "runId": "search-1"}
START = TOOL | {"event": "start", "timestamp": "2026-11-21T18:00:00+00:00", "name": "search", "input": {"q": "fares"}}
END = TOOL | {
    "event": "end",
    "timestamp": "2026-11-21T18:00:02.500000+00:00",
    "output": {"b": [1, {"tool_calls": None}], "a": "é"},
    "metadata": {"z": 1, "teamId": "blue"},
    "userId": "ines",
    "tags": ["late"],
    "tokensUsage": {"prompt": 3},
}
ERROR = TOOL | {"event": "error", "timestamp": "2026-11-21T18:00:03+00:00", "error": {"message": "no"}}
UPDATE = TOOL | {"event": "update", "timestamp": "2026-11-21T18:00:01+00:00", "metadata": {"z": 2, "more": []}}
FEEDBACK = {
    "event": "feedback",
    "runId": "search-1",
    "timestamp": "2026-11-21T18:00:04+00:00",
    "feedback": {"thumb": "up", "comment": None},
}
LINE = {
    "type": "log",
    "event": "warn",
    "parentRunId": "search-1",
    "timestamp": "2026-11-21T18:00:01.250000+00:00",
    "message": "slow",
    "extra": {"ms": 900},
}

Event = dict[str, Any]


def uuid_of(sent: str) -> UUID:
    """Return the id that a run is stored under."""
    return UUID(canonical(sent))


def splits(events: Sequence[Event]) -> Iterator[list[list[Event]]]:
    """Yield every way to send the events in this order in one request or several."""
    for count in range(len(events)):
        for cuts in combinations(range(1, len(events)), count):
            edges = [0, *cuts, len(events)]
            yield [list(events[a:b]) for a, b in pairwise(edges)]


def deliver(sender: Sender, requests: Sequence[Sequence[Event]]) -> None:
    holder = keys.find(sender.public_key)
    for events in requests:
        intake.take(json.dumps({"events": events}).encode(), holder, timezone.now())


def told(sender: Sender) -> list[str]:
    """Return what is held, each event as one comparable text."""
    rows = Rejection.objects.filter(project_id=sender.project.pk)
    assert {(row.code, row.run_id) for row in rows} == {("standalone-tool", "search-1")}
    return sorted(json.dumps(json.loads(row.event), sort_keys=True) for row in rows)


def counted(sender: Sender) -> int:
    return LedgerEntry.objects.filter(project_id=sender.project.pk).aggregate(runs=Sum("runs"))["runs"] or 0


def replay_all(sender: Sender) -> None:
    sender.project.accept_standalone_tools = True
    sender.project.save()
    waiting = held.waiting(sender.project.pk, "standalone-tool", 100)
    assert intake.replay(sender.project, held.these(sender.project.pk, waiting)) == len(waiting)


def whole_run(sender: Sender, events: Sequence[Event]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows that the events make in a project that accepts standalone tools, sent in order at once."""
    other = new_sender("Accepting")
    Project.objects.filter(pk=other.project.pk).update(accept_standalone_tools=True)
    keys.forget()
    deliver(other, [events])
    return picture(other.project)


@pytest.mark.parametrize("order", list(permutations((START, END, FEEDBACK))))
def test_every_order_and_split_leaves_the_same(sender: Sender, order: tuple[Event, ...]) -> None:
    expected = whole_run(sender, (START, END, FEEDBACK))
    for number, requests in enumerate(splits(order)):
        one = new_sender(f"Project {number}")
        deliver(one, requests)
        assert not any(picture(one.project).values()), requests
        assert told(one) == sorted(json.dumps(event, sort_keys=True) for event in order), requests
        assert counted(one) == 0
        assert ledger.verify(one.project).holds
        replay_all(one)
        assert picture(one.project) == expected, requests
        assert counted(one) == 1
        assert ledger.verify(one.project).holds


@pytest.mark.parametrize("seed", range(25))
def test_events_of_all_kinds_come_back_whole(sender: Sender, seed: int) -> None:
    """Shuffled, split and some of them twice."""
    random = Random(seed)
    events = [START, END, ERROR, UPDATE, FEEDBACK, LINE]
    dealt = events + random.sample(events, 2)
    random.shuffle(dealt)
    requests = random.choice(list(splits(dealt)))
    deliver(sender, requests)
    assert not any(picture(sender.project).values())
    assert counted(sender) == 0
    replay_all(sender)
    assert picture(sender.project) == whole_run(sender, events)
    run = Run.objects.get(project_id=sender.project.pk)
    assert (run.status, run.name, run.metadata) == ("error", "search", {"z": 2, "teamId": "blue", "more": []})
    body = RunBody.objects.get(project_id=sender.project.pk)
    assert body.output == json.dumps(END["output"]), "verbatim"
    assert RunLog.objects.get(project_id=sender.project.pk).message == "slow"
    assert Feedback.objects.filter(project_id=sender.project.pk).count() == 2


def test_an_untyped_end_is_taken_back_too(sender: Sender) -> None:
    deliver(sender, [[{"event": "end", "runId": "search-1", "output": "x"}], [START]])
    assert not Run.objects.exists()
    assert Rejection.objects.count() == 2


def test_the_hour_of_a_withdrawn_stub_is_recomputed(sender: Sender) -> None:
    deliver(sender, [[END]])
    StaleHour.objects.all().delete()
    deliver(sender, [[START]])
    assert [mark.hour for mark in StaleHour.objects.all()] == [datetime.fromisoformat("2026-11-21T18:00:00+00:00")]


def test_runs_beneath_it_keep_their_place_and_inherit_nothing(sender: Sender) -> None:
    child = {"type": "llm", "event": "start", "runId": "call", "parentRunId": "search-1"}
    deliver(sender, [[END], [child]])
    assert Run.objects.get(id=uuid_of("call")).user_id == "ines"
    deliver(sender, [[START]])
    run = Run.objects.get()
    assert (run.parent_id, run.user_id, run.team_id) == (uuid_of("search-1"), None, None)
    assert run.trace_id == uuid_of("search-1")
    replay_all(sender)
    run = Run.objects.get(id=uuid_of("call"))
    assert (run.user_id, run.team_id) == ("ines", "blue")


def test_what_has_a_home_stays(sender: Sender) -> None:
    """A start with a parent came first, an end names a parent, or the run is no tool: a refused start takes nothing."""
    placed = START | {"parentRunId": "agent"}
    for number, first in enumerate(([placed], [END | {"parentRunId": "agent"}], [END | {"type": "llm"}])):
        one = new_sender(f"Project {number}")
        deliver(one, [first, [FEEDBACK], [START]])
        assert Run.objects.filter(project_id=one.project.pk).count() == 1
        assert Feedback.objects.filter(project_id=one.project.pk).exists()
        assert ledger.verify(one.project).holds


def test_a_log_lines_own_id_takes_nothing(sender: Sender) -> None:
    """Log lines have a runId of their own, which may be any."""
    deliver(sender, [[END | {"runId": "other"}], [START, LINE | {"runId": "other"}]])
    assert Run.objects.get().id == uuid_of("other")


def test_another_projects_run_of_that_id_stays(sender: Sender) -> None:
    other = new_sender("Other")
    deliver(other, [[END]])
    deliver(sender, [[END], [START]])
    assert Run.objects.get().project_id == other.project.pk


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("other", [END, FEEDBACK, LINE], ids=["end", "feedback", "log line"])
def test_two_events_at_the_same_moment(other: Event) -> None:
    """Whoever is first, nothing is left and both are held."""
    sender = new_sender()
    for number in range(15):
        pair = [event | {"parentRunId" if event is LINE else "runId": f"tool-{number}"} for event in (START, other)]
        barrier = Barrier(2)

        def send(event: Event, barrier: Barrier = barrier) -> None:
            barrier.wait(10)
            deliver(sender, [[event]])
            connection.close()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(send, pair))
        assert not any(picture(sender.project).values())
        assert Rejection.objects.filter(project_id=sender.project.pk, run_id=f"tool-{number}").count() == 2
    assert counted(sender) == 0
