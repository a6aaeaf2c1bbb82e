"""The part of a forest that one page shows: which lists are open, where each begins, and what is left out. Pure.

A trace may have 50 000 runs and 5 000 levels; a page has at most `ROWS` rows and `LEVELS` levels, and says what it cut.
Every state is in the address: `start` names the first run of a sibling list (keyset, so late arrivals shift nothing),
`top` the run a page begins with, `selected` the run whose details are open.
"""

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
        count = len(self.node.children)
        return f"{count} child run{'' if count == 1 else 's'}"

    @property
    def first_child(self) -> UUID:
        """The run that opening this row's list starts with."""
        return self.node.children[0].row.id

    @property
    def cost(self) -> Decimal | None:
        """The sub-tree's cost, a leaf's own; None where nothing in it has one."""
        return self.node.sums.cost if self.node.sums.priced else None

    @property
    def is_sum(self) -> bool:
        """True where the figures are those of a sub-tree (and are marked Σ)."""
        return bool(self.node.children)


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
    plan.open(groups.values())
    sections = [
        Section(group=group, lines=plan.lines(siblings), total=sum(node.size for node in siblings))
        for group, siblings in groups.items()
    ]
    return Outline(
        sections=sections,
        above=list(reversed(plan.top.ancestors())) if plan.top else [],
        shown=sum(isinstance(line, Row) for section in sections for line in section.lines),
        total=len(forest.nodes),
        scale=plan.scale,
    )


def branch(forest: Forest, ask: Ask) -> list[Row | More]:
    """Return the lines of one sibling list from `ask.starts[0]` on, as a page inserts them where a list is opened."""
    plan = _Plan(forest, Ask(expand=ask.expand, top=ask.top), rows=2 * CHUNK)
    start = forest.nodes.get(ask.starts[0]) if ask.starts else None
    if start is None:
        return []
    siblings = start.siblings[start.siblings.index(start) :]
    plan.begins[start.row.id] = 0
    plan.open([siblings])
    return plan.lines(siblings)


