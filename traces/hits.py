"""The hits of a search as a page shows them: part of the list, which is selected, what is beside it. Pure.

A search has at most `find.MOST` hits, so that all of them are known whenever one is shown; a page lists `find.PAGE`.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from traces import find
from traces.find import Hit


@dataclass(frozen=True)
class Numbered:
    """A hit with its number, from 1."""

    number: int
    hit: Hit


@dataclass(frozen=True)
class Hits:
    """What a page shows of some hits, which are in the order of the tree."""

    shown: list[Numbered]
    count: int
    current: int | None  # number of the selected hit; None where what is selected is none
    previous: Hit | None  # before what is selected; None at the beginning
    next: Hit | None  # after it; without a selection the first
    before: Hit | None  # the hit before those shown
    after: Hit | None
    earlier: Hit | None  # what the page before begins with

    @property
    def last(self) -> Hit | None:
        """Return the last hit that is shown."""
        return self.shown[-1].hit if self.shown else None

    @property
    def left(self) -> int:
        """Return how many hits follow those shown."""
        return self.count - self.shown[-1].number if self.shown else 0


def hits(found: Sequence[Hit], selected: int | None, start: UUID | None = None) -> Hits:
    """Return the page of hits that begins with the run `start`, else the one that the selected position is on."""
    positions = [hit.position for hit in found]
    place = 0 if selected is None else bisect_left(positions, selected)
    is_hit = selected is not None and place < len(found) and positions[place] == selected
    following = place + 1 if is_hit else place
    ids = [hit.id for hit in found]
    first = ids.index(start) if start in ids else min(place, max(len(found) - 1, 0)) // find.PAGE * find.PAGE
    stop = min(first + find.PAGE, len(found))
    return Hits(
        shown=[Numbered(number, hit) for number, hit in enumerate(found[first:stop], first + 1)],
        count=len(found),
        current=place + 1 if is_hit else None,
        previous=found[place - 1] if place else None,
        next=found[following] if following < len(found) else None,
        before=found[first - 1] if first else None,
        after=found[stop] if stop < len(found) else None,
        earlier=found[max(0, first - find.PAGE)] if first else None,
    )
