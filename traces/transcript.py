"""A trace as people read it: which runs are told as cards, in what order, and how they nest. Pure: no Django, no body.

A level tells what happened inside one run (the root, or a sub-agent that was opened): its model calls, tool calls,
searches, events and steps by start. What only wraps is seen through: plain spans, second reports of a call, and short
chains, whose name then stands with their cards. An agent or a long chain is one folded card, with a level of its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
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
"""Model calls before a page that are read again to know what its calls repeat."""
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
    """What happened inside `top` (None: there is no run around it), each card once: by group, then start.

    Orphans and runs whose parents lead in a circle come after the tree.
    """

    forest: Forest
    top: Node | None
    cards: list[Card]

    @cached_property
    def above(self) -> list[Node]:
        """The runs around the top whose levels it can be reached from, the root first."""
        return [] if self.top is None else list(reversed(self.top.ancestors()))

    @cached_property
    def bounds(self) -> list[int]:
        """Where each page begins, and at last the number of cards. Cards that are added later leave it as it is."""
        bounds = [0]
        while bounds[-1] < len(self.cards):
            bounds.append(self._end(bounds[-1]))
        return bounds

    def page(self, start: UUID | None = None) -> "Page":
        """Return the page that holds a card, the first one where there is no such card."""
        place = next((n for n, card in enumerate(self.cards) if card.id == start), 0) if start else 0
        number = next((n for n, bound in enumerate(self.bounds[1:]) if place < bound), 0)
        begin = self.bounds[number]
        stop = self.bounds[number + 1] if number + 1 < len(self.bounds) else begin
        return Page(self, begin, stop, self.bounds[number - 1] if number else 0)

    def _end(self, begin: int) -> int:
        """Return where a page that begins there ends: not between a model call and the tools that it called."""
        stop, most = min(begin + CARDS, len(self.cards)), min(begin + CARDS + CARDS // 2, len(self.cards))
        while stop < most and self.cards[stop].kind in (Kind.TOOL, Kind.SEARCH):
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
        return self.level.cards[self.begin : self.stop]

    @property
    def total(self) -> int:
        """Cards of the whole level."""
        return len(self.level.cards)

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
        return None if self.is_last else self.level.cards[self.stop].id

    @property
    def before_id(self) -> UUID | None:
        """The card that the page before begins with."""
        return None if self.is_first else self.level.cards[self.before].id

    @property
    def earlier_calls(self) -> list[Card]:
        """The last model calls before the page, oldest first: what its calls repeat is not told again."""
        found: list[Card] = []
        for place in range(self.begin - 1, max(self.begin - 1 - 4 * CARDS, -1), -1):
            if self.level.cards[place].kind is Kind.MODEL:
                found.insert(0, self.level.cards[place])
            if len(found) == LOOKBACK:
                break
        return found

    @property
    def later_call(self) -> Card | None:
        """The next model call after the page, which may hold results of tools that the page's last call asked for."""
        after = self.level.cards[self.stop : self.stop + CARDS]
        return next((card for card in after if card.kind is Kind.MODEL), None)


def level(forest: Forest, top: UUID | None = None) -> Level:
    """Return the level inside a run; of the root, with whatever hangs beneath no run, where none or no such is named.

    A run with nothing in it is told as the only card. A level that is nothing but one chain is that chain's level.
    """
    plan = _Plan(forest)
    chosen = forest.find(top)
    if chosen is None:
        return plan.whole()
    return plan.inside(chosen) if plan.inner[chosen.position] else Level(forest, None, plan.told([chosen.position]))


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
        cards: list[Card] = []
        root = self.forest.root
        first = Level(self.forest, None, [])
        if root is not None:
            tree = tops.pop(Group.TREE)
            first = self.inside(root) if self.inner[root.position] else Level(self.forest, None, self.told(tree))
        for group, positions in tops.items():
            cards += self.told(positions, group)
        return Level(self.forest, first.top, [*first.cards, *cards])

    def inside(self, top: Node) -> Level:
        """Return the level of a run that has one."""
        cards = self.told(self.forest.children(top.position))
        while len(cards) == 1 and cards[0].kind is Kind.GROUP and cards[0].node.type == "chain":
            cards = self.told(self.forest.children(cards[0].node.position))
        return Level(self.forest, top, cards)

    def told(self, positions: Iterable[int], group: Group = Group.TREE) -> list[Card]:
        """Return the cards of these runs, those of runs that are seen through in their place, by start."""
        cards: list[Card] = []
        stack: list[tuple[int, Path]] = [(position, ()) for position in positions]
        while stack:
            position, path = stack.pop()
            if self.clear[position]:
                path = self._within(position, path)
                stack.extend((child, path) for child in self.forest.children(position))
            else:
                cards.append(self._card(position, path, group))
        return sorted(cards, key=lambda card: (card.node.start_us, card.node.position))

    def _card(self, position: int, path: Path, group: Group) -> Card:
        node, inside = self.forest.node(position), self.inner[position]
        kind = _KINDS.get(node.type) or (Kind.GROUP if inside else Kind.STEP)
        return Card(node=node, kind=kind, path=path, inside=inside, group=group)

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
