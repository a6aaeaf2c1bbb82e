"""Two traces as one: which run of the left one is which run of the right one. Pure; nothing recurses.

Runs are paired level by level: the children of a pair with each other, in order, by type and name. Of several that have
the same name, those go together whose whole sub-trees are alike, where that loses nothing. What is left in between is
paired where it can hardly be meant otherwise: model calls in order (their name is the model, which may have been
changed), other runs where exactly one of a type is left on both sides. Swapping the traces changes nothing but the
sides.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

from traces import matching
from traces.alignment import Alignment, Kind, Lines
from traces.tree import NONE, PRICED_TYPES, Forest, Group

Steps = list[tuple[int, int]]  # positions in both forests, or NONE
PRECISE: Final = 10_000
"""Siblings of both sides, up to which it is looked below their names which of several is which."""


def align(left: Forest, right: Forest) -> Alignment:
    """Return both traces as one; 50 000 runs on each side take well below a second, however they are arranged."""
    plan = _Plan(left, right)
    plan.walk()
    lines = Lines.over(left, right, (plan.lefts, plan.rights), plan.parent, plan.groups)
    kinds = list(map(plan.kind, lines.lefts, lines.rights))
    return Alignment(left, right, lines, kinds)


class _Plan:
    """Pairs the runs of two forests and lays the lines out."""

    def __init__(self, left: Forest, right: Forest) -> None:
        self.left = left
        self.right = right
        self.lefts, self.rights, self.parent = array("q"), array("q"), array("q")
        self.groups: dict[Group, range] = {}
        self.awaited = (NONE, NONE)  # the root that one side has not received
        self.names, self.other_names = matching.interned(_names(left), _names(right))
        self.shapes, self.other_shapes = _shapes(left, self.names), _shapes(right, self.other_names)

    def walk(self) -> None:
        """Lay out every group; orphans stand below a root that only the other side has received."""
        tops, others = _tops(self.left), _tops(self.right)
        if tops[Group.TREE] and others[Group.TREE]:
            self._group(Group.TREE, [(tops[Group.TREE][0], others[Group.TREE][0])])
        elif tops[Group.TREE]:
            self._group_awaited((tops[Group.TREE][0], NONE), others.pop(Group.ORPHANS))
        elif others[Group.TREE]:
            self._group_awaited((NONE, others[Group.TREE][0]), tops.pop(Group.ORPHANS))
        for group in (Group.ORPHANS, Group.ODD):
            self._group(group, self._paired(tops.get(group, []), others.get(group, [])))

    def kind(self, left: int, right: int) -> Kind:
        """Return what became of the run, as far as the narrow rows tell."""
        if left == NONE or right == NONE:
            if (left, right) == self.awaited:
                return Kind.AWAITED
            return Kind.ADDED if left == NONE else Kind.REMOVED
        ours, theirs = self.left.columns, self.right.columns
        same = (
            self.names[left] == self.other_names[right]
            and ours.statuses[left] == theirs.statuses[right]
            and ours.inputs[left] == theirs.inputs[right]
            and ours.outputs[left] == theirs.outputs[right]
            and ours.costs[left] == theirs.costs[right]
        )
        return Kind.SAME if same else Kind.CHANGED

    @cached_property
    def looks(self) -> tuple[list[int], list[int]]:
        """A number for each sub-tree of both sides: the same where types, names, errors and input tokens are."""
        left, right = _looks(self.left, self.names), _looks(self.right, self.other_names)
        return _shapes(self.left, left), _shapes(self.right, right)

    def _group(self, group: Group, tops: Steps) -> None:
        start = len(self.parent)
        self._emit(iter(tops), NONE)
        if len(self.parent) > start:
            self.groups[group] = range(start, len(self.parent))

    def _group_awaited(self, root: tuple[int, int], orphans: list[int]) -> None:
        """Lay out a tree whose root only one side has received: below it stand the other side's orphans."""
        self.awaited = root
        line = self._line(*root, NONE)
        left, right = root
        steps = (
            self._paired(self.left.children(left), orphans)
            if left != NONE
            else self._paired(orphans, self.right.children(right))
        )
        self._emit(iter(steps), line)
        self.groups[Group.TREE] = range(line, len(self.parent))

    def _emit(self, steps: Iterator[tuple[int, int]], above: int) -> None:
        stack = [(steps, above)]
        while stack:
            steps, above = stack[-1]
            step = next(steps, None)
            if step is None:
                stack.pop()
                continue
            left, right = step
            if left == NONE or right == NONE or self._alike(left, right):
                self._whole(left, right, above)
                continue
            line = self._line(left, right, above)
            stack.append((iter(self._paired(self.left.children(left), self.right.children(right))), line))

    def _line(self, left: int, right: int, above: int) -> int:
        self.lefts.append(left)
        self.rights.append(right)
        self.parent.append(above)
        return len(self.parent) - 1

    def _whole(self, left: int, right: int, above: int) -> None:
        """Lay out a sub-tree of one side, or one that looks the same on both, without looking into it."""
        forest, top = (self.left, left) if left != NONE else (self.right, right)
        size, line = forest.size[top], len(self.parent)
        nothing = [NONE] * size
        self.lefts.extend(range(left, left + size) if left != NONE else nothing)
        self.rights.extend(range(right, right + size) if right != NONE else nothing)
        self.parent.append(above)
        self.parent.extend(line + parent - top for parent in forest.parent[top + 1 : top + size])

    def _alike(self, left: int, right: int) -> bool:
        """Tell whether both sub-trees hold the same types and names in the same places."""
        size = self.left.size[left]
        return (
            self.shapes[left] == self.other_shapes[right]
            and size == self.right.size[right]
            and self.names[left : left + size] == self.other_names[right : right + size]
            and self.left.size[left : left + size] == self.right.size[right : right + size]
        )

    def _paired(self, lefts: list[int], rights: list[int]) -> Steps:
        """Return two lists of siblings as one, every run of both exactly once."""
        if not lefts or not rights:
            return [*((left, NONE) for left in lefts), *((NONE, right) for right in rights)]
        names = [self.names[left] for left in lefts], [self.other_names[right] for right in rights]
        matches = matching.pairs(*names)
        if len(lefts) + len(rights) <= PRECISE and len(set(names[0])) + len(set(names[1])) < len(lefts) + len(rights):
            shapes = [self.shapes[left] for left in lefts], [self.other_shapes[right] for right in rights]
            looks = [self.looks[0][left] for left in lefts], [self.looks[1][right] for right in rights]
            for finer in ((looks, shapes, names), (shapes, names)):
                found = _nested(finer)
                if len(found) == len(matches):
                    matches = found
                    break
        steps: Steps = []
        at = other = 0
        for match, other_match in [*matches, (len(lefts), len(rights))]:
            if at < match or other < other_match:
                steps += self._renamed(lefts[at:match], rights[other:other_match])
            if match < len(lefts):
                steps.append((lefts[match], rights[other_match]))
            at, other = match + 1, other_match + 1
        return steps

    def _renamed(self, lefts: list[int], rights: list[int]) -> Steps:
        """Return what is left between two matches, with runs paired whose name was changed."""
        types = [self.left.columns.types[left] for left in lefts]
        others = [self.right.columns.types[right] for right in rights]
        counts, other_counts = Counter(types), Counter(others)
        sure = {kind for kind in counts if counts[kind] == other_counts[kind] == 1}
        sure |= PRICED_TYPES & counts.keys() & other_counts.keys()
        ours = [at for at, kind in enumerate(types) if kind in sure]
        theirs = [at for at, kind in enumerate(others) if kind in sure]
        numbers = matching.interned([types[at] for at in ours], [others[at] for at in theirs])
        matches = [(ours[at], theirs[other]) for at, other in matching.pairs(*numbers)] if sure else []
        steps: Steps = []
        start = other_start = 0
        for at, other in [*matches, (len(lefts), len(rights))]:
            steps += [(left, NONE) for left in lefts[start:at]]
            steps += [(NONE, right) for right in rights[other_start:other]]
            if at < len(lefts):
                steps.append((lefts[at], rights[other]))
            start, other_start = at + 1, other + 1
        return steps


