"""The narrow rows of one trace, column by column, as they come from the database in one row. Pure: no Django.

50 000 rows as tuples cost a second of Python for UUIDs, datetimes and decimals, of which a page shows 800. So each
column comes as one value that PostgreSQL glued together, and is taken apart by `array` and `str.split` in C.
"""

from array import array
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from sys import byteorder, intern
from typing import Any, Final, Self
from uuid import UUID

import msgspec

MONEY_SCALE: Final = 10
"""Costs are whole numbers of 10⁻¹⁰ USD here, exactly as `Run.cost` stores them."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH_OF_POSTGRES: Final = 946_684_800_000_000  # 2000-01-01 in epoch µs
_NEVER: Final = -(2**63)

SELECT: Final = """
    SELECT string_agg(uuid_send(id), ''), array_agg(CASE WHEN parent_id IS NOT NULL THEN uuid_send(parent_id) END),
        string_agg(type, E'\\n'), array_agg(name), string_agg(status, ','),
        string_agg(timestamptz_send(started_at), ''),
        string_agg(COALESCE(timestamptz_send(ended_at), int8send(%s)), ''),
        string_agg(int8send(COALESCE(duration_ms, -1)), ''), string_agg(int4send(COALESCE(input_tokens, -1)), ''),
        string_agg(int4send(COALESCE(output_tokens, -1)), ''), string_agg(COALESCE(cost::text, ''), ','),
        string_agg(CASE WHEN repeat_of IS NULL THEN '0' ELSE '1' END, ''),
        count(*), sum(hashtextextended(writer::text, 0) >> 20)
    FROM (
        SELECT id, parent_id, replace(type, E'\\n', ' ') AS type, name, status, started_at, ended_at, duration_ms,
            input_tokens, output_tokens, cost, repeat_of, xmin AS writer
        FROM runs_run WHERE project_id = %s AND trace_id = %s ORDER BY started_at, id
    ) AS rows
"""
"""Reads what `Columns.decode` and `state` take, with `parameters`; all but the count is null where no run is there."""
STATE: Final = """
    SELECT count(*), sum(hashtextextended(xmin::text, 0) >> 20) FROM runs_run WHERE project_id = %s AND trace_id = %s
"""
"""Reads what `state` takes alone, in a fifth of the time."""


def parameters(project_id: int, trace_id: UUID) -> tuple[object, ...]:
    """Return what `SELECT` is run with."""
    return (_NEVER, project_id, trace_id)


def state(record: Sequence[Any]) -> str | None:
    """Return a text that is another one once any run of the trace came, changed or went; None where it has no runs.

    `xmin` is the transaction that wrote a row last: no column says when a run was changed, and none is needed.
    """
    rows, written = record[-2:]
    return f"{rows}.{written}" if rows else None


class RunRow(msgspec.Struct, frozen=True, gc=False):
    """What a tree needs of a run; no body, no metadata."""

    id: UUID
    parent_id: UUID | None
    type: str
    name: str | None
    status: str
    started_at: datetime
    ended_at: datetime | None = None
    duration_ms: int | None = None
    input_tokens: int | None = None  # including cached
    output_tokens: int | None = None
    cost: Decimal | None = None  # USD; None is unknown
    repeat_of: UUID | None = None

    @property
    def tokens(self) -> int | None:
        """Input and output tokens; None where neither is known."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)

    @property
    def failed(self) -> bool:
        """True for a run that counts (no plain span, no second report of a call) and ended in an error."""
        return self.status == "error" and self.type != "span" and self.repeat_of is None


class Columns(msgspec.Struct):
    """All runs of a trace, each list in the same order. Times are epoch µs; None is unknown."""

    ids: Sequence[bytes]
    parents: Sequence[bytes | None]  # None where none was named
    types: Sequence[str]
    names: Sequence[str | None]
    statuses: Sequence[str]
    starts: Sequence[int]
    ends: Sequence[int | None]
    durations: Sequence[int | None]  # ms
    inputs: Sequence[int | None]  # tokens, including cached
    outputs: Sequence[int | None]
    costs: Sequence[int | None]  # 10⁻¹⁰ USD
    repeats: Sequence[bool]  # another run reports the same call

    @classmethod
    def decode(cls, record: Sequence[Any]) -> Self:
        """Return the columns of a record of `SELECT`, by start and id."""
        ids, parents, types, names, statuses, starts, ends, durations, inputs, outputs, costs, repeats = record[:12]
        return cls(
            ids=_split(ids),
            parents=parents,
            types=list(map(intern, types.split("\n"))),
            names=[None if name is None else intern(name) for name in names],
            statuses=list(map(intern, statuses.split(","))),
            starts=[at + _EPOCH_OF_POSTGRES for at in _integers("q", starts)],
            ends=[None if at == _NEVER else at + _EPOCH_OF_POSTGRES for at in _integers("q", ends)],
            durations=_known(_integers("q", durations)),
            inputs=_known(_integers("i", inputs)),
            outputs=_known(_integers("i", outputs)),
            costs=[int(cost.replace(".", "")) if cost else None for cost in costs.split(",")],
            repeats=[mark == "1" for mark in repeats],
        )

    @classmethod
    def of(cls, rows: Iterable[RunRow]) -> Self:
        """Return the columns of these rows, by start and id; of rows with the same id the last."""
        ordered = sorted({row.id: row for row in rows}.values(), key=lambda row: (row.started_at, row.id))
        return cls(
            ids=[row.id.bytes for row in ordered],
            parents=[row.parent_id.bytes if row.parent_id else None for row in ordered],
            types=[row.type for row in ordered],
            names=[row.name for row in ordered],
            statuses=[row.status for row in ordered],
            starts=[_micros(row.started_at) for row in ordered],
            ends=[_micros(row.ended_at) if row.ended_at else None for row in ordered],
            durations=[row.duration_ms for row in ordered],
            inputs=[row.input_tokens for row in ordered],
            outputs=[row.output_tokens for row in ordered],
            costs=[None if row.cost is None else int(row.cost.scaleb(MONEY_SCALE)) for row in ordered],
            repeats=[row.repeat_of is not None for row in ordered],
        )

    def arranged(self, order: Sequence[int]) -> Self:
        """Return the same rows in another order: row n is the one that stood at `order[n]`."""
        if len(order) == 1:
            return self
        pick = itemgetter(*order)
        return type(self)(*(pick(getattr(self, name)) for name in self.__struct_fields__))


def moment(micros: int) -> datetime:
    """Return epoch µs as a time."""
    return _EPOCH + timedelta(microseconds=micros)


def money(units: int) -> Decimal:
    """Return units of 10⁻¹⁰ USD as USD."""
    return Decimal(units).scaleb(-MONEY_SCALE)


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _split(ids: bytes) -> list[bytes]:
    return [ids[start : start + 16] for start in range(0, len(ids), 16)]


def _integers(code: str, text: bytes) -> "array[int]":
    """Return big-endian integers ("q" 8 bytes, "i" 4) as an array."""
    numbers = array(code)
    numbers.frombytes(text)
    if byteorder == "little":
        numbers.byteswap()
    return numbers


def _known(numbers: Iterable[int]) -> list[int | None]:
    return [None if number < 0 else number for number in numbers]
