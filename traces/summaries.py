"""Sums of whole traces, recomputed from runs (DESIGN.md rule 13), never incremented.

A writing transaction leaves a `StaleTrace` mark beside what it wrote. `recompute_stale` takes marks out, recounts their
traces and stores the result, all in one transaction: a mark that is committed meanwhile stays, and being killed at any
point loses nothing. One process at a time recomputes a project's traces, which an advisory lock sees to, so that an
older count never replaces a newer one.

Whoever shows figures asks `current`, which is exact to the last run, worker or not: traces with marks are counted on
the spot. Only what a whole list is filtered or sorted by may lag, by `lag`.
"""

import logging
import math
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, Min, OuterRef

from projects.models import Project
from runs.models import StaleTrace
from traces.fields import BETWEEN, KINDS, MORE
from traces.models import TraceSummary
from traces.tree import PRICED_TYPES, ROOT_TYPES, Sums

log = logging.getLogger(__name__)

BATCH = 200  # traces per transaction
FETCHED = 10_000  # stale traces that are looked up at once
NAMES = 200  # distinct names that a summary holds
LONGEST_NAME = 100  # characters; longer ones are looked up among the runs
# A trace of R runs takes about R × 6 µs to recount; it may take a tenth of the time, so it waits R × 60 µs.
PATIENCE_PER_RUN = timedelta(microseconds=60)
LONGEST_PATIENCE = timedelta(seconds=60)
LOCK_CLASS = 0x1DA6  # first half of the advisory lock's key; the second is the project

MEASURES = ("duration_ms", "runs", "errors", "tokens", "cost", "priced", "unknown")
COLUMNS = ("project_id", "trace_id", "type", "started_at", *MEASURES, "contains")


def _types(types: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(types))


_KIND = " ".join(f"WHEN run.type IN ({_types(types)}) THEN '{kind}'" for kind, types in KINDS.items())

# Runs are grouped by name first, so that names are told apart once and not for each of three kinds.
_FRESH = f"""
    SELECT %(project)s AS project_id, trace_id, max(root) AS type, max(root_at) AS started_at,
           floor(extract(epoch FROM max(last) - min(first)) * 1000)::bigint AS duration_ms,
           sum(runs)::int AS runs, sum(errors)::int AS errors, sum(tokens)::bigint AS tokens, sum(cost) AS cost,
           sum(priced)::int AS priced, sum(unknown)::int AS unknown,
           coalesce((array_agg(kind || ':' || name ORDER BY kind, name) FILTER (WHERE fits))[1:{NAMES}], '{{}}')
               || CASE WHEN count(*) FILTER (WHERE fits) > {NAMES} OR bool_or(NOT fits)
                       THEN ARRAY['{MORE}'] ELSE '{{}}' END AS contains
      FROM (SELECT wanted.id AS trace_id, kind, known AS name,
                   length(known) <= {LONGEST_NAME} AND position('{BETWEEN}' IN known) = 0 AS fits,
                   max(run.type) FILTER (WHERE is_root) AS root, max(run.started_at) FILTER (WHERE is_root) AS root_at,
                   min(run.started_at) AS first, max(greatest(run.started_at, run.ended_at)) AS last,
                   count(*) FILTER (WHERE counted) AS runs,
                   count(*) FILTER (WHERE counted AND run.status = 'error') AS errors,
                   coalesce(sum(coalesce(run.input_tokens, 0)::bigint + coalesce(run.output_tokens, 0))
                            FILTER (WHERE counted), 0) AS tokens,
                   sum(run.cost) FILTER (WHERE counted) AS cost,
                   count(run.cost) FILTER (WHERE counted) AS priced,
                   count(*) FILTER (WHERE counted AND run.cost IS NULL AND run.status = 'success'
                                      AND run.type IN ({_types(PRICED_TYPES)})) AS unknown
              FROM unnest(%(traces)s::uuid[]) AS wanted(id)
              JOIN runs_run AS run ON run.project_id = %(project)s AND run.trace_id = wanted.id,
                   LATERAL (SELECT run.type <> 'span' AND run.repeat_of IS NULL AS counted) AS listed,
                   LATERAL (SELECT counted AND run.id = wanted.id AND run.type IN ({_types(ROOT_TYPES)}) AS is_root,
                                   CASE WHEN counted THEN CASE {_KIND} END END AS kind) AS sorted,
                   LATERAL (SELECT CASE WHEN kind IS NOT NULL THEN run.name END AS known) AS named
             GROUP BY wanted.id, kind, known) AS part
     GROUP BY trace_id HAVING max(root) IS NOT NULL"""

