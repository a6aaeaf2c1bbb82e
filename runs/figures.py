"""The figures above a list, for its filter: sums, percentiles, a volume histogram, counts of the tabs.

They agree with the list to the last run (rule 13): read from the runs themselves in one pass, or, where only type and
time are filtered by, from rollups and the runs that these don't hold yet.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Count, Max, Min, QuerySet
from django.utils import timezone

from runs import conditions, rolled
from runs.filters import TABS, Filters
from runs.models import Run
from runs.sums import Sums

MOST_BARS = 96
STEPS = [
    *(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 4, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 7, 14, 28, 91, 182, 364)),
]


@dataclass(frozen=True)
class Bar:
    """One stretch of the histogram."""

    since: datetime
    until: datetime
    sums: Sums


@dataclass(frozen=True)
class Figures:
    """Everything above a list."""

    total: Sums = field(default_factory=Sums)
    before: Sums | None = None  # the stretch of the same length before; None where there is no such stretch
    bars: tuple[Bar, ...] = ()
    step: timedelta = timedelta(hours=1)
    types: dict[str, int] | None = None  # runs by type, where the same pass counted them


# Both the bars and their total in one pass: the row without a bar is the total.
_SUMS = """
    SELECT bar, count(*), count(*) FILTER (WHERE status = 'error'),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms),
           coalesce(sum(coalesce(input_tokens, 0)::bigint + coalesce(output_tokens, 0)), 0), coalesce(sum(cost), 0),
           count(*) FILTER (WHERE type IN ('llm', 'embed') AND status = 'success' AND cost IS NULL)
    FROM (SELECT hit.*, floor(extract(epoch FROM started_at - %s) / %s)::int AS bar FROM ({runs}) AS hit) AS barred
    GROUP BY GROUPING SETS ((bar), ())
"""
_READ = ("started_at", "status", "type", "duration_ms", "input_tokens", "output_tokens", "cost")


def figures(project_id: int, filters: Filters) -> Figures:
    """Return the figures of a list: from hourly rollups where nothing but type and time is filtered by."""
    since, until = _edges(project_id, filters)
    if since is None or until is None:
        return Figures()
    step = _step(until - since)
    begin = _aligned(since, step)
    earlier = since - (until - since)
    if not filters.rolled_up or not rolled.serves(project_id, earlier, until, begin, step):
        sums, types = _sums(filters.runs(project_id), begin, step), None
        before = _before(project_id, filters, since, until)
    else:
        sums, types = rolled.sums(project_id, filters.type, since, until, begin, step)
        before = _rolled_before(project_id, filters, since, until)
    count = min(int((until - begin) / step) + 1, MOST_BARS + 1)
    bars = [Bar(begin + n * step, begin + (n + 1) * step, sums.get(n, Sums())) for n in range(count)]
    if len(bars) > 1 and bars[-1].since >= until:
        bars.pop()
    return Figures(sums.get(None, Sums()), before, tuple(bars), step, types)


def _rolled_before(project_id: int, filters: Filters, since: datetime, until: datetime) -> Sums | None:
    if filters.span.since is None:
        return None
    begin = since - (until - since)
    sums, _ = rolled.sums(project_id, filters.type, begin, since, begin, since - begin)
    return sums.get(None, Sums())


def tabs(project_id: int, filters: Filters, types: dict[str, int] | None = None) -> dict[str, int]:
    """Return how many runs each tab of the run list holds, in one query, or in none where `types` are counted."""
    if types is not None:
        return {tab: sum(types.values()) if tab == "all" else types.get(tab, 0) for tab in TABS}
    everything = filters.runs(project_id, skip=("type",)).filter(conditions.listed())
    counted = dict(everything.order_by().values_list("type").annotate(runs=Count("id")))
    return {tab: sum(counted.values()) if tab == "all" else counted.get(tab, 0) for tab in TABS}


def _edges(project_id: int, filters: Filters) -> tuple[datetime | None, datetime | None]:
    """Return where the histogram begins and ends; a range that is open at the beginning starts at the first run.

    Clients' clocks may be ahead of ours, so a range up to now ends with the newest run where that is later.
    """
    span, now = filters.span, timezone.now()
    if span.since and span.until:
        return span.since, span.until
    runs = filters.runs(project_id, skip=("type",)) if filters.reads_bodies else conditions.of_project(project_id)
    edge = runs.filter(filters.when()).aggregate(first=Min("started_at"), last=Max("started_at"))
    if edge["first"] is None:
        return span.since, span.until or now
    return span.since or edge["first"], span.until or max(now, edge["last"] + timedelta(microseconds=1))


def _before(project_id: int, filters: Filters, since: datetime, until: datetime) -> Sums | None:
    if filters.span.since is None:
        return None
    length = until - since
    runs = filters.runs(project_id, skip=("time",)).filter(started_at__gte=since - length, started_at__lt=since)
    return _sums(runs, since, length, bars=False).get(None, Sums())


def _sums(runs: QuerySet[Run], begin: datetime, step: timedelta, *, bars: bool = True) -> dict[int | None, Sums]:
    """Return the sums per bar, counted from `begin`, and of all under None."""
    try:
        sql, params = runs.values(*_READ).query.sql_with_params()
    except EmptyResultSet:
        return {}
    template = (
        _SUMS if bars else _SUMS.replace("GROUPING SETS ((bar), ())", "GROUPING SETS (())").replace("bar,", "NULL,", 1)
    )
    with connection.cursor() as cursor:
        cursor.execute(template.format(runs=sql), [begin, step.total_seconds(), *params])
        return {row[0]: Sums(*row[1:]) for row in cursor.fetchall()}


def _step(length: timedelta) -> timedelta:
    """Return the shortest step that needs at most MOST_BARS bars."""
    return next((step for step in STEPS if length / step <= MOST_BARS), length / MOST_BARS)


def _aligned(at: datetime, step: timedelta) -> datetime:
    """Return the beginning of the bar that holds `at`; days begin at the reader's midnight."""
    offset = timezone.localtime(at).utcoffset() or timedelta(0)
    epoch = datetime(1970, 1, 5, tzinfo=UTC) - offset  # a Monday
    return epoch + ((at - epoch) // step) * step


def stretch(step: timedelta) -> str:
    """Return a bar's length in words: `2 h`."""
    for unit, name in ((timedelta(days=1), "day"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min")):
        if step >= unit:
            count = step // unit
            return name if count == 1 and name == "day" else f"{count} {name}s" if name == "day" else f"{count} {name}"
    return f"{step.total_seconds():.0f} s"


def change(now: float | Decimal | None, before: float | Decimal | None) -> float | None:
    """Return by how much a figure changed, of one; None where there is nothing to compare with."""
    if not before or now is None:
        return None
    return float(now) / float(before) - 1
