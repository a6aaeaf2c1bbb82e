"""What the data API reads about runs: lists by keyset or page, one run, a sub-tree, usage. Project first, always."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import DecimalField, F, Q, QuerySet, Value
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from lunary_dash import paging
from runs import api_conditions
from runs.api_filters import FilterError, Filters
from runs.descendants import ids_beneath, messages_of
from runs.models import Message, Run

DEFAULT_LIMIT = 50
MOST_ROWS = 1_000
DEEPEST_ROW = 10_000
MOST_RELATED = 50_000
FAR = 10**15  # beyond any duration, count or cost: where unknown values sort, so that they come last both ways
SORTS = ("createdAt", "duration", "tokens", "cost", "messagesCount")


@dataclass(frozen=True)
class Window:
    """Which part of a list is wanted: a page by number, or what follows a cursor; and in which order."""

    limit: int = DEFAULT_LIMIT
    page: int = 0
    cursor: str | None = None
    sort: str = "createdAt"
    descending: bool = True


@dataclass(frozen=True)
class Part:
    """A part of a list, with the cursor of what follows (None: nothing does)."""

    runs: list[Run]
    next_cursor: str | None


def window(controls: dict[str, str], sorts: Iterable[str] = SORTS) -> Window:
    """Return the part of a list that an address asks for; raise FilterError for one that can't be had."""
    limit = _whole("limit", controls.get("limit", ""), DEFAULT_LIMIT, least=1, most=MOST_ROWS)
    page = _whole("page", controls.get("page", ""), 0, least=0, most=10**9)
    cursor = controls.get("cursor") or None
    if cursor is None and page * limit > DEEPEST_ROW:
        raise FilterError(
            f"pages by number end at row {DEEPEST_ROW}: go on with cursor=<nextCursor of the answer before>"
        )
    sort = controls.get("sortField", "createdAt")
    if sort not in sorts:
        raise FilterError(f"sortField is one of {', '.join(sorts)}")
    descending = controls.get("sortDirection", "" if "sortField" in controls else "desc") == "desc"
    return Window(limit, page, cursor, sort, descending)


def _whole(name: str, text: str, default: int, least: int, most: int) -> int:
    if not text:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else -1
    if not least <= number <= most:
        raise FilterError(f"{name} is a whole number from {least} to {most}")
    return number


def matching(project_id: int, filters: Filters, parent: Run | UUID | None = None) -> QuerySet[Run]:
    """Return the runs an address asks for; a parent alone asks for children of every type.

    Runs that report the same call as another run are left out unless the address says `repeats=1`.
    """
    if parent is not None and not filters.leaves:
        runs = api_conditions.every_run(project_id).exclude(type=api_conditions.UNLISTED)
    else:
        runs = api_conditions.matching(project_id, filters)
    if parent is not None:
        runs = runs.filter(_beneath(project_id, parent))
    return runs if filters.controls.get("repeats") in ("1", "true") else runs.filter(repeat_of=None)


def _beneath(project_id: int, parent: Run | UUID) -> Q:
    """Return the children of a run; those of a chat hang on its messages, those of a thread are its chats."""
    if isinstance(parent, UUID):
        return Q(parent_id=parent)
    if parent.type == "thread":
        return Q(parent_id=parent.id) | Q(thread_id=parent.id, type__in=("chat", "custom-event"))
    if parent.type == "chat":
        messages = Message.objects.filter(project_id=project_id, thread_id=parent.thread_id, chat_id=parent.id)
        return Q(parent_id=parent.id) | Q(parent_id__in=messages.values("id"))
    return Q(parent_id=parent.id)


