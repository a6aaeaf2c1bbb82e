"""One moment of a conversation's replay, as its player draws it, and the addresses of the others. Pure: no Django."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from urllib.parse import urlencode
from uuid import UUID

from traces.player import SPEEDS, Moment, Timeline, instant, speed, timeline
from traces.scrubber import Scale, Track, fraction, track
from traces.story import Story


class Replay:
    """A conversation at one of its moments."""

    speeds = SPEEDS

    def __init__(self, timeline: Timeline, position: int, speed: int) -> None:
        """Stand at a position of the timeline; `speed` is how many times faster than life it plays."""
        self.timeline = timeline
        self.position = position
        self.speed = speed

    @cached_property
    def story(self) -> Story:
        """What existed then."""
        return self.timeline.as_of(self.position)

    @cached_property
    def track(self) -> Track:
        """The track with its head here."""
        return track(self.timeline, self.position)

    @property
    def now(self) -> Moment:
        """The moment itself."""
        return self.timeline.moments[self.position]

    @property
    def first(self) -> Moment:
        """The first moment of all."""
        return self.timeline.moments[0]

    @property
    def last(self) -> Moment:
        """The last moment of all."""
        return self.timeline.moments[-1]

    @property
    def previous(self) -> Moment | None:
        """Where a turn before this moment begins."""
        return self._moment(self.timeline.previous_stop(self.position))

    @property
    def next(self) -> Moment | None:
        """Where the next turn begins, or the end."""
        return self._moment(self.timeline.next_stop(self.position))

    @property
    def after(self) -> Moment | None:
        """The very next moment, which playing shows next; None at the end."""
        return None if self.wait is None else self.timeline.moments[self.position + 1]

    @property
    def wait(self) -> int | None:
        """Milliseconds until then at ×1."""
        return self.timeline.wait(self.position)

    @property
    def to_come(self) -> int:
        """How many turns have not begun."""
        return self.timeline.turns - self.timeline.begun(self.position)

    def _moment(self, position: int | None) -> Moment | None:
        return None if position is None else self.timeline.moments[position]


def replay(story: Story, query: Mapping[str, str]) -> Replay | None:
    """Return the moment that an address names; None where it names none, or nothing ever happened.

    `at` is in epoch milliseconds; before the first moment it is the first, otherwise the latest that is not after it.
    `seek` is a place on the track in thousandths, and stands for the moment nearest to it.
    """
    at, place = instant(query.get("at")), fraction(query.get("seek"))
    if at is None and place is None:
        return None
    moments = timeline(story)
    if moments is None:
        return None
    position = moments.position(at or 0) if place is None else Scale(moments.instants).nearest(place)
    return Replay(moments, position, speed(query.get("speed")))


def address(moment: Moment, chosen: Iterable[UUID], faster: int) -> str:
    """Return the query and fragment of a moment's page: with the retries that are chosen and the speed of playing."""
    return f"?{urlencode(state(moment, chosen, faster))}#turn-{max(moment.turn, 1)}"


def state(moment: Moment, chosen: Iterable[UUID], faster: int) -> list[tuple[str, object]]:
    """Return the parameters that make a page show a moment."""
    played: list[tuple[str, object]] = [("speed", faster)] if faster != SPEEDS[0] else []
    return [("at", moment.at), *(("retry", one) for one in chosen), *played]
