"""The list of traces, and the filter groups beside it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from lunary_dash.htmx import render_page
from lunary_dash.paging import BadCursor, Page
from projects.access import project_page
from projects.models import Project
from runs.figures import figures
from runs.histogram import histogram
from runs.listing import Heading, facet_context, heading_of, typed_address
from runs.patience import TooSlowError, patience
from traces import listing, lists, summaries
from traces.fields import KINDS
from traces.filters import TraceFilters
from traces.lists import TraceLine, TraceSort

TABS = (("all", "All", ""), ("agent", "Agents", "bot"), ("chain", "Chains", "workflow"))
COLUMNS = {  # what a column is called → what it sorts by, and its classes
    "Started": ("time", ""),
    "Name": ("", ""),
    "Status": ("", ""),
    "End user": ("", ""),
    "Team": ("", "mid"),
    "Tags": ("", "low"),
    "Duration": ("duration", "num"),
    "Runs": ("runs", "num mid"),
    "Errors": ("errors", "num"),
    "Σ Tokens": ("tokens", "num mid"),
    "Σ Cost": ("cost", "num"),
}
WORTH_SAYING = timedelta(seconds=5)
"""How old totals may be before a list that is sorted or filtered by them says so."""


@require_GET
@project_page()
def trace_list(request: HttpRequest, project: Project) -> HttpResponse:
    """Show the topmost agents and chains with the sums of their traces; `root=missing`: those without a root yet."""
    if typed := typed_address(request.GET, TraceFilters, keep=("facets",)):
        return redirect(f"{request.path}{typed}")
    filters = TraceFilters.parse(request.GET, keep=("facets",))
    context: dict[str, Any] = {"project": project, "filters": filters, "ranges": listing.ranges(filters)}
    context |= _table(project, filters, request.GET.get("cursor"))
    context |= {"late_facets": "facets" not in request.GET, "phone_filters": len(filters.chips)}
    context |= {"suggested": dict.fromkeys(KINDS, ()), "tabs": _tabs(filters, {})}
    context |= {} if context["unrooted"] else _figures(project, filters)
    context |= _facets(request, project, filters) if "facets" in request.GET else {}
    return render_page(request, "traces/list.html", context)


@require_GET
@project_page()
def trace_facets(request: HttpRequest, project: Project) -> HttpResponse:
    """Return the filter groups with their counts, for the list that the address describes."""
    filters = TraceFilters.parse(request.GET, keep=("facets",))
    return render_page(request, "traces/facets.html", _facets(request, project, filters))


def _facets(request: HttpRequest, project: Project, filters: TraceFilters) -> dict[str, Any]:
    """Return the groups, and what the form beside them suggests."""
    found = facet_context(project, filters, request.GET)
    return found | {"suggested": lists.suggestions(project.pk, filters)}


def _table(project: Project, filters: TraceFilters, cursor: str | None) -> dict[str, Any]:
    """Return one page of the list; a damaged cursor or a slow search is said instead."""
    unrooted = filters.choice("root") == "missing"
    sort = TraceSort.of(filters)
    empty: Page[TraceLine] = Page(rows=[], older=None, newer=None)
    context: dict[str, Any] = {"page": empty, "unrooted": unrooted, "headings": _headings(filters, sort)}
    try:
        with patience(listing.TABLE_SECONDS):
            if unrooted:
                found = Page(rows=lists.unrooted(project.pk, filters), older=None, newer=None)
            else:
                found = lists.traces(project.pk, filters, cursor)
            if not found.rows and not unrooted:
                context |= listing.emptiness(project, filters)
            if not unrooted and (filters.asks_summaries or sort.key != "time"):
                behind = summaries.MARKS.lag(project.pk)
                context["behind"] = behind if behind > WORTH_SAYING else None
            return context | {"page": found}
    except BadCursor as damaged:
        return context | {"refused": str(damaged)}
    except TooSlowError:
        return context | {"refused": listing.TOO_SLOW}


def _headings(filters: TraceFilters, sort: TraceSort) -> list[Heading]:
    """Return the columns; traces without a root are always the newest first."""
    fixed = filters.choice("root") == "missing"
    return [heading_of(filters, sort, label, "" if fixed else key, css) for label, (key, css) in COLUMNS.items()]


def _figures(project: Project, filters: TraceFilters) -> dict[str, Any]:
    """Return the histogram, the total and the tabs' counts; without them where counting takes too long."""
    try:
        with patience(listing.FIGURE_SECONDS):
            found = figures(project.pk, filters)
            counts = lists.counts(project.pk, filters)
    except TooSlowError:
        return {}
    return {"histogram": histogram(found, filters), "total": found.total, "tabs": _tabs(filters, counts)}


def _tabs(filters: TraceFilters, counts: Mapping[str, int]) -> list[listing.Choice]:
    unrooted = filters.choice("root") == "missing"
    tabs = [
        listing.Choice(
            label,
            not unrooted and filters.type == kind,
            filters.query(drop=("root",), type=None if kind == "all" else kind),
            icon,
            counts.get(kind),
        )
        for kind, label, icon in TABS
    ]
    missing = filters.query(type=None, root="missing")
    return [*tabs, listing.Choice("Root not received yet", unrooted, missing, "circle-dashed")]
