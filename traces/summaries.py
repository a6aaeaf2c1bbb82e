"""Sums of whole traces, recomputed from runs (DESIGN.md rule 13), never incremented.

A writing transaction leaves a `StaleTrace` mark beside what it wrote, `traces.marks` works them off. Whoever shows
figures asks `current`, which is exact to the last run, worker or not: traces with marks are counted on the spot. Only
what a whole list is filtered or sorted by may lag, by `MARKS.lag`.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef

from projects.models import Project
from runs.models import StaleTrace
from traces.fields import BETWEEN, KINDS, MORE
from traces.marks import BATCH, Marks
from traces.models import TraceSummary
from traces.tree import PRICED_TYPES, ROOT_TYPES, Sums

NAMES = 200  # distinct names that a summary holds
LONGEST_NAME = 100  # characters; longer ones are looked up among the runs
MARKS: Final = Marks(
    mark=StaleTrace,
    summary=TraceSummary,
    column="trace_id",
    size="runs",
    # A trace of R runs takes about R × 6 µs to recount; it may take a tenth of the time.
    per_item=timedelta(microseconds=60),
    longest=timedelta(seconds=60),
    lock_class=0x1DA6,
)

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


@dataclass(frozen=True)
class Totals:
    """What a list says of one trace: how long it took from first start to last end, and its sums."""

    duration_ms: int = 0
    sums: Sums = field(default_factory=Sums)


def recompute(project_id: int, traces: Sequence[UUID]) -> int:
    """Take these traces' marks out and bring their summaries up to date, return how many marks there were.

    0 when another process is at this project, or is emptying it.
    """
    return MARKS.recount(project_id, traces, _store)


def _store(project_id: int, traces: Sequence[UUID]) -> None:
    """Make the summaries of these traces what a recount says, writing only those that differ."""
    with connection.cursor() as cursor:
        cursor.execute(_REPLACE, {"project": project_id, "traces": list(traces)})


def recompute_stale(seconds: float = math.inf, *, patient: bool = False) -> int:
    """Recompute stale traces, longest waiting first, for about that long; return how many marks were worked off."""
    return MARKS.work_off(recompute, seconds, patient=patient)


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
            MARKS.add(project.pk, wrong)
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
