"""Hourly and daily sums, recomputed from runs (DESIGN.md rule 13), never incremented.

A writing transaction leaves a `StaleHour` mark beside what it wrote. `recompute_stale` reads the marks its snapshot
sees, recomputes these hours and their day from the same snapshot, and deletes exactly those marks, all in one
transaction: a mark committed later stays, and being killed at any point loses nothing. Every type but `span` counts
(rule 9); a run that repeats another's report of the same call counts nowhere, as lists leave it out too.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Min

from runs.models import StaleHour

BIN_BASE = 1.04  # a latency bin's width: its middle is within 2 % of every duration in it
# A day of R runs takes about R × 6 µs to recompute; it may take a tenth of the time, so it waits R × 60 µs.
PATIENCE_PER_RUN = timedelta(microseconds=60)
LONGEST_PATIENCE = timedelta(seconds=60)
LOCK_CLASS = 0x1DA5  # first half of the advisory lock's key; the second is the project

# Ids and names are cut where a hostile one would not fit into an index row (2 704 bytes for the whole key).
_COUNTED = "type <> 'span' AND repeat_of IS NULL"
_UNPRICED = "count(*) FILTER (WHERE type IN ('llm', 'embed') AND status = 'success' AND cost IS NULL)"

_HOURS = f"""
    SELECT project_id, hour, type, coalesce(left(name, 200), '') AS name, coalesce(left(team_id, 200), '') AS team_id,
           coalesce(left(organization_id, 200), '') AS organization_id,
           count(*) AS runs, count(*) FILTER (WHERE status = 'error') AS errors,
           coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(cache_read_tokens), 0) AS cache_read_tokens,
           coalesce(sum(cache_write_tokens), 0) AS cache_write_tokens,
           coalesce(sum(output_tokens), 0) AS output_tokens, coalesce(sum(reasoning_tokens), 0) AS reasoning_tokens,
           coalesce(sum(cost), 0) AS cost, {_UNPRICED} AS unpriced,
           coalesce(sum(duration_ms), 0) AS duration_ms, count(duration_ms) AS timed
      FROM unnest(%(hours)s::timestamptz[]) AS stale(hour)
      JOIN runs_run ON project_id = %(project)s AND started_at >= hour AND started_at < hour + interval '1 hour'
     WHERE {_COUNTED}
     GROUP BY 1, 2, 3, 4, 5, 6"""

_TYPES = "runs errors input_tokens cache_read_tokens cache_write_tokens output_tokens reasoning_tokens cost unpriced"
_HOUR_SUMS = f"""
    SELECT project_id, hour, type, {", ".join(f"sum({name}) AS {name}" for name in _TYPES.split())}
      FROM runs_usagebucket WHERE project_id = %(project)s AND hour = ANY(%(hours)s) GROUP BY 1, 2, 3"""

_LATENCY = f"""
    SELECT project_id, hour, type, array_agg(bin ORDER BY bin) AS bins, array_agg(count ORDER BY bin) AS runs
      FROM (SELECT project_id, hour, type, floor(ln(greatest(duration_ms, 1)) / ln({BIN_BASE}))::smallint AS bin,
                   count(*)::integer
              FROM unnest(%(hours)s::timestamptz[]) AS stale(hour)
              JOIN runs_run ON project_id = %(project)s AND started_at >= hour
                           AND started_at < hour + interval '1 hour'
             WHERE duration_ms IS NOT NULL AND {_COUNTED}
             GROUP BY 1, 2, 3, 4) AS counts
     GROUP BY 1, 2, 3"""

_USER_DAYS = f"""
    SELECT project_id, %(day)s::date AS day, coalesce(left(user_id, 200), '') AS user_id,
           coalesce(left(team_id, 200), '') AS team_id, coalesce(left(organization_id, 200), '') AS organization_id,
           count(*) AS runs, count(*) FILTER (WHERE status = 'error') AS errors,
           count(*) FILTER (WHERE type = 'thread') AS threads,
           coalesce(sum(input_tokens), 0) + coalesce(sum(output_tokens), 0) AS tokens,
           coalesce(sum(cost), 0) AS cost, {_UNPRICED} AS unpriced
      FROM runs_run
     WHERE project_id = %(project)s AND started_at >= %(from)s AND started_at < %(until)s AND {_COUNTED}
     GROUP BY 1, 2, 3, 4, 5"""


def _replace(table: str, keys: str, measures: str, fresh: str, scope: str) -> str:
    """Return SQL that makes `table` hold exactly `fresh` within `scope`, writing only rows that differ.

    Most of an hour's groups are as they were two seconds ago: rewriting them would only make dead rows.
    """
    same_key = " AND ".join(f"old.{key} = fresh.{key}" for key in keys.split())
    columns, values = ", ".join([*keys.split(), *measures.split()]), measures.split()
    updates = ", ".join(f"{name} = excluded.{name}" for name in values)
    before, after = (", ".join(f"{side}.{name}" for name in values) for side in ("old", "excluded"))
    return f"""
    WITH fresh AS ({fresh}),
         gone AS (DELETE FROM {table} AS old
                   WHERE {scope} AND NOT EXISTS (SELECT FROM fresh WHERE {same_key}))
    INSERT INTO {table} AS old ({columns}) SELECT {columns} FROM fresh
        ON CONFLICT ({", ".join(keys.split())}) DO UPDATE SET {updates}
     WHERE ({before}) IS DISTINCT FROM ({after})"""


STATEMENTS = (
    _replace(
        "runs_usagebucket",
        "project_id hour type name team_id organization_id",
        "runs errors input_tokens cache_read_tokens cache_write_tokens output_tokens reasoning_tokens cost unpriced"
        " duration_ms timed",
        _HOURS,
        "old.project_id = %(project)s AND old.hour = ANY(%(hours)s)",
    ),
    _replace(  # after the buckets that it adds up
        "runs_hoursum",
        "project_id hour type",
        _TYPES,
        _HOUR_SUMS,
        "old.project_id = %(project)s AND old.hour = ANY(%(hours)s)",
    ),
    _replace(
        "runs_latencybucket",
        "project_id hour type",
        "bins runs",
        _LATENCY,
        "old.project_id = %(project)s AND old.hour = ANY(%(hours)s)",
    ),
    _replace(
        "runs_userday",
        "project_id day user_id team_id organization_id",
        "runs errors threads tokens cost unpriced",
        _USER_DAYS,
        "old.project_id = %(project)s AND old.day = %(day)s",
    ),
)

# Days with marks, longest waiting first, and how many runs each held when last recomputed.
_STALE_DAYS = """
    SELECT stale.project_id, stale.day, stale.oldest,
           (SELECT coalesce(sum(runs), 0) FROM runs_usagebucket bucket
             WHERE bucket.project_id = stale.project_id AND bucket.hour >= stale.day
               AND bucket.hour < stale.day + interval '1 day') AS runs
      FROM (SELECT project_id, date_trunc('day', hour, 'UTC') AS day, min(marked_at) AS oldest
              FROM runs_stalehour GROUP BY 1, 2) AS stale
     ORDER BY stale.oldest"""


@contextmanager
def _snapshot() -> Iterator[Any]:
    """Open a transaction in which every statement sees the same rows; within a caller's own it is the caller's."""
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield cursor


def recompute_day(project_id: int, day: date) -> int:
    """Recompute the stale hours of a project's UTC day, return how many marks were worked off.

    0 when another process is at it, which its advisory lock or, in a narrow race, PostgreSQL's refusal tells.
    """
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    scope: dict[str, Any] = {"project": project_id, "day": day, "from": start, "until": start + timedelta(days=1)}
    try:
        with _snapshot() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [LOCK_CLASS, project_id])
            if not cursor.fetchone()[0]:
                return 0
            cursor.execute(
                "SELECT hour, id FROM runs_stalehour"
                " WHERE project_id = %(project)s AND hour >= %(from)s AND hour < %(until)s",
                scope,
            )
            marks = cursor.fetchall()
            if marks:
                scope["hours"] = sorted({hour for hour, _ in marks})
                for statement in STATEMENTS:
                    cursor.execute(statement, scope)
                cursor.execute(
                    "DELETE FROM runs_stalehour AS mark USING unnest(%s::timestamptz[], %s::uuid[]) AS done(hour, id)"
                    " WHERE mark.project_id = %s AND mark.hour = done.hour AND mark.id = done.id",
                    [[hour for hour, _ in marks], [mark for _, mark in marks], project_id],
                )
            return len(marks)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == "40001":  # the other process was quicker: its result stands
            return 0
        raise


def recompute_stale(seconds: float = math.inf, *, patient: bool = False) -> int:
    """Recompute stale days, longest waiting first, for about that long; return how many marks were worked off.

    `patient` leaves a large day until its wait has earned its cost, so that a day under steady load takes a tenth of a
    core and not all of it.
    """
    stop = time.monotonic() + seconds
    done = 0
    with connection.cursor() as cursor:
        cursor.execute(_STALE_DAYS)
        days = cursor.fetchall()
    now = datetime.now(UTC)
    for project_id, day, oldest, runs in days:
        if patient and now - oldest < min(int(runs) * PATIENCE_PER_RUN, LONGEST_PATIENCE):
            continue
        if time.monotonic() >= stop:
            break
        done += recompute_day(project_id, day.astimezone(UTC).date())
    return done


def lag(project_id: int) -> timedelta:
    """Return how far behind the project's figures are: the age of its oldest mark, zero when there is none."""
    oldest = StaleHour.objects.filter(project_id=project_id).aggregate(oldest=Min("marked_at"))["oldest"]
    return max(datetime.now(UTC) - oldest, timedelta()) if oldest else timedelta()


def percentile(bins: dict[int, int], share: float) -> float | None:
    """Return the duration in ms below which that share of the runs lies, within 2 %; None where there are none.

    The rank is PostgreSQL's percentile_disc: the first value at or above the share.
    """
    total = sum(bins.values())
    if not total:
        return None
    rank, seen = max(math.ceil(share * total), 1), 0
    for bin_, runs in sorted(bins.items()):
        seen += runs
        if seen >= rank:
            return float(BIN_BASE ** (bin_ + 0.5))
    return None
