"""The shapes of a conversation: what is stored of a thread, and what a page draws. Pure: no Django."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from runs.messages import Message
from traces.tree import RunRow, Sums


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
    """A run of the thread that is neither message, exchange nor event."""

    run: RunRow
    chat_id: UUID | None
    trace_id: UUID | None


class Reaction(msgspec.Struct, frozen=True):
    """What somebody thought of a message or run."""

    thumb: str = ""  # up or down
    comment: str = ""
    other: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is anything to show."""
        return bool(self.thumb or self.comment or self.other)


class Story(msgspec.Struct, frozen=True):
    """Everything stored about one thread, in any order. Feedback is keyed by message, chat or run id, then by key."""

    messages: list[MessageRow]
    chats: list[ChatRow] = []
    events: list[EventRow] = []
    runs: list[AttachedRow] = []
    feedback: Mapping[UUID, Mapping[str, Any]] = msgspec.field(default_factory=dict)


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
    run: AttachedRow | None = None


class Facts(msgspec.Struct, kw_only=True):
    """What answering took. `latency_ms` is how long the person waited; None where that can't be told."""

    agent: str = ""
    models: tuple[str, ...] = ()
    latency_ms: int | None = None
    sums: Sums = msgspec.field(default_factory=Sums)
    traces: tuple[UUID, ...] = ()
    reactions: tuple[Reaction, ...] = ()


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
    def at(self) -> datetime:
        """When the first telling began."""
        return self.variants[0].started_at

    @property
    def failed(self) -> bool:
        """True where a run of the shown telling ended in an error."""
        return self.variant.facts.sums.errors > 0

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
