"""Events about runs fold into one state per run, in any order and any number of times. Pure: no Django.

`merge` is commutative, associative and idempotent, so that splitting, shuffling and repeating events changes nothing
(rule 3). The same function merges events of one request and a request with what is stored: the rules live here only.

| field                | winner                                                                          |
|----------------------|---------------------------------------------------------------------------------|
| type, name           | a start's value over any other event's; among equals the smaller text           |
| input, params        | a start's value over any other event's; among equals the richer (longer) text   |
| tags                 | a start's list over any other event's; among equals the longer                  |
| parent               | a start decides, null included; until one is seen, what the others say          |
| user                 | a start's value over any other event's; among equals the smaller text           |
| started_at           | earliest start; until one is seen, the earliest of the others (provisional)     |
| ended_at             | latest end or error                                                             |
| output, error        | the richer text                                                                 |
| status               | error over success over started                                                 |
| usage                | reported over estimated, then more classes, then the larger                     |
| metadata             | every event's object is kept; merged key by key, start < end < update, then time |
| template, runtime    | the smaller text                                                                |
"""

from collections.abc import Iterable
from typing import Any, Final
from zlib import crc32

import msgspec

from ingest.events import Kind, RunEvent, Usage

START: Final = 1
END: Final = 2
ERROR: Final = 4
TYPE_FROM_START: Final = 8
NAME_FROM_START: Final = 16
INPUT_FROM_START: Final = 32
OWN_USER: Final = 64
OWN_TEAM: Final = 128
OWN_ORGANIZATION: Final = 256
USER_FROM_START: Final = 512
ESTIMATED: Final = 1024
STANDALONE_TOOL: Final = 2048
TAGS_EDITED: Final = 4096
HAS_INPUT: Final = 8192
HAS_OUTPUT: Final = 16384
HAS_ERROR: Final = 32768
HAS_PARAMS: Final = 65536
HAS_METADATA: Final = 131072
PARAMS_FROM_START: Final = 262144
TAGS_FROM_START: Final = 524288
HOME_TEAM: Final = 1048576
HOME_ORGANIZATION: Final = 2097152

STORED: Final = "\0stored"
"""Stands for a body that is in the table and was not read: merging with it is left to `body_mode`."""

NO_USAGE: Final = Usage()
_RANK_CLASS: Final = {Kind.START: 0, Kind.CUSTOM: 0, Kind.END: 1, Kind.ERROR: 1, Kind.UPDATE: 2}


class RunState(msgspec.Struct, gc=False, kw_only=True):
    """What is known of one run. Times are epoch µs; bodies are JSON text; user, team and organization are its own."""

    id: str
    flags: int = 0
    type: str | None = None
    name: str | None = None
    parent_id: str | None = None
    started_at: int = 0
    ended_at: int | None = None
    user_id: str | None = None
    tags: tuple[str, ...] | None = None
    template_id: str | None = None
    runtime: str | None = None
    usage: Usage = NO_USAGE
    usage_text: str | None = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    params: str | None = None
    metadata: dict[str, str] | None = None  # rank of the event → its metadata as JSON text


def state_of(event: RunEvent) -> RunState:
    """Return what one event alone says about its run."""
    kind = event.kind
    begins = kind is Kind.START or kind is Kind.CUSTOM
    flags = 0
    if begins:
        flags = START
        if event.type is not None:
            flags |= TYPE_FROM_START
        if event.name is not None:
            flags |= NAME_FROM_START
        if event.input is not None:
            flags |= INPUT_FROM_START
        if event.params is not None:
            flags |= PARAMS_FROM_START
        if event.user_id is not None:
            flags |= USER_FROM_START
        if event.tags:
            flags |= TAGS_FROM_START
    if kind is Kind.END or kind is Kind.CUSTOM:
        flags |= END
    elif kind is Kind.ERROR:
        flags |= ERROR
    return RunState(
        id=event.run_id,
        flags=flags,
        type=event.type,
        name=event.name,
        parent_id=event.parent_id,
        started_at=event.at,
        ended_at=event.at if flags & (END | ERROR) else None,
        user_id=event.user_id,
        tags=event.tags or None,
        template_id=event.template_id,
        runtime=event.runtime,
        usage=_counted(event.usage),
        usage_text=event.usage_text,
        input=event.input,
        output=event.output,
        error=event.error,
        params=event.params,
        metadata=None if event.metadata is None else {_rank(event): event.metadata},
    )


def fold(events: Iterable[RunEvent]) -> dict[str, RunState]:
    """Return one state per run id, whatever the order and repetition of `events`."""
    states: dict[str, RunState] = {}
    for event in events:
        state = state_of(event)
        known = states.get(event.run_id)
        states[event.run_id] = state if known is None else merge(known, state)
    return states


def merge(a: RunState, b: RunState) -> RunState:
    """Return what `a` and `b` say together about the same run; neither is changed."""
    both = a.flags | b.flags
    return RunState(
        id=a.id,
        flags=both,
        type=_classed(a.type, b.type, a.flags, b.flags, TYPE_FROM_START),
        name=_classed(a.name, b.name, a.flags, b.flags, NAME_FROM_START),
        parent_id=_classed(a.parent_id, b.parent_id, a.flags, b.flags, START),
        started_at=_started_at(a, b),
        ended_at=_latest(a.ended_at, b.ended_at),
        user_id=_classed(a.user_id, b.user_id, a.flags, b.flags, USER_FROM_START),
        tags=_tags(a, b),
        template_id=_smaller(a.template_id, b.template_id),
        runtime=_smaller(a.runtime, b.runtime),
        usage=_better(a.usage, b.usage),
        usage_text=_usage_text(a, b),
        input=_classed_body(a.input, b.input, a.flags, b.flags, INPUT_FROM_START),
        output=_richer(a.output, b.output),
        error=_richer(a.error, b.error),
        params=_classed_body(a.params, b.params, a.flags, b.flags, PARAMS_FROM_START),
        metadata=a.metadata | b.metadata if a.metadata and b.metadata else a.metadata or b.metadata,
    )


