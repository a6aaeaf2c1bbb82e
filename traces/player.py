"""The moments of a conversation, and what existed at each: what its player replays. Pure: no Django.

A moment is a millisecond in which something came to be: a message, a custom event, feedback, the outcome of a run. The
thread as it was then is its `Story` with everything later left out, so it is told by the code that tells the whole.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from traces.story import AttachedRow, Story, Turn
from traces.thread import reaction, turns_of

SPEEDS: Final = (1, 4, 16)
PAUSE: Final = 10_000
"""Milliseconds that playing at ×1 waits where the conversation was silent for longer."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST_INSTANT: Final = 14  # digits of epoch milliseconds: until the year 5138


class Happening(msgspec.Struct, frozen=True, order=True, gc=False):
    """One thing that came to be. `kind`: message, retry, event, run, error, up, down or feedback."""

    at: int  # epoch ms
    turn: int  # 0 where there is none yet
    kind: str


class Moment(msgspec.Struct, frozen=True):
    """A millisecond in which something came to be."""

    at: int  # epoch ms
    turn: int  # in which it happened; 0 before the first
    kinds: tuple[str, ...]

    @property
    def time(self) -> datetime:
        """When it was."""
        return _EPOCH + timedelta(milliseconds=self.at)


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """All moments of a story in their order; there is at least one. A position is an index in `moments`."""

    story: Story
    moments: list[Moment]
    instants: list[int]  # epoch ms of the moments
    begins: list[int]  # positions at which the turns begin, in their order
    stops: list[int]  # the same without repeats, and the first and the last position
    turns: int
    answered: frozenset[UUID]  # tellings that are answered by the end
    outcomes: list[int]  # epoch ms at which each of the story's runs shows
    given: Mapping[tuple[UUID, str], int]  # epoch ms of feedback by what it is on and its key

    def position(self, at: int) -> int:
        """Return the latest moment that is not after `at` (epoch ms); the first where none is."""
        return max(bisect_right(self.instants, at) - 1, 0)

    @property
    def end(self) -> int:
        """The last moment."""
        return len(self.moments) - 1

    def begun(self, position: int) -> int:
        """Return how many turns have begun."""
        return bisect_right(self.begins, position)

    def next_stop(self, position: int) -> int | None:
        """Return where the next turn begins, behind the last turn the end; None at the end."""
        found = bisect_right(self.stops, position)
        return self.stops[found] if found < len(self.stops) else None

    def previous_stop(self, position: int) -> int | None:
        """Return where the turn begins that was last begun before the moment; None at the first."""
        found = bisect_left(self.stops, position)
        return self.stops[found - 1] if found else None

    def wait(self, position: int) -> int | None:
        """Return how many ms playing at ×1 waits for the next moment, long silences shortened; None at the end."""
        if position >= self.end:
            return None
        return min(self.instants[position + 1] - self.instants[position], PAUSE)

    def as_of(self, position: int) -> Story:
        """Return the story as far as it existed at a moment."""
        at, story = self.instants[position], self.story
        until = _EPOCH + timedelta(milliseconds=at)
        feedback: dict[UUID, dict[str, Any]] = {}
        for run_id, values in story.feedback.items():
            if then := {key: value for key, value in values.items() if self.given[run_id, key] <= at}:
                feedback[run_id] = then
        return Story(
            messages=[row for row in story.messages if row.at <= until],
            chats=story.chats,
            events=[event for event in story.events if event.at <= until],
            runs=[one for one, shows in zip(story.runs, self.outcomes, strict=True) if shows <= at],
            feedback=feedback,
            given_at=story.given_at,
            chat_of=story.chat_of,
        )


def instant(text: str | None) -> int | None:
    """Return the epoch milliseconds that an address names; None for anything else."""
    if not text or not text.isascii() or not text.isdecimal() or len(text) > _LONGEST_INSTANT:
        return None
    return int(text)


def speed(text: str | None) -> int:
    """Return how many times faster than life to play; 1 where the address doesn't name one of SPEEDS."""
    return next((one for one in SPEEDS if str(one) == text), SPEEDS[0])


