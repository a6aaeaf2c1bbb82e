"""Trace summaries: whatever is written in whatever order, they end equal to a recount; killed or not, none is lost."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.events import Kind, RunEvent
from ingest.write import store as store_batch
from projects import keys
from projects.models import Project
from runs.deletion import delete_run
from runs.ids import sdk_hash
from runs.models import Run, StaleTrace
from tests import make
from tests.ingest.event_sets import EPOCH_US, IDS, MESSAGE_IDS, batch_of, message_events, run_events
from tests.traces.recounts import recount, stored
from traces import queries, summaries, tasks
from traces.models import TraceSummary
from traces.summaries import LONGEST_NAME, NAMES, Totals

pytestmark = pytest.mark.django_db(transaction=True)
HELD = [str(UUID(int=number, version=4)) for number in range(301, 303)]  # ids that people hold, sent hashed as well


@pytest.fixture
def project() -> Project:
    project = make.project()
    keys.forget()
    keys.create(project, "public", "public", text=str(project.public_id))
    return project


def store(project: Project, *events: object, held: Sequence[str] = ()) -> None:
    batch = batch_of(events)
    batch.held_ids.update(held)
    store_batch(project.pk, batch, datetime.now(UTC), None)


def agent(project: Project, **fields: Any) -> Run:
    """Store an agent with a tool and a model call, marked as every writing transaction does."""
    with transaction.atomic():
        root = make.run(project, "agent", **fields)
        make.child(root, project, "tool", name="search")
        make.child(root, project, "llm", name="gpt-4o", cost=Decimal("0.5"))
        summaries.MARKS.add(project.pk, [root.id])
    return root


def test_a_summary_holds_what_lists_know_of_a_trace(project: Project) -> None:
    root = agent(project, status="error")
    make.child(root, project, "span", name="POST", started_at=root.started_at + timedelta(seconds=9))
    make.child(root, project, "llm", name="gpt-4o", cost=None, repeat_of=root.id)
    make.child(root, project, "embed", name="embedder", cost=None)
    summaries.recompute_stale()
    assert stored(project) == recount(project)
    row = TraceSummary.objects.get()
    assert (row.type, row.runs, row.errors, row.tokens, row.cost, row.unknown) == (
        "agent",
        4,
        1,
        120,
        Decimal("0.5"),
        1,
    )
    assert row.duration_ms == 10_000  # the span's end, which counts in no sum
    assert sorted(row.contains) == ["agent:a agent", "model:embedder", "model:gpt-4o", "tool:search"]
    assert not StaleTrace.objects.exists()


def test_only_traces_that_are_listed_have_a_summary(project: Project) -> None:
    missing = uuid4()
    child = make.run(project, "llm", parent_id=missing, trace_id=missing)
    alone = make.run(project, "llm")
    make.child(alone, project, "tool")
    summaries.MARKS.add(project.pk, [missing, alone.id])
    summaries.recompute_stale()
    assert stored(project) == {}
    make.run(project, "chain", id=missing)
    summaries.MARKS.add(project.pk, [missing])
    summaries.recompute_stale()
    assert set(stored(project)) == {child.trace_id}


def test_the_sums_are_those_of_the_tree(project: Project) -> None:
    root = agent(project)
    make.child(root, project, "span", duration_ms=60_000)
    summaries.recompute_stale()
    forest = queries.forest(project.pk, root.id)
    assert forest
    assert summaries.current(project.pk, [root.id]) == {root.id: Totals(forest.duration_ms, forest.sums)}
    assert queries.sums_of(project.pk, [root.id]) == {root.id: forest.sums}


def test_figures_of_a_page_are_never_stale(project: Project) -> None:
    root, other = agent(project), agent(project)
    assert summaries.current(project.pk, [root.id])[root.id].sums.runs == 3  # no worker has been here
    summaries.recompute_stale()
    with transaction.atomic():
        make.child(root, project, "tool")
        summaries.MARKS.add(project.pk, [root.id])
    found = summaries.current(project.pk, [root.id, other.id, uuid4()])
    assert {id: totals.sums.runs for id, totals in found.items()} == {root.id: 4, other.id: 3}
    assert TraceSummary.objects.get(trace_id=root.id).runs == 3
    TraceSummary.objects.filter(trace_id=other.id).update(runs=99)  # and what has no mark is read, not counted
    assert summaries.current(project.pk, [other.id])[other.id].sums.runs == 99


def test_two_projects_with_the_same_trace_never_mix(project: Project) -> None:
    other = make.project()
    for one, runs in ((project, 2), (other, 5)):
        root = make.run(one, "agent", id="the same")
        for _ in range(runs):
            make.child(root, one, "tool", name=f"of {one.pk}")
        summaries.MARKS.add(one.pk, [root.id])
    summaries.recompute_stale()
    for one, runs in ((project, 2), (other, 5)):
        assert stored(one) == recount(one)
        assert TraceSummary.objects.get(project_id=one.pk).runs == runs + 1
        assert summaries.current(one.pk, [root.id])[root.id].sums.runs == runs + 1


def test_names_are_bounded_and_the_summary_says_so(project: Project) -> None:
    root = agent(project)
    for number in range(NAMES + 5):
        make.child(root, project, "tool", name=f"tool-{number}")
    long = agent(project)
    make.child(long, project, "tool", name="x" * (LONGEST_NAME + 1))
    odd = agent(project)
    make.child(odd, project, "tool", name="a\x1fb")
    summaries.recompute_stale()
    kept = {row.trace_id: row.contains for row in TraceSummary.objects.all()}
    assert len(kept[root.id]) == NAMES + 1
    for contains in kept.values():
        assert "more:" in contains
        assert max(map(len, contains)) <= LONGEST_NAME + len("model:")


def test_only_traces_that_can_be_listed_are_marked(project: Project) -> None:
    """A model call by itself makes no trace, and must not cost a mark."""
    lone = RunEvent(kind=Kind.START, run_id=IDS[0], at=EPOCH_US, type="llm")
    root = RunEvent(kind=Kind.START, run_id=IDS[1], at=EPOCH_US, type="agent")
    child = RunEvent(kind=Kind.START, run_id=IDS[2], at=EPOCH_US, type="llm", parent_id=IDS[1])
    store(project, lone, root, child)
    assert [str(mark.trace_id) for mark in StaleTrace.objects.all()] == [IDS[1]]


def test_a_trace_that_proves_to_be_another_leaves_no_summary(project: Project) -> None:
    """Its root was known by the form of its id that the SDK sends, or got a parent later than it ended."""
    raw, hashed = HELD[0], sdk_hash(HELD[0], str(project.public_id))
    store(project, RunEvent(kind=Kind.START, run_id=hashed, at=EPOCH_US, type="agent"))
    store(project, RunEvent(kind=Kind.END, run_id=IDS[1], at=EPOCH_US, type="agent"))
    summaries.recompute_stale()
    assert {str(id) for id in stored(project)} == {hashed, IDS[1]}
    store(project, held=[raw])
    store(project, RunEvent(kind=Kind.START, run_id=IDS[1], at=EPOCH_US, type="agent", parent_id=raw))
    summaries.recompute_stale()
    assert {str(id) for id in stored(project)} == {raw}
    assert stored(project) == recount(project)


def test_a_mark_committed_during_the_recompute_survives_it(project: Project) -> None:
    root = agent(project)
    with psycopg.connect(**_address()) as writer:  # opened, not yet committed
        writer.execute(
            "INSERT INTO runs_run (project_id, id, type, status, trace_id, parent_id, started_at, received_at, flags)"
            " VALUES (%s, %s, 'tool', 'success', %s, %s, now(), now(), 0)",
            [project.pk, uuid4(), root.id, root.id],
        )
        writer.execute("INSERT INTO runs_staletrace VALUES (%s, %s, %s, now())", [project.pk, root.id, uuid4()])
        assert summaries.recompute_stale() == 1
        assert TraceSummary.objects.get().runs == 3
        writer.commit()
    assert StaleTrace.objects.count() == 1
    summaries.recompute_stale()
    assert stored(project) == recount(project)


def test_two_processes_at_once_do_the_work_once(project: Project) -> None:
    agent(project)
    with psycopg.connect(**_address()) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s, %s)", [summaries.MARKS.lock_class, project.pk])
        assert summaries.recompute_stale() == 0
    assert StaleTrace.objects.count() == 1
    assert summaries.recompute_stale() == 1


def test_a_recompute_that_dies_changes_nothing(project: Project) -> None:
    agent(project)
    with pytest.raises(KeyboardInterrupt):
        _die_recomputing()
    assert stored(project) == {}
    assert StaleTrace.objects.count() == 1
    summaries.recompute_stale()
    assert stored(project) == recount(project)


def test_many_workers_and_writers_end_equal_to_a_recount(project: Project) -> None:
    stop = threading.Event()
    roots = [agent(project) for _ in range(3)]

    def work() -> None:
        while not stop.is_set():
            summaries.recompute_stale()
        connections.close_all()

    def write(number: int) -> None:
        for index in range(20):
            with transaction.atomic():
                make.child(roots[index % 3], project, "tool", name=f"{number}-{index}")
                summaries.MARKS.add(project.pk, [roots[index % 3].id])
        connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(2)]
    writers = [threading.Thread(target=write, args=[number]) for number in range(2)]
    for thread in (*workers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in workers:
        thread.join()
    summaries.recompute_stale()
    assert stored(project) == recount(project)
    assert not StaleTrace.objects.exists()


def test_a_large_trace_waits_until_its_cost_is_earned(project: Project) -> None:
    root, small = agent(project), agent(project)
    summaries.recompute_stale()
    TraceSummary.objects.filter(trace_id=root.id).update(runs=10_000_000)
    summaries.MARKS.add(project.pk, [root.id, small.id])
    StaleTrace.objects.update(marked_at=datetime.now(UTC) - timedelta(seconds=1))
    tasks.recompute_summaries()
    assert [mark.trace_id for mark in StaleTrace.objects.all()] == [root.id]
    StaleTrace.objects.update(marked_at=datetime.now(UTC) - timedelta(seconds=61))
    tasks.recompute_summaries()
    assert not StaleTrace.objects.exists()


def test_lag_is_the_age_of_the_oldest_mark(project: Project) -> None:
    assert summaries.MARKS.lag(project.pk) == timedelta()
    agent(project)
    StaleTrace.objects.update(marked_at=datetime.now(UTC) - timedelta(seconds=20))
    agent(project)
    assert timedelta(seconds=20) <= summaries.MARKS.lag(project.pk) < timedelta(seconds=25)
    assert summaries.MARKS.lag(make.project().pk) == timedelta()


def test_the_nightly_proof_finds_and_repairs_what_is_wrong(project: Project) -> None:
    wrong, gone, right, marked = (agent(project) for _ in range(4))
    summaries.recompute_stale()
    assert str(summaries.verify(project)) == "Concierge: 4 trace summaries, all equal to a recount"
    TraceSummary.objects.filter(trace_id=wrong.id).update(cost=Decimal(7))
    TraceSummary.objects.filter(trace_id=right.id).delete()
    Run.objects.filter(trace_id=gone.id).delete()
    with transaction.atomic():
        make.child(marked, project, "tool")
        summaries.MARKS.add(project.pk, [marked.id])
    output = StringIO()
    with pytest.raises(CommandError, match="1 of 1"):
        call_command("verify_traces", str(project.public_id), stdout=output)
    assert "3 trace summaries, 3 were not and have been repaired; 1 wait" in output.getvalue()
    summaries.recompute_stale()
    assert stored(project) == recount(project)
    call_command("verify_traces", stdout=output)
    tasks.verify_summaries()


def test_existing_traces_are_summed_up_after_the_migration(project: Project) -> None:
    migration = __import__("traces.migrations.0001_summaries", fromlist=["MARK"])
    agent(project)
    make.run(project, "llm")
    StaleTrace.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(migration.MARK)
    assert summaries.recompute_stale() == 1
    assert stored(project) == recount(project)


FEW = IDS[:3]  # so that events meet


@st.composite
def held_events(draw: st.DrawFn) -> tuple[RunEvent, int]:
    """One event of a run that people hold, and under which form of its id it is sent."""
    return draw(run_events(ids=HELD, parents=FEW)), draw(st.integers(0, 5))


few_events = st.lists(
    st.one_of(run_events(ids=FEW, parents=MESSAGE_IDS[:1]), held_events(), message_events()), min_size=1, max_size=4
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("store"), few_events),
        st.tuples(st.just("store, then recompute"), few_events),
        st.tuples(st.just("store, then recompute"), few_events),
        st.tuples(st.just("delete"), st.sampled_from([*FEW, *HELD])),
        st.tuples(st.just("hold"), st.sampled_from(HELD)),
        st.tuples(st.just("killed"), st.none()),
    ),
    min_size=3,
    max_size=12,
)


@given(steps=steps)
@settings(max_examples=30, suppress_health_check=list(HealthCheck), deadline=None)
def test_whatever_is_stored_moved_and_deleted_ends_equal_to_a_recount(
    project: Project, steps: list[tuple[str, Any]]
) -> None:
    """Late starts, late parents, ids that prove to be others: each leaves a mark on the trace it leaves and enters."""
    for what, value in steps:
        _take_step(project, what, value)
        shown = recount(project)
        totals = summaries.current(project.pk, list(shown))
        assert {id: (found.duration_ms, found.sums.runs) for id, found in totals.items()} == {
            id: (row[2], row[3]) for id, row in shown.items()
        }
    summaries.recompute_stale()
    assert stored(project) == recount(project)
    assert not StaleTrace.objects.exists()
    assert summaries.verify(project).holds
    _wipe(project)


def _take_step(project: Project, what: str, value: Any) -> None:
    if what == "killed":
        with pytest.raises(KeyboardInterrupt):
            _die_recomputing()
    elif what == "delete":
        delete_run(project.pk, UUID(value))
    elif what == "hold":
        store(project, held=[value])
    else:
        store(project, *(_as_sent(project, event) for event in value))
        if what != "store":
            summaries.recompute_stale()


def _as_sent(project: Project, event: Any) -> object:
    """Return the event with its id, or its parent's, in the form that the SDK would send."""
    if not isinstance(event, tuple):
        return event
    found, form = event
    key = str(project.public_id)
    return msgspec.structs.replace(
        found,
        run_id=sdk_hash(found.run_id, key) if form % 2 else found.run_id,
        parent_id=sdk_hash(found.parent_id, key) if found.parent_id and form % 3 == 0 else found.parent_id,
    )


def _wipe(project: Project) -> None:
    """Empty the project for the next example."""
    with connection.cursor() as cursor:
        for table in ("run", "runbody", "alias", "message", "staletrace", "stalehour", "enduser"):
            cursor.execute(f"DELETE FROM runs_{table} WHERE project_id = %s", [project.pk])
    TraceSummary.objects.all().delete()


def _die_recomputing() -> None:
    with transaction.atomic():
        summaries.recompute_stale()
        raise KeyboardInterrupt


def _address() -> dict[str, Any]:
    database = connection.settings_dict
    return {
        "host": database["HOST"],
        "port": database["PORT"],
        "user": database["USER"],
        "password": database["PASSWORD"],
        "dbname": database["NAME"],
    }