def part(runs: QuerySet[Run], wanted: Window) -> Part:
    """Return the wanted part of the list; raise lunary_dash.paging.BadCursor for a cursor of another list."""
    column, direction = "started_at", "-" if wanted.descending else ""
    if wanted.sort != "createdAt":
        column, runs = "sort_key", runs.annotate(sort_key=_sort_key(wanted))
    if wanted.cursor is not None:
        runs = runs.filter(_after(wanted, column))
    first = 0 if wanted.cursor is not None else wanted.page * wanted.limit
    rows = list(runs.order_by(f"{direction}{column}", f"{direction}id")[first : first + wanted.limit + 1])
    more = len(rows) > wanted.limit
    rows = rows[: wanted.limit]
    return Part(rows, _cursor(wanted, rows[-1], column) if more else None)


def _sort_key(wanted: Window) -> Any:
    unknown = Value(Decimal(-FAR if wanted.descending else FAR), output_field=DecimalField())
    columns: dict[str, Any] = {"duration": F("duration_ms"), "cost": F("cost"), "tokens": F("total_tokens")}
    known = columns.get(wanted.sort)
    if known is None:
        return api_conditions.message_count()
    return Coalesce(Cast(known, DecimalField()), unknown, output_field=DecimalField())


def _order_name(wanted: Window) -> str:
    return f"{'-' if wanted.descending else ''}{wanted.sort}"


def _cursor(wanted: Window, last: Run, column: str) -> str:
    value = getattr(last, column)
    edge = value.isoformat() if isinstance(value, datetime) else str(value)
    return paging.encode(paging.Cursor((_order_name(wanted), edge, str(last.id))))


def _after(wanted: Window, column: str) -> Q:
    """Return what follows the cursor. The plain bound beside the exact one lets the index find where to begin."""
    order, edge, run_id = paging.decode(wanted.cursor or "", 3).key
    if order != _order_name(wanted):
        raise paging.BadCursor("the cursor belongs to a list in another order: open the list again")
    try:
        value = datetime.fromisoformat(edge) if column == "started_at" else Decimal(edge)
        identity = UUID(run_id)
    except (ValueError, TypeError, AttributeError, InvalidOperation) as error:
        raise paging.BadCursor("the cursor is damaged: open the list again") from error
    beyond, bound = ("lt", "lte") if wanted.descending else ("gt", "gte")
    exact = Q(**{f"{column}__{beyond}": value}) | Q(**{column: value, f"id__{beyond}": identity})
    return Q(**{f"{column}__{bound}": value}) & exact


def related(run: Run) -> list[Run]:
    """Return the run and all its descendants, spans too, in order of time; the first MOST_RELATED of them."""
    ids = ids_beneath(run, messages_of(run), MOST_RELATED)
    found = {each.id: each for each in Run.objects.filter(project_id=run.project_id, id__in=ids)}
    return [found[each] for each in ids if each in found]


@dataclass(frozen=True)
class UsageRow:
    """Sums over runs of one name and type, of one UTC day where days were asked for."""

    name: str | None
    type: str
    completion_tokens: int
    prompt_tokens: int
    cost: Decimal | None
    errors: int
    success: int
    day: datetime | None


# Calls counted twice by two instrumentations and plain spans are no usage.
USAGE = """
SELECT name, type, COALESCE(sum(output_tokens), 0), COALESCE(sum(input_tokens), 0), sum(cost),
       count(*) FILTER (WHERE status = 'error'), count(*) FILTER (WHERE status = 'success'), {day} AS day
FROM runs_run
WHERE project_id = %(project)s AND started_at >= %(since)s AND type <> 'span' AND repeat_of IS NULL {user}
GROUP BY name, type, day ORDER BY day, type, name
"""


def usage(project_id: int, days: int, user_id: str | None = None, *, daily: bool = False) -> list[UsageRow]:
    """Return what the last `days` used, by name and type, and by UTC day when `daily`."""
    since = timezone.now().astimezone(UTC) - timedelta(days=days)
    statement = USAGE.format(
        day="date_trunc('day', started_at, 'UTC')" if daily else "NULL::timestamptz",
        user="" if user_id is None else "AND user_id = %(user)s",
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, {"project": project_id, "since": since, "user": user_id})
        return [UsageRow(*row) for row in cursor.fetchall()]
