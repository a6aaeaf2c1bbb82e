"""Thread summaries: what they hold equals a recount, however and in whatever order things were stored."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from ingest.events import Kind, RunEvent, Usage, UserSeen
from projects.models import Project
from runs import feedback, tags
from runs.deletion import delete_run
from runs.ids import sdk_hash
from runs.models import Run, StaleThread
from tests import make
from tests.ingest.event_sets import EPOCH_US, IDS, MESSAGE_IDS, THREADS
from tests.traces.thread_recounts import HELD, judged, project_with_key, recount, said, store, stored
from traces import conversations, tasks, thread_summaries
from traces.models import ThreadSummary
from traces.thread_summaries import MARKS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project() -> Project:
    return project_with_key()


def only(project: Project) -> ThreadSummary:
    """Return the project's one summary, brought up to date."""
    thread_summaries.recompute_stale()
    return ThreadSummary.objects.get(project_id=project.pk)


def test_a_summary_holds_what_lists_know_of_a_thread(project: Project) -> None:
    store(
        project,
        said(
            0, "Where is\n my order 5521?", user_id="ann", thread_tags=("support",), thread_metadata='{"teamId":"t1"}'
        ),
        said(1, "On its way.", "out"),
        said(2, "When will it come?"),
        said(3, "On Friday.", "out"),
        said(4, "On Friday before noon.", "out", is_retry=True),
        RunEvent(kind=Kind.START, run_id=IDS[0], at=EPOCH_US, type="agent", parent_id=MESSAGE_IDS[0]),
        RunEvent(kind=Kind.ERROR, run_id=IDS[0], at=EPOCH_US + 5, type="agent", error='"no"'),
        judged(MESSAGE_IDS[1], thumbs="down", comment="late"),
        judged(MESSAGE_IDS[3], thumb="up"),
    )
    row = only(project)
    assert stored(project) == recount(project)
    assert (row.first, row.user_id, row.team_id, row.tags) == ("Where is my order 5521?", "ann", "t1", ["support"])
    assert (row.exchanges, row.messages, row.retries, row.duration_ms) == (2, 5, 1, 4_000)
    assert (row.thumbs_up, row.thumbs_down, row.comments) == (1, 1, 1)
    assert list(zip(row.signals, row.signal_turns, strict=True)) == [("failed", 1), ("disliked", 1), ("retried", 2)]
    assert (row.slowest_ms, row.slowest_turn) == (1_000, 1)
    assert not StaleThread.objects.exists()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", ""),
        ("  👩‍🚀 أين طلبي؟ ", "👩‍🚀 أين طلبي؟"),
        ("x" * 50_000, "x" * 200),
        ([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}], "image"),
        ([{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:x"}}], "look"),
    ],
)
def test_the_first_message_is_one_line(project: Project, content: Any, line: str) -> None:
    thread = make.run(project, "thread")
    now = thread.started_at
    make.message(project, thread.id, "Be kind.", role="system", at=now)
    make.message(project, thread.id, content, at=now + timedelta(seconds=1))
    make.message(project, thread.id, "later", at=now + timedelta(seconds=2))
    assert thread_summaries.current(project.pk, [thread.id])[thread.id].first == line


def test_whatever_changes_a_thread_marks_it(project: Project) -> None:
    """Feedback by any way, tags, an end user's team, a body that grows, a run that comes or goes, the thread itself."""
    child = RunEvent(kind=Kind.START, run_id=IDS[1], at=EPOCH_US, type="llm", name="gpt-4o", parent_id=MESSAGE_IDS[0])
    store(project, said(0, "hi", user_id="ann"), said(1, "yes", "out"), child)
    before = only(project)
    thread = Run.objects.get(type="thread")
    changes: list[Callable[[], object]] = [
        lambda: store(project, judged(MESSAGE_IDS[1], thumb="up")),
        lambda: feedback.give(project.pk, UUID(MESSAGE_IDS[1]), {"thumb": "down"}, datetime.now(UTC)),
        lambda: feedback.give(project.pk, UUID(IDS[1]), {"comment": "no"}, datetime.now(UTC)),
        lambda: conversations.give_feedback(project.pk, thread.id, {"thumb": "down"}, datetime.now(UTC)),
        lambda: tags.replace(thread, ["vip"]),
        lambda: store(project, UserSeen(user_id="ann", at=EPOCH_US, props={"teamId": "desk"})),
        lambda: store(project, said(0, "hi, it is me", user_id="ann")),
        lambda: store(
            project,
            RunEvent(kind=Kind.END, run_id=IDS[1], at=EPOCH_US + 9, type="llm", usage=Usage(input=10, output=5)),
        ),
        lambda: store(project, said(2, "and then?")),
        lambda: delete_run(project.pk, UUID(IDS[1])),
    ]
    for number, change in enumerate(changes):
        change()
        after = only(project)
        assert _differ(before, after), number
        assert thread_summaries.verify(project).holds
        before = after
    delete_run(project.pk, thread.id)
    thread_summaries.recompute_stale()
    assert not ThreadSummary.objects.exists()


def _differ(one: ThreadSummary, other: ThreadSummary) -> bool:
    return any(getattr(one, name) != getattr(other, name) for name in thread_summaries.VALUES)


def test_feedback_under_another_form_of_an_id_is_found_when_the_form_is_known(project: Project) -> None:
    raw, hashed = HELD[0], sdk_hash(HELD[0], str(project.public_id))
    store(
        project,
        said(0),
        RunEvent(kind=Kind.START, run_id=raw, at=EPOCH_US, type="agent", parent_id=MESSAGE_IDS[0]),
        judged(hashed, thumb="down"),
    )
    assert only(project).thumbs_down == 0
    store(project, held=[raw])
    assert only(project).thumbs_down == 1


def test_figures_of_a_page_are_never_stale(project: Project) -> None:
    store(project, said(0), said(1, thread=THREADS[1]))
    ids = [UUID(id) for id in THREADS]
    assert {row.messages for row in thread_summaries.current(project.pk, ids).values()} == {1}
    thread_summaries.recompute_stale()
    store(project, said(2))
    found = thread_summaries.current(project.pk, [*ids, uuid4()])
    assert {id: row.messages for id, row in found.items()} == {ids[0]: 2, ids[1]: 1}
    assert ThreadSummary.objects.get(thread_id=ids[0]).messages == 1
    ThreadSummary.objects.filter(thread_id=ids[1]).update(messages=99)  # what has no mark is read, not counted
    assert thread_summaries.current(project.pk, ids)[ids[1]].messages == 99


def test_two_projects_with_the_same_thread_never_mix(project: Project) -> None:
    other = make.project()
    store(project, said(0), said(1, "yes", "out"), judged(MESSAGE_IDS[1], thumb="up"))
    store(other, said(0))
    thread_summaries.recompute_stale()
    for one, figures in ((project, (2, 1)), (other, (1, 0))):
        assert stored(one) == recount(one)
        row = ThreadSummary.objects.get(project_id=one.pk)
        assert (row.messages, row.thumbs_up) == figures
        assert thread_summaries.current(one.pk, [row.thread_id])[row.thread_id].messages == figures[0]


def test_a_mark_committed_during_the_recompute_survives_it(project: Project) -> None:
    store(project, said(0))
    with psycopg.connect(**_address()) as writer:  # opened, not yet committed
        writer.execute(
            "INSERT INTO runs_message (project_id, id, side, thread_id, at, role, is_retry, body)"
            " VALUES (%s, %s, 'in', %s, now(), 'user', false, '{}')",
            [project.pk, uuid4(), THREADS[0]],
        )
        writer.execute("INSERT INTO runs_stalethread VALUES (%s, %s, %s, now())", [project.pk, THREADS[0], uuid4()])
        assert thread_summaries.recompute_stale() == 1
        assert ThreadSummary.objects.get().messages == 1
        writer.commit()
    assert StaleThread.objects.count() == 1
    assert only(project).messages == 2


def test_two_processes_at_once_do_the_work_once(project: Project) -> None:
    store(project, said(0))
    with psycopg.connect(**_address()) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s, %s)", [MARKS.lock_class, project.pk])
        assert thread_summaries.recompute_stale() == 0
    assert thread_summaries.recompute_stale() == 1


