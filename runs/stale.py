"""Marks that a thread's summary must be recomputed, left in the transaction that changes the thread (rule 13).

A mark has an id of its own, so that no writer waits for another's (`runs.locks`).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import uuid4

from runs.locks import Db

_THREADS: Final = """
    INSERT INTO runs_stalethread (project_id, thread_id, id, marked_at)
    SELECT %s::int, thread_id, %s::uuid, %s::timestamptz FROM unnest(%s::uuid[]) AS s(thread_id)
"""
# Project and id are joined as pairs: see ingest.rows.
_AROUND: Final = """
    INSERT INTO runs_stalethread (project_id, thread_id, id, marked_at)
    WITH said AS (SELECT %s::int AS project_id, id FROM unnest(%s::uuid[]) AS s(id))
    SELECT found.project_id, found.thread_id, %s::uuid, %s::timestamptz
      FROM (SELECT run.project_id, run.thread_id FROM said JOIN runs_run AS run
                ON run.project_id = said.project_id AND run.id = said.id
            UNION SELECT message.project_id, message.thread_id FROM said JOIN runs_message AS message
                ON message.project_id = said.project_id AND message.id = said.id) AS found
     WHERE found.thread_id IS NOT NULL
"""


def mark_threads(db: Db, project_id: int, threads: Iterable[str], at: datetime | str) -> None:
    """Mark threads (ids as text) in the caller's transaction; `at` is when that is."""
    ids = set(threads)
    if ids:
        db.execute(_THREADS, (project_id, str(uuid4()), _text(at), _array(ids)))


def mark_around(db: Db, project_id: int, ids: Iterable[str], at: datetime | str) -> None:
    """Mark the threads that these runs or messages are in, of which something that hangs on them has changed.

    The caller holds their locks, so none can enter another thread meanwhile; who isn't here yet brings a mark along.
    """
    known = set(ids)
    if known:
        db.execute(_AROUND, (project_id, _array(known), str(uuid4()), _text(at)))


def _text(at: datetime | str) -> str:
    return at if isinstance(at, str) else at.isoformat(" ")


def _array(ids: Iterable[str]) -> str:
    return "{" + ",".join(sorted(ids)) + "}"
