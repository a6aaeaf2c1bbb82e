"""In what order the runs of a trace stand: parents before children, siblings by start. Pure; nothing recurses.

It starts from rows in start order, each naming its parent, and survives whatever clients send: parents that are
missing, runs that are their own parents, and circles.
"""

from array import array
from collections.abc import Sequence
from enum import Enum
from typing import Final

import msgspec

from traces.columns import Columns

NONE: Final = -1
"""No position, no row."""


class Group(Enum):
    """The lists that hang beneath no run."""

    TREE = "tree"
    ORPHANS = "orphans"  # their parent has not been received yet
    ODD = "odd"  # their parents lead in a circle


class Preorder(msgspec.Struct):
    """`order`: the row at each position; `parent`: the position above each, or NONE; `tops`: positions by group."""

    order: list[int]
    parent: "array[int]"
    tops: dict[Group, list[int]]


def arrange(trace_id: bytes, rows: Columns) -> Preorder:
    """Return where each row stands in pre-order."""
    above, root = _parents(trace_id, rows)
    orphans = [row for row, parent in enumerate(above) if parent == NONE and row != root]
    circular = _circles(above)
    for row in circular:
        above[row] = NONE
    first_child, next_sibling = _links(above)
    groups = {Group.TREE: [root] if root != NONE else [], Group.ORPHANS: orphans, Group.ODD: circular}
    order: list[int] = []
    tops: dict[Group, list[int]] = {}
    for group, found in groups.items():
        tops[group] = []
        for top in found:
            tops[group].append(len(order))
            _walk(top, first_child, next_sibling, order)
    position = [0] * len(order)
    for place, row in enumerate(order):
        position[row] = place
    parent = array("q", (NONE if above[row] == NONE else position[above[row]] for row in order))
    return Preorder(order=order, parent=parent, tops=tops)


def _parents(trace_id: bytes, rows: Columns) -> tuple[list[int], int]:
    """Return for each row the row above it, or NONE, and which row is the root; its own parent may be a chat."""
    row_of = {run_id: row for row, run_id in enumerate(rows.ids)}
    above = [NONE if parent is None else row_of.get(parent, NONE) for parent in rows.parents]
    root = row_of.get(trace_id, NONE)
    if root != NONE:
        above[root] = NONE
    return above, root


def _circles(above: Sequence[int]) -> list[int]:
    """Return the rows that are their own ancestors, by start."""
    walked = [NONE] * len(above)  # number of the walk that met the row first
    circular: set[int] = set()
    for start in range(len(above)):
        row = start
        while row != NONE and walked[row] == NONE:
            walked[row] = start
            row = above[row]
        if row != NONE and walked[row] == start:  # the walk bit its own tail
            while row not in circular:
                circular.add(row)
                row = above[row]
    return sorted(circular)


def _links(above: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return for each row its first child and its next sibling, or NONE."""
    first_child = [NONE] * len(above)
    next_sibling = [NONE] * len(above)
    for row in range(len(above) - 1, -1, -1):
        parent = above[row]
        if parent != NONE:
            next_sibling[row] = first_child[parent]
            first_child[parent] = row
    return first_child, next_sibling


def _walk(top: int, first_child: Sequence[int], next_sibling: Sequence[int], order: list[int]) -> None:
    """Append a sub-tree to `order`, parents before children."""
    stack = [top]
    while stack:
        row = stack.pop()
        order.append(row)
        if row != top and next_sibling[row] != NONE:
            stack.append(next_sibling[row])
        if first_child[row] != NONE:
            stack.append(first_child[row])


def measure(parent: "array[int]") -> "tuple[array[int], array[int], array[int]]":
    """Return depth, size and height of each position."""
    count = len(parent)
    depth, size, height = array("q", bytes(8 * count)), array("q", [1]) * count, array("q", bytes(8 * count))
    for position, above in enumerate(parent):
        if above != NONE:
            depth[position] = depth[above] + 1
    for position in range(count - 1, -1, -1):
        above = parent[position]
        if above != NONE:
            size[above] += size[position]
            if height[above] <= height[position]:
                height[above] = height[position] + 1
    return depth, size, height
