"""The thread pages: one conversation, and feedback on its messages."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from lunary_dash.htmx import render_page, wants_partial
from projects.access import Right, project_page
from projects.models import Project
from runs.feedback import LONGEST_COMMENT
from runs.lookup import find_run
from runs.models import Run
from traces import conversations, thread_signals
from traces.address import uuids
from traces.replay import address, replay
from traces.thread import converse, reaction
from traces.views import address_of


@require_GET
@project_page()
def thread_page(request: HttpRequest, project: Project, thread_id: str) -> HttpResponse:
    """Show a conversation; `thread_id` may be any id in any form, of the thread or of something in it."""
    run = find_run(project.pk, thread_id)
    if run is None:
        raise Http404("thread not found")
    if run.type != "thread" or str(run.id) != thread_id:
        return redirect(_within(project, run) or address_of(project, run))
    thread = conversations.thread(project.pk, run)
    chosen = list(uuids(request.GET.getlist("retry")))
    replayed = replay(thread.story, request.GET)
    if replayed and "seek" in request.GET:
        return redirect(request.path + address(replayed.now, chosen, replayed.speed))
    turn = _number(request.GET.get("turn"))
    if replayed:
        conversation = converse(replayed.story, chosen, turn or replayed.now.turn)
    else:
        conversation = converse(thread.story, chosen, turn)
    context = {"project": project, "thread": thread, "conversation": conversation, "chosen": chosen, "replay": replayed}
    if not replayed:  # signals are of the whole
        context["signals"] = thread_signals.of_thread(project.pk, run.id)
    partial = "replay" if replayed and request.headers.get("HX-Target") == "replay" else None
    return render_page(request, "threads/page.html", context, partial=partial)


@require_POST
@project_page(Right.WRITE)
def thread_feedback(request: HttpRequest, project: Project, thread_id: UUID, message_id: UUID) -> HttpResponse:
    """Set or remove the thumb and the comment on a message; what the form doesn't name stays."""
    if not conversations.holds(project.pk, thread_id, message_id):
        raise Http404("message not found")
    values = _feedback_values(request.POST)
    conversations.give_feedback(project.pk, message_id, values, timezone.now())
    if wants_partial(request):
        given = conversations.feedback_of(project.pk, [message_id]).get(message_id, {})
        context = {"reaction": reaction(given), "message_id": message_id, "thread_id": thread_id}
        context |= {"query": _query(request), "quiet": "quiet" in request.POST}
        return render(request, "threads/_feedback.html", context)
    back = reverse("thread_page", args=[project.public_id, thread_id])
    return redirect(f"{back}{_query(request)}#message-{message_id}")


def _feedback_values(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the keys to set; an empty field removes its key."""
    values: dict[str, Any] = {}
    if "thumb" in form:
        values["thumb"] = form["thumb"] if form["thumb"] in ("up", "down") else None
    if "comment" in form:
        values["comment"] = form["comment"].replace("\x00", "\ufffd").strip()[:LONGEST_COMMENT] or None
    return values


def _query(request: HttpRequest) -> str:
    """Return the query string of the page that the form was on, read and written anew."""
    return f"?{QueryDict(request.POST.get('query', '').removeprefix('?')[:2_000]).urlencode()}"


def _within(project: Project, run: Run) -> str | None:
    """Return the address of a run's exchange in its thread, or of the thread itself; None outside of threads."""
    if run.thread_id is None:
        return None
    page = reverse("thread_page", args=[project.public_id, run.thread_id])
    chat_id = run.id if run.type == "chat" else run.chat_id
    return f"{page}?retry={chat_id}#chat-{chat_id}" if chat_id else page


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 9 else None
