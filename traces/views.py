"""The page of one trace, with its tree, waterfall and selected run."""

from collections.abc import Iterable, Mapping
from typing import Any, cast
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from lunary_dash.htmx import render_page, wants_partial
from projects.access import project_page
from projects.models import Project
from runs.lookup import find_run
from runs.models import Run
from traces import alive, queries
from traces.address import Address, uuids
from traces.find_views import panel_at_once
from traces.outline import Mark, branch, outline
from traces.queries import Trace
from traces.selected import selected
from traces.sieve import tally

MARKS = {mark.value: mark for mark in Mark}
SEEN = 2_000


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
    chosen = address.run if address.run in trace.forest else trace.head.id
    context = _tree(trace, address) | {
        "selected": chosen,
        "is_chosen": address.run == chosen,
        **_selected(project, chosen),
        "panel": panel_at_once(project, trace.forest, address),
    }
    return render_page(request, "traces/page.html", context)


@require_POST
@project_page()
def trace_alive(request: HttpRequest, project: Project, trace_id: UUID) -> HttpResponse:
    """Answer an open page that asks whether its trace has changed: 204, or the page anew with the rows it has.

    Nothing is written: what the reader sees is only too long for an address. `token` is that of the page's last
    answer, `rows` are the runs it shows, each with its marks (`traces.outline.Mark`) behind a dot.
    """
    now, state = timezone.now(), alive.state(project.pk, trace_id)
    if state is not None and alive.is_current(request.POST.get("token", ""), state, now):
        return HttpResponse(status=204)
    trace = queries.trace(project.pk, trace_id) if state is not None else None
    if trace is None or state is None:  # its parent came, and it is part of another trace now
        return HttpResponseClientRedirect(_elsewhere(project, str(trace_id))["Location"])
    address = Address.parse(request.GET)
    context = _tree(trace, address, state, _seen(request.POST.get("rows", "").split()))
    context |= {"selected": address.run or trace.head.id}
    return render_page(request, "traces/page.html", context)


def _tree(
    trace: Trace, address: Address, state: str = "", seen: Mapping[UUID, frozenset[Mark]] | None = None
) -> dict[str, Any]:
    """Return what the tree's template shows; without a `state` the page asks once what it has missed since."""
    now = timezone.now()
    pulse = alive.pulse(trace.forest, now, trace.head.received_at)
    shown = outline(trace.forest, address.ask(address.run, pulse.live_us(now)), seen)
    return {
        "trace": trace,
        "address": address,
        "outline": shown,
        "pulse": pulse,
        "live_ms": shown.took_ms if pulse.is_live else None,
        "token": pulse.token(state),
        "begun": address.begun(shown.top),
        "tally": tally(trace.forest),
    }


def _seen(texts: Iterable[str]) -> dict[UUID, frozenset[Mark]]:
    """Return the rows that a page says it shows, with what stands beside them; no page has more than SEEN."""
    found: dict[UUID, frozenset[Mark]] = {}
    for text in texts:
        run_id, _, marks = text.partition(".")
        for known in uuids([run_id]):
            found[known] = frozenset(MARKS[mark] for mark in marks if mark in MARKS)
        if len(found) >= SEEN:
            break
    return found


def _part(request: HttpRequest, project: Project, trace_id: UUID, address: Address) -> HttpResponse:
    """Answer htmx: the detail of a run, which reads nothing of the tree, or the lines of a list that is opened."""
    if cast(HtmxDetails, getattr(request, "htmx", None)).target == "detail":
        context: dict[str, Any] = {"address": address, "is_chosen": True}
        context |= _selected(project, address.run or queries.head_id(project.pk, trace_id))
        return render_page(request, "traces/page.html", context, partial="detail")
    forest = queries.forest(project.pk, trace_id)
    if forest is None:
        raise Http404("trace not found")
    now = timezone.now()
    lines = branch(forest, address.ask(address.run, alive.pulse(forest, now).live_us(now)))
    context = {"lines": lines, "address": address, "selected": address.run}
    return render_page(request, "traces/_lines.html", context)


def _selected(project: Project, run_id: UUID | None) -> Mapping[str, Any]:
    found = selected(project, run_id) if run_id else None
    if found is None:
        raise Http404("run not found")
    return found


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
