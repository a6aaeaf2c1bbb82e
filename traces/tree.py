"""A trace as a forest with sums. Pure: no Django; nothing recurses, so depth is bounded by memory alone.

`grow` takes the narrow rows of one trace in any order. What it returns depends on the rows only, never on their order
(rule 3), holds every row exactly once, and cannot be made to hang by parents that point at each other.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from uuid import UUID

import msgspec

ROOT_TYPES = frozenset({"agent", "chain"})
"""Types whose topmost runs are listed as traces (rule 9)."""
PRICED_TYPES = frozenset({"llm", "embed"})
"""Types that cost something when they succeed: without a price the cost is "unknown"; every other type has none."""


class RunRow(msgspec.Struct, frozen=True, gc=False):
    """What a tree needs of a run; no body, no metadata. Field order is the column order of `traces.queries`."""

    id: UUID
    parent_id: UUID | None
    type: str
    name: str | None
    status: str
    started_at: datetime
    ended_at: datetime | None = None
    duration_ms: int | None = None
    input_tokens: int | None = None  # including cached
    output_tokens: int | None = None
    cost: Decimal | None = None  # USD; None is unknown
    repeat_of: UUID | None = None

    @property
    def counted(self) -> bool:
        """False for plain spans (rule 9) and for second reports of a call: shown, but part of no sum."""
        return self.type != "span" and self.repeat_of is None

    @property
    def tokens(self) -> int | None:
        """Input and output tokens; None where neither is known."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)

    @property
    def failed(self) -> bool:
        """True for a run that counts and ended in an error."""
        return self.status == "error" and self.counted


class Sums(msgspec.Struct):
    """Figures of a sub-tree, its top included. `cost` is a lower bound while `unknown` is not 0."""

    runs: int = 0
    errors: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    priced: int = 0  # runs whose cost is in `cost`
    unknown: int = 0  # model calls whose cost is unknown (rule 12)

    def add_row(self, row: RunRow) -> None:
        """Take in one run, if it counts."""
        if not row.counted:
            return
        self.runs += 1
        self.errors += row.status == "error"
        self.tokens += row.tokens or 0
        if row.cost is not None:
            self.cost += row.cost
            self.priced += 1
        elif row.type in PRICED_TYPES and row.status == "success":
            self.unknown += 1

    def add(self, other: "Sums") -> None:
        """Take in the figures of a sub-tree."""
        self.runs += other.runs
        self.errors += other.errors
        self.tokens += other.tokens
        self.cost += other.cost
        self.priced += other.priced
        self.unknown += other.unknown


class Node(msgspec.Struct, eq=False):
    """A run in its place. `size` counts the rows of the sub-tree, itself included, whether they count or not."""

    row: RunRow
    parent: "Node | None" = None
    siblings: "list[Node]" = msgspec.field(default_factory=list)  # the list this node is in, itself included
    children: "list[Node]" = msgspec.field(default_factory=list)
    sums: Sums = msgspec.field(default_factory=Sums)
    depth: int = 0
    size: int = 1
    height: int = 0  # levels below

    @property
    def errors_below(self) -> int:
        """Errors in the sub-tree, not counting the node's own."""
        return self.sums.errors - self.row.failed

    def ancestors(self) -> "list[Node]":
        """Return the nodes above, nearest first."""
        above, node = [], self.parent
        while node is not None:
            above.append(node)
            node = node.parent
        return above


class Group(Enum):
    """The lists that hang beneath no run."""

    TREE = "tree"
    ORPHANS = "orphans"
    ODD = "odd"


