"""Messages in, exchanges and threads out: stores a request's messages and refolds the threads they touch (rule 10).

A thread is refolded from all of its messages while its advisory lock is held, so concurrent senders cannot disagree.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid5

import msgspec

from ingest import conversation, fold
from ingest.conversation import Exchange, Header, Thread
from ingest.events import MessageEvent, ThreadEvent
from ingest.lineage import Lineage
from ingest.literals import pairs, plain, texts, timestamp
from ingest.people import People
from ingest.rows import Db, Row, metadata_text, read, read_chats
from runs.locks import Locks

_INSERT: Final = """
    INSERT INTO runs_message AS m (project_id, id, side, thread_id, at, role, is_retry, body, user_id, tags,
        thread_tags, metadata, thread_metadata)
    SELECT %s, s.id, s.side, s.thread_id, s.at::timestamptz, s.role, s.is_retry, s.body, s.user_id,
        s.tags::text[], s.thread_tags::text[], s.metadata, s.thread_metadata
    FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::text[], %s::bool[], %s::text[], %s::text[],
        %s::text[], %s::text[], %s::text[], %s::text[])
        AS s(id, side, thread_id, at, role, is_retry, body, user_id, tags, thread_tags, metadata, thread_metadata)
    ORDER BY s.id, s.side
    ON CONFLICT (project_id, id, side) DO UPDATE SET
        thread_id = LEAST(m.thread_id, excluded.thread_id),
        at = LEAST(m.at, excluded.at),
        role = GREATEST(m.role COLLATE "C", excluded.role COLLATE "C"),
        is_retry = m.is_retry OR excluded.is_retry,
        body = CASE WHEN (octet_length(excluded.body), excluded.body COLLATE "C")
            > (octet_length(m.body), m.body COLLATE "C") THEN excluded.body ELSE m.body END,
        user_id = GREATEST(m.user_id COLLATE "C", excluded.user_id COLLATE "C"),
        tags = GREATEST(m.tags COLLATE "C", excluded.tags COLLATE "C"),
        thread_tags = GREATEST(m.thread_tags COLLATE "C", excluded.thread_tags COLLATE "C"),
        metadata = GREATEST(m.metadata COLLATE "C", excluded.metadata COLLATE "C"),
        thread_metadata = GREATEST(m.thread_metadata COLLATE "C", excluded.thread_metadata COLLATE "C")
"""
_JOIN_LEGACY: Final = """
    UPDATE runs_message AS answer SET thread_id = question.thread_id
    FROM unnest(%s::int[], %s::uuid[]) AS s(project_id, id)
    JOIN runs_message AS question
        ON question.project_id = s.project_id AND question.id = s.id AND question.side = 'in'
    WHERE answer.project_id = s.project_id AND answer.id = s.id AND answer.side = 'out' AND answer.thread_id IS NULL
"""
_HEADERS: Final = """
    SELECT m.id::text, m.side, m.thread_id::text, (extract(epoch from m.at) * 1000000)::bigint, m.is_retry,
        m.chat_id::text, m.user_id, m.tags, m.thread_tags, m.metadata, m.thread_metadata
    FROM unnest(%s::int[], %s::uuid[]) AS s(project_id, wanted)
    JOIN runs_message AS m ON m.project_id = s.project_id AND m.thread_id = s.wanted
