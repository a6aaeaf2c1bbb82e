"""Taking back what events of a standalone tool left before its start came and was refused (rules 3, 6).

Until the start is here, nobody can tell that the run has no parent: its end makes a stub, its feedback and log lines
wait for a run. With the start refused, they must not stay, or the outcome would depend on the order. What they said
becomes events again, held with the start, so that a replay restores all of it.

End users and aliases that these events made known stay: they may be known from elsewhere, and belong to no run.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from django.db import connection
from psycopg import Cursor

from ingest import aliases, books, fold, rows, threads
from ingest.events import Refusal
from ingest.lineage import Lineage
from ingest.literals import plain, timestamp
from ingest.lunary import STANDALONE_REASON, STANDALONE_TOOL
from ingest.lunary_event import short
from ingest.people import People
from ingest.placing import Placing
from ingest.rows import Carried, Db, Row
from runs import locks

_UPDATE: Final = "2"  # class of an update's metadata, see `fold`

Fields = dict[str, Any]
"""One event to hold: payloads are `msgspec.Raw`, None is left out."""


def withdraw(
    project_id: int, turn: locks.Turn, refused: Mapping[str, str], received_at: int, key_id: int | None
) -> list[Refusal]:
    """Take out what is stored about `refused` runs (canonical id → id as sent) and return it as events to hold.

    In the transaction that the caller has just opened (`locks.insist`), and which must hold them; their locks are kept
    until it ends. A run whose start was seen, or that names a parent, stays. `received_at` is epoch µs.
    """
    with Cursor(connection.connection) as db:
        held = locks.enter(db, project_id, turn, refused)
        known = aliases.canonical(db, project_id, refused)
        sent = {known.get(run_id, run_id): name for run_id, name in refused.items()}
        held.take(sent)
        found = rows.read(db, project_id, list(sent))
        stubs = [row for row in found if row.is_stub]
        for firm in {row.id for row in found} - {row.id for row in stubs}:
            del sent[firm]
        events = _satellites(db, project_id, list(sent))
        if events:
            books.mark_around(db, project_id, sent, received_at)
        if stubs:
            carried = rows.take_out(db, project_id, [row.id for row in stubs])
            events += [event for row in stubs for event in _told(row, carried.get(row.id))]
            books.enter(db, project_id, (), [row.type for row in stubs], key_id, received_at)
            books.mark_stale(db, project_id, [*stubs, *_orphaned(db, project_id, held, stubs)], received_at)
    return [_refusal(sent[run_id], fields) for run_id, fields in events]


def _orphaned(db: Db, project_id: int, held: locks.Locks, stubs: Iterable[Row]) -> list[Row]:
    """Let the runs beneath stubs inherit nothing from them any more; return the rows that changed, old and new."""
    alone = {row.id: Lineage(row.id, None, None, None, None, None) for row in stubs}
    below = Placing(db, project_id, held, People(db, project_id, held), {}, {}, threads.Refolded(lineages=alone), {})
    changed, before = below.place(())
    if changed:
        rows.update(db, project_id, list(changed.values()))
    return [*changed.values(), *(before[run_id] for run_id in changed)]


def _told(row: Row, carried: Carried | None) -> list[tuple[str, Fields]]:
    """Return what an end, an error or updates said about the run, verbatim where it is a payload."""
    body = carried or Carried()
    at = row.started_at if row.ended_at is None else row.ended_at
    last = "error" if row.flags & fold.ERROR else "end" if row.flags & fold.END else "update"
    whole = _event(last, at) | {
        "name": row.name,
        "userId": row.user_id if row.flags & fold.OWN_USER else None,
        "tags": row.tags,
        "templateId": row.template_id,
        "runtime": row.runtime,
        "input": _raw(body.input),
        "output": _raw(body.output),
        "error": _raw(body.error),
        "params": _raw(body.params),
        "tokensUsage": _raw(body.usage),
    }
    others = [_event("end", at)] if row.flags & fold.END and last == "error" else []
    for rank, text in body.metadata.items():
        kind, moment, _ = rank.split(".")
        own = kind != _UPDATE and int(moment) == at and "metadata" not in whole
        told = whole if own else _event("update" if kind == _UPDATE else last, int(moment))
        told["metadata"] = _raw(text)
        if not own:
            others.append(told)
    return [(row.id, event) for event in (whole, *others)]


def _satellites(db: Db, project_id: int, ids: list[str]) -> list[tuple[str, Fields]]:
    """Delete feedback and log lines of these runs, and return what they said."""
    events: list[tuple[str, Fields]] = []
    db.execute(
        "WITH gone AS (DELETE FROM runs_feedback WHERE project_id = %s AND run_id = ANY(%s::uuid[])"
        " RETURNING run_id, (extract(epoch from at) * 1000000)::bigint AS at, key, value)"
        " SELECT run_id::text, at, json_object_agg(key, value)::text FROM gone GROUP BY 1, 2 ORDER BY 2",
        (project_id, plain(ids)),
    )
    for run_id, at, values in db.fetchall():
        events.append((run_id, {"event": "feedback", "timestamp": _time(at), "feedback": _raw(values)}))
    db.execute(
        "DELETE FROM runs_runlog WHERE project_id = %s AND run_id = ANY(%s::uuid[])"
        " RETURNING run_id::text, (extract(epoch from at) * 1000000)::bigint, level, message, extra",
        (project_id, plain(ids)),
    )
    for run_id, at, level, message, extra in db.fetchall():
        line = {"type": "log", "event": level, "timestamp": _time(at), "message": message, "extra": _raw(extra)}
        events.append((run_id, line))
    return events


def _event(name: str, at: int) -> Fields:
    return {"type": "tool", "event": name, "timestamp": _time(at)}


def _refusal(sent: str, fields: Fields) -> Refusal:
    place = "parentRunId" if fields.get("type") == "log" else "runId"
    event = {place: sent} | {name: value for name, value in fields.items() if value is not None}
    return Refusal(
        code=STANDALONE_TOOL,
        reason=STANDALONE_REASON,
        event=msgspec.json.encode(event).decode(),
        run_id=short(sent),
    )


def _time(at: int) -> str:
    return timestamp(at).replace(" ", "T")


def _raw(text: str | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text.encode())
