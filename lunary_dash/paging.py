"""Keyset paging: a cursor is the sort key of the row at a page's edge, never an OFFSET."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Row = TypeVar("Row")


class BadCursor(ValueError):  # noqa: N818 - an answer to a person, not a fault
    """The cursor in a URL is not one this application made."""


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of rows in display order, with the cursors of its neighbours (None: there is none)."""

    rows: list[Row]
    older: str | None
    newer: str | None


@dataclass(frozen=True)
class Cursor:
    """Where a page begins: rows strictly after (`forward`) or strictly before `key` in the list's order."""

    key: tuple[Any, ...]
    forward: bool = True


def encode(cursor: Cursor) -> str:
    """Return the cursor as URL-safe text; key parts must be JSON values (times as ISO text, decimals as text)."""
    raw = json.dumps([int(cursor.forward), *cursor.key], separators=(",", ":"), default=str)
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def decode(text: str, parts: int) -> Cursor:
    """Return the cursor in `text`, which must hold `parts` key parts; raise BadCursor for anything else."""
    try:
        raw = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise BadCursor("the page address is damaged: open the list again") from error
    if not isinstance(raw, list) or len(raw) != parts + 1 or raw[0] not in (0, 1):
        raise BadCursor("the page address does not fit this list: open the list again")
    return Cursor(key=tuple(raw[1:]), forward=bool(raw[0]))
