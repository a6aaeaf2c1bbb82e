"""Ingest health: what could not be stored and why, how each key is doing, and where an event went (rule 4)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from ingest import health_charts, held, intake, queries
from ingest.lunary import STANDALONE_TOOL
from lunary_dash.errors import error_page
from lunary_dash.htmx import render_page
from lunary_dash.paging import BadCursor
from projects.access import Right, project_page
from projects.models import Project
from projects.sign_in import safe_next

PAGE_SIZE = 50
REPLAYED_AT_ONCE = 2000  # events of one reason per click: a few seconds
REPLAY_STEP = 100  # events in memory at a time
SHOWN_CHARACTERS = 200_000  # of a raw event
CHART = (840, 96)
SPARK = (180, 24)


@require_safe
@project_page(Right.READ)
def ingest_health(request: HttpRequest, project: Project) -> HttpResponse:
    """Show refusals by reason over time, the held events newest first, and each key's pulse."""
    code = request.GET.get("reason") or None
    try:
        page = held.page(project.pk, request.GET.get("cursor"), PAGE_SIZE, code)
    except BadCursor as error:
        return error_page(request, 400, str(error))
    now = timezone.now()
    refusals = queries.refusals(project.pk, now)
    keys = queries.key_health(project, now)
    context: dict[str, Any] = {
        "project": project,
        "refusals": refusals,
        "chart": {
            "width": CHART[0],
            "height": CHART[1],
            "columns": health_charts.stacked(refusals.days, [reason.days for reason in refusals.reasons], *CHART),
            "own": health_charts.BAR_SERIES,
        },
        "keys": [(key, health_charts.spark(key.minutes, *SPARK)) for key in keys],
        "spark": {"width": SPARK[0], "height": SPARK[1]},
        "minutes": queries.MINUTES,
        "last_event_at": max((key.last_event_at for key in keys if key.last_event_at), default=None),
        "page": page,
        "reason": code,
        "reason_row": next((row for row in refusals.reasons if row.code == code), None),
        "held_days": settings.REJECTION_DAYS,
        "found": queries.find(project.pk, request.GET.get("id", "")),
    }
    return render_page(request, "ingest/health.html", context, partial="pulse")


@require_safe
@project_page(Right.READ)
def rejection_page(request: HttpRequest, project: Project, rejection_id: UUID) -> HttpResponse:
    """Show one held event: its reason, and what was sent."""
    event = held.one(project.pk, rejection_id)
    if event is None:
        raise Http404("this event is not held any more")
    pretty = _pretty(event.event)
    context = {
        "project": project,
        "event": event,
        "pretty": pretty[:SHOWN_CHARACTERS],
        "cut": len(pretty) - SHOWN_CHARACTERS,
        "standalone": event.code == STANDALONE_TOOL,
        "kept_until": event.received_at + timedelta(days=settings.REJECTION_DAYS),
        "stored": queries.find(project.pk, event.run_id) if event.run_id and event.replayed_at else None,
    }
    return render_page(request, "ingest/rejection.html", context)


@require_POST
@project_page(Right.WRITE)
def replay_one(request: HttpRequest, project: Project, rejection_id: UUID) -> HttpResponse:
    """Try to store one held event again."""
    event = held.one(project.pk, rejection_id)
    if event is None:
        raise Http404("this event is not held any more")
    if intake.replay(project, [event]):
        messages.success(request, "The event is stored now.")
    else:
        now = held.one(project.pk, rejection_id)
        messages.error(request, f"Still refused: {(now or event).reason}.")
    return redirect(_back(request, project))


@require_POST
@project_page(Right.WRITE)
def replay_reason(request: HttpRequest, project: Project) -> HttpResponse:
    """Try to store all events of one reason again, oldest first."""
    waiting = held.waiting(project.pk, request.POST.get("reason", ""), REPLAYED_AT_ONCE + 1)
    events = waiting[:REPLAYED_AT_ONCE]
    stored = 0
    for start in range(0, len(events), REPLAY_STEP):
        stored += intake.replay(project, held.these(project.pk, events[start : start + REPLAY_STEP]))
    still = len(events) - stored
    parts = [f"{stored} of {len(events)} events are stored now." if events else "No event of this reason waits."]
    if still:
        parts.append(f"{still} are still refused.")
    if len(waiting) > REPLAYED_AT_ONCE:
        parts.append("There are more: replay again.")
    (messages.warning if still else messages.success)(request, " ".join(parts))
    return redirect(_back(request, project))


def _back(request: HttpRequest, project: Project) -> str:
    if request.POST.get("next"):
        return safe_next(request, request.POST.get("next"))
    return redirect("ingest_health", project.public_id).url


def _pretty(text: str) -> str:
    """Return JSON indented, in its own order and spelling; other text as it is."""
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return text
