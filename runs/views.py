"""Pages of runs. A view speaks HTTP: it reads the address, asks one question, and picks the template."""

import base64
import binascii
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from lunary_dash import paging
from lunary_dash.htmx import render_page, wants_partial
from projects.access import Right, project_page
from projects.models import Project
from runs import bodies, deletion, feedback, listing, queries, tags
from runs.carried import FIELDS, whole
from runs.detail import detail
from runs.filters import Filters
from runs.models import Run
from runs.patience import TooSlowError, patience

LIST = "runs/run_list.html"
PAGE = "runs/run_page.html"
# What a page may show or play from inside a payload; anything else is a download.
SHOWN_MEDIA = frozenset(
    f"{kind}/{name}"
    for kind, names in {
        "image": ("png", "jpeg", "gif", "webp"),
        "audio": ("wav", "x-wav", "mp3", "mpeg", "ogg", "flac", "aac", "mp4", "webm"),
    }.items()
    for name in names
)


@require_GET
@project_page(Right.READ)
def run_list(request: HttpRequest, project: Project) -> HttpResponse:
    """Show runs with filters, figures and a table; htmx asks for the table or for one run's drawer."""
    if typed := listing.typed_address(request.GET):
        return HttpResponseRedirect(typed)
    filters = Filters.parse(request.GET, keep=listing.KEPT)
    peeked = _peeked(request, project)
    if peeked and _targets(request, "drawer"):
        return render_page(request, LIST, {"filters": filters, "detail": peeked}, partial="peek")
    context = {"filters": filters, "detail": peeked}
    if wants_partial(request):
        context |= listing.table(project, filters, request.GET.get("cursor"))
        return render_page(request, LIST, context, partial=("table", "state"))
    return render_page(request, LIST, context | listing.page(project, filters, request.GET))


@require_GET
@project_page(Right.READ)
def run_facets(request: HttpRequest, project: Project) -> HttpResponse:
    """Return the filter groups with their counts, for the list that the address describes."""
    filters = Filters.parse(request.GET, keep=listing.KEPT)
    return render_page(request, "runs/facets.html", listing.facet_context(project, filters, request.GET))


@require_GET
@project_page(Right.READ)
def run_figures(request: HttpRequest, project: Project) -> HttpResponse:
    """Return the figures above the list, where counting them may take longer than a page should."""
    filters = Filters.parse(request.GET, keep=listing.KEPT)
    return render_page(request, "runs/figures.html", {"filters": filters, **listing.figure_context(project, filters)})


@require_GET
@project_page(Right.READ)
def run_news(request: HttpRequest, project: Project) -> HttpResponse:
    """Return how many runs have come since the page was made: a link that shows them, or nothing."""
    filters = Filters.parse(request.GET, keep=listing.KEPT)
    try:
        with patience(2):
            count = queries.newer_count(project.pk, filters, request.GET.get("first", ""))
    except (paging.BadCursor, TooSlowError):
        count = 0
    return render_page(request, "runs/news.html", {"filters": filters, "count": count, "project": project})


@require_GET
@project_page(Right.READ)
def run_page(request: HttpRequest, project: Project, run_id: str) -> HttpResponse:
    """Show one run, named by any form of its id; other forms than the stored one lead to its own address."""
    run = queries.find_run(project.pk, run_id)
    if run is None:
        return render_page(request, "runs/not_found.html", {"looked_for": run_id[:200], "project": project}, status=404)
    if run_id != str(run.id):
        query = request.META.get("QUERY_STRING", "")
        return HttpResponseRedirect(_page_of(project, run.id) + (f"?{query}" if query else ""))
    return render_page(request, PAGE, {"detail": detail(project, run)})


@require_GET
@project_page(Right.READ)
def run_raw(request: HttpRequest, project: Project, run_id: UUID, field: str) -> HttpResponseBase:
    """Return one field of what was sent, whole and byte for byte: as text, or with ?download=1 as a file."""
    pieces = whole(project.pk, run_id, field) if field in FIELDS else None
    if pieces is None:
        raise Http404("the run carries no such field")
    saved = request.GET.get("download") == "1"
    response = StreamingHttpResponse(pieces, content_type="application/json" if saved else "text/plain; charset=utf-8")
    return _sealed(response, f"{run_id}-{field}.json" if saved else "")


@require_GET
@project_page(Right.READ)
def run_media(request: HttpRequest, project: Project, run_id: UUID, field: str, number: int) -> HttpResponseBase:
    """Return an image or a recording from inside an input or output; anything but known media is a file."""
    pieces = whole(project.pk, run_id, field) if field in ("input", "output") else None
    found = bodies.media("".join(pieces), number) if pieces is not None else None
    if found is None:
        raise Http404("the run carries no such media")
    try:
        content = base64.b64decode(found.data, validate=False)
    except (binascii.Error, ValueError):
        raise Http404("the media are damaged") from None
    kind = found.type.lower()
    shown = kind in SHOWN_MEDIA
    response = HttpResponse(content, content_type=kind if shown else "application/octet-stream")
    return _sealed(response, "" if shown else f"{run_id}-{field}-{number}")


@require_POST
@project_page(Right.WRITE)
def run_feedback(request: HttpRequest, project: Project, run_id: UUID) -> HttpResponseBase:
    """Set or take back the thumb (up, down, empty) or the comment of a run."""
    run = _run(project, run_id)
    given = feedback.read_form(request.POST)
    feedback.give(project.pk, run.id, given, timezone.now())
    return _changed(request, project, run, "feedback")


@require_POST
@project_page(Right.WRITE)
def run_tags(request: HttpRequest, project: Project, run_id: UUID) -> HttpResponseBase:
    """Replace the run's tags with those written in the form, separated by commas."""
    run = _run(project, run_id)
    tags.replace(run, tags.read_form(request.POST.get("tags", "")))
    return _changed(request, project, run, "tags")


@require_POST
@project_page(Right.WRITE)
def run_delete(request: HttpRequest, project: Project, run_id: UUID) -> HttpResponseBase:
    """Delete the run and everything beneath it."""
    removed = deletion.delete_run(project.pk, run_id)
    if not removed:
        raise Http404("the run is not there any more")
    messages.success(request, "The run was deleted." if removed == 1 else f"{removed} runs were deleted.")
    return HttpResponseRedirect(reverse("run_list", args=[project.public_id]))


def _peeked(request: HttpRequest, project: Project) -> Any:
    """Return the detail of the run in ?peek=, None where there is none."""
    text = request.GET.get("peek", "")
    run = queries.find_run(project.pk, text) if text else None
    return detail(project, run) if run else None


def _targets(request: HttpRequest, element: str) -> bool:
    return wants_partial(request) and request.headers.get("HX-Target") == element


def _run(project: Project, run_id: UUID) -> Run:
    run = Run.objects.filter(project_id=project.pk, id=run_id).first()
    if run is None:
        raise Http404("the run is not there any more")
    return run


def _changed(request: HttpRequest, project: Project, run: Run, part: str) -> HttpResponseBase:
    """Return the changed part for htmx, else lead back to where the form was."""
    if wants_partial(request):
        return render_page(request, f"runs/_{part}.html", {"detail": detail(project, run)})
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        back = _page_of(project, run.id)
    return HttpResponseRedirect(back)


def _page_of(project: Project, run_id: UUID) -> str:
    return reverse("run_page", args=[project.public_id, run_id])


def _sealed(response: HttpResponseBase, filename: str) -> HttpResponseBase:
    """Return what a client sent so that no browser runs it: no sniffing, no scripts, a file where it has a name."""
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    if filename:
        response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response
