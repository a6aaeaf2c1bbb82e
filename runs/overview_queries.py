"""What the overview shows, read from rollups: headline figures beside the period before, and what its charts plot."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from runs import facts, rollups
from runs.periods import DAY, Period


@dataclass(frozen=True)
class Figure:
    """One headline: now, in the period before, and a point per stretch of the period. None is not known."""

    now: Any
    before: Any = None
    points: list[Any] = field(default_factory=list)

    @property
    def change(self) -> float | None:
        """Return the relative change against the period before; None where there is nothing to compare with."""
        if self.now is None or not self.before:
            return None
        return float(self.now) / float(self.before) - 1


@dataclass(frozen=True)
class Headline:
    """The figures of the metric strip. Cost in USD, latency in ms of LLM calls."""

    cost: Figure
    unpriced: int
    tokens: Figure
    runs: Figure
    errors: Figure
    error_rate: Figure
    p50: Figure
    p95: Figure
    users: Figure
    threads: Figure


@dataclass
class Sums:
    """Sums of some hours of some runs; tokens by class, where `input_tokens` includes cache reads and writes."""

    runs: int = 0
    errors: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def add(self, other: "Sums") -> None:
        """Add another's sums."""
        for name in SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def tokens(self) -> int:
        """Return input and output together."""
        return self.input_tokens + self.output_tokens


SUMMED = tuple(Sums.__dataclass_fields__)
_SUMS = ", ".join("sum(cost)" if name == "cost" else f"sum({name})::bigint" for name in SUMMED)

# Which point of the sparkline an hour belongs to; below 0 it is in the period before.
_POINT = "floor(extract(epoch FROM hour - %(since)s) / %(seconds)s)::integer"


@dataclass(frozen=True)
class Cell:
    """The sums of one run type, or one model, in one bar of the charts."""

    at: datetime
    type: str
    name: str
    sums: Sums


@dataclass(frozen=True)
class Latency:
    """Percentiles of LLM calls in one bar of the charts, in ms."""

    at: datetime
    calls: int
    p50: float | None
    p95: float | None


def headline(project_id: int, period: Period) -> Headline:
    """Return the metric strip's figures."""
    points = _sums_by_point(project_id, period)
    latency = _bins_by_point(project_id, period)
    now, before = _split(points)
    threads = {point: one["threads"] for point, one in points.items()}

    def figure(name: str) -> Figure:
        return Figure(now[name], before[name], [_value(points, point, name) for point in range(period.points)])

    return Headline(
        cost=figure("cost"),
        unpriced=now["unpriced"],
        tokens=figure("tokens"),
        runs=figure("runs"),
        errors=figure("errors"),
        error_rate=Figure(
            _rate(now), _rate(before), [_rate(points.get(point) or {}) for point in range(period.points)]
        ),
        p50=_percentiles(latency, period, 0.50),
        p95=_percentiles(latency, period, 0.95),
        users=Figure(
            facts.active_users(project_id, period.since),
            facts.active_users(project_id, period.before, period.since),
            _users_by_day(project_id, period),
        ),
        threads=Figure(
            sum(count for point, count in threads.items() if point >= 0),
            sum(count for point, count in threads.items() if point < 0),
            [threads.get(point, 0) for point in range(period.points)],
        ),
    )


def cells(project_id: int, period: Period) -> list[Cell]:
    """Return the charts' sums by bar, run type and, of LLM and embedding calls, model ('' elsewhere)."""
    rows = _rows(
        f"""
        SELECT date_trunc(%(unit)s, hour, %(zone)s) AS at, type, name, {_SUMS}
          FROM runs_usagebucket
         WHERE project_id = %(project)s AND hour >= %(since)s AND type IN ('llm', 'embed')
         GROUP BY 1, 2, 3
        UNION ALL
        SELECT date_trunc(%(unit)s, hour, %(zone)s) AS at, type, '', {_SUMS}
          FROM runs_hoursum
         WHERE project_id = %(project)s AND hour >= %(since)s AND type NOT IN ('llm', 'embed')
         GROUP BY 1, 2
        """,
        _parameters(project_id, period),
    )
    return [Cell(at, type_, name, Sums(*sums)) for at, type_, name, *sums in rows]


