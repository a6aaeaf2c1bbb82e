"""The shapes of a conversation: what is stored of a thread, and what a page draws. Pure: no Django."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from runs.messages import Message
from traces.columns import RunRow
from traces.tree import Sums


class MessageRow(msgspec.Struct, frozen=True):
    """A stored message; `body` is JSON text as sent."""

    id: UUID
    side: str  # in or out
    chat_id: UUID | None
    at: datetime
    role: str
    body: str
    is_retry: bool = False
    user_id: str | None = None


class ChatRow(msgspec.Struct, frozen=True):
    """An exchange; `sibling_of` is the one it retries."""

    id: UUID
    started_at: datetime
    sibling_of: UUID | None = None


class EventRow(msgspec.Struct, frozen=True):
    """A custom event of the thread."""

    id: UUID
    name: str | None
    at: datetime
    metadata: dict[str, Any] | None = None


class AttachedRow(msgspec.Struct, frozen=True):
    """All runs of one trace that hang beneath one exchange: only their sums are read, however many they are."""

    chat_id: UUID | None
    trace_id: UUID
    started_at: datetime
    sums: Sums
    models: tuple[str, ...] = ()
    root: RunRow | None = None  # the trace's topmost run, if it is one of them


class Reaction(msgspec.Struct, frozen=True):
    """What somebody thought of a message or run."""

    thumb: str = ""  # up or down
    comment: str = ""
    other: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is anything to show."""
        return bool(self.thumb or self.comment or self.other)


class Story(msgspec.Struct, frozen=True):
    """What is stored of one thread, in any order. Feedback is keyed by message, chat or run id, then by its own key."""

    messages: list[MessageRow]
    chats: list[ChatRow] = []
    events: list[EventRow] = []
    runs: list[AttachedRow] = []
    feedback: Mapping[UUID, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    chat_of: Mapping[UUID, UUID] = msgspec.field(default_factory=dict)  # of runs that have feedback
    given_at: Mapping[UUID, Mapping[str, datetime]] = msgspec.field(default_factory=dict)  # of `feedback`


class Bubble(msgspec.Struct, kw_only=True):
    """A message as drawn."""

    row: MessageRow
    message: Message
    reaction: Reaction
    kind = "message"

    @property
    def at(self) -> datetime:
        """When the client says it was said."""
        return self.row.at


class Line(msgspec.Struct, kw_only=True):
    """Something that happened between messages: `kind` is event, run or silence."""

    kind: str
    at: datetime
    id: UUID | None = None
    name: str = ""
    details: tuple[tuple[str, str], ...] = ()
    run: RunRow | None = None


class Facts(msgspec.Struct, kw_only=True):
    """What answering took. `latency_ms` is how long the person waited; None where that can't be told."""

    agent: str = ""
    models: tuple[str, ...] = ()
    latency_ms: int | None = None
    sums: Sums = msgspec.field(default_factory=Sums)
    traces: tuple[UUID, ...] = ()
    failed: bool = False  # the topmost run of a trace ended in an error
    reactions: tuple[Reaction, ...] = ()  # to runs of it


class Variant(msgspec.Struct, kw_only=True):
    """One telling of an exchange: the first, or a retry of it."""

    id: UUID
    inputs: list[MessageRow]  # a retry that sent no input of its own has those it retries
    answers: list[MessageRow]
    started_at: datetime
    ended_at: datetime
    facts: Facts
    inherits_input: bool = False


class Turn(msgspec.Struct, kw_only=True):
    """An exchange with its retries, one of which is shown. `lines` is filled for the turns of the page only."""

    number: int
    title: str
    variants: list[Variant]
    shown: int
    thumb: str
    lines: list[Bubble | Line] = []
    silence: str = ""  # before it
    kind = "turn"

    @property
    def variant(self) -> Variant:
        """The telling that is shown."""
        return self.variants[self.shown]

    @property
    def asked(self) -> "list[Bubble | Line]":
        """What comes before the first answer."""
        return self.lines[: self._first_answer]

    @property
    def answered(self) -> "list[Bubble | Line]":
        """The first answer and what comes after it."""
        return self.lines[self._first_answer :]

    @property
    def last_answer(self) -> "Bubble | None":
        """The message that the exchange ends with, which carries its figures; None while there is no answer."""
        bubbles = [line for line in self.lines if isinstance(line, Bubble) and line.row.side != "in"]
        return bubbles[-1] if bubbles else None

    @property
    def _first_answer(self) -> int:
        answers = (at for at, line in enumerate(self.lines) if isinstance(line, Bubble) and line.row.side != "in")
        return next(answers, len(self.lines))

    @property
    def at(self) -> datetime:
        """When the first telling began."""
        return self.variants[0].started_at

    @property
    def failed(self) -> bool:
        """True where the run that should have answered ended in an error."""
        return self.variant.facts.failed

    @property
    def retry_after_ms(self) -> int | None:
        """How long after the telling before it the shown one came; None for the first."""
        if self.shown == 0:
            return None
        before = self.variants[self.shown - 1]
        own = self.variant.answers if self.variant.inherits_input else self.variant.inputs or self.variant.answers
        return (own[0].at - before.ended_at) // timedelta(milliseconds=1) if own else None

    @property
    def earlier(self) -> UUID | None:
        """The telling before the shown one."""
        return self.variants[self.shown - 1].id if self.shown else None

    @property
    def later(self) -> UUID | None:
        """The telling after the shown one."""
        return self.variants[self.shown + 1].id if self.shown + 1 < len(self.variants) else None


class Totals(msgspec.Struct, kw_only=True):
    """Figures of the whole thread, its retries and runs outside of exchanges included."""

    turns: int
    messages: int
    retries: int
    thumbs_up: int
    thumbs_down: int
    sums: Sums
    traces: int
    answer_p95_ms: int | None
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def duration_ms(self) -> int | None:
        """From the first to the last message or event."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at) // timedelta(milliseconds=1)


class Conversation(msgspec.Struct, kw_only=True):
    """A thread, ready to draw. `items` are the page's, `turns` all of them (without their lines)."""

    items: list[Turn | Line]
    turns: list[Turn]
    first: int  # number of the page's first turn
    page: int  # most turns a page shows
    totals: Totals

    @property
    def last(self) -> int:
        """Number of the page's last turn."""
        return min(len(self.turns), self.first + self.page - 1)

    @property
    def before(self) -> int:
        """Number of the turn before the page's first; 0 where there is none."""
        return self.first - 1

    @property
    def after(self) -> int:
        """Number of the turn after the page's last; 0 where there is none."""
        return self.last + 1 if self.last < len(self.turns) else 0

    @property
    def earlier_turns(self) -> list[Turn]:
        """The turns before the page's first."""
        return self.turns[: self.before]

    @property
    def listed_turns(self) -> list[Turn]:
        """The page's turns and all that follow."""
        return self.turns[self.before :]

    @property
    def page_turns(self) -> list[Turn]:
        """The page's turns."""
        return self.turns[self.before : self.last]

    @property
    def title(self) -> str:
        """What the conversation begins with; '' where that has no words."""
        return self.turns[0].title if self.turns else ""
