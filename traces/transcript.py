"""A trace as people read it: which runs are told as cards, in what order, and how they nest. Pure: no Django, no body.

A level tells what happened inside one run (the root, or a sub-agent that was opened): its model calls, tool calls,
searches, events and steps by start. What only wraps is seen through: plain spans, second reports of a call, and short
chains, whose name then stands with their cards. An agent or a long chain is one folded card, with a level of its own.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Final
from uuid import UUID

from traces.tree import NONE, Forest, Group, Node

CARDS: Final = 40
"""Cards of one page; tool calls that follow a page's last card go with it, up to half as many again."""
SHORT: Final = 8
"""Cards that a chain may hold to be told in place; a longer one is a folded card."""
LOOKBACK: Final = 3
"""Model calls before a page that are read again to know what its calls repeat …"""
REACH: Final = 160
"""… looked for among so many cards."""
_NAMES: Final = 3  # of chains around a card that are kept

Path = tuple[str, ...]


class Kind(Enum):
    """How a card is drawn."""

    MODEL = "model"
    TOOL = "tool"
    SEARCH = "search"
    EVENT = "event"
    STEP = "step"  # a chain without anything in it, an embedding, a type nobody foresaw
    GROUP = "group"  # an agent or chain whose inside is told on a level of its own


_KINDS: Final = {"llm": Kind.MODEL, "tool": Kind.TOOL, "retriever": Kind.SEARCH, "custom-event": Kind.EVENT}


@dataclass(frozen=True, slots=True)
class Card:
    """One run that is told. `path` names the chains around it that were seen through, outermost first, the last few.

    A chain around a single card is not named: frameworks wrap every step in one.
    """

    node: Node
    kind: Kind
    path: Path = ()
    inside: int = 0  # cards of its own level; 0 where it can't be opened
    group: Group = Group.TREE

    @property
    def id(self) -> UUID:
        """The run's id."""
        return self.node.id

    @property
    def offset_ms(self) -> int:
        """When it began, from the start of the trace."""
        return (self.node.start_us - self.node.forest.start_us) // 1000


