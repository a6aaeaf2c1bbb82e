"""Concurrent writers cannot deadlock, and store what one writer would have stored (rules 2 to 4, 6, 8 and 14).

PostgreSQL counts the deadlocks it broke, also where whoever lost one just began again; the counter must stand still.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from random import Random
from threading import Lock
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from ingest import aliases, held, intake
from ingest.events import Batch, FeedbackEvent, Kind, LogEvent, MessageEvent, RunEvent, UserSeen
from ingest.models import Rejection
from ingest.write import store
from projects import keys
from runs import deletion, feedback, ledger, locks
from runs.ids import run_id as canonical_id
from runs.ids import sdk_hash
from runs.models import Run
from tests.ingest.conftest import Sender, new_sender
from tests.ingest.event_sets import EPOCH_US, batch_of
from tests.ingest.test_write import picture

NOW = datetime(2026, 11, 21, 18, tzinfo=UTC)
WRITERS = 8
DEADLINE = 20.0
SECOND = 1_000_000
HELD = [f"planner-{number}" for number in range(6)]
"""Runs whose ids people hold: some requests bring them raw, others as Lunary's Python SDK hashes them."""
THREAD = "thread-1"
USERS = ("ann", "ben", "cleo")
Job = Callable[[], object]


def uuid_of(text: str) -> str:
    found = canonical_id(text)
    assert found is not None
    return found


