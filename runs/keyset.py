"""Keyset paging over a queryset: by one sort key, rows without it last, ids breaking ties.

Walking a list older and newer shows each row exactly once, whatever is inserted meanwhile (property test).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.db.models.expressions import Combinable

from lunary_dash import paging


@dataclass(frozen=True)
class Order:
    """How a list is sorted: what by, which way, and how the key's text in a cursor is read (ValueError: it can't be).

    `by` names a column or is an expression. A column that is never null is `required`, which lets an index serve it.
    """

    by: str | Combinable
    read: Callable[[Any], Any]
    descending: bool = True
    required: bool = False


def moment(value: Any) -> datetime:
    """Read a cursor's time."""
    at = datetime.fromisoformat(_as_text(value))
    if at.tzinfo is None or not 1 < at.year < 9999:
        raise ValueError
    return at.astimezone(UTC)


def number(value: Any) -> Decimal:
    """Read a cursor's figure."""
    try:
        found = Decimal(_as_text(value))
    except InvalidOperation as error:
        raise ValueError from error
    if not found.is_finite() or abs(found) > 10**18:
        raise ValueError
    return found


def page(
    rows: QuerySet[Any], order: Order, cursor: str | None, size: int, columns: tuple[str, ...]
) -> paging.Page[dict[str, Any]]:
    """Return one page as dictionaries of `columns` (with "id" among them); BadCursor for a damaged cursor."""
    at = _decoded(cursor, order) if cursor else None
    forward = at is None or at.forward
    found = _keyed(rows, order)
    if at is not None:
        found = found.filter(_beyond(order, at))
    fetched = list(found.order_by(*_ordering(order, forward=forward)).values(*columns, "sort_key")[: size + 1])
    more, shown = len(fetched) > size, fetched[:size]
    if not forward:
        shown.reverse()
    if not shown:
        return paging.Page(rows=[], older=None, newer=None)
    return paging.Page(
        rows=shown,
        older=_edge(shown[-1], forward=True) if more or not forward else None,
        newer=_edge(shown[0], forward=False) if (at is not None and forward) or (more and not forward) else None,
    )


def newer_than(rows: QuerySet[Any], order: Order, cursor: str) -> QuerySet[Any]:
    """Return the rows before a page's first row, in display order; BadCursor for a damaged cursor."""
    found: QuerySet[Any] = _keyed(rows, order).filter(_beyond(order, _decoded(cursor, order)))
    return found


def neighbours(rows: QuerySet[Any], order: Order, key: Any, id: UUID) -> tuple[UUID | None, UUID | None]:
    """Return the ids before and after the place that a row with this key and id has in the list, in it or not."""
    keyed = _keyed(rows, order)

    def nearest(*, forward: bool) -> UUID | None:
        beyond = keyed.filter(_beyond(order, paging.Cursor((key, id), forward)))
        found: UUID | None = beyond.order_by(*_ordering(order, forward=forward)).values_list("id", flat=True).first()
        return found

    return nearest(forward=False), nearest(forward=True)


def edge(row: dict[str, Any]) -> str:
    """Return the cursor of everything before this row."""
    return _edge(row, forward=False)


def _keyed(rows: QuerySet[Any], order: Order) -> QuerySet[Any]:
    found: QuerySet[Any] = rows.annotate(sort_key=F(order.by) if isinstance(order.by, str) else order.by)
    return found


def _ordering(order: Order, *, forward: bool) -> tuple[Any, Any]:
    falling = order.descending == forward
    key, id = F("sort_key"), F("id")
    if order.required:
        return (key.desc(), id.desc()) if falling else (key.asc(), id.asc())
    # Rows without the key come last when read forward, so first when read backward.
    last = {"nulls_last": True} if forward else {"nulls_first": True}
    return (key.desc(**last), id.desc()) if falling else (key.asc(**last), id.asc())


def _beyond(order: Order, at: paging.Cursor) -> Q:
    """Return the rows strictly after the cursor's row, in the direction the cursor reads."""
    value, id = at.key
    falling = order.descending == at.forward
    further = "lt" if falling else "gt"
    if value is None:
        same = Q(sort_key__isnull=True) & Q(**{f"id__{further}": id})
        return same if at.forward else same | Q(sort_key__isnull=False)
    found = Q(**{f"sort_key__{further}": value}) | (Q(sort_key=value) & Q(**{f"id__{further}": id}))
    if order.required:
        return Q(**{f"sort_key__{further}e": value}) & found
    return found | Q(sort_key__isnull=True) if at.forward else found


def _decoded(text: str, order: Order) -> paging.Cursor:
    cursor = paging.decode(text, 2)
    raw, id = cursor.key
    try:
        value = None if raw is None and not order.required else order.read(raw)
        return paging.Cursor((value, UUID(_as_text(id))), cursor.forward)
    except ValueError as error:
        raise paging.BadCursor("the page address does not fit this list: open the list again") from error


def _edge(row: dict[str, Any], *, forward: bool) -> str:
    value = row["sort_key"]
    return paging.encode(
        paging.Cursor((value.isoformat() if isinstance(value, datetime) else value, str(row["id"])), forward)
    )


def _as_text(value: Any) -> str:
    """Return a cursor's part as text; ValueError for what is neither text nor a plain number."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError
