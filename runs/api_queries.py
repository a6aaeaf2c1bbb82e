"""What the data API reads about runs: lists by keyset or page, one run, a sub-tree, usage. Project first, always."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import DecimalField, F, Q, QuerySet, Value
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from runs import api_conditions, api_window, keyset
from runs.api_filters import Filters
from runs.api_window import Key, Part, Window
from runs.descendants import ids_beneath, messages_of
from runs.models import Message, Run
from runs.patience import patience

DEFAULT_LIMIT = 50
MOST_RELATED = 50_000
FAR = Decimal(10) ** 15
"""Beyond any duration, count or cost: where unknown values sort, so that they come last both ways."""

SEARCH_SECONDS = 20
SORTS = ("createdAt", "duration", "tokens", "cost", "messagesCount")


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


def patient(filters: Filters) -> AbstractContextManager[None]:
    """Return what bounds the time of a search in payloads: TooSlowError ends one that takes SEARCH_SECONDS."""
    return patience(SEARCH_SECONDS) if api_conditions.reads_bodies(filters) else nullcontext()


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


def part(runs: QuerySet[Run], wanted: Window) -> Part[Run]:
    """Return the wanted part of the list."""
    if wanted.sort == "createdAt":
        return api_window.part(runs, wanted, Key("started_at", keyset.moment))
    return api_window.part(runs, wanted, Key(_sort_key(wanted), keyset.number))


def _sort_key(wanted: Window) -> Any:
    columns = {"duration": "duration_ms", "cost": "cost", "tokens": "total_tokens"}
    if wanted.sort not in columns:
        return api_conditions.message_count()
    figure = DecimalField(max_digits=40, decimal_places=20)
    unknown = Value(-FAR if wanted.descending else FAR, output_field=figure)
    return Coalesce(Cast(F(columns[wanted.sort]), figure), unknown, output_field=figure)


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
