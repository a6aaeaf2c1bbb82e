"""The lines of a comparison that one page shows: what differs, with what does not folded in between. Pure.

A page begins with any run and has PAGE lines; more are fetched behind them until there are ROWS.
"""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec

from traces.alignment import Alignment, Kind, Pair
from traces.compare_address import SIDES
from traces.preorder import NONE, Group
from traces.tree import Sums

ROWS: Final = 800
PAGE: Final = 200
SMALL: Final = 60
"""Comparisons of at most so many lines show all of them, unless the address asks for the differences only."""
GLIMPSE: Final = 12
"""A run that only one side has is listed with all beneath it while that is at most so many; else those are folded."""
LEVELS: Final = 24
"""Levels that are indented; deeper ones stand as far in as the last."""

Texts = Mapping[int, tuple[str, ...]]
Stretch = tuple[int, int]  # lines from, to; more than one: folded
WORDS: Final = {
    Kind.SAME: "unchanged",
    Kind.CHANGED: "changed",
    Kind.ADDED: "added",
    Kind.REMOVED: "removed",
    Kind.AWAITED: "not received yet",
}


class Row(msgspec.Struct, kw_only=True):
    """A pair as a line. `texts` are those of its payloads that are known to differ: input, output, error, params."""

    pair: Pair
    level: int
    texts: tuple[str, ...]
    opens: Group | None = None  # the group that begins with this line, where that is not the tree
    left_sums: Sums | None = None
    right_sums: Sums | None = None
    kind = "row"

    @property
    def indent(self) -> int:
        """How far in it stands, px: less and less per level."""
        return indent(self.level)

    @property
    def key(self) -> str:
        """The pair as an address names it."""
        left, right = self.pair.left, self.pair.right
        return f"{left.id if left else ''}{SIDES}{right.id if right else ''}"

    @property
    def word(self) -> str:
        """What became of the run."""
        return WORDS[self.pair.kind]

    @property
    def renamed_from(self) -> str:
        """The name it had, where that is another."""
        left, right = self.pair.left, self.pair.right
        if left is None or right is None or (left.type, left.name) == (right.type, right.name):
            return ""
        return left.name or left.type

    @property
    def was(self) -> str:
        """The status it had, where that is another."""
        left, right = self.pair.left, self.pair.right
        return left.status if left and right and left.status != right.status else ""


class Fold(msgspec.Struct, kw_only=True):
    """A line that stands for neighbours and all beneath them. `start` is the run that opening it begins with."""

    start: UUID
    what: Kind
    runs: int
    level: int
    opens: Group | None = None
    kind = "fold"

    @property
    def indent(self) -> int:
        """How far in it stands, px."""
        return indent(self.level)

    @property
    def word(self) -> str:
        """What became of the runs."""
        return WORDS[self.what]


def indent(level: int) -> int:
    """Return how far in a level stands, px: 16 for each of the first four, then less, so that names keep room."""
    return 16 * min(level, 4) + 8 * min(max(level - 4, 0), 6) + 3 * max(level - 10, 0)


class Table(msgspec.Struct, kw_only=True):
    """What a page shows. `above` are the pairs above its first line, the root first."""

    lines: list[Row | Fold]
    above: list[Pair]
    before: int  # lines left out before, and after, those shown
    after: int
    total: int
    earlier: UUID | None = None  # the run that the page before begins with
    later: UUID | None = None


def shows_everything(alignment: Alignment, *, asked: bool | None) -> bool:
    """Tell whether every run is listed: as the address asks, or while they are few."""
    return len(alignment) <= SMALL if asked is None else asked


