"""What stands out in a trace: its own page, and the line that a tree's page fetches."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from lunary_dash.htmx import render_page, wants_partial
from projects.access import project_page
from projects.models import Project
from traces import findings_queries, queries
from traces.critical import critical_path
from traces.findings import Calls, Findings, find
from traces.findings_queries import Reading
from traces.tree import Forest


@require_GET
@project_page()
def trace_findings(request: HttpRequest, project: Project, trace_id: UUID) -> HttpResponse:
    """Show a trace's findings, each with links to its runs; htmx gets one line of the most important ones."""
    if wants_partial(request):
        forest = queries.forest(project.pk, trace_id)
        if forest is None:
            raise Http404("trace not found")
        findings, reading = _findings(project, forest)
        context = {"project": project, "trace_id": trace_id, "findings": findings, "reading": reading}
        return render_page(request, "traces/_findings_line.html", context)
    trace = queries.trace(project.pk, trace_id)
    if trace is None:
        raise Http404("trace not found")
    findings, reading = _findings(project, trace.forest)
    context = {
        "project": project,
        "trace": trace,
        "trace_id": trace_id,
        "view": "findings",
        "findings": findings,
        "reading": reading,
    }
    return render_page(request, "traces/findings.html", context)


def _findings(project: Project, forest: Forest) -> tuple[Findings, Reading]:
    calls = Calls.of(forest)
    reading = findings_queries.read(project.pk, forest, calls)
    return find(forest, calls, reading.facts, critical_path(forest)), reading
