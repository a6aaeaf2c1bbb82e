"""The part of a forest that one page shows: which lists are open, where each begins, and what is left out. Pure.

A trace may have 50 000 runs and 5 000 levels; a page has at most `ROWS` rows and `LEVELS` levels, and says what it cut.
Every state is in the address: `start` names the first run of a sibling list (keyset, so late arrivals shift nothing),
`top` the run a page begins with, `selected` the run whose details are open.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

import msgspec

from traces.tree import Forest, Group, Node, Sums
from traces.waterfall import Bar, Scale

ROWS = 800
CHUNK = 200
SHORT = 50  # a list of at most so many runs is shown whole
GLIMPSE = 20  # of a longer one this many are shown until somebody asks for more
LEVELS = 24  # browsers flatten markup that is nested deeper than about 500 elements
OPEN_DEPTH = 3
EAGER = 400  # a trace of at most so many runs is sent whole: closing and opening need no request
MOST_STARTS = 20
HEAT = 6


class Expand(Enum):
    """How much is open besides what the address names."""

    USUAL = ""  # to depth three, and the path to every error
    ALL = "all"
    NONE = "none"


class Ask(msgspec.Struct, frozen=True):
    """What the address asks for; runs that are not in the trace are ignored."""

    expand: Expand = Expand.USUAL
    starts: tuple[UUID, ...] = ()
    top: UUID | None = None
    selected: UUID | None = None


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
    fold: Fold
    level: int
    bar: Bar
    heat: int  # share of the trace's cost in HEAT steps
    offset_ms: int  # from the start of the trace
    ends: int = 0
    kind = "row"

    @property
    def has_list(self) -> bool:
        """True where the lines of its children follow."""
        return self.fold in (Fold.OPEN, Fold.CLOSED)

    @property
    def ends_each(self) -> range:
        """One step for each list that ends behind it."""
        return range(self.ends)

    @property
    def children_words(self) -> str:
        """How many children it has, in words."""
        count = len(self.node.forest.children(self.node.position))
        return f"{count} child run{'' if count == 1 else 's'}"

    @property
    def first_child(self) -> UUID:
        """The run that opening this row's list starts with."""
        return self.node.forest.node(self.node.position + 1).id

    @property
    def cost(self) -> Decimal | None:
        """The sub-tree's cost, a leaf's own; None where nothing in it has one."""
        sums = self.node.sums
        return sums.cost if sums.priced else None

    @property
    def is_sum(self) -> bool:
        """True where the figures are those of a sub-tree (and are marked Σ)."""
        return self.node.size > 1


class More(msgspec.Struct, kw_only=True):
    """A line that stands for siblings left out before or after those shown."""

    start: UUID  # the run the neighbouring chunk begins with
    next_count: int
    left: int
    total: int
    earlier: bool
    level: int
    sums: Sums
    bar: Bar
    error_start: UUID | None  # the first left-out run with an error in it
    parent: Node | None
    ends: int = 0
    kind = "more"

    @property
    def ends_each(self) -> range:
        """One step for each list that ends behind it."""
        return range(self.ends)


class Section(msgspec.Struct, kw_only=True):
    """A list of lines without a parent row: the tree itself, or runs that have no place in it yet."""

    group: Group
    lines: list[Row | More]
    total: int


class Outline(msgspec.Struct, kw_only=True):
    """What a page shows. `above` are the ancestors of its top, the root first."""

    sections: list[Section]
    above: list[Node]
    shown: int
    total: int
    scale: Scale

    @property
    def whole(self) -> bool:
        """True where no run was left out."""
        return self.shown == self.total


