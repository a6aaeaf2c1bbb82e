"""Stretches in which nothing happened: no run without children was active, its ancestors merely waited. Pure.

A long one (somebody approved something, a queue was full) squeezes everything else to slivers, so the waterfall offers
to compress it.
"""

from typing import Final

import msgspec

from traces.tree import Forest

SHARE: Final = 0.2
"""A gap is one that is longer than this share of its trace; there are never more than four."""
SHORTEST_US: Final = 1_000
"""Gaps that are not longer than this are not worth a word."""
_CELLS: Final = 10  # a gap longer than two of them covers one
_SAMPLE: Final = 1_000


class Gap(msgspec.Struct, frozen=True):
    """An idle stretch, epoch µs."""

    start_us: int
    end_us: int

    @property
    def duration_ms(self) -> int:
        """How long it is."""
        return (self.end_us - self.start_us) // 1000


def idle_gaps(forest: Forest, until_us: int | None = None) -> tuple[Gap, ...]:
    """Return the gaps longer than SHARE of the trace, by start; runs that go on are active until `until_us`.

    Moments (events, errors without duration) are no activity, but a gap ends at one: what happened stays in sight.
    """
    until = forest.end_us if until_us is None else max(until_us, forest.end_us)
    shortest = max((until - forest.start_us) * SHARE, SHORTEST_US)
    if _is_busy(forest, until):
        return ()
    found, at = [], forest.start_us
    for start, end in _activity(forest, until, range(len(forest))):
        if start - at > shortest:
            found.append(Gap(at, start))
        if end > at:
            at = end
    if until - at > shortest:
        found.append(Gap(at, until))
    return tuple(found)


def _activity(forest: Forest, until: int, positions: range) -> list[tuple[int, int]]:
    """Return the start and end of those of the positions that have no children, by start."""
    columns, size = forest.columns, forest.size
    starts, ends, statuses = columns.starts, columns.ends, columns.statuses
    leaves = [position for position in positions if size[position] == 1]
    leaves.sort(key=starts.__getitem__)
    return [
        (
            (start := starts[position]),
            max(start, end)
            if (end := ends[position]) is not None
            else until
            if statuses[position] == "started"
            else start,
        )
        for position in leaves
    ]


def _is_busy(forest: Forest, until: int) -> bool:
    """Tell whether a few of the runs leave no tenth of the trace without activity: then there is no gap to look for."""
    width = (until - forest.start_us) / _CELLS
    if width * 2 <= SHORTEST_US:
        return True
    active: set[int] = set()
    for start, end in _activity(forest, until, range(0, len(forest), max(1, len(forest) // _SAMPLE))):
        active.update(range(int((start - forest.start_us) / width), int((end - forest.start_us) / width) + 1))
    return active.issuperset(range(_CELLS))
