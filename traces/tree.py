"""A trace as a forest with sums. Pure: no Django; nothing recurses, so depth is bounded by memory alone.

The runs are kept column by column in pre-order (parents before children, siblings by start), so that a sub-tree is a
slice, and any of its sums the difference of two running totals. What comes out depends on the rows only, never on their
order (rule 3), holds every row exactly once, and cannot be made to hang by parents that point at each other.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import accumulate
from typing import Final
from uuid import UUID

import msgspec

from traces.columns import Columns, RunRow, moment, money
from traces.preorder import NONE, Group, arrange, measure

__all__ = ["NONE", "PRICED_TYPES", "ROOT_TYPES", "Forest", "Group", "Node", "Sums", "grow"]

ROOT_TYPES: Final = frozenset({"agent", "chain"})
"""Types whose topmost runs are listed as traces (rule 9)."""
PRICED_TYPES: Final = frozenset({"llm", "embed"})
"""Types that cost something when they succeed: without a price the cost is "unknown"; every other type has none."""


class Sums(msgspec.Struct):
    """Figures of a sub-tree, its top included. `cost` is a lower bound while `unknown` is not 0."""

    runs: int = 0
    errors: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    priced: int = 0  # runs whose cost is in `cost`
    unknown: int = 0  # model calls whose cost is unknown (rule 12)

    def add(self, other: "Sums") -> None:
        """Take in the figures of a sub-tree."""
        self.runs += other.runs
        self.errors += other.errors
        self.tokens += other.tokens
        self.cost += other.cost
        self.priced += other.priced
        self.unknown += other.unknown


class Node:
    """A run in its place: a handle on one position of a forest, made where it is needed."""

    __slots__ = ("forest", "position")

    def __init__(self, forest: "Forest", position: int) -> None:
        self.forest = forest
        self.position = position

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self.forest is other.forest and self.position == other.position

    def __hash__(self) -> int:
        return hash(self.position)

    def __repr__(self) -> str:
        return f"<Node {self.position}: {self.type} {self.name}>"

    @property
    def id(self) -> UUID:
        """The run's id."""
        return UUID(bytes=self.forest.columns.ids[self.position])

    @property
    def type(self) -> str:
        """The run's type."""
        return self.forest.columns.types[self.position]

    @property
    def name(self) -> str | None:
        """Name of the agent, chain or tool; a model call's model."""
        return self.forest.columns.names[self.position]

    @property
    def status(self) -> str:
        """One of started, success, error."""
        return self.forest.columns.statuses[self.position]

    @property
    def start_us(self) -> int:
        """When it began, epoch µs."""
        return self.forest.columns.starts[self.position]

    @property
    def end_us(self) -> int | None:
        """When it ended, epoch µs; None while that is not known."""
        return self.forest.columns.ends[self.position]

    @property
    def started_at(self) -> datetime:
        """When it began."""
        return moment(self.start_us)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended; None while that is not known."""
        return None if self.end_us is None else moment(self.end_us)

    @property
    def duration_ms(self) -> int | None:
        """How long it took, where both ends are known."""
        return self.forest.columns.durations[self.position]

    @property
    def input_tokens(self) -> int | None:
        """Input tokens, cached ones included."""
        return self.forest.columns.inputs[self.position]

    @property
    def output_tokens(self) -> int | None:
        """Output tokens."""
        return self.forest.columns.outputs[self.position]

    @property
    def tokens(self) -> int | None:
        """Input and output tokens; None where neither is known."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)

    @property
    def cost(self) -> Decimal | None:
        """Its own cost in USD; None is unknown, or not applicable."""
        units = self.forest.columns.costs[self.position]
        return None if units is None else money(units)

    @property
    def repeat_of(self) -> bool:
        """True where another run reports the same call."""
        return self.forest.columns.repeats[self.position]

    @property
    def counted(self) -> bool:
        """False for plain spans (rule 9) and for second reports of a call: shown, but part of no sum."""
        return self.type != "span" and not self.repeat_of

    @property
    def failed(self) -> bool:
        """True for a run that counts and ended in an error."""
        return self.status == "error" and self.counted

    @property
    def row(self) -> "Node":
        """The node itself."""
        return self

    @property
    def depth(self) -> int:
        """Levels above it."""
        return self.forest.depth[self.position]

    @property
    def size(self) -> int:
        """Rows of the sub-tree, itself included, whether they count or not."""
        return self.forest.size[self.position]

    @property
    def height(self) -> int:
        """Levels below it."""
        return self.forest.height[self.position]

    @property
    def sums(self) -> Sums:
        """Figures of the sub-tree, itself included."""
        return self.forest.sums_between(self.position, self.position + self.size)

    @property
    def errors_below(self) -> int:
        """Errors in the sub-tree, not counting the node's own."""
        return self.forest.errors_between(self.position + 1, self.position + self.size)

    @property
    def parent(self) -> "Node | None":
        """The run above, where there is one."""
        position = self.forest.parent[self.position]
        return None if position == NONE else Node(self.forest, position)

    @property
    def children(self) -> "list[Node]":
        """The runs directly below, by start."""
        return [Node(self.forest, position) for position in self.forest.children(self.position)]

    @property
    def siblings(self) -> "list[Node]":
        """The list this node is in, itself included."""
        return [Node(self.forest, position) for position in self.forest.beside(self.position)]

    def ancestors(self) -> "list[Node]":
        """Return the nodes above, nearest first."""
        return [Node(self.forest, position) for position in self.forest.above(self.position)]


