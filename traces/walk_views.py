"""Walking from trace to trace in the order of the list that they were opened from."""

from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET

from lunary_dash.htmx import render_page
from projects.access import project_page
from projects.models import Project
from runs.patience import TooSlowError, patience
from traces import lists
from traces.address import LONGEST_ORIGIN
from traces.filters import TraceFilters

SECONDS: Final = 2.0
EVERYTHING: Final = "range=all"
"""The list of a trace that was opened from none."""
ENDS: Final = {"previous": "This is the first trace of the list.", "next": "This is the last trace of the list."}
VIEWS: Final = {"transcript": "trace_transcript", "findings": "trace_findings"}


@require_GET
@project_page()
def trace_neighbours(request: HttpRequest, project: Project, trace_id: UUID) -> HttpResponse:
    """Return the links to the traces beside this one in the list that `list`, a query string, describes.

    `view` is the view that they lead to. Links lead to `trace_neighbour` where looking takes too long.
    """
    context: dict[str, object] = {"trace_id": trace_id, "project": project, "view": request.GET.get("view", "")}
    try:
        with patience(SECONDS):
            previous, following = _neighbours(request, project, trace_id)
    except TooSlowError:
        return render_page(request, "traces/_walk.html", context)
    context |= {
        "known": True,
        "previous": _page(request, project, previous),
        "next": _page(request, project, following),
    }
    return render_page(request, "traces/_walk.html", context)


@require_GET
@project_page()
def trace_neighbour(request: HttpRequest, project: Project, trace_id: UUID, side: str) -> HttpResponse:
    """Lead to the trace before or after this one in its list, at the list's end back to the trace itself."""
    if side not in ENDS:
        raise Http404("there is no such side")
    try:
        with patience(SECONDS):
            previous, following = _neighbours(request, project, trace_id)
    except TooSlowError:
        messages.warning(request, "Looking for the next trace takes too long with these filters.")
        return redirect(_page(request, project, trace_id) or "")
    found = _page(request, project, previous if side == "previous" else following)
    if found is None:
        messages.info(request, ENDS[side])
    return redirect(found or _page(request, project, trace_id) or "")


def _neighbours(request: HttpRequest, project: Project, trace_id: UUID) -> tuple[UUID | None, UUID | None]:
    filters = TraceFilters.parse(QueryDict(_origin(request) or EVERYTHING))
    return lists.neighbours(project.pk, filters, trace_id)


def _page(request: HttpRequest, project: Project, trace_id: UUID | None) -> str | None:
    """Return the address of a trace in the same view, which keeps the list."""
    if trace_id is None:
        return None
    view = request.GET.get("view", "")
    page = reverse(VIEWS.get(view, "trace_page"), args=[project.public_id, trace_id])
    origin = _origin(request)
    return f"{page}?{urlencode({'list': origin})}" if origin else page


def _origin(request: HttpRequest) -> str:
    return request.GET.get("list", "")[:LONGEST_ORIGIN]
