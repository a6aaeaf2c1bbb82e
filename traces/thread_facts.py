"""What a thread's summary says, counted from what is stored: five queries for any number of threads.

Of bodies only what people said is read, and of that only a beginning: enough for a list's line and to compare
questions.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from django.db import connection

from runs import bodies
from runs.mend import mend
from runs.messages import Message
from runs.models import Run
from traces import signals
from traces.models import ThreadSummary
from traces.signals import Outcome, Telling
from traces.tree import PRICED_TYPES

LINE: Final = 200  # characters of a first message that a summary holds
READ: Final = 8_192  # characters of a message's JSON text that are read
_PRICED: Final = ", ".join(f"'{name}'" for name in sorted(PRICED_TYPES))

_MESSAGES: Final = f"""
    SELECT thread_id, coalesce(chat_id, id), side, at,
           CASE WHEN side = 'in' AND role NOT IN ('system', 'developer') THEN left(body, {READ}) END
      FROM runs_message WHERE project_id = %(project)s AND thread_id = ANY(%(threads)s) AND side <> 'mark'
     ORDER BY at, side, id"""

_CHATS: Final = """
    SELECT thread_id, id, sibling_of, duration_ms
      FROM runs_run WHERE project_id = %(project)s AND thread_id = ANY(%(threads)s) AND type = 'chat'"""

_RUNS: Final = f"""
    SELECT thread_id, chat_id, min(started_at) FILTER (WHERE counted AND trace_id IS NOT NULL AND NOT event),
           coalesce(sum(coalesce(input_tokens, 0)::bigint + coalesce(output_tokens, 0))
                    FILTER (WHERE counted), 0)::bigint,
           sum(cost) FILTER (WHERE counted), count(cost) FILTER (WHERE counted),
           count(*) FILTER (WHERE counted AND cost IS NULL AND status = 'success' AND type IN ({_PRICED})),
           max(started_at) FILTER (WHERE is_root), max(started_at) FILTER (WHERE is_root AND status = 'error')
      FROM runs_run,
           LATERAL (SELECT type <> 'span' AND repeat_of IS NULL AS counted, type = 'custom-event' AS event) AS sorted,
           LATERAL (SELECT counted AND NOT event AND id = trace_id AS is_root) AS topmost
     WHERE project_id = %(project)s AND thread_id = ANY(%(threads)s) AND type NOT IN ('chat', 'thread')
     GROUP BY thread_id, chat_id"""

# One row per thing that was judged; `thumb` is how the SDKs spell it now, `thumbs` how they did.
_FEEDBACK: Final = """
    WITH inside AS (
        SELECT thread_id, id, coalesce(chat_id, id) AS chat_id FROM runs_message
         WHERE project_id = %(project)s AND thread_id = ANY(%(threads)s) AND side <> 'mark'
        UNION ALL
        SELECT thread_id, id, CASE type WHEN 'chat' THEN id WHEN 'thread' THEN NULL ELSE chat_id END FROM runs_run
         WHERE project_id = %(project)s AND thread_id = ANY(%(threads)s)),
    given AS (
        SELECT run_id, coalesce(
                   max(value #>> '{}') FILTER (WHERE key = 'thumb' AND value #>> '{}' IN ('up', 'down')),
                   max(value #>> '{}') FILTER (WHERE key = 'thumbs' AND value #>> '{}' IN ('up', 'down'))) AS thumb,
               coalesce(bool_or(key = 'comment' AND value #>> '{}' <> ''), false) AS comment
          FROM runs_feedback
         WHERE project_id = %(project)s AND key IN ('thumb', 'thumbs', 'comment')
           AND run_id IN (SELECT id FROM inside) GROUP BY run_id)
    SELECT DISTINCT ON (inside.thread_id, inside.id) inside.thread_id, inside.chat_id, given.thumb, given.comment
      FROM given JOIN inside ON inside.id = given.run_id
     ORDER BY inside.thread_id, inside.id, inside.chat_id"""


_Said = tuple[str, datetime, str | None]
"""Side and time of a message, and the text of what a person said."""


class _Thread(msgspec.Struct):
    """What was read of one thread."""

    said: dict[UUID, list[_Said]] = msgspec.field(default_factory=dict)
    messages: int = 0
    first: str | None = None
    chats: dict[UUID, tuple[UUID | None, int | None]] = msgspec.field(default_factory=dict)
    begun: dict[UUID, datetime] = msgspec.field(default_factory=dict)  # first run of each exchange
    outcomes: dict[UUID, Outcome] = msgspec.field(default_factory=dict)
    tokens: int = 0
    cost: Decimal | None = None
    priced: int = 0
    unknown: int = 0
    thumbs: list[str] = msgspec.field(default_factory=list)
    comments: int = 0
    disliked: list[UUID | None] = msgspec.field(default_factory=list)


def facts(project_id: int, threads: Sequence[UUID]) -> dict[UUID, ThreadSummary]:
    """Return the summaries of these threads counted afresh, not stored; without those that have no run of their own."""
    rows = Run.objects.filter(project_id=project_id, id__in=list(threads), type="thread").only(
        "id", "project_id", "started_at", "ended_at", "user_id", "team_id", "organization_id", "tags"
    )
    owns = {row.id: row for row in rows}
    if not owns:
        return {}
    read: dict[UUID, _Thread] = defaultdict(_Thread)
    scope = {"project": project_id, "threads": list(owns)}
    _read_messages(read, _fetch(_MESSAGES, scope))
    for thread_id, chat_id, sibling_of, duration_ms in _fetch(_CHATS, scope):
        read[thread_id].chats[chat_id] = (sibling_of, duration_ms)
    _read_runs(read, _fetch(_RUNS, scope))
    _read_feedback(read, _fetch(_FEEDBACK, scope))
    return {id: _summary(own, read[id]) for id, own in owns.items()}


def _fetch(statement: str, scope: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, scope)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def _read_messages(read: dict[UUID, _Thread], rows: Iterable[tuple[Any, ...]]) -> None:
    for thread_id, chat_id, side, at, body in rows:
        one = read[thread_id]
        one.messages += 1
        text = None
        if body is not None:
            message = bodies.message(body if len(body) < READ else mend(body))
            text = _text(message)
            if one.first is None:
                one.first = " ".join(text[: LINE * 4].split())[:LINE] or _made_of(message)
        one.said.setdefault(chat_id, []).append((side, at, text))


def _text(message: Message) -> str:
    return next((part.text for part in message.parts if part.kind == "text" and part.text.strip()), "")


def _made_of(message: Message) -> str:
    """Return what a message without words consists of."""
    return ", ".join(dict.fromkeys(part.name or part.kind for part in message.parts))[:LINE]


def _read_runs(read: dict[UUID, _Thread], rows: Iterable[tuple[Any, ...]]) -> None:
    for thread_id, chat_id, began, tokens, cost, priced, unknown, last_root, last_failed in rows:
        one = read[thread_id]
        one.tokens += tokens
        one.cost = cost if one.cost is None else one.cost + (cost or 0)
        one.priced += priced
        one.unknown += unknown
        if chat_id is not None and began is not None:
            one.begun[chat_id] = began
        if chat_id is not None and last_root is not None:
            one.outcomes[chat_id] = Outcome(last_failed is not None, last_root, last_root == last_failed)


def _read_feedback(read: dict[UUID, _Thread], rows: Iterable[tuple[Any, ...]]) -> None:
    for thread_id, chat_id, thumb, comment in rows:
        one = read[thread_id]
        one.comments += comment
        if thumb:
            one.thumbs.append(thumb)
        if thumb == "down":
            one.disliked.append(chat_id)


def _tellings(one: _Thread) -> list[Telling]:
    """Return the exchanges with what was asked in them, and whether they were answered."""
    sibling_of = {chat_id: sibling for chat_id, (sibling, _) in one.chats.items()}
    bare = signals.tellings({chat_id: rows[0][1] for chat_id, rows in one.said.items()}, one.begun, sibling_of)
    return [
        _told(telling, one.said.get(telling.id, ()), one.chats.get(telling.id, (None, None))[1]) for telling in bare
    ]


def _told(bare: Telling, rows: Sequence[_Said], duration_ms: int | None) -> Telling:
    return msgspec.structs.replace(
        bare,
        asked=tuple(text for _, _, text in rows if text is not None),
        answered=any(side != "in" for side, _, _ in rows),
        duration_ms=duration_ms,
    )


def _summary(own: Run, one: _Thread) -> ThreadSummary:
    noticed = signals.notice(signals.turns_of(_tellings(one)), one.outcomes, one.disliked)
    ended_at = own.ended_at or own.started_at
    return ThreadSummary(
        project_id=own.project_id,
        thread_id=own.id,
        first=one.first or "",
        started_at=own.started_at,
        ended_at=ended_at,
        duration_ms=max((ended_at - own.started_at) // timedelta(milliseconds=1), 0),
        user_id=own.user_id,
        team_id=own.team_id,
        organization_id=own.organization_id,
        tags=own.tags,
        exchanges=noticed.exchanges,
        messages=one.messages,
        retries=noticed.retries,
        tokens=one.tokens,
        cost=one.cost,
        priced=one.priced,
        unknown=one.unknown,
        thumbs_up=one.thumbs.count("up"),
        thumbs_down=one.thumbs.count("down"),
        comments=one.comments,
        signals=[found.kind for found in noticed.signals],
        signal_turns=[found.turn for found in noticed.signals],
        signal_times=[found.times for found in noticed.signals],
        slowest_ms=noticed.slowest_ms,
        slowest_turn=noticed.slowest_turn,
    )
