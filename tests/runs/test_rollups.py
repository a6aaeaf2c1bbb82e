"""Rollups: whatever is written in whatever order, they end equal to a recount; killed or doubled, nothing is lost."""

import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.write import store as store_batch
from projects.models import Project
from runs import ledger, rollups
from runs.models import (
    Deletion,
    EndUser,
    HourSum,
    LatencyBucket,
    LedgerEntry,
    Message,
    Run,
    RunBody,
    StaleHour,
    UsageBucket,
    UserDay,
)
from tests import make
from tests.ingest.event_sets import MESSAGE_IDS, batch_of, message_events, run_events

pytestmark = pytest.mark.django_db(transaction=True)
START = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)  # two hours of one day, then the next
MEASURES = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "cost")


@pytest.fixture
def project() -> Project:
    return make.project()


def mark(run: Run) -> None:
    """Do what every writing transaction does beside its runs."""
    hour = run.started_at.replace(minute=0, second=0, microsecond=0)
    StaleHour.objects.create(project_id=run.project_id, hour=hour, id=uuid4(), marked_at=datetime.now(UTC))


def store(project: Project, type: str = "llm", **fields: Any) -> Run:
    with transaction.atomic():
        run = make.run(project, type, **({"started_at": START} | fields))
        mark(run)
    return run


def recount(project: Project) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Count the raw runs in Python, by the same groups as the hourly buckets."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(lambda: defaultdict(int))
    for run in Run.objects.filter(project_id=project.pk, repeat_of=None).exclude(type="span"):
        hour = run.started_at.replace(minute=0, second=0, microsecond=0)
        group = groups[hour, run.type, run.name or "", run.team_id or "", run.organization_id or ""]
        group["runs"] += 1
        group["errors"] += run.status == "error"
        group["timed"] += run.duration_ms is not None
        group["duration_ms"] += run.duration_ms or 0
        group["unpriced"] += run.type in ("llm", "embed") and run.status == "success" and run.cost is None
        for name in MEASURES:
            group[name] += getattr(run, name) or 0
    return {key: dict(group) for key, group in groups.items()}


def stored(project: Project) -> dict[tuple[Any, ...], dict[str, Any]]:
    names = ("runs", "errors", "timed", "duration_ms", "unpriced", *MEASURES)
    return {
        (row.hour, row.type, row.name, row.team_id, row.organization_id): {name: getattr(row, name) for name in names}
        for row in UsageBucket.objects.filter(project_id=project.pk)
    }


def hour_sums(project: Project) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return {
        (row.hour, row.type): (row.runs, row.errors, row.cost, row.input_tokens, row.unpriced)
        for row in HourSum.objects.filter(project_id=project.pk)
    }


