"""The transcript of a trace: the whole page, one level of it, or the cards that follow."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from lunary_dash.htmx import render_page, wants_partial
from projects.access import project_page
from projects.models import Project
from traces import queries, transcript_queries
from traces.address import Address
from traces.transcript import Page, level
from traces.transcript_telling import Story, tell
from traces.tree import Forest


@require_GET
@project_page()
def trace_transcript(request: HttpRequest, project: Project, trace_id: UUID) -> HttpResponse:
    """Show a trace as cards; `top` is the run whose inside is told, `from` a card of the page that is shown.

    htmx gets the level alone: what a folded card opens with, or what follows the page's last card.
    """
    address = Address.parse(request.GET)
    if wants_partial(request):
        forest = queries.forest(project.pk, trace_id)
        if forest is None:
            raise Http404("trace not found")
        page = _page(forest, address)
        context = {"project": project, "trace_id": trace_id, "forest": forest, "is_within": page.is_first}
        return render_page(request, "traces/transcript.html", context | _told(project, page), partial="level")
    trace = queries.trace(project.pk, trace_id)
    if trace is None:
        raise Http404("trace not found")
    page = _page(trace.forest, address)
    context = {"project": project, "trace": trace, "trace_id": trace_id, "forest": trace.forest, "address": address}
    return render_page(request, "traces/transcript.html", context | {"view": "transcript"} | _told(project, page))


def _page(forest: Forest, address: Address) -> Page:
    return level(forest, address.top).page(next(iter(address.starts), None))


def _told(project: Project, page: Page) -> dict[str, Story]:
    return {"story": tell(page, transcript_queries.texts(project.pk, page))}