def _nested(sides: Sequence[tuple[Sequence[int], Sequence[int]]]) -> matching.Pairs:
    """Return matches by the first of several properties, and between them by the next, and so on."""
    matches: matching.Pairs = []
    for left, right in sides:
        matches = _filled(matches, left, right)
    return matches


def _filled(matches: matching.Pairs, names: Sequence[int], others: Sequence[int]) -> matching.Pairs:
    """Return the matches with those added that names give in between."""
    found: matching.Pairs = []
    at = other = 0
    for match, other_match in [*matches, (len(names), len(others))]:
        between = matching.pairs(names[at:match], others[other:other_match])
        found += [(at + step, other + other_step) for step, other_step in between]
        if match < len(names):
            found.append((match, other_match))
        at, other = match + 1, other_match + 1
    return found


def _names(forest: Forest) -> list[str]:
    """Return type and name of each run as one text."""
    columns = forest.columns
    return [f"{kind}\0{name or ''}" for kind, name in zip(columns.types, columns.names, strict=True)]


def _looks(forest: Forest, names: Sequence[int]) -> list[int]:
    """Return a number for each run that is the same for those alike in name, status and input tokens."""
    columns = forest.columns
    failed = (status == "error" for status in columns.statuses)
    return [hash(look) for look in zip(names, failed, (count or 0 for count in columns.inputs), strict=True)]


def _shapes(forest: Forest, names: Sequence[int]) -> list[int]:
    """Return a number for each sub-tree that is the same for those with the same types and names in the same places."""
    shapes, below = [0] * len(names), [0] * len(names)
    for position in range(len(names) - 1, -1, -1):
        shapes[position] = hash((names[position], below[position]))
        above = forest.parent[position]
        if above != NONE:
            below[above] = hash((shapes[position], below[above]))
    return shapes


def _tops(forest: Forest) -> dict[Group, list[int]]:
    tops = forest.tops
    return {group: [node.position for node in tops.get(group, [])] for group in Group}
