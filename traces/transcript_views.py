"""The transcript of a trace: the whole page, one level of it, or the cards that follow."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from lunary_dash.htmx import render_page, wants_partial
from projects.access import project_page
from projects.models import Project
from traces import queries, transcript_queries
from traces.address import Address
from traces.transcript import Page, level
from traces.transcript_telling import tell
from traces.tree import Forest

MOST_SHOWN = 400
"""Cards of one level that a document holds; from there on the next ones are a page of their own."""


@require_GET
@project_page()
def trace_transcript(request: HttpRequest, project: Project, trace_id: UUID) -> HttpResponse:
    """Show a trace as cards; `top` is the run whose inside is told, `from` a card of the page that is shown.

    htmx gets the level alone: what a folded card opens with, or what follows the page's last card.
    """
    address = Address.parse(request.GET)
    if wants_partial(request):
        return _part(request, project, trace_id, address)
    trace = queries.trace(project.pk, trace_id)
    if trace is None:
        raise Http404("trace not found")
    page = _page(trace.forest, address)
    context = {"project": project, "trace": trace, "trace_id": trace_id, "forest": trace.forest, "address": address}
    return render_page(request, "traces/transcript.html", context | {"view": "transcript"} | _told(project, page))


def _part(request: HttpRequest, project: Project, trace_id: UUID, address: Address) -> HttpResponse:
    """Answer htmx: a level, or, to a page that says how many cards it `knows`, only what has come since."""
    forest = queries.forest(project.pk, trace_id)
    if forest is None:
        raise Http404("trace not found")
    context: dict[str, Any] = {"project": project, "trace_id": trace_id, "forest": forest}
    if (known := _number(request.GET.get("knows"))) is not None:
        return render_page(request, "traces/_transcript_tail.html", context | _tail(forest, address, known))
    page = _page(forest, address)
    context |= _told(project, page, before=_number(request.GET.get("shown")) or 0)
    return render_page(request, "traces/transcript.html", context, partial="level")


def _tail(forest: Forest, address: Address, known: int) -> dict[str, Any]:
    whole = level(forest, address.top)
    first = whole.card(known).id if known < len(whole) else None
    return {
        "top": whole.top,
        "total": len(whole),
        "known": known,
        "new": max(len(whole) - known, 0),
        "first_new": first,
    }


def _page(forest: Forest, address: Address) -> Page:
    return level(forest, address.top).page(next(iter(address.starts), None))


def _told(project: Project, page: Page, before: int = 0) -> dict[str, Any]:
    """Return what the level's template draws; `before` counts the cards that the document already has of it."""
    shown = before + len(page.cards)
    story = tell(page, transcript_queries.texts(project.pk, page))
    return {"story": story, "shown": shown, "has_room": shown < MOST_SHOWN}


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 9 else None