def added_up(project: Project) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return what the hourly sums by type must be, from the recount."""
    found: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    for key, group in recount(project).items():
        for index, name in enumerate(("runs", "errors", "cost", "input_tokens", "unpriced")):
            found[key[:2]][index] += group[name]
    return {key: tuple(sums) for key, sums in found.items()}


def recount_users(project: Project) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    groups: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0, 0, 0, 0, Decimal(0), 0])
    for run in Run.objects.filter(project_id=project.pk, repeat_of=None).exclude(type="span"):
        group = groups[run.started_at.date(), run.user_id or "", run.team_id or "", run.organization_id or ""]
        unpriced = run.type in ("llm", "embed") and run.status == "success" and run.cost is None
        values = (1, run.status == "error", run.type == "thread", (run.input_tokens or 0) + (run.output_tokens or 0))
        for index, value in enumerate((*values, run.cost or 0, unpriced)):
            group[index] += value
    return {key: tuple(group) for key, group in groups.items()}


def stored_users(project: Project) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return {
        (row.day, row.user_id, row.team_id, row.organization_id): (
            row.runs,
            row.errors,
            row.threads,
            row.tokens,
            row.cost,
            row.unpriced,
        )
        for row in UserDay.objects.filter(project_id=project.pk)
    }


def test_only_runs_that_lists_know_are_counted(project: Project) -> None:
    first = store(project, user_id="ann", team_id="t-9", organization_id="o-1")
    store(project, "span")
    store(project, repeat_of=first.id)
    store(project, "thread", user_id="ann")
    store(project, cost=None)
    store(project, cost=None, status="error")
    rollups.recompute_stale()
    assert stored(project) == recount(project)
    assert stored_users(project) == recount_users(project)
    assert hour_sums(project) == added_up(project)
    assert sum(row["runs"] for row in stored(project).values()) == 4
    assert sum(row["unpriced"] for row in stored(project).values()) == 1
    assert not StaleHour.objects.exists()


def test_a_group_that_lost_its_last_run_goes(project: Project) -> None:
    run = store(project, user_id="ann")
    store(project, "tool")
    rollups.recompute_stale()
    with transaction.atomic():
        Run.objects.filter(project_id=project.pk, id=run.id).delete()
        mark(run)
    rollups.recompute_stale()
    assert stored(project) == recount(project)
    assert list(UserDay.objects.values_list("user_id", flat=True)) == [""]
    assert list(LatencyBucket.objects.values_list("type", flat=True)) == ["tool"]
    assert list(HourSum.objects.values_list("type", "runs")) == [("tool", 1)]


def test_other_projects_and_unmarked_hours_are_left_alone(project: Project) -> None:
    other = make.project()
    store(other)
    rollups.recompute_stale()
    UsageBucket.objects.filter(project_id=other.pk).update(runs=99)
    store(project)
    rollups.recompute_stale()
    assert UsageBucket.objects.get(project_id=other.pk).runs == 99


def test_hostile_names_and_ids_do_not_break_an_hour(project: Project) -> None:
    store(project, name="\U0001f600" * 5000, user_id="x" * 150, team_id="\u4e2d" * 2000, organization_id="o" * 9000)
    rollups.recompute_stale()
    assert UsageBucket.objects.get(project_id=project.pk).runs == 1


def test_a_mark_committed_during_the_recompute_survives_it(project: Project) -> None:
    store(project)
    with psycopg.connect(**_address()) as writer:  # opened, not yet committed
        late, hour = uuid4(), START.replace(minute=0)
        writer.execute(
            "INSERT INTO runs_run (project_id, id, type, status, started_at, received_at, flags)"
            " VALUES (%s, %s, 'tool', 'success', %s, now(), 0)",
            [project.pk, late, START],
        )
        writer.execute("INSERT INTO runs_stalehour VALUES (%s, %s, %s, now())", [project.pk, hour, uuid4()])
        assert rollups.recompute_stale() == 1
        assert [row.type for row in UsageBucket.objects.all()] == ["llm"]
        writer.commit()
    assert StaleHour.objects.count() == 1
    rollups.recompute_stale()
    assert stored(project) == recount(project)


def test_two_processes_at_once_do_the_work_once(project: Project) -> None:
    store(project)
    with psycopg.connect(**_address()) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s, %s)", [rollups.LOCK_CLASS, project.pk])
        assert rollups.recompute_stale() == 0
    assert StaleHour.objects.count() == 1
    assert rollups.recompute_stale() == 1


def test_many_workers_and_writers_end_equal_to_a_recount(project: Project) -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            rollups.recompute_stale()
        connections.close_all()

    def write(number: int) -> None:
        for index in range(15):
            store(project, user_id=f"u{index % 3}", team_id=f"t{number}", started_at=START + timedelta(hours=index % 3))
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
    rollups.recompute_stale()
    assert stored(project) == recount(project)
    assert stored_users(project) == recount_users(project)
    assert hour_sums(project) == added_up(project)


def test_a_recompute_that_dies_changes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    store(project)
    rollups.recompute_stale()
    before = stored(project)
    store(project, "tool")
    monkeypatch.setattr(rollups, "STATEMENTS", (*rollups.STATEMENTS[:3], "SELECT 1 / 0"))
    with pytest.raises(Exception, match="division by zero"):
        rollups.recompute_stale()
    monkeypatch.undo()
    assert stored(project) == before
    assert StaleHour.objects.count() == 1
    rollups.recompute_stale()
    assert stored(project) == recount(project)


def test_a_large_day_waits_until_its_cost_is_earned(project: Project) -> None:
    store(project)
    rollups.recompute_stale()
    UsageBucket.objects.update(runs=10_000_000)
    store(project)
    assert rollups.recompute_stale(patient=True) == 0
    StaleHour.objects.update(marked_at=datetime.now(UTC) - timedelta(seconds=61))
    assert rollups.recompute_stale(patient=True) == 1


def test_lag_is_the_age_of_the_oldest_mark(project: Project) -> None:
    assert rollups.lag(project.pk) == timedelta()
    store(project)
    StaleHour.objects.update(marked_at=datetime.now(UTC) - timedelta(seconds=20))
    assert timedelta(seconds=20) <= rollups.lag(project.pk) < timedelta(seconds=25)
    rollups.recompute_stale()
    assert rollups.lag(project.pk) == timedelta()


@given(durations=st.lists(st.integers(0, 10**8), min_size=1, max_size=200), share=st.sampled_from([0.5, 0.95, 0.99]))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_percentiles_of_the_histogram_are_within_two_per_cent(durations: list[int], share: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT floor(ln(greatest(d, 1)) / ln({rollups.BIN_BASE}))::int, count(*) FROM unnest(%s::bigint[]) d"
            " GROUP BY 1",
            [durations],
        )
        bins = dict(cursor.fetchall())
        cursor.execute(
            "SELECT percentile_disc(%s) WITHIN GROUP (ORDER BY d) FROM unnest(%s::bigint[]) d", [share, durations]
        )
        exact = cursor.fetchone()[0]
    found = rollups.percentile(bins, share)
    assert found is not None
    assert found == pytest.approx(max(exact, 1), rel=0.0205)


ids = [UUID(int=number) for number in range(8)]
runs = st.fixed_dictionaries(
    {
        "id": st.sampled_from(ids),
        "hours": st.integers(0, 3),
        "type": st.sampled_from(["llm", "tool", "thread", "span"]),
        "status": st.sampled_from(["started", "success", "error"]),
        "user_id": st.sampled_from([None, "ann", "ben"]),
        "team_id": st.sampled_from([None, "t-9"]),
        "cost": st.sampled_from([None, Decimal("0.0000000001"), Decimal("1.5")]),
        "input_tokens": st.sampled_from([None, 0, 2_000_000_000]),
        "repeat_of": st.sampled_from([None, None, ids[0]]),
        "duration_ms": st.sampled_from([None, 0, 900]),
    }
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), runs),
        st.tuples(st.just("delete"), st.sampled_from(ids)),
        st.tuples(st.just("recompute"), st.none()),
        st.tuples(st.just("killed"), st.none()),
    ),
    max_size=14,
)


@given(steps=steps)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_order_of_writes_and_recomputes_ends_equal_to_a_recount(
    project: Project, steps: list[tuple[str, Any]]
) -> None:
    for what, value in steps:
        _take_step(project, what, value)
    rollups.recompute_stale()
    assert stored(project) == recount(project)
    assert stored_users(project) == recount_users(project)
    assert hour_sums(project) == added_up(project)
    assert not StaleHour.objects.exists()
    Run.objects.all().delete()
    UsageBucket.objects.all().delete()
    HourSum.objects.all().delete()
    UserDay.objects.all().delete()


def _take_step(project: Project, what: str, value: Any) -> None:
    if what == "recompute":
        rollups.recompute_stale()
    elif what == "killed":
        with pytest.raises(KeyboardInterrupt):
            _die_recomputing()
    else:
        fields = dict(value) if what == "write" else {}
        with transaction.atomic():
            for old in Run.objects.filter(project_id=project.pk, id=fields["id"] if fields else value):
                mark(old)
                Run.objects.filter(project_id=project.pk, id=old.id).delete()
            if fields:
                started = START + timedelta(hours=fields.pop("hours"))
                mark(make.run(project, started_at=started, **fields))


def _die_recomputing() -> None:
    with transaction.atomic():
        rollups.recompute_stale()
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


@given(
    events=st.lists(run_events(parents=MESSAGE_IDS[:2]) | message_events(), min_size=1, max_size=12),
    random=st.randoms(),
)
@settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
def test_whatever_ingest_stores_and_moves_ends_equal_to_a_recount(
    project: Project, events: list[object], random: Random
) -> None:
    """Late starts move a run to another hour, late parents change its user: the marks must cover both."""
    while events:
        size = random.randint(1, len(events))
        store_batch(project.pk, batch_of(events[:size]), datetime.now(UTC), None)
        events = events[size:]
        if random.random() < 0.5:
            rollups.recompute_stale()
    rollups.recompute_stale()
    assert stored(project) == recount(project)
    assert stored_users(project) == recount_users(project)
    assert hour_sums(project) == added_up(project)
    assert ledger.verify(project).holds
    for model in (Run, UsageBucket, HourSum, UserDay, LedgerEntry, Deletion, Message, RunBody, EndUser):
        model._default_manager.all().delete()
