"""What the data API reads about end users. Costs are summed from the runs themselves, so they are exact at once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import DecimalField, Exists, OuterRef, Q, QuerySet, Subquery, Sum, TextField, Value
from django.db.models.functions import Cast, Coalesce

from runs import api_conditions, api_filters, api_window, conditions, keyset
from runs.api_filters import FilterError, Filters, Leaf
from runs.api_window import Key, Part, Window
from runs.models import EndUser, Run

CONTROLS = frozenset({"search", "startDate", "endDate"})
DEFAULT_LIMIT = 100
SORTS = ("lastSeen", "createdAt", "cost")
LEAST = Decimal(-1)  # below every cost: where users of unknown cost sort


@dataclass(frozen=True)
class Wanted:
    """Which users are asked for, in which order, and over which time their cost is summed."""

    window: Window
    search: str
    props: tuple[Leaf, ...]
    runs: Filters
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True)
class Row:
    """A user and what their runs cost in US dollars; None is unknown."""

    user: EndUser
    cost: Decimal | None


def read(filters: Filters) -> Wanted:
    """Return what an address asks for; raise FilterError for what can't be had."""
    props = tuple(leaf for leaf in filters.leaves if leaf.id == "user-props")
    return Wanted(
        window=api_window.read(filters.controls, SORTS, DEFAULT_LIMIT),
        search=filters.controls.get("search", ""),
        props=props,
        runs=replace(filters, leaves=tuple(leaf for leaf in filters.leaves if leaf not in props)),
        since=_moment("startDate", filters),
        until=_moment("endDate", filters),
    )


def _moment(name: str, filters: Filters) -> datetime | None:
    text = filters.controls.get(name, "")
    try:
        return api_filters.moment(text) if text else None
    except ValueError as error:
        raise FilterError(f"{name}: {error}") from error


def one(project_id: int, user_id: str) -> Row | None:
    """Return the user of that id, None where there is none."""
    user = EndUser.objects.filter(project_id=project_id, id=user_id.replace("\x00", "\ufffd")).first()
    return None if user is None else Row(user, _costs(project_id, [user.id], None, None).get(user.id))


def count(project_id: int, wanted: Wanted) -> int:
    """Return how many users fit."""
    return _matching(project_id, wanted).count()


def part(project_id: int, wanted: Wanted) -> Part[Any]:
    """Return the wanted part of the list as rows; raise lunary_dash.paging.BadCursor for a cursor of another list."""
    by: dict[str, Any] = {"createdAt": "first_seen", "lastSeen": "last_seen"}
    key = by.get(wanted.window.sort) or _sort_cost(project_id, wanted)
    read_edge = keyset.moment if isinstance(key, str) else keyset.number
    return api_window.part(_matching(project_id, wanted), wanted.window, Key(key, read_edge, read_identity=str))


def with_costs(project_id: int, wanted: Wanted, users: Sequence[EndUser]) -> list[Row]:
    """Return the users with what their runs cost in the time asked for."""
    costs = _costs(project_id, [user.id for user in users], wanted.since, wanted.until)
    return [Row(user, costs.get(user.id)) for user in users]


def _matching(project_id: int, wanted: Wanted) -> QuerySet[EndUser]:
    users = EndUser.objects.filter(project_id=project_id)
    for leaf in wanted.props:
        users = users.filter(api_conditions.with_props(*leaf.params))
    if wanted.search:
        about = Q(id__icontains=wanted.search) | Q(props_text__icontains=json.dumps(wanted.search)[1:-1])
        about |= Q(props_text__icontains=json.dumps(wanted.search, ensure_ascii=False)[1:-1])
        users = users.alias(props_text=Cast("props", TextField())).filter(about)
    if wanted.runs.leaves:
        runs = api_conditions.matching(project_id, wanted.runs).filter(user_id=OuterRef("id"), repeat_of=None)
        users = users.filter(Exists(runs))
    return users


def _billed(project_id: int, since: datetime | None, until: datetime | None) -> QuerySet[Run]:
    runs = conditions.of_project(project_id).filter(conditions.listed())
    if since is not None:
        runs = runs.filter(started_at__gte=since)
    return runs if until is None else runs.filter(started_at__lt=until)


def _costs(
    project_id: int, ids: Sequence[str], since: datetime | None, until: datetime | None
) -> dict[str, Decimal | None]:
    runs = _billed(project_id, since, until).filter(user_id__in=ids)
    return dict(runs.order_by().values_list("user_id").annotate(spent=Sum("cost")))


def _sort_cost(project_id: int, wanted: Wanted) -> Any:
    runs = _billed(project_id, wanted.since, wanted.until).filter(user_id=OuterRef("id")).order_by()
    spent = runs.values("user_id").annotate(spent=Sum("cost")).values("spent")
    return Coalesce(Subquery(spent), Value(LEAST), output_field=DecimalField())
