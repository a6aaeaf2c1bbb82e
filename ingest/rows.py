"""Rows of the run tables as plain structs, read and written in bulk. SQL lives here; the rules are in `ingest.fold`.

New rows go in by COPY: the caller holds the advisory lock of every id, so none can appear meanwhile. Known rows are
updated from arrays. Each statement names the project (rule 1).

Look-ups join an array of (project, id) pairs instead of comparing with constants: a planner whose statistics are older
than a new project believes that the project has no rows, and would walk all of them for one id.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from psycopg import Cursor

from ingest import fold
from ingest.events import Usage
from ingest.fold import RunState
from ingest.lineage import Lineage, Own
from ingest.literals import field, maybe_texts, pairs, plain, texts, timestamp

Db = Cursor[Any]
"""A server-side-binding cursor inside the request's transaction; each result is consumed before the next statement."""


class Row(msgspec.Struct, gc=False):
    """One row of runs_run; times are epoch µs, metadata is JSON text. Field order is column order."""

    id: str
    type: str
    name: str | None
    status: str
    parent_id: str | None
    trace_id: str | None
    chat_id: str | None
    thread_id: str | None
    user_id: str | None
    team_id: str | None
    organization_id: str | None
    tags: tuple[str, ...] | None
    metadata: str | None
    template_id: str | None
    runtime: str | None
    started_at: int
    ended_at: int | None
    received_at: int
    duration_ms: int | None
    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost: Decimal | None
    price_ref: str | None
    sibling_of: str | None
    flags: int

    @property
    def handed_down(self) -> Lineage:
        """Return the lineage that children build on: without team or organization of its user's properties."""
        flags = self.flags
        return Lineage(
            self.trace_id,
            self.chat_id,
            self.thread_id,
            self.user_id,
            None if flags & fold.HOME_TEAM else self.team_id,
            None if flags & fold.HOME_ORGANIZATION else self.organization_id,
        )

    @property
    def is_stub(self) -> bool:
        """Tell whether this may be a standalone tool whose start is not here yet (rule 6)."""
        return self.parent_id is None and not self.flags & fold.START and self.type in {"tool", "unknown"}

    @property
    def own(self) -> Own:
        """Return what the row brings itself, inherited values left out."""
        return Own(
            id=self.id,
            type=self.type,
            parent_id=self.parent_id,
            user_id=self.user_id if self.flags & fold.OWN_USER else None,
            team_id=self.team_id if self.flags & fold.OWN_TEAM else None,
            organization_id=self.organization_id if self.flags & fold.OWN_ORGANIZATION else None,
        )

    @property
    def usage(self) -> Usage:
        """Return the token counts."""
        return Usage(
            self.input_tokens,
            self.cache_read_tokens,
            self.cache_write_tokens,
            self.output_tokens,
            self.reasoning_tokens,
            bool(self.flags & fold.ESTIMATED),
        )

    def state(self) -> RunState:
        """Return the row as a state to merge with; bodies that were not read stand as `fold.STORED`."""
        flags = self.flags
        return RunState(
            id=self.id,
            flags=flags,
            type=self.type,
            name=self.name,
            parent_id=self.parent_id,
            started_at=self.started_at,
            ended_at=self.ended_at,
            user_id=self.user_id if flags & fold.OWN_USER else None,
            tags=self.tags,
            template_id=self.template_id,
            runtime=self.runtime,
            usage=self.usage,
            input=fold.STORED if flags & fold.HAS_INPUT else None,
            output=fold.STORED if flags & fold.HAS_OUTPUT else None,
            error=fold.STORED if flags & fold.HAS_ERROR else None,
            params=fold.STORED if flags & fold.HAS_PARAMS else None,
        )


COLUMNS: Final = tuple(field.name for field in msgspec.structs.fields(Row))
_TIMES: Final = frozenset({"started_at", "ended_at", "received_at"})
_UUIDS: Final = frozenset({"id", "parent_id", "trace_id", "chat_id", "thread_id", "sibling_of"})
_TYPES: Final = (
    dict.fromkeys(_UUIDS, "uuid")
    | dict.fromkeys(_TIMES, "timestamptz")
    | {"tags": "text[]", "metadata": "jsonb", "duration_ms": "bigint", "cost": "numeric", "flags": "integer"}
    | {name: "integer" for name in COLUMNS if name.endswith("_tokens")}
)


def _selected(name: str) -> str:
    if name in _TIMES:
        return f"(extract(epoch from r.{name}) * 1000000)::bigint"
    return f"r.{name}::text" if name in _UUIDS or name == "metadata" else f"r.{name}"


