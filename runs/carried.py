"""What a run carried, as far as a page shows it: the database cuts large payloads, so they never travel whole."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.db.models import BigIntegerField, Case, F, Func, TextField, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Left, Substr

from runs import bodies
from runs.mend import mend
from runs.models import RunBody

WHOLE: Final = 2 * 1024 * 1024
"""Bytes up to which a payload comes whole, so that it can be read as what it is, from its end if need be."""
CHUNK: Final = 4 * 1024 * 1024
"""Characters of a payload that are in memory at once while it is downloaded."""
TEXTS: Final = ("input", "output", "error", "params", "usage")
FIELDS: Final = ("input", "output", "error", "params", "metadata", "usage")


@dataclass(frozen=True)
class Payload:
    """One field of what a client sent: JSON text, values byte for byte, or the beginning of it."""

    text: str
    size: int  # bytes of all of it
    cut: bool = False  # `text` is only its beginning

    @property
    def readable(self) -> str:
        """Return JSON text: the payload, or its beginning with strings and brackets closed."""
        return mend(self.text) if self.cut else self.text


@dataclass(frozen=True)
class Carried:
    """The payloads of one run by field; those that were not sent are left out."""

    fields: Mapping[str, Payload] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Payload | None:
        """Return a field, None where there is none."""
        return self.fields.get(name)


class _Octets(Func):
    """Bytes of a text. Unlike its length in characters this is known without reading it."""

    function = "octet_length"
    output_field = BigIntegerField()


def carried(project_id: int, run_id: UUID) -> Carried:
    """Return what a run carried in one query: payloads of at most WHOLE bytes, the beginning of larger ones."""
    columns: dict[str, Combinable] = {name: F(name) for name in TEXTS}
    columns["metadata"] = Cast("metadata", TextField())
    asked = {f"{name}_size": _Octets(column) for name, column in columns.items()}
    cut = {f"{name}_text": _bounded(name, column) for name, column in columns.items()}
    rows = RunBody.objects.filter(project_id=project_id, run_id=run_id).values(**asked, **cut)
    row = rows.first()
    return Carried(dict(_payloads(row))) if row else Carried()


def _bounded(name: str, column: Combinable) -> Combinable:
    return Case(
        When(**{f"{name}_size__lte": WHOLE}, then=column),
        default=Left(column, bodies.SHOWN),
        output_field=TextField(),
    )


def _payloads(row: Mapping[str, Any]) -> Iterator[tuple[str, Payload]]:
    for name in FIELDS:
        text, size = row[f"{name}_text"], row[f"{name}_size"]
        if text is None:
            continue
        payload = Payload(text, size, cut=size > WHOLE)
        found = _merged(payload) if name == "metadata" else payload
        if found:
            yield name, found


def _merged(stored: Payload) -> Payload | None:
    """Return the metadata of all events as one object; of very large ones the beginning of that."""
    text = bodies.metadata({rank: mend(one) if stored.cut else one for rank, one in _ranked(stored).items()})
    return Payload(text, stored.size if stored.cut else len(text.encode()), stored.cut) if text else None


def _ranked(stored: Payload) -> dict[str, str]:
    try:
        found = json.loads(stored.readable)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def whole(project_id: int, run_id: UUID, name: str) -> Iterator[str] | None:
    """Return one field in pieces of at most CHUNK characters, read as they are asked for; None where there is none.

    Metadata, which are merged from those of several events, come in one piece.
    """
    if name == "metadata":
        ranked = RunBody.objects.filter(project_id=project_id, run_id=run_id).values_list("metadata", flat=True).first()
        text = bodies.metadata(ranked)
        return iter([text]) if text is not None else None
    first = _piece(project_id, run_id, name, 1)
    return None if first is None else _pieces(project_id, run_id, name, first)


def _pieces(project_id: int, run_id: UUID, name: str, piece: str) -> Iterator[str]:
    start = 1
    while True:
        yield piece
        if len(piece) < CHUNK:
            return
        start += CHUNK
        piece = _piece(project_id, run_id, name, start) or ""


def _piece(project_id: int, run_id: UUID, name: str, start: int) -> str | None:
    rows = RunBody.objects.filter(project_id=project_id, run_id=run_id)
    return rows.values_list(Substr(name, start, CHUNK), flat=True).first()
