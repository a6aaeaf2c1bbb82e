"""Which part of a list the data API is asked for: a page by number, as in Lunary, or what follows a cursor.

Pages by number cost the rows before them, so they end at DEEPEST_ROW (the only OFFSET there is); cursors don't.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from lunary_dash import paging
from runs.api_filters import FilterError

MOST_ROWS = 1_000
DEEPEST_ROW = 10_000

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Window:
    """The part wanted, and the order it is counted in."""

    limit: int
    page: int
    cursor: str | None
    sort: str
    descending: bool


@dataclass(frozen=True)
class Part(Generic[Row]):
    """A part of a list, with the cursor of what follows (None: nothing does)."""

    rows: list[Row]
    next_cursor: str | None


@dataclass(frozen=True)
class Key:
    """What a list is sorted by (a column that is never null, or an expression made so), and how cursors are read."""

    by: Any
    read: Callable[[Any], Any]
    identity: str = "id"
    read_identity: Callable[[Any], Any] = UUID


def read(controls: Mapping[str, str], sorts: Sequence[str], limit: int) -> Window:
    """Return what an address asks for; the first of `sorts`, descending, where it doesn't say. Raise FilterError."""
    rows = _whole("limit", controls.get("limit", ""), limit, least=1, most=MOST_ROWS)
    page = _whole("page", controls.get("page", ""), 0, least=0, most=10**9)
    cursor = controls.get("cursor") or None
    if cursor is None and page * rows > DEEPEST_ROW:
        raise FilterError(f"pages by number end at row {DEEPEST_ROW}: go on with cursor=nextCursor of the page before")
    sort = controls.get("sortField", sorts[0])
    if sort not in sorts:
        raise FilterError(f"sortField is one of {', '.join(sorts)}")
    descending = controls.get("sortDirection", "" if "sortField" in controls else "desc") == "desc"
    return Window(rows, page, cursor, sort, descending)


def part(rows: QuerySet[Row], wanted: Window, key: Key) -> Part[Row]:
    """Return the wanted part; raise lunary_dash.paging.BadCursor for a cursor of another list."""
    column = key.by if isinstance(key.by, str) else "sort_key"
    if column == "sort_key":
        rows = cast("QuerySet[Row]", rows.annotate(sort_key=key.by))
    first = wanted.page * wanted.limit
    if wanted.cursor is not None:
        first, rows = 0, rows.filter(_after(wanted, key, column))
    direction = "-" if wanted.descending else ""
    found = list(rows.order_by(f"{direction}{column}", f"{direction}{key.identity}")[first : first + wanted.limit + 1])
    shown = found[: wanted.limit]
    return Part(shown, _cursor(wanted, key, column, shown[-1]) if len(found) > wanted.limit else None)


def _order_name(wanted: Window) -> str:
    return f"{'-' if wanted.descending else ''}{wanted.sort}"


def part_of_sorted(
    keys: Sequence[tuple[Any, str]], wanted: Window, read_edge: Callable[[Any], Any]
) -> tuple[Sequence[tuple[Any, str]], str | None]:
    """Return the wanted part of (sort value, id) pairs that are sorted already, and the cursor of what follows."""
    first = wanted.page * wanted.limit
    if wanted.cursor is not None:
        edge = _edge(wanted, read_edge, str)
        first = sum(1 for key in keys if (key >= edge if wanted.descending else key <= edge))
    shown = keys[first : first + wanted.limit]
    more = len(keys) > first + wanted.limit
    return shown, _encoded(wanted, *shown[-1]) if more else None


def _cursor(wanted: Window, key: Key, column: str, last: Model) -> str:
    return _encoded(wanted, getattr(last, column), getattr(last, key.identity))


def _encoded(wanted: Window, value: Any, identity: Any) -> str:
    edge = value.isoformat() if isinstance(value, datetime) else str(value)
    return paging.encode(paging.Cursor((_order_name(wanted), edge, str(identity))))


def _after(wanted: Window, key: Key, column: str) -> Q:
    """Return what follows the cursor. The plain bound beside the exact one lets an index find where to begin."""
    value, last = _edge(wanted, key.read, key.read_identity)
    beyond = "lt" if wanted.descending else "gt"
    exact = Q(**{f"{column}__{beyond}": value}) | Q(**{column: value, f"{key.identity}__{beyond}": last})
    return Q(**{f"{column}__{beyond}e": value}) & exact


def _edge(wanted: Window, read: Callable[[Any], Any], read_identity: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Return the sort value and the id of the row that the cursor stands at."""
    order, edge, identity = paging.decode(wanted.cursor or "", 3).key
    if order != _order_name(wanted):
        raise paging.BadCursor("the cursor belongs to a list in another order: open the list again")
    try:
        return read(edge), read_identity(str(identity).replace("\x00", "\ufffd"))
    except ValueError as error:
        raise paging.BadCursor("the cursor does not fit this list: open the list again") from error


def _whole(name: str, text: str, default: int, least: int, most: int) -> int:
    if not text:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else -1
    if not least <= number <= most:
        raise FilterError(f"{name} is a whole number from {least} to {most}")
    return number