_SELECT: Final = ", ".join(_selected(name) for name in COLUMNS)
_COPY: Final = f"COPY runs_run (project_id, {', '.join(COLUMNS)}) FROM STDIN"
_ASSIGNED: Final = ", ".join(f"{name} = s.{name}::{_TYPES.get(name, 'text')}" for name in COLUMNS[1:])
_UPDATE: Final = (
    f"UPDATE runs_run AS r SET {_ASSIGNED}"
    f" FROM unnest(%s::int[], {', '.join('%s::uuid[]' if name == 'id' else '%s::text[]' for name in COLUMNS)})"
    f" AS s(project_id, {', '.join(COLUMNS)}) WHERE r.project_id = s.project_id AND r.id = s.id"
)
_PLACE: Final = ("id", "trace_id", "chat_id", "thread_id", "user_id", "team_id", "organization_id", "flags")
_MOVE: Final = (
    f"UPDATE runs_run AS r SET {', '.join(f'{name} = s.{name}' for name in _PLACE[1:])}"
    f" FROM unnest(%s::int[], {', '.join('%s::' + _TYPES.get(name, 'text') + '[]' for name in _PLACE)})"
    f" AS s(project_id, {', '.join(_PLACE)}) WHERE r.project_id = s.project_id AND r.id = s.id"
)
_COPY_BODIES: Final = "COPY runs_runbody (project_id, run_id, input, output, error, params, metadata, usage) FROM STDIN"
_TEXT_BODIES: Final = ("input", "output", "error", "params", "usage")


def _merged(name: str) -> str:
    """Return SQL for one body column by its mode: 0 keep, 1 replace, 2 the richer text (as `fold._richer`)."""
    return f"""{name} = CASE s.{name}_mode WHEN 0 THEN b.{name} WHEN 1 THEN s.{name}
        ELSE CASE WHEN b.{name} IS NULL OR (octet_length(s.{name}), s.{name} COLLATE "C")
            > (octet_length(b.{name}), b.{name} COLLATE "C") THEN s.{name} ELSE b.{name} END END"""


_UPDATE_BODIES: Final = (
    f"UPDATE runs_runbody AS b SET {', '.join(_merged(name) for name in _TEXT_BODIES)},"
    " metadata = COALESCE(s.metadata::jsonb, b.metadata)"
    " FROM unnest(%s::int[], %s::uuid[], %s::text[], %s::int[], %s::text[], %s::int[], %s::text[], %s::int[],"
    " %s::text[], %s::int[], %s::text[], %s::int[], %s::text[])"
    f" AS s(project_id, run_id, {', '.join(f'{name}, {name}_mode' for name in _TEXT_BODIES)}, metadata)"
    " WHERE b.project_id = s.project_id AND b.run_id = s.run_id AND"
    f" ({' OR '.join(f'(s.{name}_mode <> 0 AND s.{name} IS DISTINCT FROM b.{name})' for name in _TEXT_BODIES)}"
    " OR (s.metadata IS NOT NULL AND s.metadata::jsonb IS DISTINCT FROM b.metadata))"
)


class Body(msgspec.Struct, gc=False, kw_only=True):
    """What a request says about one run's bodies, with the modes that merge it into the stored row."""

    run_id: str
    input: str | None = None
    output: str | None = None
    error: str | None = None
    params: str | None = None
    usage: str | None = None
    metadata: str | None = None  # JSON text of all pieces; replaces what is stored
    modes: tuple[int, int, int, int, int] = (fold.REPLACE,) * 5


class Carried(msgspec.Struct, gc=False):
    """What one stored run carried: JSON texts, metadata event by event."""

    input: str | None = None
    output: str | None = None
    error: str | None = None
    params: str | None = None
    usage: str | None = None
    metadata: dict[str, str] = msgspec.field(default_factory=dict)


def read(db: Db, project_id: int, ids: Sequence[str]) -> list[Row]:
    """Return the stored runs among `ids`."""
    return _joined(db, "r.id = s.id", project_id, ids)


def read_children(db: Db, project_id: int, ids: Sequence[str]) -> list[Row]:
    """Return the stored runs directly below `ids`."""
    return _joined(db, "r.parent_id = s.id AND r.parent_id IS NOT NULL", project_id, ids)


def read_chats(db: Db, project_id: int, thread_ids: Sequence[str]) -> list[Row]:
    """Return the stored chats of threads."""
    return _joined(db, "r.thread_id = s.id AND r.thread_id IS NOT NULL AND r.type = 'chat'", project_id, thread_ids)


def _joined(db: Db, condition: str, project_id: int, ids: Sequence[str]) -> list[Row]:
    if not ids:
        return []
    db.execute(
        f"SELECT {_SELECT} FROM unnest(%s::int[], %s::uuid[]) AS s(project_id, id)"
        f" JOIN runs_run r ON r.project_id = s.project_id AND {condition}",
        pairs(project_id, ids),
    )
    return [_row(record) for record in db.fetchall()]


def insert(db: Db, project_id: int, rows: Iterable[Row]) -> None:
    """Store new runs."""
    start = f"{project_id}\t"
    text = "".join(f"{start}{_copy_row(row)}\n" for row in rows)
    _copy(db, _COPY, text)


def update(db: Db, project_id: int, rows: Sequence[Row]) -> None:
    """Overwrite known runs with what `fold.merge` made of them."""
    columns = [texts(_parameter(name, getattr(row, name)) for row in rows) for name in COLUMNS]
    db.execute(_UPDATE, (plain(project_id for _ in rows), *columns))