def outline(forest: Forest, ask: Ask) -> Outline:
    """Return what the page of a trace shows."""
    plan = _Plan(forest, ask, ROWS)
    groups = {Group.TREE: [plan.top]} if plan.top else forest.tops
    lists = {group: [node.position for node in nodes] for group, nodes in groups.items()}
    plan.open(lists.values())
    sections = [
        Section(group=group, lines=plan.lines(siblings), total=sum(forest.size[position] for position in siblings))
        for group, siblings in lists.items()
    ]
    return Outline(
        sections=sections,
        above=list(reversed(plan.top.ancestors())) if plan.top else [],
        shown=sum(isinstance(line, Row) for section in sections for line in section.lines),
        total=len(forest),
        scale=plan.scale,
    )


def branch(forest: Forest, ask: Ask) -> list[Row | More]:
    """Return the lines of one sibling list from `ask.starts[0]` on, as a page inserts them where a list is opened."""
    plan = _Plan(forest, Ask(expand=ask.expand, top=ask.top), rows=2 * CHUNK)
    start = forest.find(ask.starts[0]) if ask.starts else None
    if start is None:
        return []
    siblings = forest.beside(start.position)
    siblings = siblings[bisect_left(siblings, start.position) :]
    plan.begins[start.position] = 0
    plan.open([siblings])
    return plan.lines(siblings)


