"""What each kind of Lunary event says, as entries of a Batch (lunary-protocol.md §2.6 and §2.7). Pure: no Django."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from ingest import jsonclean
from ingest.events import (
    Batch,
    FeedbackEvent,
    Kind,
    LogEvent,
    MessageEvent,
    RunEvent,
    ThreadEvent,
    UserSeen,
)
from ingest.lunary_event import WORD_LIMIT, Event, Unusable, as_text, short, tags_in, words
from ingest.lunary_payload import first_object, json_text, metadata_of, name_of, params_of, template_id_of, usage_of
from runs.ids import run_id as canonical

OUT_ROLES: Final = frozenset({"assistant", "tool", "ai", "bot", "aimessagechunk", "function", "model"})
LOG_LEVELS: Final = frozenset({"trace", "debug", "log", "info", "warn", "warning", "error", "fatal", "critical"})
THREAD_TYPES: Final = frozenset({"thread", "convo"})  # convo, message: what llmonitor called them
CHAT_TYPES: Final = frozenset({"chat", "message"})
HASHING_RUNTIMES: Final = frozenset({"lunary-py", "langchain-py"})  # ids arrive hashed, so no person holds them
FEEDBACK_KEY_LIMIT: Final = 200


class Group(msgspec.Struct, kw_only=True):
    """What one request says about one project, and what rule 6 needs to know about its runs (canonical ids)."""

    project: str | None = None  # as the route named it; None is the request's own
    batch: Batch = msgspec.field(default_factory=Batch)
    positions: list[int] = msgspec.field(default_factory=list)  # of its events in the request
    started: set[str] = msgspec.field(default_factory=set)
    placed_tools: set[str] = msgspec.field(default_factory=set)  # tool starts that name a parent
    homeless_tools: set[str] = msgspec.field(default_factory=set)  # tool starts that name none
    later: dict[str, str] = msgspec.field(default_factory=dict)  # runs told more about → their id as sent
    newest_at: int | None = None  # newest time a client sent, epoch µs


def apply(event: Event, at: int, group: Group) -> None:
    """Add what the event says to the group; raise Unusable, having added nothing, where it can't be stored."""
    name = event.event
    if event.type == "log":
        _log(event, at, group)
        return
    handler = _HANDLERS.get(name or "") or _HANDLERS.get((name or "").strip().lower())
    if handler is not None:
        handler(event, at, group)
    elif (name or "").lower() in LOG_LEVELS:
        _log(event, at, group)
    else:
        known = ", ".join(_HANDLERS)
        what = "no event name" if name is None else f"the event name “{short(name, WORD_LIMIT)}” is not known"
        raise Unusable("unknown-event", f"{what}: expected one of {known}, or a log level of type log")


def subject(event: Event) -> str | None:
    """Return the canonical id of the run that an event is about; a log line's is its parent."""
    if event.type == "log":
        return canonical(event.parent_run_id) or canonical(event.run_id)
    return canonical(event.run_id)


def _start(event: Event, at: int, group: Group) -> None:
    if event.type in THREAD_TYPES:
        _thread(event, at, group)
    elif event.type in CHAT_TYPES:
        _legacy_message(event, at, group, side="in")
    else:
        _run(event, at, group, Kind.START)


def _end(event: Event, at: int, group: Group) -> None:
    if event.type in THREAD_TYPES:
        _thread(event, at, group)
    elif event.type in CHAT_TYPES:
        _legacy_message(event, at, group, side="out")
    else:
        failed = json_text(event.error) not in (None, "{}", "false", '""')
        _run(event, at, group, Kind.ERROR if failed else Kind.END)


def _error(event: Event, at: int, group: Group) -> None:
    _run(event, at, group, Kind.ERROR)


def _update(event: Event, at: int, group: Group) -> None:
    _run(event, at, group, Kind.UPDATE)