class _Plan:
    """Decides which lists are sent, spends the budget of rows on them, and lays the lines out.

    A list of siblings is known by the id of its first run.
    """

    def __init__(self, forest: Forest, ask: Ask, rows: int) -> None:
        self.forest = forest
        self.ask = ask
        self.left = rows
        self.scale = Scale.over(forest.started_at, forest.ended_at)
        self.top = self._find_top()
        self.eager = len(forest.nodes) <= EAGER
        self.sent: dict[UUID, slice] = {}
        self.begins: dict[UUID, int] = {}  # list → index of the run it must begin with
        self.needed: dict[UUID, int] = {}  # list → index of a run it must hold
        self.path: dict[UUID, Node] = {}  # runs that must be open and are not yet
        self.opened: set[UUID] = set()
        self._mark_path()

    def open(self, lists: Iterable[list[Node]]) -> None:
        """Choose what is sent of these lists and, level by level, of those beneath; what must be open goes first."""
        queue = deque(lists)
        while queue:
            for node in self._take(queue.popleft()):
                if not node.children or self._is_deepest(node):
                    continue
                if self.path.pop(node.row.id, None):
                    self.opened.add(node.row.id)
                    queue.appendleft(node.children)
                elif self.eager or self._wants_open(node):
                    queue.append(node.children)

    def lines(self, siblings: list[Node]) -> list[Row | More]:
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
                stack.append(self._frame(line.node.children))
        return lines

    def _find_top(self) -> Node | None:
        """Return the run the page begins with: the one asked for, or one near a selected run that lies too deep."""
        nodes = self.forest.nodes
        top = nodes.get(self.ask.top) if self.ask.top else None
        selected = nodes.get(self.ask.selected) if self.ask.selected else None
        depth = top.depth if top else 0
        if selected is None or selected.depth - depth < LEVELS:
            return top
        return selected.ancestors()[LEVELS // 2 - 1]

    def _mark_path(self) -> None:
        """Note which runs must be open, and where their lists must begin, for what the address names."""
        nodes = self.forest.nodes
        for start in self.ask.starts[-MOST_STARTS:]:
            if node := nodes.get(start):
                self.begins[node.siblings[0].row.id] = node.siblings.index(node)
                self._open_above(node)
        if self.ask.selected and (node := nodes.get(self.ask.selected)):
            self.needed[node.siblings[0].row.id] = node.siblings.index(node)
            self._open_above(node)

    def _open_above(self, node: Node) -> None:
        above = node.ancestors()
        if self.top:
            if self.top not in above:
                return
            above = above[: above.index(self.top) + 1]
        for step in above:
            self.path[step.row.id] = step
            if step is not self.top:
                self.needed.setdefault(step.siblings[0].row.id, step.siblings.index(step))

    def _take(self, siblings: list[Node]) -> list[Node]:
        """Spend rows on a list: a chunk of it, less where lists that must be open still need their share."""
        key = siblings[0].row.id
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

    def _size(self, key: UUID, length: int) -> int:
        """Return how many runs of a list are shown at most: few of a long one that nobody asked for."""
        asked = key in self.begins or self.ask.expand is Expand.ALL
        return CHUNK if asked or length <= SHORT else GLIMPSE

    def _wants_open(self, node: Node) -> bool:
        if self.ask.expand is Expand.USUAL:
            return self._level(node) < OPEN_DEPTH or node.errors_below > 0
        return self.ask.expand is Expand.ALL or self._level(node) == 0

    def _level(self, node: Node) -> int:
        return node.depth - (self.top.depth if self.top else 0)

    def _is_deepest(self, node: Node) -> bool:
        return self._level(node) + 1 >= LEVELS

    def _frame(self, siblings: list[Node]) -> Iterator[Row | More]:
        """Yield the lines of one list, with one for what was left out before and one for what was left out after."""
        part = self.sent[siblings[0].row.id]
        if part.start > 0:
            yield self._more(siblings, slice(0, part.start), earlier=True)
        for node in siblings[part]:
            yield self._row(node)
        if part.stop < len(siblings):
            yield self._more(siblings, slice(part.stop, len(siblings)), earlier=False)

    def _row(self, node: Node) -> Row:
        total = self.forest.sums.cost
        share = float(node.sums.cost / total) if total else 0.0
        bar = self.scale.bar(node.row.started_at, _end(node))
        return Row(
            node=node,
            fold=self._fold(node),
            level=self._level(node),
            bar=bar,
            heat=round(share * HEAT),
            offset_ms=self.scale.offset_ms(node.row.started_at),
        )

    def _fold(self, node: Node) -> Fold:
        if not node.children:
            return Fold.LEAF
        if self._is_deepest(node):
            return Fold.DEEPER
        if node.children[0].row.id not in self.sent:
            return Fold.LATER
        return Fold.OPEN if node.row.id in self.opened or self._wants_open(node) else Fold.CLOSED

    def _more(self, siblings: list[Node], part: slice, *, earlier: bool) -> More:
        out = siblings[part]
        sums = Sums()
        for node in out:
            sums.add(node.sums)
        ends = [end for node in out if (end := _end(node))]
        failed = next((node for node in out if node.sums.errors), None)
        return More(
            start=out[max(0, len(out) - CHUNK) if earlier else 0].row.id,
            next_count=min(CHUNK, len(out)),
            left=len(out),
            total=len(siblings),
            earlier=earlier,
            level=self._level(out[0]),
            sums=sums,
            bar=self.scale.bar(out[0].row.started_at, max(ends, default=None)),
            error_start=failed.row.id if failed else None,
            parent=out[0].parent,
        )


def _end(node: Node) -> datetime | None:
    """Return when the run ended; where it failed to say, when it began. None while it is running."""
    row = node.row
    return row.ended_at or (None if row.status == "started" else row.started_at)