"""


class Refolded(msgspec.Struct):
    """What storing messages changed."""

    rows: dict[str, Row] = msgspec.field(default_factory=dict)  # threads and chats as they must stand now
    stored: dict[str, Row] = msgspec.field(default_factory=dict)  # … as they stood before
    gone: list[Row] = msgspec.field(default_factory=list)  # chats that merged into others
    lineages: dict[str, Lineage] = msgspec.field(default_factory=dict)  # of messages, for the runs below them
    moved: list[tuple[str, str, str]] = msgspec.field(default_factory=list)  # (message id, side, its chat)


def lock_ids(messages: Iterable[MessageEvent], threads: Iterable[ThreadEvent]) -> set[str]:
    """Return every id whose lock storing these needs."""
    ids = {thread.thread_id for thread in threads}
    for message in messages:
        ids.add(message.message_id)
        ids.add(_thread_of(message) or message.message_id)
    return ids


def store(
    db: Db,
    project_id: int,
    locks: Locks,
    people: People,
    messages: Sequence[MessageEvent],
    threads: Sequence[ThreadEvent],
    received_at: int,
) -> Refolded:
    """Store the messages and return what became of their threads; writes no run.

    A message's row is written under its own lock and that of the thread it is in, which of a legacy answer only its
    question tells.
    """
    rows = _distinct([_message_values(message) for message in messages] + [_mark_values(thread) for thread in threads])
    if not rows:
        return Refolded()
    ids = list({row[0] for row in rows})
    db.execute(
        "SELECT DISTINCT m.thread_id::text FROM unnest(%s::int[], %s::uuid[]) AS s(project_id, id)"
        " JOIN runs_message m ON m.project_id = s.project_id AND m.id = s.id WHERE m.thread_id IS NOT NULL",
        pairs(project_id, ids),
    )
    touched = {record[0] for record in db.fetchall()} | {row[2] for row in rows if row[2] is not None}
    locks.take(touched)
    columns = zip(*rows, strict=True)
    db.execute(_INSERT, (project_id, *(texts(map(_text, column)) for column in columns)))
    db.execute(_JOIN_LEGACY, pairs(project_id, ids))
    return refold(db, project_id, locks, people, sorted(touched), received_at)


def refold(
    db: Db, project_id: int, locks: Locks, people: People, thread_ids: Sequence[str], received_at: int
) -> Refolded:
    """Return how the threads stand now; the caller holds their locks.

    Chats that must be written, and messages that lead elsewhere now, are locked here.
    """
    result = Refolded()
    if not thread_ids:
        return result
    by_thread: dict[str, list[Header]] = {}
    for record in db.execute(_HEADERS, pairs(project_id, thread_ids)):
        header = Header(**dict(zip(Header.__struct_fields__, record, strict=True)))
        by_thread.setdefault(header.thread_id or "", []).append(header)
    told = {header.chat_id for headers in by_thread.values() for header in headers if header.chat_id}
    result.stored = {row.id: row for row in read(db, project_id, [*thread_ids, *told])}
    chats = read_chats(db, project_id, thread_ids)
    result.stored |= {row.id: row for row in chats}
    for thread_id, headers in by_thread.items():
        _place(result, conversation.fold(thread_id, headers), received_at)
    people.house(result.rows.values(), result.stored)
    result.gone = [row for row in result.stored.values() if row.type == "chat" and row.id not in result.rows]
    changed = [run_id for run_id, row in result.rows.items() if row != result.stored.get(run_id)]
    locks.take([*changed, *(row.id for row in result.gone), *result.lineages])
    return result


def write_moves(db: Db, project_id: int, moved: Sequence[tuple[str, str, str]]) -> None:
    """Store which chat each moved message belongs to now."""
    if moved:
        ids, sides, chats = zip(*moved, strict=True)
        db.execute(
            "UPDATE runs_message AS m SET chat_id = s.chat_id"
            " FROM unnest(%s::int[], %s::uuid[], %s::text[], %s::uuid[]) AS s(project_id, id, side, chat_id)"
            " WHERE m.project_id = s.project_id AND m.id = s.id AND m.side = s.side",
            (*pairs(project_id, ids), plain(sides), plain(chats)),
        )


def chats_of_messages(db: Db, project_id: int, ids: Sequence[str]) -> dict[str, Lineage]:
    """Return the lineage that runs below each of these messages take from its exchange."""
    if not ids:
        return {}
    db.execute(
        "SELECT m.id::text, m.chat_id::text FROM unnest(%s::int[], %s::uuid[]) AS s(project_id, id)"
        " JOIN runs_message m ON m.project_id = s.project_id AND m.id = s.id"
        " WHERE m.chat_id IS NOT NULL ORDER BY m.side DESC",
        pairs(project_id, ids),
    )
    chat_of: dict[str, str] = dict(db.fetchall())
    lineages = {row.id: row.handed_down for row in read(db, project_id, list(set(chat_of.values())))}
    return {message: lineages[chat] for message, chat in chat_of.items() if chat in lineages}


def _place(result: Refolded, thread: Thread, received_at: int) -> None:
    """Add the thread's row and its chats' to `result`, and the lineages below its messages.

    An id that question and answer share leads to the question's exchange, as in `chats_of_messages`.
    """
    row = _thread_row(thread, result.stored.get(thread.id), received_at)
    result.rows[thread.id] = row
    asked = {m.id for exchange in thread.exchanges for m in exchange.messages if m.side == conversation.IN}
    for exchange in thread.exchanges:
        stored = result.stored.get(exchange.id)
        chat = _chat_row(exchange, row, stored, received_at)
        result.rows[chat.id] = chat
        relocated = stored is None or stored.handed_down != chat.handed_down
        for message in exchange.messages:
            if message.chat_id != chat.id:
                result.moved.append((message.id, message.side, chat.id))
            leads_here = message.side == conversation.IN or message.id not in asked
            if leads_here and (relocated or message.chat_id != chat.id):
                result.lineages[message.id] = chat.handed_down


def _thread_row(thread: Thread, stored: Row | None, received_at: int) -> Row:
    team = fold.group(thread.metadata, "teamId", "team_id")
    organization = fold.group(thread.metadata, "organizationId", "organization_id")
    return _conversation_row(
        id=thread.id,
        type="thread",
        status="success",
        parent_id=None,
        lineage=Lineage(None, None, thread.id, thread.user_id, team, organization),
        own=(thread.user_id, team, organization),
        tags=thread.tags,
        metadata=thread.metadata,
        started_at=thread.started_at,
        ended_at=thread.last_activity_at,
        duration_ms=None,
        stored=stored,
        received_at=received_at,
    )


def _chat_row(exchange: Exchange, thread: Row, stored: Row | None, received_at: int) -> Row:
    metadata = exchange.metadata
    own = (
        exchange.user_id,
        fold.group(metadata, "teamId", "team_id"),
        fold.group(metadata, "organizationId", "organization_id"),
    )
    lineage = Lineage(
        None,
        exchange.id,
        thread.id,
        *(
            mine or above
            for mine, above in zip(own, (thread.user_id, thread.team_id, thread.organization_id), strict=True)
        ),
    )
    return _conversation_row(
        id=exchange.id,
        type="chat",
        status="success" if exchange.answered else "started",
        parent_id=thread.id,
        lineage=lineage,
        own=own,
        tags=exchange.tags,
        metadata=metadata,
        started_at=exchange.started_at,
        ended_at=exchange.ended_at if exchange.answered else None,
        duration_ms=(exchange.ended_at - exchange.started_at) // 1000 if exchange.answered else None,
        stored=stored,
        received_at=received_at,
        sibling_of=exchange.sibling_of,
    )


def _conversation_row(
    *,
    lineage: Lineage,
    own: tuple[str | None, str | None, str | None],
    metadata: dict[str, Any] | None,
    stored: Row | None,
    received_at: int,
    status: str,
    sibling_of: str | None = None,
    **fields: Any,
) -> Row:
    """Return a thread's or chat's row: it carries no name, bodies, tokens or cost of its own."""
    flags = fold.START | (fold.END if status == "success" else 0)
    for bit, value in zip((fold.OWN_USER, fold.OWN_TEAM, fold.OWN_ORGANIZATION), own, strict=True):
        flags |= bit if value is not None else 0
    return Row(
        name=None,
        status=status,
        metadata=metadata_text(metadata, stored),
        received_at=stored.received_at if stored else received_at,
        template_id=None,
        runtime=None,
        input_tokens=None,
        cache_read_tokens=None,
        cache_write_tokens=None,
        output_tokens=None,
        reasoning_tokens=None,
        cost=None,
        price_ref=None,
        **msgspec.structs.asdict(lineage),
        sibling_of=sibling_of,
        flags=flags,
        **fields,
    )


def _thread_of(message: MessageEvent) -> str | None:
    """Return the message's thread; a question that names none is a thread of one exchange."""
    if message.thread_id is None and message.side == conversation.IN:
        return str(uuid5(NAMESPACE_OID, f"thread of {message.message_id}"))
    return message.thread_id


