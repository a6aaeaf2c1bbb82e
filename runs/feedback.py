"""Feedback as people see and give it: a run shows its own, its chat's and messages', and its trace root's (rule 8)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from runs import locks, stale

THUMBS = ("thumb", "thumbs")
LONGEST_COMMENT = 10_000  # characters


@dataclass(frozen=True)
class Shown:
    """What one run shows. `source` says where the thumb, else the comment, comes from: run, chat or trace."""

    thumb: str = ""  # up, down or ''
    comment: str = ""
    source: str = ""
    others: tuple[tuple[str, Any], ...] = ()  # free keys: rating, emoji, …

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.thumb or self.comment or self.others)


@dataclass(frozen=True)
class Place:
    """Where a run is, as far as feedback reaches it."""

    id: UUID
    chat_id: UUID | None = None
    thread_id: UUID | None = None
    trace_id: UUID | None = None
    type: str = ""


# The messages of a chat are found through its thread, which has the index.
_ROWS = """
    SELECT f.run_id, f.key, f.value::text, m.chat_id
    FROM runs_feedback f LEFT JOIN runs_message m ON m.project_id = f.project_id AND m.id = f.run_id
    WHERE f.project_id = %(project)s AND f.value IS NOT NULL AND f.value <> 'null'::jsonb
      AND f.run_id IN (
        SELECT unnest(%(ids)s::uuid[])
        UNION SELECT id FROM runs_message
        WHERE project_id = %(project)s AND thread_id = ANY(%(threads)s) AND chat_id = ANY(%(chats)s))
"""


def shown(project_id: int, places: Sequence[Place]) -> dict[UUID, Shown]:
    """Return what each run shows, in one query; runs without feedback are left out."""
    if not places:
        return {}
    given = _given(project_id, places)
    found = {}
    for place in places:
        sources = [("run", place.id), ("chat", place.chat_id), ("trace", place.trace_id)]
        if one := _combined([(name, given.get(id, {})) for name, id in sources if id is not None]):
            found[place.id] = one
    return found


def _given(project_id: int, places: Sequence[Place]) -> dict[UUID, dict[str, Any]]:
    """Return {run or chat: {key: value}}; a chat's own keys win over those of its messages."""
    chats = {place.chat_id or place.id for place in places if place.chat_id or place.type == "chat"}
    ids = {place.id for place in places} | {place.trace_id for place in places if place.trace_id} | chats
    threads = {place.thread_id for place in places if place.thread_id}
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, {"project": project_id, "ids": list(ids), "threads": list(threads), "chats": list(chats)})
        rows = cursor.fetchall()
    given: dict[UUID, dict[str, Any]] = {}
    for _, key, value, chat_id in rows:
        if chat_id is not None:
            given.setdefault(chat_id, {})[key] = json.loads(value)
    for run_id, key, value, _ in rows:
        given.setdefault(run_id, {})[key] = json.loads(value)
    return given


def _combined(sources: Iterable[tuple[str, Mapping[str, Any]]]) -> Shown:
    """Return the nearest value of each key."""
    nearest: dict[str, tuple[Any, str]] = {}
    for source, values in sources:
        for key, value in values.items():
            nearest.setdefault("thumb" if key in THUMBS else key, (value, source))
    thumb, thumb_source = nearest.pop("thumb", ("", ""))
    comment, comment_source = nearest.pop("comment", ("", ""))
    thumb = thumb if thumb in ("up", "down") else ""
    return Shown(
        thumb=thumb,
        comment=comment if isinstance(comment, str) else str(comment),
        source=thumb_source if thumb else comment_source,
        others=tuple((key, value) for key, (value, _) in sorted(nearest.items())),
    )


# What a person says here is newest, also where a client's clock runs ahead: an event that is repeated can't undo it.
_GIVE = """
    INSERT INTO runs_feedback AS f (project_id, run_id, key, value, at)
    SELECT %(project)s, %(run)s, s.key, s.value::jsonb, %(at)s
    FROM unnest(%(keys)s::text[], %(values)s::text[]) AS s(key, value) ORDER BY s.key
    ON CONFLICT (project_id, run_id, key) DO UPDATE
    SET value = excluded.value, at = greatest(excluded.at, f.at + interval '1 microsecond')
"""


def give(project_id: int, run_id: UUID, values: Mapping[str, Any], at: datetime) -> None:
    """Set keys of a run's feedback, all or none; None removes one."""
    if not values:
        return
    texts = [None if value is None else json.dumps(value) for value in values.values()]
    with transaction.atomic(), connection.cursor() as cursor:
        locks.enter(cursor, project_id, locks.BESIDE, above=[str(run_id)])
        cursor.execute(_GIVE, {"project": project_id, "run": run_id, "at": at, "keys": list(values), "values": texts})
        stale.mark_around(cursor, project_id, [str(run_id)], timezone.now())


def read_form(form: Mapping[str, str]) -> dict[str, Any]:
    """Return what a form sets: `thumb` (up, down, else taken back), `comment` (empty: taken back), if it has them."""
    given: dict[str, Any] = {}
    if "thumb" in form:
        given["thumb"] = form["thumb"] if form["thumb"] in ("up", "down") else None
    if "comment" in form:
        given["comment"] = form["comment"].replace("\x00", "\ufffd").strip()[:LONGEST_COMMENT] or None
    return given