@dataclass(frozen=True)
class Level:
    """What happened inside `top` (None: there is no run around it), each run that is told once, as (position, path).

    By group, then start: orphans and runs whose parents lead in a circle come after the tree, from `apart` on.
    """

    plan: "_Plan"
    top: Node | None
    told: list[tuple[int, Path]]
    apart: list[tuple[int, Group]] = field(default_factory=list)  # where a group other than the tree begins

    def __len__(self) -> int:
        return len(self.told)

    def card(self, place: int) -> Card:
        """Return the card at a place."""
        position, path = self.told[place]
        group = next((group for begin, group in reversed(self.apart) if begin <= place), Group.TREE)
        kind, inside = self.plan.kind(position), self.plan.inner[position]
        return Card(self.plan.forest.node(position), kind, path, inside, group)

    def cards(self, begin: int = 0, stop: int | None = None) -> list[Card]:
        """Return the cards from one place to before another."""
        return [self.card(place) for place in range(begin, len(self) if stop is None else stop)]

    @cached_property
    def above(self) -> list[Node]:
        """The runs around the top whose levels it can be reached from, the root first."""
        return [] if self.top is None else list(reversed(self.top.ancestors()))

    @cached_property
    def bounds(self) -> list[int]:
        """Where each page begins, and at last the number of cards. Cards that are added later leave it as it is."""
        bounds = [0]
        while bounds[-1] < len(self):
            bounds.append(self._end(bounds[-1]))
        return bounds

    def page(self, start: UUID | None = None) -> "Page":
        """Return the page that holds a card, the first one where there is no such card."""
        node = self.plan.forest.find(start)
        place = 0 if node is None else next((n for n, told in enumerate(self.told) if told[0] == node.position), 0)
        number = max(bisect_right(self.bounds, place) - 1, 0)
        stop = self.bounds[min(number + 1, len(self.bounds) - 1)]
        return Page(self, self.bounds[number], stop, self.bounds[max(number - 1, 0)])

    def is_call(self, place: int) -> bool:
        """Tell whether a card is a model call."""
        return self.plan.kind(self.told[place][0]) is Kind.MODEL

    def _end(self, begin: int) -> int:
        """Return where a page that begins there ends: not between a model call and the tools that it called."""
        stop, most = min(begin + CARDS, len(self)), min(begin + CARDS + CARDS // 2, len(self))
        while stop < most and self.plan.kind(self.told[stop][0]) in (Kind.TOOL, Kind.SEARCH):
            stop += 1
        return stop


@dataclass(frozen=True)
class Page:
    """A stretch of a level's cards, from `begin` to before `stop`; `before` is where the page before it begins."""

    level: Level
    begin: int
    stop: int
    before: int

    @property
    def cards(self) -> list[Card]:
        """The cards of the page."""
        return self.level.cards(self.begin, self.stop)

    @property
    def total(self) -> int:
        """Cards of the whole level."""
        return len(self.level)

    @property
    def is_first(self) -> bool:
        """True where what the top was given is told before the cards."""
        return self.begin == 0

    @property
    def is_last(self) -> bool:
        """True where what the top answered is told after the cards."""
        return self.stop == self.total

    @property
    def left(self) -> int:
        """Cards after the page."""
        return self.total - self.stop

    @property
    def next_count(self) -> int:
        """Cards of the next page."""
        bounds = self.level.bounds
        return 0 if self.is_last else bounds[bounds.index(self.stop) + 1] - self.stop

    @property
    def after_id(self) -> UUID | None:
        """The card that the next page begins with."""
        return None if self.is_last else self.level.card(self.stop).id

    @property
    def before_id(self) -> UUID | None:
        """The card that the page before begins with."""
        return None if self.is_first else self.level.card(self.before).id

    @property
    def earlier_calls(self) -> list[Card]:
        """The last model calls before the page, oldest first: what its calls repeat is not told again."""
        reach = range(self.begin - 1, max(self.begin - 1 - REACH, -1), -1)
        calls = [place for place in reach if self.level.is_call(place)][:LOOKBACK]
        return [self.level.card(place) for place in reversed(calls)]

    @property
    def later_call(self) -> Card | None:
        """The next model call after the page, which may hold results of tools that the page's last call asked for."""
        reach = range(self.stop, min(self.stop + REACH, self.total))
        return next((self.level.card(place) for place in reach if self.level.is_call(place)), None)


def level(forest: Forest, top: UUID | None = None) -> Level:
    """Return the level inside a run; of the root, with whatever hangs beneath no run, where none or no such is named.

    A run with nothing in it is told as the only card. A level that is nothing but one chain is that chain's level.
    """
    plan = _Plan(forest)
    chosen = forest.find(top)
    if chosen is None:
        return plan.whole()
    return plan.inside(chosen) if plan.inner[chosen.position] else Level(plan, None, plan.told([chosen.position]))


class _Plan:
    """Knows of every run how many cards the level inside it has."""

    def __init__(self, forest: Forest) -> None:
        self.forest = forest
        self.inner = [0] * len(forest)
        self.clear = bytearray(len(forest))
        parent = forest.parent
        for position in range(len(forest) - 1, -1, -1):
            self.clear[position] = self._is_clear(position)
            if parent[position] != NONE:
                self.inner[parent[position]] += self.inner[position] if self.clear[position] else 1

    def whole(self) -> Level:
        """Return the level of the root, then orphans and odd runs."""
        tops = {group: [node.position for node in nodes] for group, nodes in self.forest.tops.items()}
        tree, root = tops.pop(Group.TREE, []), self.forest.root
        first = self.inside(root) if root and self.inner[root.position] else Level(self, None, self.told(tree))
        told, apart = first.told, []
        for group, positions in tops.items():
            apart.append((len(told), group))
            told += self.told(positions)
        return Level(self, first.top, told, apart)

    def inside(self, top: Node) -> Level:
        """Return the level of a run that has one."""
        told = self.told(self.forest.children(top.position))
        while len(told) == 1 and self._is_long_chain(told[0][0]):
            told = self.told(self.forest.children(told[0][0]))
        return Level(self, top, told)

    def told(self, positions: Iterable[int]) -> list[tuple[int, Path]]:
        """Return which of these runs are told, those within runs that are seen through in their place, by start."""
        told: list[tuple[int, Path]] = []
        starts = self.forest.columns.starts
        stack: list[tuple[int, Path]] = [(position, ()) for position in positions]
        while stack:
            position, path = stack.pop()
            if self.clear[position]:
                path = self._within(position, path)
                stack.extend((child, path) for child in self.forest.children(position))
            else:
                told.append((position, path))
        return sorted(told, key=lambda one: (starts[one[0]], one[0]))

    def kind(self, position: int) -> Kind:
        """Return how a run is drawn."""
        known = _KINDS.get(self.forest.columns.types[position])
        return known or (Kind.GROUP if self.inner[position] else Kind.STEP)

    def _is_long_chain(self, position: int) -> bool:
        return self.forest.columns.types[position] == "chain" and self.inner[position] > 0

    def _within(self, position: int, path: Path) -> Path:
        columns = self.forest.columns
        name = columns.names[position] if columns.types[position] == "chain" and self.inner[position] > 1 else None
        return (*path, name)[-_NAMES:] if name else path

    def _is_clear(self, position: int) -> bool:
        """Tell whether the run itself is not told: it only wraps, and its error, if it has one, is told within."""
        columns, inner = self.forest.columns, self.inner[position]
        if columns.types[position] == "span" or columns.repeats[position]:
            return True
        if columns.types[position] != "chain" or not 0 < inner <= SHORT:
            return False
        end = position + self.forest.size[position]
        return columns.statuses[position] != "error" or self.forest.errors_between(position + 1, end) > 0
