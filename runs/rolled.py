"""Figures of an unfiltered list from hourly rollups, exact to the last run.

Hours that are not recomputed yet, and the ragged edges of the range, are counted from the runs themselves, in the same
statement and so from the same snapshot. Durations come from the latency histograms, within 2 % (runs.rollups.BIN_BASE).
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from runs import rollups
from runs.models import StaleHour
from runs.sums import Sums

HOUR = timedelta(hours=1)
ALL = "all"
MOST_STALE = 12  # hours; after a bulk load, or with no worker running, counting the runs is quicker

# Whole fresh hours come from rollups; `edge` is everything else: stretches before the first and after the last whole
# hour, and stale hours.
_EDGES = """
    WITH stale AS (SELECT DISTINCT hour FROM runs_stalehour
                    WHERE project_id = %(project)s AND hour >= %(first)s AND hour < %(last)s),
         edge AS (SELECT hour AS since, hour + interval '1 hour' AS until FROM stale
                  UNION ALL SELECT * FROM unnest(%(since)s::timestamptz[], %(until)s::timestamptz[]))"""
_WHOLE = """project_id = %(project)s AND hour >= %(first)s AND hour < %(last)s
              AND hour NOT IN (SELECT hour FROM stale)"""
# Edge by edge (OFFSET 0): joined freely, PostgreSQL expects far more of an edge than there is and reads the table.
_IN_EDGES = """edge, LATERAL (SELECT * FROM runs_run
                                 WHERE project_id = %(project)s AND started_at >= since AND started_at < until
                                   AND type <> 'span' AND repeat_of IS NULL OFFSET 0) AS run"""
_BAR = "floor(extract(epoch FROM at - %(begin)s) / %(step)s)::int"

_SUMS = f"""{_EDGES}
    SELECT {_BAR} AS bar, type, sum(runs)::bigint, sum(errors)::bigint, sum(tokens)::bigint, sum(cost),
           sum(unpriced)::bigint
    FROM (SELECT hour AS at, type, runs, errors, input_tokens + output_tokens AS tokens, cost, unpriced
            FROM runs_hoursum WHERE {_WHOLE}
          UNION ALL
          SELECT started_at, type, 1, (status = 'error')::int,
                 coalesce(input_tokens, 0)::bigint + coalesce(output_tokens, 0), coalesce(cost, 0),
                 (type IN ('llm', 'embed') AND status = 'success' AND cost IS NULL)::int
            FROM {_IN_EDGES}) AS part
    GROUP BY 1, 2"""

_BINS = f"""{_EDGES}
    SELECT {_BAR} AS bar, bin, sum(count)::bigint
    FROM (SELECT hour AS at, bin, count FROM runs_latencybucket, unnest(bins, runs) AS histogram(bin, count)
           WHERE {_WHOLE} AND (%(type)s = '{ALL}' OR type = %(type)s)
          UNION ALL
          SELECT started_at, floor(ln(greatest(duration_ms, 1)) / ln({rollups.BIN_BASE}))::smallint, 1
            FROM {_IN_EDGES} WHERE duration_ms IS NOT NULL AND (%(type)s = '{ALL}' OR type = %(type)s)) AS part
    GROUP BY 1, 2"""


def serves(project_id: int, since: datetime, until: datetime, begin: datetime, step: timedelta) -> bool:
    """Tell whether rollups can answer: bars are made of whole hours, and few hours wait to be recomputed."""
    if step % HOUR or begin != _floor(begin):
        return False
    waiting = StaleHour.objects.filter(project_id=project_id, hour__gte=_floor(since), hour__lt=until)
    return len(waiting.values_list("hour").distinct()[: MOST_STALE + 1]) <= MOST_STALE


def sums(
    project_id: int, kind: str, since: datetime, until: datetime, begin: datetime, step: timedelta
) -> tuple[dict[int | None, Sums], dict[str, int]]:
    """Return the sums of [since, until) per bar (counted from `begin`; None is their total), and runs by type."""
    parameters = _parameters(project_id, since, until) | {"begin": begin, "step": step.total_seconds(), "type": kind}
    bins: dict[int | None, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for bar, bin_, count in _rows(_BINS, parameters):
        bins[bar][bin_] += count
        bins[None][bin_] += count
    counted: dict[int | None, list[Any]] = {}
    types: dict[str, int] = defaultdict(int)
    for bar, type_, *figures in _rows(_SUMS, parameters):
        types[type_] += figures[0]
        if kind in (ALL, type_):
            for key in (bar, None):
                counted[key] = [a + b for a, b in zip(counted.get(key, [0] * 5), figures, strict=True)]
    found = {key: _sums(figures, bins.get(key, {})) for key, figures in counted.items()}
    return found, dict(types)


def _sums(figures: Iterable[Any], bins: dict[int, int]) -> Sums:
    runs, errors, tokens, cost, unpriced = figures
    p50, p95 = (rollups.percentile(bins, share) for share in (0.50, 0.95))
    return Sums(runs, errors, p50, p95, tokens, cost, unpriced)


def _parameters(project_id: int, since: datetime, until: datetime) -> dict[str, Any]:
    first, last = _ceiling(since), _floor(until)
    edges = [(since, until)] if first >= last else [(since, first), (last, until)]
    ragged = [(begin, end) for begin, end in edges if begin < end]
    return {
        "project": project_id,
        "first": first,
        "last": max(first, last),
        "since": [begin for begin, _ in ragged],
        "until": [end for _, end in ragged],
    }


def _floor(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _ceiling(at: datetime) -> datetime:
    return _floor(at + HOUR - timedelta(microseconds=1))


def _rows(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
