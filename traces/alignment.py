"""Two traces merged into one list of lines, each a run of the left one, of the right one, or of both. Pure."""

from array import array
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum
from itertools import accumulate
from uuid import UUID

import msgspec

from traces.tree import NONE, Forest, Group, Node, Sums


class Kind(Enum):
    """What became of a run."""

    SAME = "same"
    CHANGED = "changed"  # another type, name, status, token count or cost; or marked so by `Alignment.marked`
    ADDED = "added"  # in the right trace only
    REMOVED = "removed"  # in the left trace only
    AWAITED = "awaited"  # the root, which one side has not received yet


class Figure(msgspec.Struct, frozen=True):
    """One figure on both sides: None is unknown, or not applicable. A side without the run has `absent` set."""

    left: int | Decimal | None
    right: int | Decimal | None
    absent: bool = False

    @property
    def change(self) -> int | Decimal | None:
        """Right less left; a run that is missing counts nothing. None where a side is not known."""
        if self.absent:
            known = self.right if self.left is None else -self.left
            return known or None
        return None if self.left is None or self.right is None else self.right - self.left

    @property
    def share(self) -> float | None:
        """The change as a share of the left figure; None where that is not known or 0."""
        change = self.change
        return None if change is None or not self.left else float(change / self.left)


class Pair:
    """One line of the alignment: a handle, made where it is needed. One of `left` and `right` may be None."""

    __slots__ = ("alignment", "index", "left", "right")

    def __init__(self, alignment: "Alignment", index: int) -> None:
        self.alignment = alignment
        self.index = index
        left, right = alignment.lefts[index], alignment.rights[index]
        self.left = None if left == NONE else alignment.left.node(left)
        self.right = None if right == NONE else alignment.right.node(right)

    @property
    def kind(self) -> Kind:
        """What became of the run."""
        return self.alignment.kinds[self.index]

    @property
    def either(self) -> Node:
        """The run as it is now: the right one, where there is one."""
        node = self.right or self.left
        assert node is not None  # noqa: S101 -- for the type checker: a line has a side
        return node

    @property
    def depth(self) -> int:
        """Levels above it."""
        return self.alignment.depth[self.index]

    @property
    def size(self) -> int:
        """Lines of the sub-tree, itself included."""
        return self.alignment.size[self.index]

    @property
    def runs(self) -> int:
        """Runs of the sub-tree that count, on the side where it is now."""
        return self.either.sums.runs

    @property
    def is_sum(self) -> bool:
        """True where its tokens and costs are those of a sub-tree."""
        return self.size > 1

    @property
    def duration(self) -> Figure:
        """How long it took, ms."""
        return self._figure(_duration(self.left), _duration(self.right))

    @property
    def tokens(self) -> Figure:
        """Tokens of the sub-tree, a leaf's own."""
        return self._figure(_tokens(self.left), _tokens(self.right))

    @property
    def cost(self) -> Figure:
        """Cost of the sub-tree in USD, a lower bound where not every call has a price."""
        return self._figure(_cost(self.left), _cost(self.right))

    def _figure(self, left: int | Decimal | None, right: int | Decimal | None) -> Figure:
        return Figure(left, right, absent=self.left is None or self.right is None)


def _duration(node: Node | None) -> int | None:
    return None if node is None else node.duration_ms


def _tokens(node: Node | None) -> int | None:
    if node is None:
        return None
    return node.sums.tokens if node.size > 1 else node.tokens


def _cost(node: Node | None) -> Decimal | None:
    if node is None:
        return None
    sums: Sums = node.sums
    return sums.cost if sums.priced else None


class Lines(msgspec.Struct):
    """The columns of an alignment, and where each run of either side stands."""

    lefts: "array[int]"
    rights: "array[int]"
    parent: "array[int]"
    depth: "array[int]"
    size: "array[int]"
    groups: dict[Group, range]
    line_of_left: "array[int]"
    line_of_right: "array[int]"

    @classmethod
    def over(
        cls,
        left: Forest,
        right: Forest,
        sides: "tuple[array[int], array[int]]",
        parent: "array[int]",
        groups: dict[Group, range],
    ) -> "Lines":
        """Return the columns of lines of which the positions on both sides and the line above each are known."""
        count = len(parent)
        depth, size = array("q", bytes(8 * count)), array("q", [1]) * count
        line_of = array("q", bytes(8 * len(left))), array("q", bytes(8 * len(right)))
        for line, above in enumerate(parent):
            depth[line] = depth[above] + 1 if above != NONE else 0
            for positions, places in zip(sides, line_of, strict=True):
                if positions[line] != NONE:
                    places[positions[line]] = line
        for line in range(count - 1, -1, -1):
            if parent[line] != NONE:
                size[parent[line]] += size[line]
        return cls(*sides, parent, depth, size, groups, *line_of)


class Alignment:
    """Both traces, merged in pre-order: parents before children, what was removed before what was added in its place.

    Columns by line: `lefts`, `rights` (positions in the forests, or NONE), `parent` (line above, or NONE), `size`
    (lines of the sub-tree, itself included), `depth`, `kinds`. `groups` are the lines of the tree, of orphans, of odd
    ones.
    """

    def __init__(self, left: Forest, right: Forest, lines: Lines, kinds: list[Kind]) -> None:
        self.left = left
        self.right = right
        self.lefts, self.rights, self.parent = lines.lefts, lines.rights, lines.parent
        self.depth, self.size = lines.depth, lines.size
        self.groups = lines.groups
        self.kinds = kinds
        self._lines = lines
        self._differing = list(accumulate((kind is not Kind.SAME for kind in kinds), initial=0))

    def __len__(self) -> int:
        return len(self.kinds)

    def pair(self, index: int) -> Pair:
        """Return a line."""
        return Pair(self, index)

    def find(self, run_id: UUID | None) -> int | None:
        """Return the line that a run of either side is on; the left side is looked at first."""
        for forest, column in ((self.left, self._lines.line_of_left), (self.right, self._lines.line_of_right)):
            if node := forest.find(run_id):
                return column[node.position]
        return None

    def children(self, index: int) -> list[int]:
        """Return the lines directly below."""
        return self.tops(range(index + 1, index + self.size[index]))

    def tops(self, lines: range) -> list[int]:
        """Return the tops of the neighbouring sub-trees that fill a range."""
        found, at = [], lines.start
        while at < lines.stop:
            found.append(at)
            at += self.size[at]
        return found

    def differing(self, start: int, stop: int) -> int:
        """Return how many lines from `start` to before `stop` are not the same."""
        return self._differing[stop] - self._differing[start]

    @property
    def counts(self) -> dict[Kind, int]:
        """How many lines there are of each kind."""
        return dict.fromkeys(Kind, 0) | Counter(self.kinds)

    def marked(self, changed: Iterable[int]) -> "Alignment":
        """Return the same with more lines known to have changed."""
        kinds = self.kinds.copy()
        for index in changed:
            if kinds[index] is Kind.SAME:
                kinds[index] = Kind.CHANGED
        return Alignment(self.left, self.right, self._lines, kinds)
