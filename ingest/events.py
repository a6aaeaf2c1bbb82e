"""The shapes that cross the boundary between decoding a client's request and storing it. Pure: no Django.

`ingest.lunary` and `ingest.otlp` turn bytes into `RunEvent`s and `MessageEvent`s; `ingest.fold` turns those into one
state per run; `ingest.write` stores them. Payloads stay JSON text from the wire to the table (rule 7).
"""

from enum import Enum
from typing import Any

import msgspec

from runs.pricing import Tokens

Usage = Tokens
"""Token counts by class, normalised (rule 11): `input` includes cache reads and writes. None is unknown, never 0."""


class Kind(Enum):
    """What an event says about its run."""

    START = "start"
    END = "end"
    ERROR = "error"
    UPDATE = "update"
    CUSTOM = "custom-event"


class RunEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One decoded event about one run. Ids are canonical lower-case UUID text (rule 1); times are epoch microseconds.

    JSON texts are sanitised (no NaN, NUL, lone surrogate) but otherwise byte for byte what the client sent.
    """

    kind: Kind
    run_id: str
    at: int  # the client's clock, or received_at where it sent none
    type: str | None = None
    parent_id: str | None = None
    name: str | None = None
    user_id: str | None = None
    tags: tuple[str, ...] | None = None
    metadata: str | None = None  # JSON text of an object, never "{}"
    input: str | None = None  # JSON text; None where absent or null
    output: str | None = None
    error: str | None = None
    params: str | None = None
    usage: Usage | None = None
    usage_text: str | None = None  # as sent
    template_id: str | None = None
    runtime: str | None = None


class MessageEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One message of a conversation, in any of the ways clients tell it (rule 10)."""

    message_id: str
    side: str  # "in" (user, system, developer, human) or "out" (assistant, tool, ai, bot, AIMessageChunk, function)
    thread_id: str | None  # None: a legacy answer, which names only the message it answers
    at: int
    role: str  # as sent
    body: str  # the message as sent, JSON text
    is_retry: bool = False
    user_id: str | None = None
    tags: tuple[str, ...] | None = None
    thread_tags: tuple[str, ...] | None = None
    metadata: str | None = None
    thread_metadata: str | None = None


class ThreadEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A thread is named without a message (legacy thread start, a custom event's thread)."""

    thread_id: str
    at: int
    user_id: str | None = None
    tags: tuple[str, ...] | None = None
    metadata: str | None = None  # JSON text


class FeedbackEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Feedback on a run or message: each key is set on its own, None removes it."""

    run_id: str
    at: int
    values: dict[str, Any]


class LogEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A log line of a run."""

    run_id: str
    at: int
    level: str
    message: str
    extra: str | None = None  # JSON text


class UserSeen(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An end user named by an event, with the properties sent beside it."""

    user_id: str
    at: int
    props: dict[str, Any] | None = None


class Refusal(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An event that can't be stored: answered `success: false` and held on Ingest health (rule 4)."""

    code: str
    reason: str
    event: str  # the raw event, JSON text (or the undecodable bytes, replaced characters and all)
    run_id: str | None = None


class Batch(msgspec.Struct, kw_only=True):
    """Everything one request says about one project, decoded. `write.store` stores it in one transaction."""

    runs: list[RunEvent] = msgspec.field(default_factory=list)
    messages: list[MessageEvent] = msgspec.field(default_factory=list)
    threads: list[ThreadEvent] = msgspec.field(default_factory=list)
    feedback: list[FeedbackEvent] = msgspec.field(default_factory=list)
    logs: list[LogEvent] = msgspec.field(default_factory=list)
    users: list[UserSeen] = msgspec.field(default_factory=list)
    refusals: list[Refusal] = msgspec.field(default_factory=list)
    held_ids: set[str] = msgspec.field(default_factory=set)
    """Ids that people hold, as sent: their SDK-hashed forms become aliases (rule 2)."""
