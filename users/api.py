"""The data API about end users (lunary-protocol.md §2.9.8). Lunary calls them external users."""

from typing import Annotated, Literal

from django.http import Http404, HttpRequest, HttpResponse
from msgspec import Meta

from projects.models import Project
from runs import api_filters, api_window, serial
from runs.api import FILTER_PARAMETERS
from runs.api_http import answer, query
from runs.openapi import Parameter, operation
from users import api_queries as users

LIST_PARAMETERS = (
    Parameter("search", str, "a part of the user's id or of a property"),
    Parameter("startDate", str, "cost: of runs from then on"),
    Parameter("endDate", str, "cost: of runs before then"),
    Parameter("sortField", Literal["createdAt", "lastSeen", "cost"], "lastSeen without one"),
    Parameter("sortDirection", str, "desc, or ascending for anything else"),
    Parameter("limit", Annotated[int, Meta(ge=1, le=api_window.MOST_ROWS)], "rows on a page, 100 without one"),
    Parameter("page", Annotated[int, Meta(ge=0)], f"page by number, up to row {api_window.DEEPEST_ROW}"),
    Parameter("cursor", str, "nextCursor of the page before"),
)


class ExternalUser(serial.User):
    """An end user with what their runs cost; null is unknown."""

    cost: serial.Money | None


class ExternalUsers(serial.Shape):
    """A part of the list of end users."""

    total: int
    page: int
    limit: int
    next_cursor: str | None
    data: list[ExternalUser]


@operation("List end users", ExternalUsers, (*LIST_PARAMETERS, *FILTER_PARAMETERS), refusals=(400,))
def list_users(request: HttpRequest, project: Project) -> HttpResponse:
    """Last seen first. Filters ask for users who have such a run; `user-props` and `search` are about the user."""
    wanted = users.read(api_filters.parse(query(request), users.CONTROLS))
    found = users.part(project.pk, wanted)
    return answer(
        ExternalUsers(
            total=users.count(project.pk, wanted),
            page=wanted.window.page,
            limit=wanted.window.limit,
            next_cursor=found.next_cursor,
            data=[_told(row) for row in users.with_costs(project.pk, wanted, found.rows)],
        )
    )


@operation("Read an end user", ExternalUser)
def read_user(request: HttpRequest, project: Project, user_id: str) -> HttpResponse:
    """Return the user with the cost of all their runs."""
    row = users.one(project.pk, user_id)
    if row is None:
        raise Http404("User not found")
    return answer(_told(row))


def _told(row: users.Row) -> ExternalUser:
    user = row.user
    return ExternalUser(
        id=user.id,
        external_id=user.id,
        created_at=serial.moment(user.first_seen),
        last_seen=serial.moment(user.last_seen),
        props=user.props,
        cost=serial.money(row.cost),
    )