def _run(event: Event, at: int, group: Group, kind: Kind) -> None:
    """Add an event of an ordinary run."""
    run_id = _own_id(event)
    parent_id = _parent_id(event, run_id)
    type_ = event.type
    if kind is Kind.START:
        group.started.add(run_id)
        if type_ == "tool":
            (group.placed_tools if parent_id else group.homeless_tools).add(run_id)
    elif type_ == "tool" or type_ is None:
        group.later[run_id] = event.run_id or ""
    metadata, facts = metadata_of(event.metadata)
    usage_text = json_text(event.tokens_usage)
    name = name_of(event.name)
    user_id = _user(event, at, group)
    group.batch.runs.append(
        RunEvent(
            kind=kind,
            run_id=run_id,
            at=at,
            type=type_ if type_ is None or len(type_) <= WORD_LIMIT else short(type_, WORD_LIMIT),
            parent_id=parent_id,
            name=name,
            user_id=user_id,
            tags=words(event.tags) or (tags_in(facts["tags"]) if facts and "tags" in facts else None),
            metadata=metadata,
            input=json_text(event.input),
            output=json_text(event.output),
            error=json_text(event.error),
            params=params_of(event),
            usage=None if usage_text is None else usage_of(usage_text, event, facts),
            usage_text=usage_text,
            template_id=template_id_of(event, facts),
            runtime=event.runtime,
        )
    )
    if event.feedback:
        _add_feedback(event.feedback, run_id, at, group)


def _message(event: Event, at: int, group: Group) -> None:
    """Add a chat message (event `chat`): runId is the message, parentRunId its thread."""
    message_id = _own_id(event)
    thread_id = _parent_id(event, message_id)
    if thread_id is None:
        raise Unusable("message-without-thread", "a chat message names its thread in parentRunId; this one names none")
    body = json_text(event.message)
    if body is None:
        raise Unusable("no-message", "a chat event carries its message in `message`; this one carries none")
    said = _Said()
    if body[0] == "{":
        said = _said(body)
    elif body[0] == '"':
        body = f'{{"role":"user","content":{body}}}'
    else:
        raise Unusable("no-message", "`message` of a chat event is an object such as {role, content}")
    role = short(next((text for text in (said.role, said.type) if isinstance(text, str) and text), "user"), WORD_LIMIT)
    _hold(event, group, event.run_id, event.parent_run_id)
    if event.runtime in HASHING_RUNTIMES and isinstance(said.id, str) and said.id:
        group.batch.held_ids.add(said.id)  # the SDK hashed runId, and left the id that the person holds in the message
    group.batch.messages.append(
        MessageEvent(
            message_id=message_id,
            side="out" if role.lower() in OUT_ROLES else "in",
            thread_id=thread_id,
            at=at,
            role=role,
            body=body,
            is_retry=said.is_retry in _TRUE or said.isRetry in _TRUE,
            user_id=_user(event, at, group),
            tags=words(event.tags) or tags_in(said.tags),
            thread_tags=words(event.thread_tags),
            metadata=first_object(event.metadata, event.extra, said.metadata, said.extra),
            thread_metadata=metadata_of(event.thread_metadata)[0],
        )
    )
    if event.feedback:
        _add_feedback(event.feedback, message_id, at, group)


def _legacy_message(event: Event, at: int, group: Group, side: str) -> None:
    """Add one half of an exchange as trackUserMessage and trackBotMessage tell it: both under the question's id."""
    message_id = _own_id(event)
    role = "user" if side == "in" else "assistant"
    content = json_text(event.input if side == "in" else event.output) or "null"
    _hold(event, group, event.run_id, event.parent_run_id)
    group.batch.messages.append(
        MessageEvent(
            message_id=message_id,
            side=side,
            thread_id=_parent_id(event, message_id),
            at=at,
            role=role,
            body=f'{{"role":"{role}","content":{content}}}',
            user_id=_user(event, at, group),
            tags=words(event.tags),
            thread_tags=words(event.thread_tags),
            metadata=first_object(event.metadata, event.extra),
            thread_metadata=metadata_of(event.thread_metadata)[0],
        )
    )
    if event.feedback:
        _add_feedback(event.feedback, message_id, at, group)


def _thread(event: Event, at: int, group: Group) -> None:
    """Add a thread that is named without a message."""
    thread_id = _own_id(event)
    _hold(event, group, event.run_id)
    group.batch.threads.append(
        ThreadEvent(
            thread_id=thread_id,
            at=at,
            user_id=_user(event, at, group),
            tags=words(event.thread_tags) or words(event.tags),
            metadata=first_object(event.thread_metadata, event.metadata, event.extra),
        )
    )
    if event.feedback:
        _add_feedback(event.feedback, thread_id, at, group)


