"""Lists of users, teams and organizations, and one user's page."""

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET

from lunary_dash.htmx import render_page
from lunary_dash.paging import BadCursor
from projects.access import Right, project_page
from projects.models import Project
from runs import rollups
from runs.overview_charts import Charts
from runs.overview_views import RANGES as PERIODS
from runs.overview_views import WORTH_SAYING, runs_address
from runs.periods import Period
from users import profile, queries
from users.address import BELOW, FILTERS, RANGES, Address
from users.queries import Level, Row, Sums

LIST = "users/user_list.html"
NAMES = {Level.USER: "Users", Level.TEAM: "Teams", Level.ORGANIZATION: "Organizations"}


@dataclass(frozen=True)
class Line:
    """A row with the addresses behind its name and figures."""

    row: Row
    open: str
    runs: str
    errors: str
    threads: str
    costs: str


@dataclass(frozen=True)
class Tab:
    """One level in the tabs above the list."""

    name: str
    link: str
    current: bool


@dataclass(frozen=True)
class Chip:
    """A team or organization that narrows the list, and the address without it."""

    label: str
    value: str
    without: str


@require_GET
@project_page(Right.READ)
def user_list(request: HttpRequest, project: Project) -> HttpResponse:
    """Show end users with what they cost."""
    return _groups(request, project, Level.USER)


@require_GET
@project_page(Right.READ)
def team_list(request: HttpRequest, project: Project) -> HttpResponse:
    """Show teams with what they cost."""
    return _groups(request, project, Level.TEAM)


@require_GET
@project_page(Right.READ)
def organization_list(request: HttpRequest, project: Project) -> HttpResponse:
    """Show organizations with what they cost."""
    return _groups(request, project, Level.ORGANIZATION)


@require_GET
@project_page(Right.READ)
def user_page(request: HttpRequest, project: Project, user_id: str) -> HttpResponse:
    """Show one end user: who they are, what they cost, and what they did last."""
    found = queries.find_person(project.pk, user_id)
    if found is None:
        raise Http404("no such user")
    period = Period.named(request.GET.get("range", "30d"))
    charts = Charts(period, profile.cells(project.pk, user_id, period), runs_address(project), {"user": user_id})
    context = {
        "project": project,
        "person": found,
        "period": period,
        "ranges": PERIODS,
        "sums": profile.sums(project.pk, user_id, period),
        "groups": profile.groups(project.pk, user_id, period),
        "charts": [charts.cost(), charts.runs()],
        "models": charts.models(),
        "recent": profile.recent(project.pk, user_id),
        "threads": profile.threads(project.pk, user_id),
        "traces": profile.traces(project.pk, user_id),
        "all_runs": charts.link(type="all"),
        "failed_runs": charts.link(type="all", status="error"),
        "threads_link": charts.link(type="thread"),
        "traces_link": charts.link(type="agent"),
    }
    return render_page(request, "users/user_page.html", context)


def _groups(request: HttpRequest, project: Project, level: Level) -> HttpResponse:
    address = Address.read(request, level)
    try:
        found = queries.groups(
            project.pk,
            level,
            address.within,
            search=address.search,
            sort=address.sort,
            cursor=request.GET.get("cursor"),
        )
    except BadCursor:
        return HttpResponseRedirect(address.list_link(project, level))
    behind = rollups.lag(project.pk)
    context = {
        "project": project,
        "address": address,
        "level": FILTERS[level],
        "title": NAMES[level],
        "ranges": RANGES,
        "tabs": [Tab(name, address.list_link(project, one), one is level) for one, name in NAMES.items()],
        "chips": [
            Chip(name, value or "unattributed", address.without(name).list_link(project, level))
            for name, value in address.narrowing.items()
        ],
        "found": found,
        "lines": [_line(project, address, row) for row in found.page.rows],
        "unattributed": _line(project, address, found.unattributed),
        "total": _total(project, address, found.total),
        "behind": behind if behind > WORTH_SAYING else None,
    }
    return render_page(request, LIST, context, partial=("table", "state"))


def _line(project: Project, address: Address, row: Row) -> Line:
    of_row = {FILTERS[address.level]: row.id}
    return Line(
        row,
        open=_opened(project, address, row),
        runs=address.runs_link(project, **of_row),
        errors=address.runs_link(project, **of_row, status="error"),
        threads=address.runs_link(project, **of_row | {"type": "thread"}),
        costs=address.runs_link(project, **of_row, sort="cost"),
    )


def _opened(project: Project, address: Address, row: Row) -> str:
    """Return where a row's name leads: a user's page, or the level below, narrowed to the group."""
    if address.level is Level.USER:
        page = reverse("user_page", args=[project.public_id, "x"])[:-1] + quote(row.id, safe="")  # any id at all
        return f"{page}?{urlencode({'range': address.range})}" if address.range in dict(PERIODS) else page
    return address.list_link(project, BELOW[address.level], **{FILTERS[address.level]: row.id})


def _total(project: Project, address: Address, sums: Sums) -> Line:
    return Line(
        Row("", sums, 1.0),
        open="",
        runs=address.runs_link(project),
        errors=address.runs_link(project, status="error"),
        threads=address.runs_link(project, type="thread"),
        costs=address.runs_link(project, sort="cost"),
    )