def table(
    alignment: Alignment,
    texts: Texts,
    *,
    everything: bool,
    opened: frozenset[UUID] = frozenset(),
    start: UUID | None = None,
    chosen: int | None = None,
) -> Table:
    """Return a page of lines from `start` on; the line of the chosen pair is never folded."""
    plan = _Plan(alignment, opened, chosen)
    stretches = [(line, line + 1) for line in range(len(alignment))] if everything else plan.stretches()
    begins = [stretch[0] for stretch in stretches]
    asked = alignment.find(start) if start else None
    if asked is not None:
        first = bisect_right(begins, asked) - 1
    else:
        first = 0 if chosen is None else (bisect_right(begins, chosen) - 1) // PAGE * PAGE
    stop = min(first + PAGE, len(stretches))
    return Table(
        lines=[plan.line(stretch, texts) for stretch in stretches[first:stop]],
        above=_above(alignment, begins[first]) if first else [],
        before=first,
        after=len(stretches) - stop,
        total=len(stretches),
        earlier=_id(alignment, begins[max(0, first - PAGE)]) if first else None,
        later=_id(alignment, begins[stop]) if stop < len(stretches) else None,
    )


class _Plan:
    """Decides what is folded."""

    def __init__(self, alignment: Alignment, opened: frozenset[UUID], chosen: int | None) -> None:
        self.alignment = alignment
        self.opened = opened
        self.kept = {chosen, *_lines_above(alignment, chosen)} if chosen is not None else set()
        self.begins = {lines.start: group for group, lines in alignment.groups.items() if group is not Group.TREE}
        self.ends = {line: lines.stop for lines in alignment.groups.values() for line in alignment.tops(lines)}

    def stretches(self) -> list[Stretch]:
        """Return single lines, and neighbouring sub-trees that are folded into one, in order."""
        found: list[Stretch] = []
        line = 0
        while line < len(self.alignment):
            what = self._fold(line)
            stop = self._stop(line, what) if what else line + 1
            if stop - line > 1 and self._is_opened(line):
                self.kept.update(self.alignment.tops(range(line, stop)))
                stop = line + 1
            found.append((line, stop))
            line = stop
        return found

    def line(self, stretch: Stretch, texts: Texts) -> Row | Fold:
        """Return what stands on a line of the page."""
        start, stop = stretch
        alignment = self.alignment
        level = min(alignment.depth[start], LEVELS)
        if stop - start > 1:
            what, run = alignment.kinds[start], _id(alignment, start)
            return Fold(start=run, what=what, runs=stop - start, level=level, opens=self.begins.get(start))
        pair = alignment.pair(start)
        return Row(
            pair=pair,
            level=level,
            texts=texts.get(start, ()),
            opens=self.begins.get(start),
            left_sums=pair.left.sums if pair.left else None,
            right_sums=pair.right.sums if pair.right else None,
        )

    def _is_opened(self, line: int) -> bool:
        """Tell whether the address names either run of the line, so that swapping the sides keeps folds open."""
        pair = self.alignment.pair(line)
        return any(node is not None and node.id in self.opened for node in (pair.left, pair.right))

    def _fold(self, line: int) -> Kind | None:
        """Return the kind of sub-tree that can be folded with its neighbours, None where it can't."""
        alignment = self.alignment
        kind, above = alignment.kinds[line], alignment.parent[line]
        if line in self.kept or (above == NONE and line == 0):
            return None
        if kind is Kind.SAME:
            return None if alignment.differing(line, line + alignment.size[line]) else kind
        if kind in (Kind.ADDED, Kind.REMOVED) and above != NONE and alignment.kinds[above] is kind:
            return kind if alignment.size[above] > GLIMPSE else None
        return None

    def _stop(self, line: int, what: Kind) -> int:
        """Return the line after the last of the neighbours that fold with this one."""
        alignment, above = self.alignment, self.alignment.parent[line]
        end = above + alignment.size[above] if above != NONE else self.ends[line]
        while line < end and self._fold(line) is what:
            line += alignment.size[line]
        return line


def _above(alignment: Alignment, line: int) -> list[Pair]:
    return [alignment.pair(above) for above in reversed(_lines_above(alignment, line))][-LEVELS:]


def _lines_above(alignment: Alignment, line: int) -> list[int]:
    """Return the lines above, nearest first."""
    found = []
    while (line := alignment.parent[line]) != NONE:
        found.append(line)
    return found


def _id(alignment: Alignment, line: int) -> UUID:
    return alignment.pair(line).either.id
