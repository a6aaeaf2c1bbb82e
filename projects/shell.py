"""What the frame around every page needs: where the person is, where they may go, and what wants attention."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from projects.access import RIGHTS, Right, Seat, seat
from projects.models import Account, Project, Theme

THEME_COOKIE = "theme"


@dataclass(frozen=True)
class Note:
    """A few words at the right of a navigation row: `text`, and how it is meant (ok, warn)."""

    text: str
    tone: str = "ok"


@dataclass(frozen=True)
class Place:
    """A row of the navigation. `views` are beginnings of URL names that light it up."""

    view: str
    label: str
    icon: str
    views: tuple[str, ...]
    right: Right = Right.READ


@dataclass(frozen=True)
class Row:
    """A place as one person sees it on one page."""

    label: str
    icon: str
    url: str
    active: bool
    note: Note | None = None


READING = (
    Place("project_home", "Overview", "layout-dashboard", ("project_home", "overview")),
    Place("run_list", "Runs", "rows-3", ("run_",)),
    Place("trace_list", "Traces", "list-tree", ("trace_",)),
    Place("thread_list", "Threads", "messages-square", ("thread_",)),
    Place("user_list", "Users", "users", ("user_", "team_", "organization_")),
)
RUNNING = (
    Place("ingest_health", "Ingest health", "activity", ("ingest_", "rejection_")),
    Place("project_settings", "Settings", "settings", ("project_settings", "project_connect", "project_key", "key_")),
)

# Apps above this one add what a row should say, by view name: `notes["ingest_health"] = held_events`.
notes: dict[str, Callable[[Project], Note | None]] = {}


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the frame's context; costs one query for the switcher and one per note."""
    context: dict[str, Any] = {"theme": theme_of(request)}
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return context
    taken = seat(request)
    context["projects"] = projects_of(user)
    context["seat"] = taken
    context["may"] = {right.value: taken is not None and taken.may(right) for right in Right}
    if taken is not None and taken.project is not None:
        context["navigation"] = _navigation(request, taken, taken.project)
    return context


def theme_of(request: HttpRequest) -> str:
    """Return auto, light or dark: the account's choice, else the browser's cookie, so the first paint is right."""
    user = getattr(request, "user", None)
    chosen = user.theme if user is not None and user.is_authenticated else request.COOKIES.get(THEME_COOKIE)
    return chosen if chosen in Theme.values else str(Theme.AUTO)


def server_address(request: HttpRequest) -> str:
    """Return the address people and SDKs reach this server at: PUBLIC_URL, else the one this request came to."""
    return str(settings.PUBLIC_URL) or request.build_absolute_uri(reverse("home")).rstrip("/")


def projects_of(account: Account) -> list[Project]:
    """Return the projects an account may read, by workspace, in one query."""
    readers = [role for role, rights in RIGHTS.items() if Right.READ in rights]
    mine = Project.objects.select_related("workspace").filter(
        workspace__memberships__account=account, workspace__memberships__role__in=readers
    )
    return list(mine.order_by("workspace__name", "workspace_id", "name", "pk"))


def _navigation(request: HttpRequest, taken: Seat, project: Project) -> list[list[Row]]:
    """Return the groups of rows the person may open; none where the role reads nothing."""
    groups = [[row for place in group if (row := _row(request, taken, project, place))] for group in (READING, RUNNING)]
    return [group for group in groups if group]


def _row(request: HttpRequest, taken: Seat, project: Project, place: Place) -> Row | None:
    if not taken.may(place.right):
        return None
    try:
        url = reverse(place.view, args=[project.public_id])
    except NoReverseMatch:
        return None
    here = request.resolver_match.url_name if request.resolver_match else ""
    note = notes.get(place.view)
    return Row(
        label=place.label,
        icon=place.icon,
        url=url,
        active=bool(here) and str(here).startswith(place.views),
        note=note(project) if note else None,
    )
