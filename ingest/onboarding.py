"""The way to the first event: snippets with the key filled in, and a page that turns into the run when it arrives."""

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from ingest import held, snippets
from ingest.lunary import STANDALONE_TOOL
from ingest.models import Rejection
from lunary_dash.htmx import render_page, wants_partial
from projects.access import Right, project_page
from projects.models import Project
from projects.queries import sending_key
from projects.shell import Note, server_address
from runs.models import Run

REFUSED_SHOWN = 3
HELD_COUNTED = 1000  # beyond that the navigation says "1 000+"


@dataclass(frozen=True)
class Refused:
    """A refused event as the first-steps page shows it; the addresses are "" where there is no such page."""

    event: held.Held
    what: str
    is_standalone_tool: bool
    open_url: str
    replay_url: str


@require_safe
@project_page(Right.READ)
def project_home(request: HttpRequest, project: Project) -> HttpResponse:
    """Lead to the overview once there is something to see; until then, show how to send the first event.

    The waiting strip asks every second; when the first run is here it is the answer. Without JavaScript a reload leads
    to the overview.
    """
    waiting = wants_partial(request) and getattr(request, "htmx").target == "waiting"  # noqa: B009 - set by middleware
    if project.first_event_at is not None and not waiting:
        return redirect("overview", project.public_id)
    return _first_steps(request, project, "waiting" if waiting else "snippet")


@require_safe
@project_page(Right.READ)
def project_connect(request: HttpRequest, project: Project) -> HttpResponse:
    """Show the snippets of a project that has events already."""
    return _first_steps(request, project, "snippet")


def held_note(project: Project) -> Note:
    """Return what the navigation says beside Ingest health: how many events are held, or OK."""
    number = Rejection.objects.filter(project_id=project.pk, replayed_at=None)[:HELD_COUNTED].count()
    if number == 0:
        return Note("OK", "ok")
    return Note(f"{HELD_COUNTED}+ held" if number == HELD_COUNTED else f"{number} held", "warn")


def _first_steps(request: HttpRequest, project: Project, partial: str) -> HttpResponse:
    since = _since(request)
    context: dict[str, Any] = {
        "project": project,
        "since": since,
        "listening_ms": (int(time.time()) - since) * 1000,
        "run": first_run(project) if project.first_event_at else None,
        "refused": [] if project.first_event_at else refused(project),
        "poll": reverse("project_home", args=[project.public_id]),
        "health_url": _address_if_any("ingest_health", project.public_id),
        "held_days": settings.REJECTION_DAYS,
    }
    if partial != "waiting" or not wants_partial(request):
        context |= _snippets(request, project)
    return render_page(request, "projects/onboarding.html", context, partial=partial)


def _snippets(request: HttpRequest, project: Project) -> dict[str, Any]:
    key = sending_key(project)

    def made(slug: str) -> snippets.Snippet:
        address = server_address(request)
        return snippets.snippet(slug, address, key or "<your public key>", timezone.now(), str(uuid.uuid4()))

    return {
        "key": key,
        "snippet": made(request.GET.get("lang", snippets.DEFAULT)),
        "curl": made("curl"),
        "who_pays": snippets.WHO_PAYS,
        "languages": [(slug, label) for slug, (label, _) in snippets.TEMPLATES.items()],
        "demo_url": _address_if_any("demo_load", project.public_id),
    }


def first_run(project: Project) -> Run | None:
    """Return the project's earliest run that has a page of its own."""
    runs = Run.objects.filter(project_id=project.pk).exclude(type__in=["span", "custom-event"])
    return runs.order_by("started_at", "id").first()


def refused(project: Project) -> list[Refused]:
    """Return the newest refused events that still wait."""
    waiting = [event for event in held.page(project.pk, limit=REFUSED_SHOWN).rows if event.replayed_at is None]
    return [
        Refused(
            event,
            _what(event.event),
            event.code == STANDALONE_TOOL,
            _address_if_any("rejection_page", project.public_id, event.id),
            _address_if_any("rejection_replay", project.public_id, event.id),
        )
        for event in waiting
    ]


def _what(raw: str) -> str:
    """Return the type and name a refused event gives itself, as far as it can be read."""
    try:
        event = json.loads(raw)
    except ValueError:
        return ""
    if not isinstance(event, dict):
        return ""
    return " ".join(str(event[field])[:80] for field in ("type", "name") if isinstance(event.get(field), str))


def _since(request: HttpRequest) -> int:
    """Return when the page began to listen, in epoch seconds; the poll carries it along."""
    now = int(time.time())
    given = request.GET.get("since", "")
    return min(int(given), now) if given.isdecimal() and len(given) < 12 else now


def _address_if_any(view: str, *ids: uuid.UUID) -> str:
    try:
        return reverse(view, args=ids)
    except NoReverseMatch:
        return ""
