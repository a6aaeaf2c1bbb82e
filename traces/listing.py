"""What the lists of traces and threads say above their tables, and where they are empty."""

from dataclasses import dataclass
from typing import Any

from projects.models import Project
from runs import spans
from runs.filters import Filters
from runs.queries import has_runs, suspect

TABLE_SECONDS = 8.0
FIGURE_SECONDS = 4.0
TOO_SLOW = "This search takes too long. Choose a shorter time range, or add a filter beside the text."


@dataclass(frozen=True)
class Choice:
    """A link of a menu or a row of tabs."""

    label: str
    current: bool
    query: str
    icon: str = ""
    count: int | None = None


def ranges(filters: Filters) -> list[Choice]:
    """Return the presets of the time range menu."""
    return [
        Choice(
            label,
            filters.span.preset == preset,
            filters.ranged(**({} if preset == spans.DEFAULT else {"range": preset})),
        )
        for preset, label in spans.PRESETS.items()
    ]


def emptiness(project: Project, filters: Filters) -> dict[str, Any]:
    """Return why a list may be empty: the filter that leaves out most, or that nothing was ever sent."""
    blamed = suspect(project.pk, filters)
    return {"suspect": blamed, "any_runs": blamed is not None or has_runs(project.pk)}