_VALUES = COLUMNS[2:]
_REPLACE = f"""
    WITH fresh AS ({_FRESH}),
         gone AS (DELETE FROM traces_tracesummary AS old
                   WHERE old.project_id = %(project)s AND old.trace_id = ANY(%(traces)s)
                     AND NOT EXISTS (SELECT FROM fresh WHERE fresh.trace_id = old.trace_id))
    INSERT INTO traces_tracesummary AS old ({", ".join(COLUMNS)}) SELECT {", ".join(COLUMNS)} FROM fresh
        ON CONFLICT (project_id, trace_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _VALUES)}
     WHERE ({", ".join(f"old.{name}" for name in _VALUES)})
           IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in _VALUES)})"""

# Longest waiting first; a large trace only when it has waited long enough to be worth its recount.
_STALE = """
    SELECT mark.project_id, mark.trace_id
      FROM (SELECT project_id, trace_id, min(marked_at) AS oldest FROM runs_staletrace GROUP BY 1, 2) AS mark
      LEFT JOIN traces_tracesummary AS summary USING (project_id, trace_id)
     WHERE %(now)s - mark.oldest >= least(coalesce(summary.runs, 0) * %(per_run)s::interval, %(longest)s::interval)
     ORDER BY mark.oldest LIMIT %(most)s"""


@dataclass(frozen=True)
class Totals:
    """What a list says of one trace: how long it took from first start to last end, and its sums."""

    duration_ms: int = 0
    sums: Sums = field(default_factory=Sums)


def recompute(project_id: int, traces: Sequence[UUID]) -> int:
    """Take these traces' marks out and bring their summaries up to date, return how many marks there were.

    0 when another process is at this project, or is emptying it.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [LOCK_CLASS, project_id])
            if not cursor.fetchone()[0]:
                return 0
            scope: dict[str, Any] = {"project": project_id, "traces": list(traces)}
            # Marks first: the statement after this one sees at least all that their transactions wrote.
            cursor.execute(
                "DELETE FROM runs_staletrace WHERE project_id = %(project)s AND trace_id = ANY(%(traces)s)", scope
            )
            marks = int(cursor.rowcount)
            cursor.execute(_REPLACE, scope)
            return marks
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == "40P01":  # a deadlock with who empties the project
            log.info("project %s: summaries wait for another process", project_id)
            return 0
        raise


def recompute_stale(seconds: float = math.inf, *, patient: bool = False) -> int:
    """Recompute stale traces, longest waiting first, for about that long; return how many marks were worked off.

    `patient` leaves a large trace until its wait has earned its cost: one that grows by a batch every few milliseconds
    takes a tenth of a core.
    """
    stop = time.monotonic() + seconds
    done = 0
    while time.monotonic() < stop:
        worked_off = 0
        for project_id, traces in _stale(patient=patient):
            if time.monotonic() >= stop:
                break
            worked_off += recompute(project_id, traces)
        if not worked_off:
            break
        done += worked_off
    return done


def _stale(*, patient: bool) -> Iterator[tuple[int, list[UUID]]]:
    """Yield batches of stale traces, each of one project."""
    scope: dict[str, Any] = {"now": datetime.now(UTC), "longest": LONGEST_PATIENCE, "most": FETCHED}
    scope["per_run"] = PATIENCE_PER_RUN if patient else timedelta()
    with connection.cursor() as cursor:
        cursor.execute(_STALE, scope)
        found = sorted(cursor.fetchall(), key=lambda row: row[0])  # stable: longest waiting first within a project
    for project_id, rows in groupby(found, key=lambda row: row[0]):
        traces = [trace_id for _, trace_id in rows]
        for start in range(0, len(traces), BATCH):
            yield project_id, traces[start : start + BATCH]


def mark(project_id: int, traces: Iterable[UUID]) -> None:
    """Mark traces for recomputing, in the caller's transaction."""
    now = datetime.now(UTC)
    StaleTrace.objects.bulk_create(
        StaleTrace(project_id=project_id, trace_id=trace_id, id=uuid4(), marked_at=now) for trace_id in traces
    )


def lag(project_id: int) -> timedelta:
    """Return how far behind the project's summaries are: the age of the oldest mark, zero when there is none."""
    oldest = StaleTrace.objects.filter(project_id=project_id).aggregate(oldest=Min("marked_at"))["oldest"]
    return max(datetime.now(UTC) - oldest, timedelta()) if oldest else timedelta()


