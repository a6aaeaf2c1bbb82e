"""The page of one trace, with its tree, waterfall and selected run."""

from typing import Any, cast
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET
from django_htmx.middleware import HtmxDetails

from lunary_dash.htmx import render_page, wants_partial
from projects.access import project_page
from projects.models import Project
from runs.detail import Detail, detail
from runs.lookup import find_run
from runs.models import Run
from traces import queries
from traces.address import Address, uuids
from traces.outline import branch, outline


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