def test_many_workers_and_writers_end_equal_to_a_recount(project: Project) -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            thread_summaries.recompute_stale()
        connections.close_all()

    def write(side: str) -> None:
        for number in range(len(MESSAGE_IDS)):
            store(project, said(number, side=side, thread=THREADS[number % 2]), judged(MESSAGE_IDS[number], thumb="up"))
        connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(2)]
    writers = [threading.Thread(target=write, args=[side]) for side in ("in", "out")]
    for thread in (*workers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in workers:
        thread.join()
    thread_summaries.recompute_stale()
    assert stored(project) == recount(project)
    assert not StaleThread.objects.exists()


def test_a_large_thread_waits_until_its_cost_is_earned(project: Project) -> None:
    store(project, said(0), said(1, thread=THREADS[1]))
    thread_summaries.recompute_stale()
    ThreadSummary.objects.filter(thread_id=THREADS[0]).update(messages=1_000_000)
    MARKS.add(project.pk, [UUID(id) for id in THREADS])
    StaleThread.objects.update(marked_at=datetime.now(UTC) - timedelta(seconds=1))  # a small one waits too: 1 ms
    tasks.recompute_thread_summaries()
    assert [str(mark.thread_id) for mark in StaleThread.objects.all()] == THREADS[:1]
    StaleThread.objects.update(marked_at=datetime.now(UTC) - timedelta(seconds=61))
    assert timedelta(seconds=61) <= MARKS.lag(project.pk) < timedelta(seconds=65)
    tasks.recompute_thread_summaries()
    assert not StaleThread.objects.exists()


def test_the_nightly_proof_finds_and_repairs_what_is_wrong(project: Project) -> None:
    store(project, said(0), said(1, thread=THREADS[1]))
    thread_summaries.recompute_stale()
    assert str(thread_summaries.verify(project)) == "Concierge: 2 thread summaries, all equal to a recount"
    ThreadSummary.objects.filter(thread_id=THREADS[0]).update(tokens=7)
    ThreadSummary.objects.filter(thread_id=THREADS[1]).delete()
    ghost = ThreadSummary.objects.get(thread_id=THREADS[0])
    ghost.thread_id = uuid4()
    ghost.save(force_insert=True)
    output = StringIO()
    with pytest.raises(CommandError, match="1 of 1"):
        call_command("verify_threads", str(project.public_id), stdout=output)
    assert "3 thread summaries, 3 were not and have been repaired" in output.getvalue()
    assert stored(project) == recount(project)
    store(project, said(2))
    assert str(thread_summaries.verify(project)).endswith("1 wait to be recomputed")
    call_command("verify_threads", stdout=output)
    tasks.verify_thread_summaries()


def test_existing_threads_are_summed_up_after_the_migration(project: Project) -> None:
    migration = __import__("traces.migrations.0003_thread_summaries", fromlist=["MARK"])
    store(project, said(0))
    StaleThread.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(migration.MARK)
    assert only(project).messages == 1


def _address() -> dict[str, Any]:
    database = connection.settings_dict
    return {
        "host": database["HOST"],
        "port": database["PORT"],
        "user": database["USER"],
        "password": database["PASSWORD"],
        "dbname": database["NAME"],
    }
