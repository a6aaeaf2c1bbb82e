"""Downloads of conversations: one as Markdown, JSON or JSONL, and a filtered list of them as JSONL."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import get_script_prefix, reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from lunary_dash.htmx import render_page
from projects.access import Right, project_page
from projects.models import Project
from projects.shell import server_address
from runs import serial
from runs.api_http import place
from runs.models import Run
from runs.patience import TooSlowError, patience
from traces import listing, thread_export
from traces.address import uuids
from traces.filters import ThreadFilters
from traces.thread_export import Origin

HELD: Final = 256 * 1024 * 1024
"""Bytes up to which a page's script may hold a download; larger ones are left to the browser."""
JSONL: Final = "application/jsonl; charset=utf-8"
Found = TypeVar("Found")


@require_GET
@project_page(Right.READ)
def thread_markdown(request: HttpRequest, project: Project, thread_id: UUID) -> HttpResponseBase:
    """Return the thread as a Markdown file."""
    run = _known(project, thread_id)
    content = thread_export.as_markdown(_origin(request, project), run)
    return _file(content, "text/markdown; charset=utf-8", thread_export.file_name(project.pk, run, ".md"))


@require_GET
@project_page(Right.READ)
def thread_json(request: HttpRequest, project: Project, thread_id: UUID) -> HttpResponseBase:
    """Return the thread as a file with what `GET /v1/threads/{id}` answers."""
    run = _known(project, thread_id)
    content = thread_export.as_json(_origin(request, project), run)
    return _file(content, "application/json", thread_export.file_name(project.pk, run, ".json"))


@require_GET
@project_page(Right.READ)
def thread_jsonl(request: HttpRequest, project: Project, thread_id: UUID) -> HttpResponseBase:
    """Return the thread as a line of OpenAI's chat format; `retry` names tellings to take instead of the last."""
    run = _known(project, thread_id)
    content = thread_export.as_jsonl(project.pk, [run.id], list(uuids(request.GET.getlist("retry"))))
    return _file(content, JSONL, thread_export.file_name(project.pk, run, ".jsonl"))


@require_GET
@project_page(Right.READ)
def threads_jsonl(request: HttpRequest, project: Project) -> HttpResponseBase:
    """Return the threads of a filtered list, a line for each, as they are read."""
    filters = ThreadFilters.parse(request.GET)
    return _file(thread_export.list_as_jsonl(project.pk, filters), JSONL, _list_name(project))


@require_GET
@project_page(Right.READ)
def threads_export(request: HttpRequest, project: Project) -> HttpResponse:
    """Show how many threads a filtered list has, how large their file becomes, and the link to it."""
    filters = ThreadFilters.parse(request.GET)
    total = _in_time(lambda: thread_export.count(project.pk, filters))
    size = _in_time(lambda: thread_export.size(project.pk, filters)) if total else None
    context: dict[str, Any] = {"project": project, "filters": filters, "total": total, "size": size}
    context |= {"held": size is not None and size <= HELD, "file_name": _list_name(project)}
    context["file"] = reverse("thread_exports_file", args=[project.public_id]) + filters.query()
    return render_page(request, "threads/export.html", context)


def _in_time(ask: Callable[[], Found]) -> Found | None:
    """Return what the database answers, None where that takes too long."""
    try:
        with patience(listing.FIGURE_SECONDS):
            return ask()
    except TooSlowError:
        return None


def _known(project: Project, thread_id: UUID) -> Run:
    run = thread_export.find(project.pk, thread_id)
    if run is None:
        raise Http404("thread not found")
    return run


def _origin(request: HttpRequest, project: Project) -> Origin:
    page = reverse("trace_page", args=[project.public_id, serial.NO_ID]).removeprefix(get_script_prefix()[:-1])
    return Origin(project, place(request, project), server_address(request) + page)


def _list_name(project: Project) -> str:
    return f"{slugify(project.name)[:60] or 'project'}-threads-{timezone.now():%Y-%m-%d}.jsonl"


def _file(content: Iterator[bytes], kind: str, name: str) -> HttpResponseBase:
    response = StreamingHttpResponse(content, content_type=kind)
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name)
    response["Cache-Control"] = "no-store"
    return response