class Forest:
    """All runs of a trace, at least one. `root` is None while the topmost run has not been received.

    `columns`, `parent`, `size`, `depth` and `height` are in pre-order: the tree, then orphans, then odd ones.
    """

    def __init__(self, trace_id: UUID, rows: Columns) -> None:
        """Grow the forest of `rows`, which are by start and id."""
        plan = arrange(trace_id.bytes, rows)
        self.trace_id = trace_id
        self.columns = rows.arranged(plan.order)
        self.parent = plan.parent
        self._tops = plan.tops
        self._positions = {run_id: position for position, run_id in enumerate(self.columns.ids)}
        self.depth, self.size, self.height = measure(self.parent)
        self._totals = _Totals.over(self.columns)
        starts, ends = self.columns.starts, self.columns.ends
        self.start_us = min(starts)
        self.end_us = max(max(starts), max((end for end in ends if end is not None), default=self.start_us))

    def __len__(self) -> int:
        return len(self.columns.ids)

    def __iter__(self) -> Iterator[Node]:
        return (Node(self, position) for position in range(len(self)))

    def __contains__(self, run_id: object) -> bool:
        return isinstance(run_id, UUID) and run_id.bytes in self._positions

    def node(self, position: int) -> Node:
        """Return the run at a position."""
        return Node(self, position)

    def find(self, run_id: UUID | None) -> Node | None:
        """Return the run with that id; None where it is not part of the trace."""
        position = None if run_id is None else self._positions.get(run_id.bytes)
        return None if position is None else Node(self, position)

    def children(self, position: int) -> list[int]:
        """Return the positions directly below, by start."""
        return self._steps(position + 1, position + self.size[position])

    def beside(self, position: int) -> list[int]:
        """Return the list of siblings that a position is in, itself included."""
        if (parent := self.parent[position]) != NONE:
            return self.children(parent)
        return next(list(siblings) for siblings in self._tops.values() if position in siblings)

    def above(self, position: int) -> list[int]:
        """Return the positions above, nearest first."""
        found = []
        while (position := self.parent[position]) != NONE:
            found.append(position)
        return found

    def sums_between(self, start: int, stop: int) -> Sums:
        """Return the figures of the positions from `start` to before `stop`."""
        return self._totals.between(start, stop)

    def errors_between(self, start: int, stop: int) -> int:
        """Return how many of the positions from `start` to before `stop` failed."""
        return self._totals.errors[stop] - self._totals.errors[start]

    def cost_between(self, start: int, stop: int) -> int:
        """Return what the positions from `start` to before `stop` cost, in 10⁻¹⁰ USD."""
        return self._totals.cost[stop] - self._totals.cost[start]

    @property
    def sums(self) -> Sums:
        """Figures of everything."""
        return self.sums_between(0, len(self))

    @property
    def tops(self) -> dict[Group, list[Node]]:
        """The lists that hang beneath no run, without the empty ones."""
        return {group: [Node(self, position) for position in found] for group, found in self._tops.items() if found}

    @property
    def root(self) -> Node | None:
        """The topmost run, where it is here."""
        return Node(self, 0) if self._tops[Group.TREE] else None

    @property
    def started_at(self) -> datetime:
        """The first start."""
        return moment(self.start_us)

    @property
    def ended_at(self) -> datetime:
        """The last start or end that is known."""
        return moment(self.end_us)

    @property
    def running(self) -> bool:
        """True while the topmost run, as far as it is known, has not ended."""
        tops = self._tops[Group.TREE] or self._tops[Group.ORPHANS]
        return any(self.columns.statuses[position] == "started" for position in tops)

    @property
    def duration_ms(self) -> int:
        """From the first start to the last end that is known, whatever the root says of itself."""
        return (self.end_us - self.start_us) // 1000

    @property
    def first_error(self) -> UUID | None:
        """The run that failed first, the root left out."""
        root = self.root
        failed = (node for node in map(self.node, self._failures()) if node != root)
        first = min(failed, key=lambda node: (node.start_us, node.id), default=None)
        return first.id if first else None

    @property
    def errors_inside(self) -> int:
        """Errors of everything but the root."""
        return self.sums.errors - bool(self.root and self.root.failed)

    def _failures(self) -> Iterator[int]:
        totals = self._totals.errors
        return (position for position in range(len(self)) if totals[position + 1] > totals[position])

    def _steps(self, start: int, stop: int) -> list[int]:
        """Return the tops of the neighbouring sub-trees that fill a slice."""
        found = []
        while start < stop:
            found.append(start)
            start += self.size[start]
        return found


