"""What trace summaries must be: the raw runs added up in Python, and what is stored, in the same shape."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from projects.models import Project
from runs.models import Run
from traces import summaries
from traces.models import TraceSummary

KINDS = {"tool": "tool", "llm": "model", "embed": "model", "agent": "agent"}


def recount(project: Project) -> dict[UUID, tuple[Any, ...]]:
    """Sum up the raw runs in Python, trace by trace."""
    traces: dict[UUID, list[Run]] = defaultdict(list)
    for run in Run.objects.filter(project_id=project.pk, trace_id__isnull=False):
        assert run.trace_id
        traces[run.trace_id].append(run)
    return {id: _summed(id, runs) for id, runs in traces.items() if _is_listed(id, runs)}


def _is_listed(id: UUID, runs: Sequence[Run]) -> bool:
    return any(run.id == id and run.type in ("agent", "chain") and run.repeat_of is None for run in runs)


def _summed(id: UUID, runs: Sequence[Run]) -> tuple[Any, ...]:
    (root,) = (run for run in runs if run.id == id)
    counted = [run for run in runs if run.type != "span" and run.repeat_of is None]
    ends = [at for run in runs for at in (run.started_at, run.ended_at) if at]
    costs = [run.cost for run in counted if run.cost is not None]
    unpriced = [run for run in counted if run.type in ("llm", "embed") and run.status == "success" and run.cost is None]
    inside = {f"{KINDS[run.type]}:{run.name}" for run in counted if run.type in KINDS and run.name is not None}
    return (
        root.type,
        root.started_at,
        (max(ends) - min(run.started_at for run in runs)) // timedelta(milliseconds=1),
        len(counted),
        sum(run.status == "error" for run in counted),
        sum((run.input_tokens or 0) + (run.output_tokens or 0) for run in counted),
        sum(costs, Decimal(0)) if costs else None,
        len(costs),
        len(unpriced),
        inside,
    )


def stored(project: Project) -> dict[UUID, tuple[Any, ...]]:
    names = ("type", "started_at", *summaries.MEASURES)
    return {
        row.trace_id: (*(getattr(row, name) for name in names), set(row.contains))
        for row in TraceSummary.objects.filter(project_id=project.pk)
    }
