"""The lines of a trace's tree, with everything a template prints computed once: a page has hundreds. Pure."""

from bisect import bisect_left
from enum import Enum
from uuid import UUID

import msgspec

from traces.critical import CriticalPath
from traces.sieve import Sight, Tint, total
from traces.tree import NONE, Forest, Node, Sums
from traces.waterfall import Bar, Scale

CHUNK = 200
HEAT = 6


class Fold(Enum):
    """What lies below a row."""

    LEAF = "leaf"
    OPEN = "open"
    CLOSED = "closed"  # sent, but folded
    LATER = "later"  # not sent; fetched when opened
    DEEPER = "deeper"  # too deep for one page: shown as the top of its own


class Row(msgspec.Struct, kw_only=True):
    """A run as a line of the tree. `ends` is how many lists end behind it."""

    node: Node
    id: UUID
    type: str
    name: str | None
    status: str
    fold: Fold
    level: int
    bar: Bar
    x: str  # of the bar, as it is written: turning a number into text is work for a template
    width: str
    heat: int  # its share of the trace's cost or time, in HEAT steps
    offset_ms: int  # from the start of the trace
    took_ms: int | None  # of a run that goes on: so far; None where nobody knows
    sums: Sums
    children: int
    height: int  # levels below it
    is_match: bool = True  # False: shown for the sake of a run below it
    is_critical: bool = False
    critical_ms: int = 0  # its own time on the critical path
    skipped: int = 0  # plain spans that are not shown between it and the run above
    ends: int = 0
    kind = "row"

    @property
    def folds(self) -> str:
        """What lies below, as a word."""
        return self.fold.value

    @property
    def has_list(self) -> bool:
        """True where the lines of its children follow."""
        return self.fold is Fold.OPEN or self.fold is Fold.CLOSED

    @property
    def ends_each(self) -> range:
        """One step for each list that ends behind it."""
        return range(self.ends)

    @property
    def children_words(self) -> str:
        """How many children it has, in words."""
        return f"{self.children} child run{'' if self.children == 1 else 's'}"

    @property
    def first_child(self) -> UUID:
        """The run that opening this row's list starts with."""
        return self.node.forest.node(self.node.position + 1).id

    @property
    def is_sum(self) -> bool:
        """True where the figures are those of a sub-tree (and are marked Σ)."""
        return self.node.size > 1

    @property
    def errors_hidden(self) -> int:
        """Errors below it that no open line shows."""
        return 0 if self.fold is Fold.OPEN or self.fold is Fold.LEAF else self.sums.errors - self.node.failed


class More(msgspec.Struct, kw_only=True):
    """A line that stands for siblings left out before or after those shown."""

    start: UUID  # the run the neighbouring chunk begins with
    next_count: int
    left: int
    total: int
    earlier: bool
    level: int
    sums: Sums | None  # None where not all that lies between is left out
    bar: Bar
    error_start: UUID | None  # the first left-out run with an error in it
    parent: Node | None
    ends: int = 0
    kind = "more"

    @property
    def ends_each(self) -> range:
        """One step for each list that ends behind it."""
        return range(self.ends)

    @property
    def key(self) -> str:
        """What tells it from the other lines of a page."""
        return f"{'earlier' if self.earlier else 'next'}-{self.parent.id if self.parent else 'top'}"


Line = Row | More


class Pen:
    """Writes the lines of one sight on one scale."""

    def __init__(self, sight: Sight, scale: Scale, tint: Tint, live_us: int | None) -> None:
        """`live_us` is now, epoch µs, where runs that have not ended are believed to go on."""
        self.sight = sight
        self.forest: Forest = sight.forest
        self.scale = scale
        self.live_us = live_us
        self._tint = tint
        self._total = total(self.forest, tint, scale.end_us)
        self._critical = CriticalPath(self.forest, scale.end_us)

    def row(self, place: int, fold: Fold, level: int) -> Row:
        """Return the line of the run at a place."""
        position = self.sight.positions[place]
        node = self.forest.node(position)
        end = self._end(position)
        is_critical = position in self._critical
        bar = self.scale.bar(node.start_us, end)
        return Row(
            node=node,
            id=node.id,
            type=node.type,
            name=node.name,
            status=node.status,
            fold=fold,
            level=level,
            bar=bar,
            x=f"{bar.x:g}",
            width=f"{bar.width:g}",
            heat=self._heat(position, end),
            offset_ms=self.scale.offset_ms(node.start_us),
            took_ms=self._took_ms(node),
            sums=node.sums,
            children=0 if fold is Fold.LEAF else len(self.sight.children(place)),
            height=self.sight.height[place],
            is_match=self.sight.is_match(place),
            is_critical=is_critical,
            critical_ms=self._critical.own_us(position) // 1000 if is_critical else 0,
            skipped=self.sight.skipped(place) if len(self.sight) < len(self.forest) else 0,
        )

    def more(self, siblings: list[int], part: slice, level: int, *, earlier: bool) -> More:
        """Return the line for the siblings of a part that is left out."""
        out = siblings[part]
        positions, forest = self.sight.positions, self.forest
        first, last = positions[out[0]], positions[out[-1]]
        stop = last + forest.size[last]
        parent = self.sight.parent[out[0]]
        is_whole = self.sight.matching is None
        ends = forest.columns.ends[first:stop]
        end = None if None in ends and self.live_us else max((end for end in ends if end is not None), default=None)
        return More(
            start=forest.node(positions[out[max(0, len(out) - CHUNK) if earlier else 0]]).id,
            next_count=min(CHUNK, len(out)),
            left=len(out),
            total=len(siblings),
            earlier=earlier,
            level=level,
            sums=forest.sums_between(first, stop) if is_whole else None,
            bar=self.scale.bar(forest.columns.starts[first], end),
            error_start=self._first_error(out, first, stop) if is_whole else None,
            parent=None if parent == NONE else forest.node(positions[parent]),
        )

    def _first_error(self, out: list[int], first: int, stop: int) -> UUID | None:
        """Return the first of these siblings with an error in it."""
        if not self.forest.errors_between(first, stop):
            return None
        failed = bisect_left(range(first, stop), 1, key=lambda at: self.forest.errors_between(first, at + 1)) + first
        positions = self.sight.positions
        place = bisect_left(range(len(out)), failed + 1, key=lambda index: positions[out[index]]) - 1
        return self.forest.node(positions[out[place]]).id

    def _end(self, position: int) -> int | None:
        """Return when the run ended; where it failed to say, when it began. None while it is running."""
        columns = self.forest.columns
        end = columns.ends[position]
        return columns.starts[position] if end is None and columns.statuses[position] != "started" else end

    def _took_ms(self, node: Node) -> int | None:
        if node.status == "started" and node.end_us is None and self.live_us is not None:
            return max(0, self.live_us - node.start_us) // 1000
        return node.duration_ms

    def _heat(self, position: int, end: int | None) -> int:
        if not self._total:
            return 0
        if self._tint is Tint.COST:
            share = self.forest.cost_between(position, position + self.forest.size[position])
        else:
            share = (self.scale.end_us if end is None else end) - self.forest.columns.starts[position]
        return round(max(0, min(1, share / self._total)) * HEAT)