def tree(name: str, size: int, root_parent: str | None, chance: Random) -> list[RunEvent]:
    """Return starts and ends of a tree that is deep and wide: the first ten in a chain, others anywhere below it."""
    ids = [uuid_of(HELD[n] if name == "main" and n < len(HELD) else f"{name}-{n}") for n in range(size)]
    events = []
    for number, run_id in enumerate(ids):
        parent = root_parent if number == 0 else ids[number - 1] if number < 10 else ids[chance.randrange(number)]
        user = USERS[number % 3] if number % 7 == 0 else None
        known: dict[str, Any] = {"run_id": run_id, "type": "agent" if number < 10 else "llm", "parent_id": parent}
        at = EPOCH_US + number * SECOND
        metadata = '{"teamId":"own"}' if number % 11 == 5 else None
        events += [
            RunEvent(kind=Kind.START, at=at, user_id=user, name=f"run {number}", metadata=metadata, **known),
            RunEvent(kind=Kind.END, at=at + SECOND // 2, output=f'"{number}"', **known),
        ]
    return events


def talk(name: str, thread: str, exchanges: int) -> list[MessageEvent]:
    """Return a conversation: in every third exchange the answer is a legacy one, which names no thread."""
    said = []
    for number in range(exchanges):
        at = EPOCH_US + number * 10 * SECOND
        legacy = number % 3 == 0
        ids = [f"{name}-question-{number}", f"{name}-{'question' if legacy else 'answer'}-{number}"]
        for side, text, role in (("in", ids[0], "user"), ("out", ids[1], "assistant")):
            said.append(
                MessageEvent(
                    message_id=uuid_of(text),
                    side=side,
                    thread_id=None if legacy and side == "out" else uuid_of(thread),
                    at=at + (side == "out") * SECOND,
                    role=role,
                    body=f'"{text}"',
                    user_id=USERS[number % 3] if side == "in" else None,
                )
            )
    return said


def story(name: str, thread: str, chance: Random) -> list[Any]:
    """Return everything that happens around one thread and its trees."""
    messages = talk(name, thread, 6)
    roots = [None, messages[0].message_id, messages[4].message_id]
    runs = [
        event
        for number, root in enumerate(roots)
        for event in tree(name if number == 0 else f"{name}-{number}", 24 - 6 * number, root, chance)
    ]
    ids = sorted({event.run_id for event in runs})
    about = [*ids[::3], *(message.message_id for message in messages)]
    opinions = [
        FeedbackEvent(run_id=run_id, at=EPOCH_US + turn, values={"thumb": word, f"key {turn}": turn})
        for turn, word in enumerate(("up", "down"))
        for run_id in about
    ]
    lines = [LogEvent(run_id=run_id, at=EPOCH_US + n, level="info", message="m") for run_id in ids[::2] for n in (0, 1)]
    people = [UserSeen(user_id=user, at=EPOCH_US, props={"teamId": f"team {user}"}) for user in USERS]
    return [*runs, *messages, *opinions, *lines, *people, *people]


def dealt(events: Sequence[Any], hashed: dict[str, str], chance: Random) -> Iterator[Batch]:
    """Yield the events shuffled and half of them twice, in batches; some name runs by the forms in `hashed`."""
    cards = [*events, *chance.sample(events, len(events) // 2)]
    chance.shuffle(cards)
    while cards:
        size = min(len(cards), chance.randint(1, 24))
        batch, cards = batch_of(cards[:size]), cards[size:]
        if chance.random() < 0.4:
            yield aliases.rewrite(batch, hashed)
        else:
            batch.held_ids.update(chance.sample([*HELD, THREAD], 2))
            yield batch
    yield Batch(held_ids={*HELD, THREAD})


def tools(sender: Sender, number: int) -> list[Job]:
    """Return requests about a standalone tool, whose start is refused."""
    tool = {"type": "tool", "runId": f"tool-{number}", "timestamp": "2026-11-21T18:00:00+00:00"}
    child = {"type": "llm", "event": "start", "runId": f"below-{number}", "parentRunId": tool["runId"]}
    told = [
        tool | {"event": "start", "name": "search"},
        tool | {"event": "end", "output": "done", "userId": "ann"},
        tool | {"event": "feedback", "feedback": {"thumb": "up", "comment": "good"}},
        {"type": "log", "event": "info", "parentRunId": tool["runId"], "message": "m", "runId": f"line-{number}"},
        child,
    ]
    holder = keys.find(sender.public_key)
    return [partial(intake.take, json.dumps(event).encode(), holder, NOW) for event in told]


def taking_back(sender: Sender, events: Sequence[Any], chance: Random) -> list[Job]:
    """Return what people do meanwhile to runs that these events make: delete them, judge them."""
    ids = sorted({UUID(event.run_id) for event in events if isinstance(event, RunEvent)})
    threads = {UUID(event.thread_id) for event in events if isinstance(event, MessageEvent) and event.thread_id}
    gone = [*chance.sample(ids, 12), *threads]
    project = sender.project.pk
    return [partial(deletion.delete_run, project, run_id) for run_id in gone] + [
        partial(feedback.give, project, run_id, {"thumb": "up", "key 0": 0}, NOW) for run_id in chance.sample(ids, 12)
    ]


def replaying(sender: Sender) -> Job:
    """Return a person's attempt to replay what is held, which is refused again."""
    project = sender.project
    return lambda: intake.replay(project, held.these(project.pk, held.waiting(project.pk, "standalone-tool", 50)))


def at_once(jobs: Sequence[Job]) -> set[int]:
    """Do the jobs from WRITERS threads, each with a connection of its own; return the numbers of their backends."""
    waiting = list(reversed(jobs))
    lock = Lock()

    def work(_: int) -> int:
        try:
            while True:
                with lock:
                    if not waiting:
                        return int(connection.connection.info.backend_pid)
                    job = waiting.pop()
                job()
        finally:
            connection.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        return set(pool.map(work, range(WRITERS)))


def deadlocks() -> int:
    """Return how many deadlocks PostgreSQL has broken in this database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def are_gone(backends: set[int]) -> bool:
    """Tell whether these backends have ended, and so have told all they counted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)", [list(backends)])
        return int(cursor.fetchone()[0]) == 0


@contextmanager
def no_deadlock() -> Iterator[set[int]]:
    """Fail if PostgreSQL breaks a deadlock within the block, which adds the backends that it used to the set."""
    before = deadlocks()
    backends: set[int] = set()
    yield backends
    stop = monotonic() + DEADLINE
    while not are_gone(backends):
        assert monotonic() < stop, "a backend goes on after its connection was closed"
    assert deadlocks() == before


def picture_of(sender: Sender, doomed: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Return all rows but those about the doomed ids."""
    places = ("id", "run_id", "thread_id", "chat_id", "trace_id")
    return {
        table: [row for row in rows if not any(str(row.get(place)) in doomed for place in places)]
        for table, rows in picture(sender.project).items()
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", range(4))
def test_no_deadlock_and_the_rows_of_a_single_writer(seed: int) -> None:
    chance = Random(seed)
    kept, doomed = story("main", THREAD, chance), story("doomed", "thread-2", chance)
    alone, shared = new_sender(), new_sender()
    for batch in (batch_of(kept), Batch(held_ids={*HELD, THREAD})):
        store(alone.project.pk, batch, NOW, None)

    key = shared.public_key
    hashed = {uuid_of(raw): sdk_hash(raw, key) for raw in (*HELD, THREAD)}
    batches = [*dealt(kept, hashed, chance), *dealt(doomed, {}, chance)]
    jobs: list[Job] = [partial(store, shared.project.pk, batch, NOW, None) for batch in batches]
    jobs += taking_back(shared, doomed, chance)
    jobs += [job for number in range(6) for job in tools(shared, number)]
    jobs += [replaying(shared) for _ in range(4)]
    chance.shuffle(jobs)
    with no_deadlock() as backends:
        backends |= at_once(jobs)

    doomed_ids = {event.run_id for event in doomed if isinstance(event, RunEvent | FeedbackEvent)}
    doomed_ids |= {uuid_of("thread-2"), *(uuid_of(f"below-{number}") for number in range(6))}
    assert picture_of(shared, doomed_ids) == picture_of(alone, set())
    assert ledger.verify(shared.project).holds
    assert not Run.objects.filter(
        project_id=shared.project.pk, id__in=[uuid_of(f"tool-{n}") for n in range(6)]
    ).exists()
    assert Rejection.objects.filter(project_id=shared.project.pk).count() == 6 * 4


@pytest.mark.django_db(transaction=True)
def test_late_parents_of_one_tree_from_all_sides() -> None:
    """Each writer sends the whole tree in an order of its own, a few runs at a time."""
    sender = new_sender()
    events = [event for event in tree("main", 60, None, Random(5)) if event.kind is Kind.START]

    def jobs() -> Iterator[Job]:
        for seed in range(WRITERS):
            order = Random(seed).sample(events, len(events))
            for at in range(0, len(order), 6):
                yield partial(store, sender.project.pk, Batch(runs=order[at : at + 6]), NOW, None)

    with no_deadlock() as backends:
        backends |= at_once(Random(9).sample(found := list(jobs()), len(found)))
    traces = Run.objects.filter(project_id=sender.project.pk).values_list("trace_id", flat=True)
    assert list(map(str, traces)) == [events[0].run_id] * 60


@pytest.mark.django_db
def test_who_needs_more_locks_than_there_are_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a late root above thousands of runs, and for the deletion of all of them."""
    project = new_sender().project
    parent, *children = (event for event in tree("main", 40, None, Random(6)) if event.kind is Kind.START)
    store(project.pk, Batch(runs=children), NOW, None)
    monkeypatch.setattr(locks, "MOST", 10)
    store(project.pk, Batch(runs=[parent]), NOW, None)
    assert set(Run.objects.values_list("trace_id", flat=True)) == {UUID(parent.run_id)}
    assert deletion.delete_run(project.pk, UUID(parent.run_id)) == 40
    assert ledger.verify(project).holds
