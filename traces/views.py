"""The trace pages: the list of traces, and one trace with its tree, waterfall and selected run."""

from typing import Any, cast
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET
from django_htmx.middleware import HtmxDetails

from lunary_dash.htmx import render_page, wants_partial
from lunary_dash.paging import BadCursor, Page
from projects.access import project_page
from projects.models import Project
from runs.detail import Detail, detail
from runs.lookup import find_run
from runs.models import Run
from runs.patience import TooSlowError, patience
from traces import listing, queries
from traces.address import Address, uuids
from traces.filters import TraceFilters
from traces.outline import branch, outline

TABS = (("all", "All", ""), ("agent", "Agents", "bot"), ("chain", "Chains", "workflow"))


@require_GET
@project_page()
def trace_list(request: HttpRequest, project: Project) -> HttpResponse:
    """Show the topmost agents and chains with the sums of their traces; `root=missing`: those without a root yet."""
    if typed := listing.typed_address(request.GET, TraceFilters):
        return redirect(f"{request.path}{typed}")
    filters = TraceFilters.parse(request.GET)
    context = {"project": project, "filters": filters, "tabs": _tabs(filters), "ranges": listing.ranges(filters)}
    context |= _table(project, filters, request.GET.get("cursor"))
    if not wants_partial(request) and not context["unrooted"]:
        context |= listing.volume(project, filters)
    return render_page(request, "traces/list.html", context, partial=("results", "state"))


def _table(project: Project, filters: TraceFilters, cursor: str | None) -> dict[str, Any]:
    """Return one page of the list; a damaged cursor or a slow search is said instead."""
    unrooted = filters.choice("root") == "missing"
    empty: Page[queries.TraceLine] = Page(rows=[], older=None, newer=None)
    context: dict[str, Any] = {"page": empty, "unrooted": unrooted}
    try:
        with patience(listing.TABLE_SECONDS):
            if unrooted:
                found = Page(rows=queries.unrooted(project.pk, filters), older=None, newer=None)
            else:
                found = queries.traces(project.pk, filters, cursor)
            if not found.rows and not unrooted:
                context |= listing.emptiness(project, filters)
            return context | {"page": found}
    except BadCursor as damaged:
        return context | {"refused": str(damaged)}
    except TooSlowError:
        return context | {"refused": listing.TOO_SLOW}


def _tabs(filters: TraceFilters) -> list[listing.Choice]:
    unrooted = filters.choice("root") == "missing"
    tabs = [
        listing.Choice(
            label,
            not unrooted and filters.type == kind,
            filters.query(drop=("root",), type=None if kind == "all" else kind),
            icon,
        )
        for kind, label, icon in TABS
    ]
    missing = filters.query(type=None, root="missing")
    return [*tabs, listing.Choice("Root not received yet", unrooted, missing, "circle-dashed")]


@require_GET
@project_page()
def trace_page(request: HttpRequest, project: Project, trace_id: str) -> HttpResponse:
    """Show a trace; `trace_id` may be any id in any form, which leads to the trace that the run is in."""
    address = Address.parse(request.GET)
    known = next(uuids([trace_id]), None)
    if wants_partial(request) and known:
        return _part(request, project, known, address)
    trace = queries.trace(project.pk, known) if known else None
    if trace is None:
        return _elsewhere(project, trace_id)
    selected = address.run if address.run in trace.forest else trace.head.id
    context = {
        "trace": trace,
        "address": address,
        "outline": outline(trace.forest, address.ask(address.run)),
        "selected": selected,
        "is_chosen": address.run == selected,
        "detail": _detail(project, selected),
    }
    return render_page(request, "traces/page.html", context)


def _part(request: HttpRequest, project: Project, trace_id: UUID, address: Address) -> HttpResponse:
    """Answer htmx: the detail of a run, which reads nothing of the tree, or the lines of a list that is opened."""
    if cast(HtmxDetails, getattr(request, "htmx", None)).target == "detail":
        context: dict[str, Any] = {"detail": _detail(project, address.run or queries.head_id(project.pk, trace_id))}
        context |= {"address": address, "is_chosen": True}
        return render_page(request, "traces/page.html", context, partial="detail")
    forest = queries.forest(project.pk, trace_id)
    if forest is None:
        raise Http404("trace not found")
    lines = branch(forest, address.ask(None))
    context = {"lines": lines, "address": address, "selected": address.run}
    return render_page(request, "traces/_lines.html", context)


def _detail(project: Project, run_id: UUID | None) -> Detail:
    run = find_run(project.pk, str(run_id)) if run_id else None
    if run is None:
        raise Http404("run not found")
    return detail(project, run)


def _elsewhere(project: Project, text: str) -> HttpResponse:
    """Lead from any id to the page that shows what it names."""
    run = find_run(project.pk, text)
    if run is None:
        raise Http404("trace not found")
    return redirect(address_of(project, run))


def address_of(project: Project, run: Run) -> str:
    """Return where a run is shown in its context: its trace, else its thread, else by itself."""
    if run.trace_id:
        page = reverse("trace_page", args=[project.public_id, run.trace_id])
        return page if run.trace_id == run.id else f"{page}?run={run.id}"
    if run.thread_id:
        return reverse("thread_page", args=[project.public_id, run.thread_id])
    return reverse("run_page", args=[project.public_id, run.id])