def timeline(story: Story) -> Timeline | None:
    """Return the moments of a story; None where nothing happened."""
    turns = turns_of(story)
    places = _Places(turns)
    outcomes = [places.shows(one) for one in story.runs]
    given = {
        (run_id, key): places.given(story, run_id, key) for run_id, values in story.feedback.items() for key in values
    }
    moments = _moments(
        [
            *_said(turns),
            *(Happening(at, places.begun(at), "event") for at in (milliseconds(event.at) for event in story.events)),
            *(
                Happening(
                    at, places.of_run(one) or places.begun(at), "error" if one.root and one.root.failed else "run"
                )
                for one, at in zip(story.runs, outcomes, strict=True)
            ),
            *(
                Happening(at, places.turn(_about(story, run_id), at), _opinion(key, story.feedback[run_id][key]))
                for (run_id, key), at in given.items()
            ),
        ]
    )
    if not moments:
        return None
    instants = [moment.at for moment in moments]
    begins = [bisect_left(instants, at) for at in places.starts]
    return Timeline(
        story=story,
        moments=moments,
        instants=instants,
        begins=begins,
        stops=sorted({0, *begins, len(moments) - 1}),
        turns=len(turns),
        answered=frozenset(variant.id for turn in turns for variant in turn.variants if variant.answers),
        outcomes=outcomes,
        given=given,
    )


def milliseconds(moment: datetime) -> int:
    """Return epoch milliseconds, rounded up: what happened within one is there at its end."""
    return -((_EPOCH - moment) // _MICROSECOND // 1000)


class _Places:
    """Where in the conversation things belong: turns by number, and since when they were there."""

    def __init__(self, turns: list[Turn]) -> None:
        self.starts = [milliseconds(turn.at) for turn in turns]
        self.turn_of: dict[UUID, int] = {}
        self.traces: dict[UUID, int] = {}
        self.exchanges: dict[UUID, int] = {}
        self.since: dict[UUID, int] = {}
        self.spoken: set[int] = set()
        self.answers: dict[tuple[int, UUID], int] = {}
        for turn, start in zip(turns, self.starts, strict=True):
            for variant in turn.variants:
                self.exchanges[variant.id] = self.turn_of[variant.id] = turn.number
                self.traces.update(dict.fromkeys(variant.facts.traces, turn.number))
                self.since[variant.id] = start
                for row in (*variant.inputs, *variant.answers):
                    self.spoken.add(turn.number)
                    self.turn_of[row.id] = turn.number
                    self.since[row.id] = milliseconds(row.at)
                for trace_id in variant.facts.traces if variant.answers else ():
                    self.answers[turn.number, trace_id] = milliseconds(variant.answers[-1].at)

    def begun(self, at: int) -> int:
        """Return how many turns had begun."""
        return bisect_right(self.starts, at)

    def turn(self, about: UUID | None, at: int) -> int:
        """Return the turn of a message or exchange; of anything else the one that was going on."""
        found = self.turn_of.get(about) if about else None
        return found or self.begun(at)

    def of_run(self, run: AttachedRow) -> int | None:
        """Return the turn of a run; None outside of all exchanges.

        An exchange of which only the retry was told is no telling itself: its runs are with the retry.
        """
        return (self.exchanges.get(run.chat_id) or self.traces.get(run.trace_id)) if run.chat_id else None

    def shows(self, run: AttachedRow) -> int:
        """Return when what a run took is told: with the answer it made, otherwise when it ended.

        A run alone in its exchange is what the exchange consists of, and there from its start.
        """
        start = milliseconds(run.started_at)
        end = milliseconds(run.root.ended_at) if run.root and run.root.ended_at else start
        number = self.of_run(run)
        if number is None:
            return max(start, end)
        if number not in self.spoken:
            return start
        answered = self.answers.get((number, run.trace_id))
        if answered is not None and answered >= start:
            return answered
        return max(start, end, self.starts[number - 1])

    def given(self, story: Story, run_id: UUID, key: str) -> int:
        """Return when feedback shows: not before what it is on. What has no time was always there."""
        at = story.given_at.get(run_id, {}).get(key)
        since = self.since.get(_about(story, run_id), 0)
        return max(milliseconds(at), since) if at else since or min(self.starts, default=0)


def _about(story: Story, run_id: UUID) -> UUID:
    """Return the message or exchange that feedback belongs to."""
    return story.chat_of.get(run_id, run_id)


def _opinion(key: str, value: Any) -> str:
    return reaction({key: value}).thumb or "feedback"


def _said(turns: list[Turn]) -> Iterator[Happening]:
    """Give each message once; the first of a retry is the retry."""
    for turn in turns:
        for number, variant in enumerate(turn.variants):
            own = [*(() if variant.inherits_input else variant.inputs), *variant.answers]
            first = min(own, key=lambda row: row.at, default=None)
            for row in own:
                is_retry = number > 0 and row is first
                yield Happening(milliseconds(row.at), turn.number, "retry" if is_retry else "message")


def _moments(happenings: list[Happening]) -> list[Moment]:
    """Put what happened in one millisecond together; the latest of its turns is where it was."""
    grouped: dict[int, list[Happening]] = {}
    for one in sorted(happenings):
        grouped.setdefault(one.at, []).append(one)
    return [Moment(at, here[-1].turn, tuple(one.kind for one in here)) for at, here in grouped.items()]
