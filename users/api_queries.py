"""What the data API reads about end users. Costs are summed from the runs themselves, so they are exact at once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum, TextField
from django.db.models.functions import Cast

from runs import api_conditions, api_filters, api_queries, api_window, conditions, keyset
from runs.api_filters import FilterError, Filters, Leaf
from runs.api_window import Key, Part, Window
from runs.models import EndUser, Run

CONTROLS = frozenset({"search", "startDate", "endDate"})
DEFAULT_LIMIT = 100
SORTS = ("lastSeen", "createdAt", "cost")


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
    if user is None:
        return None
    return Row(user, _costs(_billed(project_id, None, None).filter(user_id=user.id)).get(user.id))


def count(project_id: int, wanted: Wanted) -> int:
    """Return how many users fit."""
    return _matching(project_id, wanted).count()


def part(project_id: int, wanted: Wanted) -> Part[EndUser]:
    """Return the wanted part of the list; raise lunary_dash.paging.BadCursor for a cursor of another list."""
    users = _matching(project_id, wanted)
    if wanted.window.sort != "cost":
        column = {"createdAt": "first_seen", "lastSeen": "last_seen"}[wanted.window.sort]
        return api_window.part(users, wanted.window, Key(column, keyset.moment, read_identity=str))
    return _by_cost(project_id, wanted, users)


def _by_cost(project_id: int, wanted: Wanted, users: QuerySet[EndUser]) -> Part[EndUser]:
    """Return the part in order of cost, unknown last: all costs in one pass, as each user's own would cost far more."""
    unknown = -api_queries.FAR if wanted.window.descending else api_queries.FAR
    costs = _costs(_billed(project_id, wanted.since, wanted.until))
    known = ((costs.get(each), each) for each in users.values_list("id", flat=True))
    keys = [(unknown if cost is None else cost, each) for cost, each in known]
    keys.sort(reverse=wanted.window.descending)
    shown, cursor = api_window.part_of_sorted(keys, wanted.window, keyset.number)
    ids = [each for _, each in shown]
    found = {user.id: user for user in EndUser.objects.filter(project_id=project_id, id__in=ids)}
    return Part([found[each] for each in ids if each in found], cursor)


def with_costs(project_id: int, wanted: Wanted, users: Sequence[EndUser]) -> list[Row]:
    """Return the users with what their runs cost in the time asked for."""
    runs = _billed(project_id, wanted.since, wanted.until)
    costs = _costs(runs.filter(user_id__in=[user.id for user in users]))
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


def _costs(runs: QuerySet[Run]) -> dict[str | None, Decimal | None]:
    return dict(runs.order_by().values_list("user_id").annotate(spent=Sum("cost")))
