"""Feedback and log lines: small facts about runs that need no run to be there yet.

Their run is locked shared, so several writers may add to one run at once: each in the order of the key (`runs.locks`).
"""

from collections.abc import Iterable
from typing import Any, Final
from zlib import crc32

import msgspec

from ingest.events import FeedbackEvent, LogEvent
from ingest.literals import timestamp
from ingest.rows import Db

_FEEDBACK: Final = """
    INSERT INTO runs_feedback AS f (project_id, run_id, key, value, at)
    SELECT %s, s.run_id, s.key, s.value::jsonb, s.at::timestamptz
    FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) AS s(run_id, key, value, at)
    ORDER BY s.run_id, s.key
    ON CONFLICT (project_id, run_id, key) DO UPDATE SET value = excluded.value, at = excluded.at
    WHERE (excluded.at, COALESCE(excluded.value::text, '') COLLATE "C")
        > (f.at, COALESCE(f.value::text, '') COLLATE "C")
"""
_LOGS: Final = """
    INSERT INTO runs_runlog (project_id, run_id, at, digest, level, message, extra)
    SELECT %s, s.run_id, s.at::timestamptz, s.digest, s.level, s.message, s.extra
    FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[])
        AS s(run_id, at, digest, level, message, extra)
    ORDER BY s.run_id, s.at::timestamptz, s.digest
    ON CONFLICT DO NOTHING
"""


def store_feedback(db: Db, project_id: int, events: Iterable[FeedbackEvent]) -> None:
    """Store feedback key by key: the newest value wins, null removes a key (rule 3)."""
    newest: dict[tuple[str, str], tuple[int, str | None]] = {}
    for event in events:
        for key, value in event.values.items():
            entry = (event.at, None if value is None else _json(value))
            slot = (event.run_id, key)
            known = newest.get(slot)
            if known is None or (entry[0], entry[1] or "") > (known[0], known[1] or ""):
                newest[slot] = entry
    if newest:
        db.execute(
            _FEEDBACK,
            (
                project_id,
                [run_id for run_id, _ in newest],
                [key for _, key in newest],
                [value for _, value in newest.values()],
                [timestamp(at) for at, _ in newest.values()],
            ),
        )


def store_logs(db: Db, project_id: int, events: Iterable[LogEvent]) -> None:
    """Store log lines; the same line of the same moment is stored once, so a repeated request is harmless."""
    rows = {(event.run_id, event.at, _digest(event)): event for event in events}
    if rows:
        db.execute(
            _LOGS,
            (
                project_id,
                [run_id for run_id, _, _ in rows],
                [timestamp(at) for _, at, _ in rows],
                [digest for _, _, digest in rows],
                [event.level for event in rows.values()],
                [event.message for event in rows.values()],
                [event.extra for event in rows.values()],
            ),
        )


def _digest(event: LogEvent) -> int:
    text = f"{event.level}\0{event.message}\0{event.extra}"
    return crc32(text.encode()) << 20 ^ len(text)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