def move(db: Db, project_id: int, rows: Sequence[Row]) -> None:
    """Overwrite what known runs take from above: their place, and whose they are."""
    columns = [texts(_parameter(name, getattr(row, name)) for row in rows) for name in _PLACE]
    db.execute(_MOVE, (plain(project_id for _ in rows), *columns))


def insert_bodies(db: Db, project_id: int, bodies: Iterable[Body]) -> None:
    """Store the bodies of new runs."""
    text = "".join(
        f"{project_id}\t{body.run_id}\t{field(body.input)}\t{field(body.output)}\t{field(body.error)}"
        f"\t{field(body.params)}\t{field(body.metadata)}\t{field(body.usage)}\n"
        for body in bodies
    )
    _copy(db, _COPY_BODIES, text)


def update_bodies(db: Db, project_id: int, bodies: Sequence[Body]) -> None:
    """Merge bodies into those of known runs, each column by its mode."""
    arrays = list(pairs(project_id, [body.run_id for body in bodies]))
    for position, name in enumerate(_TEXT_BODIES):
        arrays.append(texts(getattr(body, name) for body in bodies))
        arrays.append(plain(body.modes[position] for body in bodies))
    arrays.append(texts(body.metadata for body in bodies))
    db.execute(_UPDATE_BODIES, arrays)


def take_out(db: Db, project_id: int, ids: Sequence[str]) -> dict[str, Carried]:
    """Delete runs that prove to be none of their own, and return what each carried."""
    db.execute("DELETE FROM runs_run WHERE project_id = %s AND id = ANY(%s::uuid[])", (project_id, plain(ids)))
    db.execute(
        "DELETE FROM runs_runbody WHERE project_id = %s AND run_id = ANY(%s::uuid[])"
        " RETURNING run_id::text, input, output, error, params, usage, metadata::text",
        (project_id, plain(ids)),
    )
    decode = msgspec.json.Decoder(dict[str, str]).decode
    return {
        run_id: Carried(sent, output, error, params, usage, decode(pieces or "{}"))
        for run_id, sent, output, error, params, usage, pieces in db.fetchall()
    }


def read_metadata_pieces(db: Db, project_id: int, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the stored metadata of each run event by event."""
    cursor = db.execute(
        "SELECT b.run_id::text, b.metadata::text FROM unnest(%s::int[], %s::uuid[]) AS s(project_id, id)"
        " JOIN runs_runbody b ON b.project_id = s.project_id AND b.run_id = s.id WHERE b.metadata IS NOT NULL",
        pairs(project_id, ids),
    )
    return {run_id: msgspec.json.decode(text, type=dict[str, str]) for run_id, text in cursor}


def metadata_text(effective: dict[str, Any] | None, known: "Row | None") -> str | None:
    """Return metadata as a row keeps it; an equal one keeps its very text, so that an unchanged row is seen as such."""
    if not effective:
        return None
    if known is not None and known.metadata and msgspec.json.decode(known.metadata) == effective:
        return known.metadata
    return msgspec.json.encode(effective).decode()


_TAGS: Final = COLUMNS.index("tags")


def _row(record: tuple[Any, ...]) -> Row:
    tags = record[_TAGS]
    if tags is not None:
        record = (*record[:_TAGS], tuple(tags), *record[_TAGS + 1 :])
    return Row(*record)


def _copy(db: Db, statement: str, text: str) -> None:
    if text:
        with db.copy(statement) as copy:
            copy.write(text)


def _number(value: object) -> str:
    return "\\N" if value is None else str(value)


def _copy_row(row: Row) -> str:
    """Return the row's columns after project_id, in the order of COLUMNS."""
    return "\t".join(
        (
            row.id,
            field(row.type),
            field(row.name),
            row.status,
            row.parent_id or "\\N",
            row.trace_id or "\\N",
            row.chat_id or "\\N",
            row.thread_id or "\\N",
            field(row.user_id),
            field(row.team_id),
            field(row.organization_id),
            field(maybe_texts(row.tags)),
            field(row.metadata),
            field(row.template_id),
            field(row.runtime),
            timestamp(row.started_at),
            "\\N" if row.ended_at is None else timestamp(row.ended_at),
            timestamp(row.received_at),
            _number(row.duration_ms),
            _number(row.input_tokens),
            _number(row.cache_read_tokens),
            _number(row.cache_write_tokens),
            _number(row.output_tokens),
            _number(row.reasoning_tokens),
            _number(row.cost),
            field(row.price_ref),
            row.sibling_of or "\\N",
            str(row.flags),
        )
    )


def _parameter(name: str, value: Any) -> str | None:
    """Return a column's value as the text that `_UPDATE` casts."""
    if value is None:
        return None
    if name in _TIMES:
        return timestamp(value)
    if name == "tags":
        return maybe_texts(value)
    return value if isinstance(value, str) else str(value)
