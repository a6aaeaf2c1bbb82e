"""The part of a forest that one page shows: which lists are open, where each begins, and what is left out. Pure.

A trace may have 50 000 runs and 5 000 levels; a page has at most `ROWS` rows and `LEVELS` levels, and says what it cut.
Every state is in the address: `start` names the first run of a sibling list (keyset, so late arrivals shift nothing),
`top` the run a page begins with, `selected` the run whose details are open. Runs are known by their place in the sight.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Final
from uuid import UUID

import msgspec

from traces.gaps import Gap, idle_gaps
from traces.lines import CHUNK, Fold, Line, Pen, Row
from traces.sieve import Only, Sight, Wanted, sift
from traces.tree import NONE, Forest, Group, Node
from traces.waterfall import Scale

ROWS: Final = 800
MOST: Final = 1_800
"""Rows that a page grows to while runs arrive; with lists that its reader opens it stays below 2 000."""
SHORT: Final = 50  # a list of at most so many runs is shown whole
GLIMPSE: Final = 20  # of a longer one this many are shown until somebody asks for more
LEVELS: Final = 24  # browsers flatten markup that is nested deeper than about 500 elements
OPEN_DEPTH: Final = 3
EAGER: Final = 400  # a trace of at most so many runs is sent whole: closing and opening need no request
MOST_STARTS: Final = 20


class Expand(Enum):
    """How much is open besides what the address names."""

    USUAL = ""  # to depth three, and the path to every error
    ALL = "all"
    NONE = "none"


class Mark(Enum):
    """What stands beside or below a row of a page."""

    BEGINS = "b"  # earlier siblings were left out before it
    CUT = "c"  # later siblings were left out behind it
    LATER = "l"  # it has a list that was not sent


class Ask(msgspec.Struct, frozen=True):
    """What the address asks for; runs that are not in the trace are ignored.

    `live_us` is now, epoch µs, where runs that have not ended are believed to go on: the drawing reaches up to it.
    """

    expand: Expand = Expand.USUAL
    starts: tuple[UUID, ...] = ()
    top: UUID | None = None
    selected: UUID | None = None
    wanted: Wanted = Wanted()
    compresses: bool = False
    live_us: int | None = None


class Section(msgspec.Struct, kw_only=True):
    """A list of lines without a parent row: the tree itself, or runs that have no place in it yet."""

    group: Group
    lines: list[Line]
    total: int


class Outline(msgspec.Struct, kw_only=True):
    """What a page shows. `above` are the ancestors of its top, the root first; `gaps` are those worth compressing."""

    sections: list[Section]
    above: list[Node]
    shown: int
    total: int
    matches: int
    scale: Scale
    gaps: tuple[Gap, ...]
    top: UUID | None = None  # the run that the page begins with, where that is not the root

    @property
    def whole(self) -> bool:
        """True where no run was left out."""
        return self.shown == self.total

    @property
    def idle_ms(self) -> int:
        """How long nothing happened, as far as it is worth a word."""
        return sum(gap.duration_ms for gap in self.gaps)

    @property
    def active_ms(self) -> int | None:
        """How long something happened, where that differs from how long the trace took."""
        return self.took_ms - self.idle_ms if 0 < self.idle_ms < self.took_ms else None

    @property
    def took_ms(self) -> int:
        """How long the trace takes, up to now where it goes on."""
        return (self.scale.end_us - self.scale.start_us) // 1000


def outline(forest: Forest, ask: Ask, seen: Mapping[UUID, frozenset[Mark]] | None = None) -> Outline:
    """Return what the page of a trace shows.

    `seen` are the rows that a reader has before them: the same are returned, and what arrived beside and below them.
    """
    gaps = idle_gaps(forest, ask.live_us)
    plan = _Plan(forest, ask, ROWS, gaps) if seen is None else _Growth(forest, ask, gaps, seen)
    sight = plan.sight
    lists = sight.tops if plan.top is None else {Group.TREE: [plan.top]}
    plan.open(lists.values())
    sections = [
        Section(group=group, lines=plan.lines(siblings), total=sum(sight.size[place] for place in siblings))
        for group, siblings in lists.items()
    ]
    above = [] if plan.top is None else [forest.node(sight.positions[place]) for place in sight.above(plan.top)]
    return Outline(
        sections=sections,
        above=above[::-1],
        shown=sum(isinstance(line, Row) for section in sections for line in section.lines),
        total=len(sight),
        matches=sight.matches,
        scale=plan.pen.scale,
        gaps=gaps,
        top=None if plan.top is None else forest.node(sight.positions[plan.top]).id,
    )


def branch(forest: Forest, ask: Ask) -> list[Line]:
    """Return the lines of one sibling list from `ask.starts[0]` on, as a page inserts them where a list is opened."""
    gaps = idle_gaps(forest, ask.live_us) if ask.compresses else ()
    plan = _Plan(forest, ask, 2 * CHUNK, gaps)
    start = plan.place(ask.starts[-1] if ask.starts else None)
    if start is None:
        return []
    siblings = plan.sight.beside(start)
    siblings = siblings[bisect_left(siblings, start) :]
    plan.forget()
    plan.begins[start] = 0
    plan.open([siblings])
    return plan.lines(siblings)


class _Plan:
    """Decides which lists are sent, spends the budget of rows on them, and lays the lines out.

    Lists of siblings are known by the place of their first run.
    """

    def __init__(self, forest: Forest, ask: Ask, rows: int, gaps: tuple[Gap, ...]) -> None:
        self.forest = forest
        self.ask = ask
        self.left = rows
        named = (forest.find(run_id) for run_id in (ask.selected, ask.top))
        besides = [node.position for node in named if node]
        self.sight: Sight = sift(forest, ask.wanted, besides, ask.live_us)
        end_us = max(forest.end_us, ask.live_us or 0)
        scale = Scale.over(forest.start_us, end_us, gaps if ask.compresses else ())
        self.pen = Pen(self.sight, scale, ask.wanted.tint, ask.live_us)
        self.top = self._find_top()
        self.eager = len(self.sight) <= EAGER
        self.sent: dict[int, slice] = {}
        self.begins: dict[int, int] = {}  # list → index of the run it must begin with
        self.needed: dict[int, int] = {}  # list → index of a run it must hold
        self.path: set[int] = set()  # runs that must be open and are not yet
        self.opened: set[int] = set()
        self._mark_path()

    def place(self, run_id: UUID | None) -> int | None:
        """Return where a run is shown; None where it is not."""
        node = self.forest.find(run_id)
        return None if node is None else self.sight.place(node.position)

    def forget(self) -> None:
        """Drop what the address names: only what is asked for next is opened."""
        self.begins, self.needed, self.path = {}, {}, set()

    def open(self, lists: Iterable[list[int]]) -> None:
        """Choose what is sent of these lists and, level by level, of those beneath; what must be open goes first."""
        queue = deque(lists)
        while queue:
            for place in self.take(queue.popleft()):
                if self.sight.size[place] == 1 or self._is_deepest(place):
                    continue
                if place in self.path:
                    self.path.remove(place)
                    self.opened.add(place)
                    queue.appendleft(self.sight.children(place))
                elif self.eager or self._wants_open(place):
                    queue.append(self.sight.children(place))

    def take(self, siblings: list[int]) -> list[int]:
        """Spend rows on a list: a chunk of it, less where lists that must be open still need their share."""
        key = siblings[0]
        size = min(self._size(key, len(siblings)), self.left // (len(self.path) + 1))
        if size <= 0:
            return []
        begin = self.begins.get(key)
        if begin is None:
            needed = self.needed.get(key, 0)
            begin = needed - needed % size
        return self.send(siblings, slice(begin, min(len(siblings), begin + size)))

    def send(self, siblings: list[int], part: slice) -> list[int]:
        """Note that a part of a list is sent, and return it."""
        self.sent[siblings[0]] = part
        self.left -= part.stop - part.start
        return siblings[part]

    def lines(self, siblings: list[int]) -> list[Line]:
        """Return the lines of a list and of everything sent beneath it, parents before children."""
        lines: list[Line] = []
        stack = [self._frame(siblings)]
        while stack:
            line = next(stack[-1], None)
            if line is None:
                stack.pop()
                if stack:
                    lines[-1].ends += 1
                continue
            lines.append(line[1])
            if isinstance(line[1], Row) and line[1].has_list:
                stack.append(self._frame(self.sight.children(line[0])))
        return lines

    def _find_top(self) -> int | None:
        """Return the run the page begins with: the one asked for, or one near a selected run that lies too deep."""
        top = self.place(self.ask.top)
        selected = self.place(self.ask.selected)
        depth = 0 if top is None else self.sight.depth[top]
        if selected is None or self.sight.depth[selected] - depth < LEVELS:
            return top
        return self.sight.above(selected)[LEVELS // 2 - 1]

    def _mark_path(self) -> None:
        """Note which runs must be open, and where their lists must begin, for what the address names."""
        for start in self.ask.starts[-MOST_STARTS:]:
            if (place := self.place(start)) is not None:
                first, index = self._index(place)
                self.begins[first] = index
                self._open_above(place)
        if (place := self.place(self.ask.selected)) is not None:
            first, index = self._index(place)
            self.needed[first] = index
            self._open_above(place)

    def _index(self, place: int) -> tuple[int, int]:
        """Return the list that a run is in, and its index there."""
        siblings = self.sight.beside(place)
        return siblings[0], bisect_left(siblings, place)

    def _open_above(self, place: int) -> None:
        above = self.sight.above(place)
        if self.top is not None:
            if self.top not in above:
                return
            above = above[: above.index(self.top) + 1]
        for step in above:
            self.path.add(step)
            if self.top is None or step != self.top:
                self.needed.setdefault(*self._index(step))

    def _size(self, key: int, length: int) -> int:
        """Return how many runs of a list are shown at most: few of a long one that nobody asked for."""
        asked = key in self.begins or self.ask.expand is Expand.ALL or self._is_filtered
        return CHUNK if asked or length <= SHORT else GLIMPSE

    @property
    def _is_filtered(self) -> bool:
        return self.ask.wanted.only is not Only.EVERYTHING

    def _wants_open(self, place: int) -> bool:
        if self.ask.expand is not Expand.USUAL:
            return self.ask.expand is Expand.ALL or self._level(place) == 0
        if self._is_filtered or self._level(place) < OPEN_DEPTH:
            return True
        position = self.sight.positions[place]
        return self.forest.errors_between(position + 1, position + self.forest.size[position]) > 0

    def _level(self, place: int) -> int:
        return self.sight.depth[place] - (0 if self.top is None else self.sight.depth[self.top])

    def _is_deepest(self, place: int) -> bool:
        return self._level(place) + 1 >= LEVELS

    def _frame(self, siblings: list[int]) -> Iterator[tuple[int, Line]]:
        """Yield the lines of one list, with one for what was left out before and one for what was left out after."""
        part = self.sent.get(siblings[0], slice(0, 0))
        level = self._level(siblings[0])
        if part.start > 0:
            yield -1, self.pen.more(siblings, slice(0, part.start), level, earlier=True)
        for place in siblings[part]:
            yield place, self.pen.row(place, self._fold(place), level)
        if part.stop < len(siblings):
            yield -1, self.pen.more(siblings, slice(part.stop, len(siblings)), level, earlier=False)

    def _fold(self, place: int) -> Fold:
        if self.sight.size[place] == 1:
            return Fold.LEAF
        if self._is_deepest(place):
            return Fold.DEEPER
        if place + 1 not in self.sent:
            return Fold.LATER
        return Fold.OPEN if place in self.opened or self._wants_open(place) else Fold.CLOSED


class _Growth(_Plan):
    """Shows the rows again that a reader sees, and what arrived: at the ends of lists, and below former leaves."""

    def __init__(self, forest: Forest, ask: Ask, gaps: tuple[Gap, ...], seen: Mapping[UUID, frozenset[Mark]]) -> None:
        super().__init__(forest, ask, max(0, MOST - len(seen)), gaps)
        self.forget()
        found = ((self.place(run_id), marks) for run_id, marks in seen.items())
        self.seen = {place: marks for place, marks in found if place is not None}
        self.parents: set[int] = set()
        for place in self.seen:
            while (place := self.sight.parent[place]) != NONE and place not in self.parents:
                self.parents.add(place)
        self.eager = False

    def take(self, siblings: list[int]) -> list[int]:
        """Send what was seen of a list and what came to its open ends; of a list nobody has seen, what a page would."""
        indexes = [index for index, place in enumerate(siblings) if place in self.seen]
        if not indexes:
            above = self.sight.parent[siblings[0]]
            return [] if Mark.LATER in self.seen.get(above, ()) else super().take(siblings)
        begin, stop = indexes[0], indexes[-1] + 1
        if begin <= CHUNK and Mark.BEGINS not in self.seen[siblings[begin]]:
            begin = 0
        if Mark.CUT not in self.seen[siblings[stop - 1]]:
            stop = min(len(siblings), stop + max(0, min(CHUNK, self.left)))
        self.left += len(indexes)  # rows that are there already cost nothing
        return self.send(siblings, slice(begin, stop))

    def _find_top(self) -> int | None:
        """Return the run that the reader's page begins with, whatever was selected since."""
        return self.place(self.ask.top)

    def _wants_open(self, place: int) -> bool:
        """Open as usual, and whatever holds a row that the reader has: whether it is folded is theirs to say."""
        return place in self.parents or super()._wants_open(place)
