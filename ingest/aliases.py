"""Ids in other forms: what people hold raw, Lunary's Python SDK sends hashed with a key (rule 2).

For every held id of a request, its hashed forms become aliases of the raw one. Incoming ids that are aliases are
replaced by the canonical id; rows that arrived under an alias before it was known move to the canonical id.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ingest import fold
from ingest.events import Batch
from ingest.fold import RunState
from ingest.literals import pairs
from ingest.rows import Carried, Db, Row, read, take_out
from runs.ids import run_id as canonical_id
from runs.ids import sdk_hash
from runs.locks import Locks


class Moved(msgspec.Struct):
    """What a newly known alias brought to light."""

    states: list[RunState] = msgspec.field(default_factory=list)  # runs taken out of their rows, to be merged again
    received: dict[str, int] = msgspec.field(default_factory=dict)  # canonical id → when first stored (epoch µs)
    taken: list[tuple[str, str]] = msgspec.field(default_factory=list)  # (canonical id, type) of each row taken out
    gone: list[Row] = msgspec.field(default_factory=list)  # these rows as they were
    parents: list[str] = msgspec.field(default_factory=list)  # canonical ids that gained children
    threads: set[str] = msgspec.field(default_factory=set)  # threads that gained messages
    reached: list[str] = msgspec.field(default_factory=list)  # canonical ids that may have gained feedback


def of(held: Iterable[str], key_texts: Sequence[str]) -> dict[str, str]:
    """Return {SDK-hashed form: canonical id} of every held id, for each key of the project."""
    found: dict[str, str] = {}
    for raw in held:
        canonical = canonical_id(raw)
        if canonical is not None:
            found |= {sdk_hash(raw, key): canonical for key in key_texts}
    return found


def canonical(db: Db, project_id: int, ids: Iterable[str]) -> dict[str, str]:
    """Return {alias: canonical id} for those of `ids` that are aliases."""
    wanted = list(ids)
    db.execute(
        "SELECT a.alias::text, a.canonical::text FROM unnest(%s::int[], %s::uuid[]) AS s(project_id, id)"
        " JOIN runs_alias a ON a.project_id = s.project_id AND a.alias = s.id",
        pairs(project_id, wanted),
    )
    return dict(db.fetchall())


def rewrite(batch: Batch, known: Mapping[str, str]) -> Batch:
    """Return the batch with every alias in it replaced."""
    if not known:
        return batch
    replace = msgspec.structs.replace

    def to(run_id: str | None) -> Any:
        return known.get(run_id, run_id) if run_id is not None else None

    return replace(
        batch,
        runs=[replace(e, run_id=to(e.run_id), parent_id=to(e.parent_id)) for e in batch.runs],
        messages=[replace(e, message_id=to(e.message_id), thread_id=to(e.thread_id)) for e in batch.messages],
        threads=[replace(e, thread_id=to(e.thread_id)) for e in batch.threads],
        feedback=[replace(e, run_id=to(e.run_id)) for e in batch.feedback],
        logs=[replace(e, run_id=to(e.run_id)) for e in batch.logs],
    )


def register(db: Db, project_id: int, locks: Locks, aliases: Mapping[str, str]) -> Moved:
    """Store new aliases and move what stands under them, which is seldom anything.

    Moving touches rows of other ids in no order, so it is done alone.
    """
    moved = Moved()
    if not aliases:
        return moved
    known = canonical(db, project_id, aliases)
    fresh = {alias: target for alias, target in aliases.items() if alias not in known}
    if not fresh:
        return moved
    locks.take([*fresh, *fresh.values()])
    names, targets = list(fresh), list(fresh.values())
    db.execute(
        "INSERT INTO runs_alias (project_id, alias, canonical) SELECT %s, a, c"
        " FROM unnest(%s::uuid[], %s::uuid[]) AS s(a, c) ORDER BY a ON CONFLICT DO NOTHING",
        (project_id, names, targets),
    )
    if not _in_use(db, project_id, names):
        return moved
    locks.insist_alone()
    moved.reached = targets
    _move_messages(db, project_id, names, targets, moved)
    _move_satellites(db, project_id, names, targets)
    _move_children(db, project_id, names, targets, moved)
    _take_out_runs(db, project_id, fresh, moved)
    return moved


# One column each by which a table can hold an id; each leads an index.
_PLACES: Final = (
    ("runs_run", "id"),
    ("runs_run", "parent_id"),
    ("runs_message", "id"),
    ("runs_message", "thread_id"),
    ("runs_feedback", "run_id"),
    ("runs_runlog", "run_id"),
    ("runs_score", "run_id"),
)
_IN_USE: Final = (
    "SELECT EXISTS (SELECT FROM unnest(%s::int[], %s::uuid[]) AS s(project_id, alias) WHERE "
    + " OR ".join(
        f"EXISTS (SELECT FROM {table} t WHERE t.project_id = s.project_id AND t.{column} = s.alias)"
        for table, column in _PLACES
    )
    + ")"
)


def _in_use(db: Db, project_id: int, names: list[str]) -> bool:
    """Tell whether anything stands under one of these ids."""
    db.execute(_IN_USE, pairs(project_id, names))
    return db.fetchall() == [(True,)]


_FRESH: Final = "unnest(%s::uuid[], %s::uuid[]) AS s(alias, canonical)"


def _move_messages(db: Db, project_id: int, names: list[str], targets: list[str], moved: Moved) -> None:
    """Give messages and their threads the canonical ids; one that is there under both forms stays once."""
    db.execute(
        f"DELETE FROM runs_message AS m USING {_FRESH}, runs_message AS kept WHERE m.project_id = %s"
        " AND m.id = s.alias AND kept.project_id = m.project_id AND kept.id = s.canonical AND kept.side = m.side"
        " RETURNING m.thread_id::text",
        (names, targets, project_id),
    )
    threads = {record[0] for record in db.fetchall()}
    db.execute(
        f"UPDATE runs_message AS m SET id = s.canonical FROM {_FRESH} WHERE m.project_id = %s AND m.id = s.alias"
        " RETURNING m.thread_id::text",
        (names, targets, project_id),
    )
    threads |= {record[0] for record in db.fetchall()}
    db.execute(
        f"UPDATE runs_message AS m SET thread_id = s.canonical FROM {_FRESH}"
        " WHERE m.project_id = %s AND m.thread_id = s.alias RETURNING m.thread_id::text",
        (names, targets, project_id),
    )
    threads |= {record[0] for record in db.fetchall()}
    fresh = dict(zip(names, targets, strict=True))
    moved.threads = {fresh.get(thread, thread) for thread in threads if thread is not None}


def _move_satellites(db: Db, project_id: int, names: list[str], targets: list[str]) -> None:
    """Move feedback, logs and scores; where both forms have one, the newer feedback stays."""
    db.execute(
        f"WITH old AS (DELETE FROM runs_feedback AS f USING {_FRESH} WHERE f.project_id = %s AND f.run_id = s.alias"
        " RETURNING s.canonical, f.key, f.value, f.at)"
        " INSERT INTO runs_feedback AS f (project_id, run_id, key, value, at)"
        " SELECT %s, canonical, key, value, at FROM old ON CONFLICT (project_id, run_id, key) DO UPDATE"
        " SET value = excluded.value, at = excluded.at WHERE excluded.at > f.at",
        (names, targets, project_id, project_id),
    )
    for table, conflict in (
        ("runs_runlog", "project_id, run_id, at, digest"),
        ("runs_score", "project_id, run_id, label"),
    ):
        columns = "at, digest, level, message, extra" if table == "runs_runlog" else "label, value, comment, at"
        db.execute(
            f"WITH old AS (DELETE FROM {table} AS t USING {_FRESH} WHERE t.project_id = %s AND t.run_id = s.alias"
            f" RETURNING s.canonical, {columns})"
            f" INSERT INTO {table} (project_id, run_id, {columns}) SELECT %s, canonical, {columns} FROM old"
            f" ON CONFLICT ({conflict}) DO NOTHING",
            (names, targets, project_id, project_id),
        )


def _move_children(db: Db, project_id: int, names: list[str], targets: list[str], moved: Moved) -> None:
    db.execute(
        f"UPDATE runs_run AS r SET parent_id = s.canonical FROM {_FRESH}"
        " WHERE r.project_id = %s AND r.parent_id = s.alias RETURNING r.parent_id::text",
        (names, targets, project_id),
    )
    moved.parents = sorted({record[0] for record in db.fetchall()})


def _take_out_runs(db: Db, project_id: int, fresh: Mapping[str, str], moved: Moved) -> None:
    """Delete the runs stored under aliases and hand back their states under the canonical ids.

    Threads and chats are refolded from their messages instead. `ingest.write` counts none of them again.
    """
    rows = read(db, project_id, list(fresh))
    if not rows:
        return
    bodies = take_out(db, project_id, [row.id for row in rows])
    moved.gone += rows
    for row in rows:
        target = fresh[row.id]
        moved.received[target] = min(row.received_at, moved.received.get(target, row.received_at))
        moved.taken.append((target, row.type))
        if row.type in {"thread", "chat"}:
            continue
        state = row.state()
        state.id = target
        body = bodies.get(row.id) or Carried()
        state.input, state.output, state.error, state.params = body.input, body.output, body.error, body.params
        state.usage_text, state.metadata = body.usage, body.metadata or None
        state.flags &= ~(fold.OWN_TEAM | fold.OWN_ORGANIZATION)
        moved.states.append(state)