def latencies(project_id: int, period: Period) -> list[Latency]:
    """Return percentiles of the durations of LLM calls by bar."""
    rows = _rows(
        """
        SELECT date_trunc(%(unit)s, hour, %(zone)s) AS at, bin, sum(count)::bigint
          FROM runs_latencybucket, unnest(bins, runs) AS histogram(bin, count)
         WHERE project_id = %(project)s AND hour >= %(since)s AND type = 'llm'
         GROUP BY 1, 2
        """,
        _parameters(project_id, period),
    )
    bars: dict[datetime, dict[int, int]] = defaultdict(dict)
    for at, bin_, count in rows:
        bars[at][bin_] = count
    return [
        Latency(at, sum(bins.values()), rollups.percentile(bins, 0.50), rollups.percentile(bins, 0.95))
        for at, bins in sorted(bars.items())
    ]


def _sums_by_point(project_id: int, period: Period) -> dict[int, dict[str, Any]]:
    """Return sums by point of the sparkline, the period before included."""
    names = ("cost", "unpriced", "tokens", "runs", "errors", "threads")
    rows = _rows(
        f"""
        SELECT {_POINT} AS point, sum(cost), sum(unpriced)::bigint, sum(input_tokens + output_tokens)::bigint,
               sum(runs)::bigint, sum(errors)::bigint, coalesce(sum(runs) FILTER (WHERE type = 'thread'), 0)::bigint
          FROM runs_hoursum
         WHERE project_id = %(project)s AND hour >= %(before)s
         GROUP BY 1
        """,
        _parameters(project_id, period),
    )
    return {point: dict(zip(names, sums, strict=True)) for point, *sums in rows}


def _bins_by_point(project_id: int, period: Period) -> dict[int, dict[int, int]]:
    """Return the latency histogram of LLM calls by point of the sparkline, the period before included."""
    rows = _rows(
        f"""
        SELECT {_POINT} AS point, bin, sum(count)::bigint
          FROM runs_latencybucket, unnest(bins, runs) AS histogram(bin, count)
         WHERE project_id = %(project)s AND hour >= %(before)s AND type = 'llm'
         GROUP BY 1, 2
        """,
        _parameters(project_id, period),
    )
    points: dict[int, dict[int, int]] = defaultdict(dict)
    for point, bin_, count in rows:
        points[point][bin_] = count
    return points


def _users_by_day(project_id: int, period: Period) -> list[int]:
    """Return how many end users were active on each full UTC day of the period; nothing where it is shorter."""
    if period.length <= DAY:
        return []
    first, today = (period.since + DAY).date(), period.now.date()
    rows = _rows(
        "SELECT day, count(DISTINCT user_id) FROM runs_userday"
        " WHERE project_id = %(project)s AND day >= %(first)s AND day < %(today)s AND user_id <> '' GROUP BY 1",
        {"project": project_id, "first": first, "today": today},
    )
    counts: dict[Any, int] = dict(rows)
    return [counts.get(first + timedelta(days=offset), 0) for offset in range((today - first).days)]


def _percentiles(points: dict[int, dict[int, int]], period: Period, share: float) -> Figure:
    return Figure(
        rollups.percentile(_merged(bins for point, bins in points.items() if point >= 0), share),
        rollups.percentile(_merged(bins for point, bins in points.items() if point < 0), share),
        [rollups.percentile(points.get(point, {}), share) for point in range(period.points)],
    )


def _merged(histograms: Iterable[dict[int, int]]) -> dict[int, int]:
    merged: dict[int, int] = defaultdict(int)
    for bins in histograms:
        for bin_, count in bins.items():
            merged[bin_] += count
    return merged


def _split(points: dict[int, dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the sums of the period and of the one before."""
    now: dict[str, Any] = defaultdict(int)
    before: dict[str, Any] = defaultdict(int)
    for point, sums in points.items():
        side = now if point >= 0 else before
        for name, value in sums.items():
            side[name] += value
    return now, before


def _value(points: dict[int, dict[str, Any]], point: int, name: str) -> Any:
    return points[point][name] if point in points else 0


def _rate(sums: dict[str, Any]) -> float | None:
    return sums["errors"] / sums["runs"] if sums.get("runs") else None


def _parameters(project_id: int, period: Period) -> dict[str, Any]:
    return {
        "project": project_id,
        "since": period.since,
        "before": period.before,
        "seconds": int(period.point.total_seconds()),
        "unit": period.unit,
        "zone": period.zone_name,
    }


def _rows(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
