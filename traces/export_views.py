"""Downloads of a trace: as JSON with every run as it was sent, and as OTLP JSON for other tools."""

from collections.abc import Iterator
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import get_script_prefix, reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from projects.access import Right, project_page
from projects.models import Project
from projects.shell import server_address
from runs.api_http import place
from runs.lookup import find_run
from runs.openapi import operation
from traces import export
from traces.address import uuids
from traces.export import Origin, OtlpTrace, TraceExport


@require_GET
@project_page(Right.READ)
def trace_export(request: HttpRequest, project: Project, trace_id: UUID) -> HttpResponseBase:
    """Return the trace and all its runs as a JSON file."""
    _known(project, trace_id)
    return _file(project, trace_id, ".json", export.as_json(origin(request, project, trace_id), trace_id))


@require_GET
@project_page(Right.READ)
def trace_otlp(request: HttpRequest, project: Project, trace_id: UUID) -> HttpResponseBase:
    """Return the trace as a file that an OTLP endpoint takes as a request's body."""
    _known(project, trace_id)
    return _file(project, trace_id, ".otlp.json", export.as_otlp(origin(request, project, trace_id), trace_id))


@operation("Read a trace", TraceExport)
def read_trace(request: HttpRequest, project: Project, trace_id: str) -> HttpResponseBase:
    """Return the trace with all its runs in start order; the id of any run of it leads to it. Streamed, never cut."""
    known = _trace_of(project, trace_id)
    return _answer(export.as_json(origin(request, project, known), known))


@operation("Read a trace as OTLP", OtlpTrace)
def read_trace_otlp(request: HttpRequest, project: Project, trace_id: str) -> HttpResponseBase:
    """Return the trace in OTLP's JSON encoding, with OpenTelemetry's GenAI conventions: a body for /v1/traces."""
    known = _trace_of(project, trace_id)
    return _answer(export.as_otlp(origin(request, project, known), known))


def _known(project: Project, trace_id: UUID) -> None:
    if not export.exists(project.pk, trace_id):
        raise Http404("trace not found")


def _trace_of(project: Project, text: str) -> UUID:
    """Return the trace that any id in it leads to, also its own while its topmost run has not been received."""
    run = find_run(project.pk, text)
    found = run.trace_id if run else next(uuids([text]), None)
    if found is None or not export.exists(project.pk, found):
        raise Http404("Trace not found")
    return found


def origin(request: HttpRequest, project: Project, trace_id: UUID) -> Origin:
    """Return what an export of the trace says of where it comes from."""
    page = reverse("trace_page", args=[project.public_id, trace_id]).removeprefix(get_script_prefix()[:-1])
    return Origin(project, place(request, project), server_address(request) + page)


def _file(project: Project, trace_id: UUID, ending: str, content: Iterator[bytes]) -> HttpResponseBase:
    response = _answer(content)
    name = export.file_name(project.pk, trace_id, ending)
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name)
    return response


def _answer(content: Iterator[bytes]) -> HttpResponseBase:
    response = StreamingHttpResponse(content, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response
