"""The list of conversations, and the filter groups beside it."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from lunary_dash.htmx import render_page
from lunary_dash.paging import BadCursor, Page
from projects.access import project_page
from projects.models import Project
from runs.listing import FACET_SECONDS, Heading, heading_of, typed_address
from runs.patience import TooSlowError, patience
from traces import listing, thread_list
from traces.filters import ThreadFilters
from traces.list_views import WORTH_SAYING
from traces.thread_list import ThreadLine
from traces.thread_summaries import MARKS

COLUMNS: Final = (
    *(("Last activity", "time", ""), ("First message", "first", ""), ("Signals", "signals", "thread-signals")),
    *(("Turns", "exchanges", "num"), ("Messages", "messages", "num broad"), ("End user", "user", "")),
    *(("Team", "team", "broad"), ("Organization", "organization", "wide"), ("Tags", "tags", "wide")),
    *(("Started", "started", "wide"), ("Duration", "duration", "num mid"), ("Σ Tokens", "tokens", "num broad")),
    *(("Σ Cost", "cost", "num"), ("Feedback", "feedback", "")),
)


@require_GET
@project_page()
def thread_list_page(request: HttpRequest, project: Project) -> HttpResponse:
    """Show conversations, those with the latest activity first."""
    if typed := typed_address(request.GET, ThreadFilters, keep=("facets",)):
        return redirect(f"{request.path}{typed}")
    filters = ThreadFilters.parse(request.GET, keep=("facets",))
    context: dict[str, Any] = {"project": project, "filters": filters, "ranges": listing.ranges(filters)}
    context |= {"late_facets": "facets" not in request.GET, "phone_filters": len(filters.chips)}
    context |= _table(project, filters, request.GET.get("cursor"))
    if "facets" in request.GET:
        context |= _facets(request, project, filters)
    return render_page(request, "threads/list.html", context)


@require_GET
@project_page()
def thread_facets(request: HttpRequest, project: Project) -> HttpResponse:
    """Return the filter groups with their counts, for the list that the address describes."""
    filters = ThreadFilters.parse(request.GET, keep=("facets",))
    return render_page(request, "threads/facets.html", _facets(request, project, filters))


def _table(project: Project, filters: ThreadFilters, cursor: str | None) -> dict[str, Any]:
    """Return one page of the list; a damaged cursor or a slow search is said instead."""
    empty: Page[ThreadLine] = Page(rows=[], older=None, newer=None)
    context: dict[str, Any] = {"page": empty, "headings": _headings(filters)}
    try:
        with patience(listing.TABLE_SECONDS):
            found = thread_list.threads(project.pk, filters, cursor)
            if not found.rows:
                context |= listing.emptiness(project, filters)
            if thread_list.asks_summaries(filters):
                behind = MARKS.lag(project.pk)
                context["behind"] = behind if behind > WORTH_SAYING else None
            return context | {"page": found}
    except BadCursor as damaged:
        return context | {"refused": str(damaged)}
    except TooSlowError:
        return context | {"refused": listing.TOO_SLOW}


def _headings(filters: ThreadFilters) -> list[Heading]:
    sort = thread_list.sort_of(filters)
    return [heading_of(filters, sort, label, key, css) for label, key, css in COLUMNS]


def _facets(request: HttpRequest, project: Project, filters: ThreadFilters) -> dict[str, Any]:
    """Return the groups; without them where counting takes too long."""
    context: dict[str, Any] = {"project": project, "filters": filters}
    try:
        with patience(FACET_SECONDS):
            found = thread_list.groups(project.pk, filters, wide=request.GET.get("facets", ""))
            return context | {"facets": found, "facets_too_slow": False}
    except TooSlowError:
        return context | {"facets": [], "facets_too_slow": True}