def current(project_id: int, traces: Collection[UUID]) -> dict[UUID, Totals]:
    """Return the totals of these traces (root: agent or chain), exact to the last run. One query, or two.

    Stored ones are read where no mark says that they are out of date, which the same statement tells.
    """
    if not traces:
        return {}
    marks = StaleTrace.objects.filter(project_id=project_id, trace_id=OuterRef("trace_id"))
    kept = TraceSummary.objects.filter(~Exists(marks), project_id=project_id, trace_id__in=list(traces))
    found = {row[0]: _totals(*row[1:]) for row in kept.values_list("trace_id", *MEASURES)}
    return found | recount(project_id, [trace_id for trace_id in traces if trace_id not in found])


def recount(project_id: int, traces: Sequence[UUID]) -> dict[UUID, Totals]:
    """Return the totals of these traces counted from their runs."""
    if not traces:
        return {}
    with connection.cursor() as cursor:
        columns = ", ".join(("trace_id", *MEASURES))
        cursor.execute(f"SELECT {columns} FROM ({_FRESH}) AS fresh", {"project": project_id, "traces": list(traces)})
        return {row[0]: _totals(*row[1:]) for row in cursor.fetchall()}


def _totals(
    duration_ms: int, runs: int, errors: int, tokens: int, cost: Decimal | None, priced: int, unknown: int
) -> Totals:
    return Totals(duration_ms, Sums(runs, errors, tokens, cost or Decimal(0), priced, unknown))


# Proof ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proof:
    """What a look at all summaries of a project found. Those with marks are about to be recomputed anyway."""

    project: str
    equal: int
    repaired: int
    waiting: int

    @property
    def holds(self) -> bool:
        """Tell whether every summary without a mark was equal to a recount."""
        return not self.repaired

    def __str__(self) -> str:
        """Return the proof in a sentence."""
        verdict = "all equal to a recount" if self.holds else f"{self.repaired} were not and have been repaired"
        waiting = f"; {self.waiting} wait to be recomputed" if self.waiting else ""
        return f"{self.project}: {self.equal + self.repaired} trace summaries, {verdict}{waiting}"


_NEXT = f"""
    SELECT id FROM (
        (SELECT id FROM runs_run WHERE project_id = %(project)s AND id > %(after)s AND trace_id = id
            AND type IN ({_types(ROOT_TYPES)}) AND repeat_of IS NULL ORDER BY id LIMIT %(most)s)
        UNION
        (SELECT trace_id FROM traces_tracesummary WHERE project_id = %(project)s AND trace_id > %(after)s
          ORDER BY trace_id LIMIT %(most)s)) AS either
     ORDER BY id LIMIT %(most)s"""

# One statement, so one snapshot: a mark is there exactly when what it is for is.
_COMPARED = f"""
    WITH fresh AS ({_FRESH}),
         kept AS (SELECT * FROM traces_tracesummary WHERE project_id = %(project)s AND trace_id = ANY(%(traces)s))
    SELECT wanted.id,
           EXISTS (SELECT FROM runs_staletrace AS mark
                    WHERE mark.project_id = %(project)s AND mark.trace_id = wanted.id) AS marked,
           ({", ".join(f"fresh.{name}" for name in _VALUES)})
               IS NOT DISTINCT FROM ({", ".join(f"kept.{name}" for name in _VALUES)}) AS same
      FROM unnest(%(traces)s::uuid[]) AS wanted(id)
      LEFT JOIN fresh ON fresh.trace_id = wanted.id LEFT JOIN kept ON kept.trace_id = wanted.id"""


def verify(project: Project) -> Proof:
    """Compare every summary of a project with a recount, and recompute those that differ."""
    equal = repaired = waiting = 0
    for traces in _walk(project.pk):
        with connection.cursor() as cursor:
            cursor.execute(_COMPARED, {"project": project.pk, "traces": traces})
            found = cursor.fetchall()
        wrong = [trace_id for trace_id, marked, same in found if not same and not marked]
        waiting += sum(marked for _, marked, _ in found)
        equal += sum(same and not marked for _, marked, same in found)
        repaired += len(wrong)
        if wrong:
            mark(project.pk, wrong)
            recompute(project.pk, wrong)
    return Proof(str(project), equal, repaired, waiting)


def _walk(project_id: int) -> Iterator[list[UUID]]:
    """Yield the ids of all traces that have a summary or should, batch by batch."""
    after = UUID(int=0)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_NEXT, {"project": project_id, "after": after, "most": BATCH})
            traces = [row[0] for row in cursor.fetchall()]
        if not traces:
            return
        yield traces
        after = traces[-1]