def grow(trace_id: UUID, rows: Iterable[RunRow]) -> Forest:
    """Return the forest of a trace's rows; there must be at least one row."""
    return Forest(trace_id, Columns.of(rows))


class _Totals(msgspec.Struct):
    """Running totals: entry n is the sum of the first n positions. `cost` is in 10⁻¹⁰ USD."""

    runs: list[int]
    errors: list[int]
    tokens: list[int]
    cost: list[int]
    priced: list[int]
    unknown: list[int]

    @classmethod
    def over(cls, rows: Columns) -> "_Totals":
        """Return the totals of rows; plain spans (rule 9) and repeats add nothing."""
        counted = [kind != "span" and not repeat for kind, repeat in zip(rows.types, rows.repeats, strict=True)]
        priced = [cost is not None for cost in rows.costs]
        unknown = [
            not known and kind in PRICED_TYPES and status == "success"
            for known, kind, status in zip(priced, rows.types, rows.statuses, strict=True)
        ]
        return cls(
            runs=_running(counted, counted),
            errors=_running(counted, [status == "error" for status in rows.statuses]),
            tokens=_running(counted, [(a or 0) + (b or 0) for a, b in zip(rows.inputs, rows.outputs, strict=True)]),
            cost=_running(counted, [cost or 0 for cost in rows.costs]),
            priced=_running(counted, priced),
            unknown=_running(counted, unknown),
        )

    def between(self, start: int, stop: int) -> Sums:
        return Sums(
            runs=self.runs[stop] - self.runs[start],
            errors=self.errors[stop] - self.errors[start],
            tokens=self.tokens[stop] - self.tokens[start],
            cost=money(self.cost[stop] - self.cost[start]),
            priced=self.priced[stop] - self.priced[start],
            unknown=self.unknown[stop] - self.unknown[start],
        )


def _running(counted: Sequence[bool], values: Sequence[int]) -> list[int]:
    """Return the running totals of the values that count, 0 first."""
    return list(accumulate((value if counts else 0 for counts, value in zip(counted, values, strict=True)), initial=0))