def _text(value: str | bool | tuple[str, ...] | None) -> str | None:  # noqa: FBT001 - a column's value
    """Return a column's value as the text that the statement casts."""
    if isinstance(value, tuple):
        return texts(value)
    return value if value is None or isinstance(value, str) else str(value)


def _message_values(message: MessageEvent) -> tuple[Any, ...]:
    return (
        message.message_id,
        message.side,
        _thread_of(message),
        timestamp(message.at),
        message.role,
        message.is_retry,
        message.body,
        message.user_id,
        message.tags or None,
        message.thread_tags or None,
        message.metadata,
        message.thread_metadata,
    )


def _mark_values(thread: ThreadEvent) -> tuple[Any, ...]:
    """Return a mark: a row that is no message but names the thread; its id is derived, so a repeat is the same row."""
    facts = f"{thread.thread_id}:{thread.at}:{thread.user_id}:{thread.tags}:{thread.metadata}"
    return (
        str(uuid5(UUID(thread.thread_id), facts)),
        conversation.MARK,
        thread.thread_id,
        timestamp(thread.at),
        "",
        False,
        "null",
        thread.user_id,
        None,
        thread.tags or None,
        None,
        thread.metadata,
    )


def _distinct(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return one row per (id, side), merged as the table merges: an upsert can't touch a row twice."""
    merged: dict[tuple[str, str], tuple[Any, ...]] = {}
    for row in rows:
        key = (row[0], row[1])
        known = merged.get(key)
        merged[key] = row if known is None else _merge(known, row)
    return list(merged.values())


def _merge(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
    thread = min((value for value in (a[2], b[2]) if value is not None), default=None)
    body = max(a[6], b[6], key=lambda text: (len(text.encode()), text.encode()))
    rest = tuple(max((v for v in pair if v is not None), default=None) for pair in zip(a[7:], b[7:], strict=True))
    return (a[0], a[1], thread, min(a[3], b[3]), max(a[4], b[4]), a[5] or b[5], body, *rest)
