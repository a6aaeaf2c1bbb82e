"""The last large traces, each process its own, so that opening a list or a view doesn't read 50 000 runs once more.

A forest is only handed out with the state that its trace has now (`traces.columns.state`), and never changes once it is
grown: several requests may read the same one.
"""

from collections import OrderedDict
from threading import Lock
from typing import Final
from uuid import UUID

from traces.tree import Forest

LARGE: Final = 2_000
"""A trace of fewer runs is read as quickly as asked about."""
MOST_RUNS: Final = 100_000
"""What all kept forests have together: about 60 MB."""

_kept: OrderedDict[tuple[int, UUID], tuple[str, Forest]] = OrderedDict()  # the one asked for last stands last
_lock = Lock()


def holds(project_id: int, trace_id: UUID) -> bool:
    """Tell whether it is worth asking for the state of a trace: some state of it is kept."""
    return (project_id, trace_id) in _kept


def find(project_id: int, trace_id: UUID, state: str | None) -> Forest | None:
    """Return the forest of a trace if it is kept in exactly this state."""
    with _lock:
        kept = _kept.get((project_id, trace_id))
        if kept is None or kept[0] != state:
            return None
        _kept.move_to_end((project_id, trace_id))
        return kept[1]


def keep(project_id: int, forest: Forest, state: str) -> None:
    """Keep a large forest, read together with its state, in the place of those not asked for longest."""
    if not LARGE <= len(forest) <= MOST_RUNS:
        return
    with _lock:
        _kept[project_id, forest.trace_id] = (state, forest)
        _kept.move_to_end((project_id, forest.trace_id))
        while sum(len(kept) for _, kept in _kept.values()) > MOST_RUNS:
            _kept.popitem(last=False)


def forget() -> None:
    """Let go of everything that is kept."""
    with _lock:
        _kept.clear()
