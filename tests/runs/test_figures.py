"""The figures above a list agree with the runs, whether they were counted from the runs or came from rollups."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from uuid import uuid4

import pytest
from django.http import QueryDict
from django.utils import timezone

from projects.models import Project
from runs import figures, histogram, metrics, rollups
from runs.filters import Filters
from runs.models import Run
from runs.sums import Sums
from tests import make

NOW = timezone.now().replace(minute=40, second=0, microsecond=0)


def parse(query: str) -> Filters:
    """Return the filters of a query string."""
    return Filters.parse(QueryDict(query))


def some(project: Project, count: int, seed: int) -> list[Run]:
    """Store runs of all sorts over the last three days."""
    rng = Random(seed)
    return [
        make.run(
            project,
            rng.choice(["llm", "llm", "tool", "agent", "span"]),
            started_at=NOW - timedelta(minutes=rng.randrange(3 * 24 * 60)),
            duration_ms=rng.choice([None, rng.randrange(1, 9_000)]),
            status=rng.choice(["success", "success", "error"]),
            cost=rng.choice([None, Decimal(rng.randrange(1000)) / 1000]),
            repeat_of=rng.choice([None, None, None, uuid4()]),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("query", ["range=2d", "range=2d&type=all", "range=5d&type=tool", "range=all&type=agent"])
def test_rollups_and_runs_give_the_same_figures(project: Project, query: str) -> None:
    neighbour = make.project(name="Neighbour")
    make.stale(*some(project, 120, seed=1), *some(neighbour, 20, seed=2))
    rollups.recompute_stale()
    late = some(project, 8, seed=3)
    make.stale(*late)  # these hours are counted from the runs
    filters = parse(query)
    rolled = figures.figures(project.pk, filters)
    assert rolled.types is not None
    raw = figures._sums(filters.runs(project.pk), rolled.bars[0].since, rolled.step)
    assert _plain(rolled.total) == _plain(raw.get(None, Sums()))
    for number, bar in enumerate(rolled.bars):
        assert _plain(bar.sums) == _plain(raw.get(number, Sums()))
    assert figures.tabs(project.pk, filters, rolled.types) == figures.tabs(project.pk, filters)
    if rolled.before and filters.span.since:
        earlier = filters.runs(project.pk, skip=("time",)).filter(started_at__lt=filters.span.since)
        assert rolled.before.runs <= earlier.count()


def _plain(sums: Sums) -> tuple[object, ...]:
    return (sums.runs, sums.errors, sums.tokens, sums.cost, sums.unpriced)


def test_percentiles_of_rollups_are_within_their_bins(project: Project) -> None:
    runs = [make.run(project, duration_ms=ms, started_at=NOW - timedelta(hours=5)) for ms in range(100, 2_100, 20)]
    make.stale(*runs)
    rollups.recompute_stale()
    total = figures.figures(project.pk, parse("")).total
    assert total.p50_ms == pytest.approx(1_090, rel=0.04)
    assert total.p95_ms == pytest.approx(2_000, rel=0.04)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_bars_that_cut_hours_are_counted_from_the_runs(project: Project, zone: str) -> None:
    make.stale(*some(project, 40, seed=9))
    rollups.recompute_stale()
    with timezone.override(zone):
        found = figures.figures(project.pk, parse("range=24h" if zone == "UTC" else "range=5d"))
    assert found.types is None
    assert sum(bar.sums.runs for bar in found.bars) == found.total.runs


def test_after_a_bulk_load_the_runs_themselves_are_counted(project: Project) -> None:
    runs = [make.run(project, started_at=NOW - timedelta(hours=hour)) for hour in range(30)]
    make.stale(*runs)
    found = figures.figures(project.pk, parse(""))
    assert found.types is None
    assert found.total.runs == 30


def test_bars_tile_the_range_and_hold_every_run(project: Project) -> None:
    some(project, 40, seed=5)
    for query in (
        "range=7d&status=error&status=success&status=running",
        "range=all&type=all&q=a&q=a",
        "range=1h&name=*",
    ):
        found = figures.figures(project.pk, parse(query))
        assert all(before.until == after.since for before, after in pairwise(found.bars))
        assert sum(bar.sums.runs for bar in found.bars) == found.total.runs
        assert len(found.bars) <= figures.MOST_BARS + 1


def test_an_empty_project_has_no_drawing(project: Project) -> None:
    filters = parse("range=all")
    found = figures.figures(project.pk, filters)
    assert histogram.histogram(found, filters) is None
    assert [metric.value for metric in metrics.strip(found, filters)][:2] == ["0", "—"]


def test_a_bar_leads_to_exactly_its_runs(project: Project) -> None:
    make.run(project, started_at=NOW - timedelta(hours=3), status="error")
    make.run(project, started_at=NOW - timedelta(hours=3, minutes=10))
    make.run(project, started_at=NOW - timedelta(days=2))
    filters = parse("name=*")
    drawn = histogram.histogram(figures.figures(project.pk, filters), filters)
    assert drawn is not None
    for column in drawn.columns:
        led = parse(column.query[1:])
        assert led.runs(project.pk).count() == column.sums.runs
    assert "1 error" in " ".join(column.title for column in drawn.columns if column.sums.errors)


def test_changes_are_told_against_the_stretch_before(project: Project) -> None:
    recent, past = NOW - timedelta(days=1), NOW - timedelta(days=8)
    for started, count, milliseconds in ((recent, 3, 3_000), (past, 2, 1_000)):
        for _ in range(count):
            make.run(project, started_at=started, duration_ms=milliseconds)
    filters = parse("name=*")
    strip = {metric.label: metric for metric in metrics.strip(figures.figures(project.pk, filters), filters)}
    runs = strip["Runs"]
    assert (runs.note, runs.versus, runs.arrow, runs.tone) == ("50.0\u00a0%", "vs prior 7 days", "up", "")
    assert (strip["Latency p95"].arrow, strip["Latency p95"].tone) == ("up", "bad")


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(days=1), "day"),
        (timedelta(days=7), "7 days"),
    ],
)
def test_a_bars_length_in_words(length: timedelta, words: str) -> None:
    assert figures.stretch(length) == words


def test_bars_begin_at_the_readers_midnight(project: Project) -> None:
    make.run(project, started_at=datetime(2026, 11, 10, 3, tzinfo=UTC))
    with timezone.override("America/New_York"):
        found = figures.figures(project.pk, parse("from=2026-11-01&to=2026-12-20&name=*"))
        assert timezone.localtime(found.bars[0].since).hour == 0
