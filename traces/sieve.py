"""Which runs of a forest a page shows at all: those that match, with the runs above them; plain spans or not. Pure.

What is left is a forest again, in pre-order like the whole one and known by *places*: place n shows the run at
`positions[n]`. Sums, errors and the critical path stay those of the whole forest.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final

import msgspec

from traces.preorder import measure
from traces.tree import NONE, Forest, Group

SHARE: Final = 5.0
"""Percent that "only what takes a share" asks for unless the address names another."""


class Only(Enum):
    """Which runs match."""

    EVERYTHING = ""
    ERRORS = "errors"
    LLM = "llm"
    SHARE = "share"  # sub-trees with at least a share of the trace's cost or time


class Tint(Enum):
    """Whose share colours the rows."""

    COST = "cost"  # of the sub-tree, in the trace's
    TIME = "time"  # from start to end, in the trace's


class Wanted(msgspec.Struct, frozen=True):
    """What a page is to show; `share` is in percent of what `tint` names."""

    only: Only = Only.EVERYTHING
    share: float = SHARE
    tint: Tint = Tint.COST
    hides_spans: bool = False

    @property
    def is_everything(self) -> bool:
        """True where nothing is left out."""
        return self.only is Only.EVERYTHING and not self.hides_spans


class Tally(msgspec.Struct, frozen=True):
    """What a page offers to show alone, or to hide."""

    errors: int
    llm: int
    spans: int


class Sight:
    """The part of a forest that is shown, by place. `matching` is None where every run matches."""

    def __init__(
        self,
        forest: Forest,
        positions: Sequence[int],
        parent: "array[int]",
        matching: bytearray | None = None,
    ) -> None:
        self.forest = forest
        self.positions = positions
        self.parent = parent
        self.matching = matching
        if len(positions) == len(forest):
            self.depth, self.size, self.height = forest.depth, forest.size, forest.height
        else:
            self.depth, self.size, self.height = measure(parent)
        self.tops = self._tops()
        self._lists: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def matches(self) -> int:
        """How many runs match."""
        return len(self) if self.matching is None else self.matching.count(1)

    def is_match(self, place: int) -> bool:
        """Tell whether a run is shown for its own sake, not for one below it."""
        return self.matching is None or bool(self.matching[place])

    def place(self, position: int | None) -> int | None:
        """Return where a run is shown; None where it is not."""
        if position is None or len(self.positions) == len(self.forest):
            return position
        place = bisect_left(self.positions, position)
        return place if place < len(self.positions) and self.positions[place] == position else None

    def children(self, place: int) -> list[int]:
        """Return the places directly below, by start."""
        found = self._lists.get(place)
        if found is None:
            found, below, stop = [], place + 1, place + self.size[place]
            while below < stop:
                found.append(below)
                below += self.size[below]
            self._lists[place] = found
        return found

    def beside(self, place: int) -> list[int]:
        """Return the list of siblings that a place is in, itself included."""
        if (parent := self.parent[place]) != NONE:
            return self.children(parent)
        return next(siblings for siblings in self.tops.values() if place in siblings)

    def above(self, place: int) -> list[int]:
        """Return the places above, nearest first."""
        found = []
        while (place := self.parent[place]) != NONE:
            found.append(place)
        return found

    def skipped(self, place: int) -> int:
        """Return how many plain spans that are not shown lie between a run and the one it is shown beneath."""
        parent = self.parent[place]
        shown = NONE if parent == NONE else self.positions[parent]
        position, count = self.forest.parent[self.positions[place]], 0
        while position != shown:
            position, count = self.forest.parent[position], count + 1
        return count

    def _tops(self) -> dict[Group, list[int]]:
        """Return the places without a parent by group; groups are neighbouring stretches of the forest."""
        places = [place for place, parent in enumerate(self.parent) if parent == NONE]
        tops: dict[Group, list[int]] = {}
        for group, nodes in self.forest.tops.items():
            first, last = nodes[0].position, nodes[-1].position + nodes[-1].size
            if found := [place for place in places if first <= self.positions[place] < last]:
                tops[group] = found
        return tops


def tally(forest: Forest) -> Tally:
    """Return how many runs of a forest are errors, model calls and plain spans; repeats are left out."""
    kinds = zip(forest.columns.types, forest.columns.repeats, strict=True)
    llm = sum(kind == "llm" and not repeat for kind, repeat in kinds)
    return Tally(errors=forest.sums.errors, llm=llm, spans=forest.columns.types.count("span"))


def sift(forest: Forest, wanted: Wanted, besides: Sequence[int] = (), until_us: int | None = None) -> Sight:
    """Return what of a forest is shown: what matches, the positions `besides`, and the runs above those.

    Plain spans that are hidden hand their children to the run above. A run that has not ended counts as running until
    `until_us` (epoch µs). 50 000 runs take some 30 ms, without one object per run.
    """
    if wanted.is_everything:
        return Sight(forest, range(len(forest)), forest.parent)
    matching = _matching(forest, wanted, until_us)
    kept = bytearray(matching) if matching else bytearray(b"\1" * len(forest))
    hidden = []
    if wanted.hides_spans:
        extra = set(besides)
        hidden = [at for at, kind in enumerate(forest.columns.types) if kind == "span" and at not in extra]
    _set(kept, hidden, 0)
    _set(kept, besides, 1)
    parent = forest.parent
    for position in range(len(kept) - 1, 0, -1):
        if kept[position] and parent[position] != NONE:
            kept[parent[position]] = 1
    _set(kept, hidden, 0)
    return _shown(forest, kept, matching)


def _set(kept: bytearray, positions: Iterable[int], value: int) -> None:
    for position in positions:
        kept[position] = value


def _shown(forest: Forest, kept: bytearray, matching: bytearray | None) -> Sight:
    """Return the sight of the positions that are kept."""
    positions: list[int] = []
    parent = array("q")
    place_of = array("q", bytes(8 * len(kept)))  # of a run that is left out: of the nearest one above that is not
    for position, above in enumerate(forest.parent):
        at = NONE if above == NONE else place_of[above]
        if kept[position]:
            place_of[position] = len(positions)
            positions.append(position)
            parent.append(at)
        else:
            place_of[position] = at
    return Sight(forest, positions, parent, matching and bytearray(matching[position] for position in positions))


def _matching(forest: Forest, wanted: Wanted, until_us: int | None) -> bytearray | None:
    """Return 1 for each position that matches, else 0; None where every one does."""
    columns = forest.columns
    if wanted.only is Only.EVERYTHING:
        return None
    if wanted.only is Only.SHARE:
        shares = costs(forest) if wanted.tint is Tint.COST else times(forest, until_us)
        least = max(1, total(forest, wanted.tint, until_us) * wanted.share / 100)
        return bytearray(value >= least for value in shares)
    if wanted.only is Only.LLM:
        found = (kind == "llm" for kind in columns.types)
    else:
        pairs = zip(columns.statuses, columns.types, strict=True)
        found = (status == "error" and kind != "span" for status, kind in pairs)
    return bytearray(match and not repeat for match, repeat in zip(found, columns.repeats, strict=True))


def costs(forest: Forest) -> list[int]:
    """Return what the sub-tree of each position costs, in 10⁻¹⁰ USD."""
    return [forest.cost_between(position, position + size) for position, size in enumerate(forest.size)]


def times(forest: Forest, until_us: int | None = None) -> list[int]:
    """Return how long each position took, in µs; one that has not ended takes until `until_us`, at least 0."""
    columns = forest.columns
    until = forest.end_us if until_us is None else until_us
    return [
        max(0, (until if status == "started" else start) - start if end is None else end - start)
        for start, end, status in zip(columns.starts, columns.ends, columns.statuses, strict=True)
    ]


def total(forest: Forest, tint: Tint, until_us: int | None) -> int:
    """Return what the shares are shares of: the trace's cost in 10⁻¹⁰ USD, or its time in µs."""
    if tint is Tint.COST:
        return forest.cost_between(0, len(forest))
    return max(forest.end_us, until_us or 0) - forest.start_us
