"""Values as PostgreSQL reads them in text: times, arrays, fields of COPY. Pure: no Django.

Arrays go over the wire as one text each. psycopg would adapt every element on its own, which for some thirty columns of
fifty rows costs as much as the rest of storing them in Python.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = int((datetime(9999, 12, 31, tzinfo=UTC) - EPOCH).total_seconds() * 1_000_000)
_FIRST: Final = int((datetime(1, 1, 2, tzinfo=UTC) - EPOCH).total_seconds() * 1_000_000)


def timestamp(at: int) -> str:
    """Return epoch µs as a timestamptz; times outside the calendar are clamped to its ends."""
    moment = EPOCH + timedelta(microseconds=min(max(at, _FIRST), _LAST))
    return moment.isoformat(" ")


def plain(values: Iterable[object]) -> str:
    """Return an array of values that need no quoting: ids, numbers, times without text around them."""
    return "{" + ",".join(map(str, values)) + "}"


def pairs(project_id: int, ids: Sequence[str]) -> tuple[str, str]:
    """Return two arrays, the project once for each id, for `unnest` to pair."""
    return "{" + ",".join([str(project_id)] * len(ids)) + "}", plain(ids)


def texts(values: Iterable[str | None]) -> str:
    """Return an array of texts, None as NULL."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def maybe_texts(values: Sequence[str] | None) -> str | None:
    """Return an array of texts, or None where there is none or it is empty."""
    return texts(values) if values else None


def field(text: str | None) -> str:
    """Return text as a field of COPY's text format, None as NULL."""
    if text is None:
        return "\\N"
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text or "\t" in text or "\r" in text:
        text = text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return text


def _quoted(value: str) -> str:
    if "\\" in value:
        value = value.replace("\\", "\\\\")
    if '"' in value:
        value = value.replace('"', '\\"')
    return f'"{value}"'