def status(flags: int) -> str:
    """Return the run's status: an error once seen stays (rule 3)."""
    if flags & ERROR:
        return "error"
    return "success" if flags & END else "started"


def effective_metadata(pieces: dict[str, str] | None) -> dict[str, Any] | None:
    """Return the pieces merged key by key in rank order, or None where there are none."""
    if not pieces:
        return None
    merged: dict[str, Any] = {}
    for rank in sorted(pieces):
        piece = msgspec.json.decode(pieces[rank])
        if isinstance(piece, dict):
            merged.update(piece)
    return merged


def group(metadata: dict[str, Any] | None, *keys: str) -> str | None:
    """Return the first of `keys` that holds a usable id, as text (rule 8: teamId, team_id, …)."""
    for key in keys:
        value = metadata.get(key) if metadata else None
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def _counted(usage: Usage | None) -> Usage:
    """Return the usage, or NO_USAGE where it holds no count: an estimate of nothing is nothing."""
    if usage is None or (usage.input is None and usage.output is None and not _usage_rank(usage)[1]):
        return NO_USAGE
    return usage


def _rank(event: RunEvent) -> str:
    """Return where the event's metadata stands among its run's: class, time, then content to break ties."""
    text = event.metadata or ""
    return f"{_RANK_CLASS[event.kind]}.{event.at:016d}.{crc32(text.encode()):08x}"


def _smaller(a: str | None, b: str | None) -> str | None:
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)


def _latest(a: int | None, b: int | None) -> int | None:
    if a is None or b is None:
        return b if a is None else a
    return max(a, b)


def _classed(a: str | None, b: str | None, a_flags: int, b_flags: int, bit: int) -> str | None:
    """Return the value whose side carries `bit`; where both or neither do, the smaller text."""
    if (a_flags ^ b_flags) & bit:
        return a if a_flags & bit else b
    return _smaller(a, b)


def _classed_body(a: str | None, b: str | None, a_flags: int, b_flags: int, bit: int) -> str | None:
    if (a_flags ^ b_flags) & bit:
        return a if a_flags & bit else b
    return _richer(a, b)


def _richer(a: str | None, b: str | None) -> str | None:
    """Return the longer text (in bytes), then the greater; what is stored and unread stays, see `body_mode`."""
    if a is None or b is None:
        return b if a is None else a
    if a is STORED or b is STORED:
        return STORED
    if a == b:
        return a
    x, y = a.encode(), b.encode()
    return a if (len(x), x) > (len(y), y) else b


def _started_at(a: RunState, b: RunState) -> int:
    if (a.flags ^ b.flags) & START:
        return a.started_at if a.flags & START else b.started_at
    return min(a.started_at, b.started_at)


def _tags(a: RunState, b: RunState) -> tuple[str, ...] | None:
    for bit in (TAGS_EDITED, TAGS_FROM_START):
        if (a.flags ^ b.flags) & bit:
            return a.tags if a.flags & bit else b.tags
    if not a.tags or not b.tags:
        return a.tags or b.tags
    return max(a.tags, b.tags, key=lambda tags: (len(tags), tags))


def _usage_rank(usage: Usage) -> tuple[int, ...]:
    classes = (usage.input, usage.output, usage.cache_read, usage.cache_write, usage.reasoning)
    known = sum(count is not None for count in classes)
    return (0 if usage.estimated or not known else 1, known, *(-1 if count is None else count for count in classes))


def _better(a: Usage, b: Usage) -> Usage:
    if b is NO_USAGE or a is NO_USAGE:
        return a if b is NO_USAGE else b
    return max(a, b, key=_usage_rank)


def _usage_text(a: RunState, b: RunState) -> str | None:
    if a.usage is NO_USAGE and b.usage is NO_USAGE:
        return _richer(a.usage_text, b.usage_text)
    x, y = _usage_rank(a.usage), _usage_rank(b.usage)
    if x != y:
        return a.usage_text if x > y else b.usage_text
    return _richer(a.usage_text, b.usage_text)


KEEP: Final = 0
REPLACE: Final = 1
RICHER: Final = 2


def body_mode(stored_flags: int, change: RunState, body: str, has: int, from_start: int = 0) -> int:
    """Return what the table must do with `change`'s text of one body column: KEEP, REPLACE or take the RICHER.

    This is `merge` for texts that were not read: `has` says whether the stored run has one, `from_start` is the bit
    that says a start gave it (0 where starts have no precedence).
    """
    if getattr(change, body) is None:
        return KEEP
    if not stored_flags & has:
        return REPLACE
    if (stored_flags ^ change.flags) & from_start:
        return REPLACE if change.flags & from_start else KEEP
    return RICHER


def usage_mode(stored: Usage, change: RunState) -> int:
    """Return what the table must do with `change.usage_text`; see `body_mode`."""
    if change.usage is NO_USAGE and change.usage_text is None:
        return KEEP
    x, y = _usage_rank(stored), _usage_rank(change.usage)
    if x == y:
        return KEEP if change.usage_text is None else RICHER
    return REPLACE if y > x else KEEP