class _Plan:
    """Decides which lists are sent, spends the budget of rows on them, and lays the lines out.

    Runs are known by their position, a list of siblings by the position of its first run.
    """

    def __init__(self, forest: Forest, ask: Ask, rows: int) -> None:
        self.forest = forest
        self.ask = ask
        self.left = rows
        self.scale = Scale.over(forest.started_at, forest.ended_at)
        self.total_cost = forest.sums.cost
        self.top = self._find_top()
        self.eager = len(forest) <= EAGER
        self.sent: dict[int, slice] = {}
        self.begins: dict[int, int] = {}  # list → index of the run it must begin with
        self.needed: dict[int, int] = {}  # list → index of a run it must hold
        self.path: set[int] = set()  # runs that must be open and are not yet
        self.opened: set[int] = set()
        self._mark_path()

    def open(self, lists: Iterable[list[int]]) -> None:
        """Choose what is sent of these lists and, level by level, of those beneath; what must be open goes first."""
        queue = deque(lists)
        while queue:
            for position in self._take(queue.popleft()):
                if self.forest.size[position] == 1 or self._is_deepest(position):
                    continue
                if position in self.path:
                    self.path.remove(position)
                    self.opened.add(position)
                    queue.appendleft(self.forest.children(position))
                elif self.eager or self._wants_open(position):
                    queue.append(self.forest.children(position))

    def lines(self, siblings: list[int]) -> list[Row | More]:
        """Return the lines of a list and of everything sent beneath it, parents before children."""
        lines: list[Row | More] = []
        stack = [self._frame(siblings)]
        while stack:
            line = next(stack[-1], None)
            if line is None:
                stack.pop()
                if stack:
                    lines[-1].ends += 1
                continue
            lines.append(line)
            if isinstance(line, Row) and line.has_list:
                stack.append(self._frame(self.forest.children(line.node.position)))
        return lines

    def _find_top(self) -> Node | None:
        """Return the run the page begins with: the one asked for, or one near a selected run that lies too deep."""
        top = self.forest.find(self.ask.top)
        selected = self.forest.find(self.ask.selected)
        depth = top.depth if top else 0
        if selected is None or selected.depth - depth < LEVELS:
            return top
        return self.forest.node(self.forest.above(selected.position)[LEVELS // 2 - 1])

    def _mark_path(self) -> None:
        """Note which runs must be open, and where their lists must begin, for what the address names."""
        for start in self.ask.starts[-MOST_STARTS:]:
            if node := self.forest.find(start):
                first, index = self._place(node.position)
                self.begins[first] = index
                self._open_above(node.position)
        if node := self.forest.find(self.ask.selected):
            first, index = self._place(node.position)
            self.needed[first] = index
            self._open_above(node.position)

    def _place(self, position: int) -> tuple[int, int]:
        """Return the list that a run is in, and its index there."""
        siblings = self.forest.beside(position)
        return siblings[0], bisect_left(siblings, position)

    def _open_above(self, position: int) -> None:
        above = self.forest.above(position)
        if self.top:
            if self.top.position not in above:
                return
            above = above[: above.index(self.top.position) + 1]
        for step in above:
            self.path.add(step)
            if self.top is None or step != self.top.position:
                self.needed.setdefault(*self._place(step))

    def _take(self, siblings: list[int]) -> list[int]:
        """Spend rows on a list: a chunk of it, less where lists that must be open still need their share."""
        key = siblings[0]
        size = min(self._size(key, len(siblings)), self.left // (len(self.path) + 1))
        if size == 0:
            return []
        begin = self.begins.get(key)
        if begin is None:
            needed = self.needed.get(key, 0)
            begin = needed - needed % size
        stop = min(len(siblings), begin + size)
        self.sent[key] = slice(begin, stop)
        self.left -= stop - begin
        return siblings[begin:stop]

    def _size(self, key: int, length: int) -> int:
        """Return how many runs of a list are shown at most: few of a long one that nobody asked for."""
        asked = key in self.begins or self.ask.expand is Expand.ALL
        return CHUNK if asked or length <= SHORT else GLIMPSE

    def _wants_open(self, position: int) -> bool:
        if self.ask.expand is Expand.USUAL:
            return self._level(position) < OPEN_DEPTH or self.forest.node(position).errors_below > 0
        return self.ask.expand is Expand.ALL or self._level(position) == 0

    def _level(self, position: int) -> int:
        return self.forest.depth[position] - (self.top.depth if self.top else 0)

    def _is_deepest(self, position: int) -> bool:
        return self._level(position) + 1 >= LEVELS

    def _frame(self, siblings: list[int]) -> Iterator[Row | More]:
        """Yield the lines of one list, with one for what was left out before and one for what was left out after."""
        part = self.sent[siblings[0]]
        if part.start > 0:
            yield self._more(siblings, slice(0, part.start), earlier=True)
        for position in siblings[part]:
            yield self._row(position)
        if part.stop < len(siblings):
            yield self._more(siblings, slice(part.stop, len(siblings)), earlier=False)

    def _row(self, position: int) -> Row:
        node = self.forest.node(position)
        share = float(node.sums.cost / self.total_cost) if self.total_cost else 0.0
        return Row(
            node=node,
            fold=self._fold(position),
            level=self._level(position),
            bar=self.scale.bar(node.started_at, _end(node)),
            heat=round(share * HEAT),
            offset_ms=self.scale.offset_ms(node.started_at),
        )

    def _fold(self, position: int) -> Fold:
        if self.forest.size[position] == 1:
            return Fold.LEAF
        if self._is_deepest(position):
            return Fold.DEEPER
        if position + 1 not in self.sent:
            return Fold.LATER
        return Fold.OPEN if position in self.opened or self._wants_open(position) else Fold.CLOSED

    def _more(self, siblings: list[int], part: slice, *, earlier: bool) -> More:
        out = siblings[part]
        first = self.forest.node(out[0])
        nodes = [self.forest.node(position) for position in out]
        failed = next((node for node in nodes if node.failed or node.errors_below), None)
        return More(
            start=nodes[max(0, len(out) - CHUNK) if earlier else 0].id,
            next_count=min(CHUNK, len(out)),
            left=len(out),
            total=len(siblings),
            earlier=earlier,
            level=self._level(out[0]),
            sums=self.forest.sums_between(out[0], out[-1] + self.forest.size[out[-1]]),
            bar=self.scale.bar(first.started_at, max((end for node in nodes if (end := _end(node))), default=None)),
            error_start=failed.id if failed else None,
            parent=first.parent,
        )


def _end(node: Node) -> datetime | None:
    """Return when the run ended; where it failed to say, when it began. None while it is running."""
    return node.ended_at or (None if node.status == "started" else node.started_at)