class Forest(msgspec.Struct, eq=False):
    """All runs of a trace. `root` is None while the topmost run has not been received."""

    trace_id: UUID
    root: Node | None
    orphans: list[Node]  # their parent has not been received yet
    odd: list[Node]  # their parents lead in a circle
    nodes: dict[UUID, Node]
    sums: Sums
    started_at: datetime
    ended_at: datetime

    @property
    def running(self) -> bool:
        """True while the topmost run, as far as it is known, has not ended."""
        tops = [self.root] if self.root else self.orphans
        return any(node.row.status == "started" for node in tops)

    @property
    def tops(self) -> "dict[Group, list[Node]]":
        """The lists that hang beneath no run, without the empty ones."""
        lists = {Group.TREE: [self.root] if self.root else [], Group.ORPHANS: self.orphans, Group.ODD: self.odd}
        return {group: siblings for group, siblings in lists.items() if siblings}

    @property
    def duration_ms(self) -> int:
        """From the first start to the last end that is known, whatever the root says of itself."""
        return (self.ended_at - self.started_at) // timedelta(milliseconds=1)

    @property
    def first_error(self) -> UUID | None:
        """The first run that failed, the root left out."""
        return next((id for id, node in self.nodes.items() if node.row.failed and node is not self.root), None)

    @property
    def errors_inside(self) -> int:
        """Errors of everything but the root."""
        return self.sums.errors - bool(self.root and self.root.row.failed)


def grow(trace_id: UUID, rows: Iterable[RunRow]) -> Forest:
    """Return the forest of a trace's rows; there must be at least one row. Children are in start order."""
    ordered = sorted({row.id: row for row in rows}.values(), key=_start_order)
    nodes = {row.id: Node(row) for row in ordered}
    orphans: list[Node] = []
    for node in nodes.values():
        _attach(node, nodes, orphans, trace_id)
    root = nodes.get(trace_id)
    odd = _cut_circles(nodes)
    top = [root] if root else []
    for siblings in (top, orphans, odd):
        for node in siblings:
            node.siblings = siblings
    everything = _measure([*top, *orphans, *odd])
    return Forest(
        trace_id=trace_id,
        root=root,
        orphans=orphans,
        odd=odd,
        nodes=nodes,
        sums=everything,
        started_at=ordered[0].started_at,
        ended_at=max(max(row.started_at, row.ended_at or row.started_at) for row in ordered),
    )


_start_order = attrgetter("started_at", "id")


def _attach(node: Node, nodes: dict[UUID, Node], orphans: list[Node], trace_id: UUID) -> None:
    """Hang the node beneath its parent; the topmost run keeps no parent (its own may be a chat)."""
    if node.row.id == trace_id:
        return
    parent = nodes.get(node.row.parent_id) if node.row.parent_id else None
    if parent is None:
        orphans.append(node)
        return
    node.parent = parent
    node.siblings = parent.children
    parent.children.append(node)


def _cut_circles(nodes: dict[UUID, Node]) -> list[Node]:
    """Cut every node that is its own ancestor from its parent and return these nodes in start order."""
    walked: dict[int, int] = {}  # id() of a node → number of the walk that met it first
    circular: set[int] = set()
    for number, start in enumerate(nodes.values()):
        node: Node | None = start
        while node is not None and id(node) not in walked:
            walked[id(node)] = number
            node = node.parent
        if node is not None and walked[id(node)] == number:  # the walk bit its own tail
            while node is not None and id(node) not in circular:
                circular.add(id(node))
                node = node.parent
    odd = [node for node in nodes.values() if id(node) in circular]
    for node in odd:
        if node.parent is not None:
            node.parent.children.remove(node)
            node.parent = None
    return odd


def _measure(tops: list[Node]) -> Sums:
    """Set depth, size, height and sums of every node beneath `tops`; return the sums of all."""
    order: list[Node] = []
    stack = list(reversed(tops))
    while stack:
        node = stack.pop()
        node.depth = node.parent.depth + 1 if node.parent else 0
        order.append(node)
        stack.extend(reversed(node.children))
    total = Sums()
    for node in reversed(order):
        node.sums.add_row(node.row)
        if node.parent is None:
            total.add(node.sums)
        else:
            node.parent.sums.add(node.sums)
            node.parent.size += node.size
            node.parent.height = max(node.parent.height, node.height + 1)
    return total