def _custom_event(event: Event, at: int, group: Group) -> None:
    """Add something that happened in a thread between its messages, and the thread."""
    run_id = _own_id(event)
    thread_id = _parent_id(event, run_id)
    user_id = _user(event, at, group)
    group.batch.runs.append(
        RunEvent(
            kind=Kind.CUSTOM,
            run_id=run_id,
            at=at,
            type="custom-event",
            parent_id=thread_id,
            name=name_of(event.name),
            user_id=user_id,
            tags=words(event.tags),
            metadata=first_object(event.metadata, event.extra),
            input=json_text(event.input),
            output=json_text(event.output),
            runtime=event.runtime,
        )
    )
    if thread_id is not None:
        _hold(event, group, event.parent_run_id)
        tags, metadata = words(event.thread_tags), metadata_of(event.thread_metadata)[0]
        group.batch.threads.append(
            ThreadEvent(thread_id=thread_id, at=at, user_id=user_id, tags=tags, metadata=metadata)
        )


def _feedback(event: Event, at: int, group: Group) -> None:
    """Add feedback on a run or message; `extra` is its name in old SDKs."""
    run_id = _own_id(event)
    _, old = metadata_of(event.extra)
    values = {**(old or {}), **(event.feedback or {})}
    if not values and event.feedback is None:
        raise Unusable("no-feedback", 'feedback is an object such as {"thumb": "up"}; this event carries none')
    _hold(event, group, event.run_id)
    group.later[run_id] = event.run_id or ""
    if values:
        _add_feedback(values, run_id, at, group)


def _log(event: Event, at: int, group: Group) -> None:
    """Add a log line to the run that it names as its parent."""
    run_id = subject(event) if event.type == "log" else canonical(event.parent_run_id) or canonical(event.run_id)
    if run_id is None:
        raise Unusable("log-without-run", "a log line is kept with its run; this one names none in parentRunId")
    message = json_text(event.message) or '""'
    if message[0] == '"':
        message = jsonclean.loads(message)
    group.later[run_id] = event.parent_run_id or event.run_id or ""
    extra = json_text(event.extra)
    group.batch.logs.append(
        LogEvent(
            run_id=run_id,
            at=at,
            level=short(event.level or event.event or "info", WORD_LIMIT),
            message=message,
            extra=json_text(event.metadata) if extra is None else extra,
        )
    )


_HANDLERS: Final[dict[str, Callable[[Event, int, Group], None]]] = {
    "start": _start,
    "end": _end,
    "error": _error,
    "update": _update,
    "chat": _message,
    "feedback": _feedback,
    "custom-event": _custom_event,
}
_TRUE: Final = (True, "true", "True", 1)


class _Said(msgspec.Struct, gc=False):
    """What matters of a message's own fields; values as they come."""

    id: Any = None
    role: Any = None
    type: Any = None  # what LangChain calls the role
    is_retry: Any = None
    isRetry: Any = None  # noqa: N815 - as sent by JavaScript
    tags: Any = None
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    extra: msgspec.Raw = msgspec.Raw(b"null")


_decode_said = msgspec.json.Decoder(_Said).decode


def _said(body: str) -> _Said:
    try:
        return _decode_said(body)
    except msgspec.DecodeError:
        return _decode_said(jsonclean.clean(body.encode()))


def _own_id(event: Event) -> str:
    run_id = canonical(event.run_id)
    if run_id is None:
        raise Unusable("no-run-id", "the event names no run: runId is missing, empty or not text")
    return run_id


def _parent_id(event: Event, own: str) -> str | None:
    """Return the parent's canonical id; "None" is Python's word for none, and nothing is its own parent."""
    sent = event.parent_run_id
    if sent is None or sent == "None":
        return None
    parent_id = canonical(sent)
    return None if parent_id == own else parent_id


def _hold(event: Event, group: Group, *raw_ids: str | None) -> None:
    """Note ids that people hold, unless the client hashed them before sending."""
    if event.runtime not in HASHING_RUNTIMES:
        group.batch.held_ids.update(raw for raw in raw_ids if raw and raw != "None")


def _user(event: Event, at: int, group: Group) -> str | None:
    """Return the event's end user, and add that they were seen."""
    if event.user_id is None:
        return None
    user_id = short(as_text(event.user_id) or "")
    if not user_id:
        return None
    group.batch.users.append(UserSeen(user_id=user_id, at=at, props=event.user_props or None))
    return user_id


def _add_feedback(values: dict[str, Any], run_id: str, at: int, group: Group) -> None:
    values = {short(key, FEEDBACK_KEY_LIMIT): value for key, value in values.items()}
    group.batch.feedback.append(FeedbackEvent(run_id=run_id, at=at, values=values))
