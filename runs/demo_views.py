"""The demo project in the browser: offer it, load it in the background, watch that, remove it."""

from datetime import UTC, datetime
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from kombu.exceptions import OperationalError

from lunary_dash.celery import enqueue
from lunary_dash.htmx import render_page
from lunary_dash.templatetags import figures
from projects.access import Right, account, project_page
from projects.models import Project
from runs import demo


@require_safe
@project_page()
def demo_progress(request: HttpRequest, project: Project) -> HttpResponse:
    """Show how far the demo is; in any other project, offer one."""
    context = {
        "progress": demo.progress(project, _asked_at(request)) if project.is_demo else None,
        "other": None if project.is_demo else demo.known_project(project.workspace),
        "contents": demo.CONTENTS,
        "query": request.GET.urlencode(),
    }
    return render_page(request, "demo/progress.html", context, partial="progress")


@require_POST
@project_page(Right.MANAGE)
def demo_load(request: HttpRequest, project: Project) -> HttpResponse:
    """Make the workspace's demo project if there is none, begin or go on loading it, and go there."""
    target = demo.demo_project(project.workspace, account(request))
    page = reverse("demo_progress", args=[target.public_id])
    if demo.progress(target).stored and demo.progress(target).state is not demo.State.STOPPED:
        return redirect(page)
    try:
        enqueue(demo.load_demo, target.pk)
    except OperationalError:
        messages.error(request, "The background worker can't be reached, so nothing was loaded. Try again in a minute.")
        return redirect(page)
    return redirect(f"{page}?{urlencode({'asked': int(timezone.now().timestamp())})}")


@require_POST
@project_page(Right.MANAGE)
def demo_remove(request: HttpRequest, project: Project) -> HttpResponse:
    """Delete the demo project; a project with a customer's own data is refused."""
    if not project.is_demo:
        messages.error(request, f"{project.name} holds your own data. Delete it in its settings, if that is meant.")
        return redirect("project_settings", project.public_id)
    if demo.progress(project, _asked_at(request)).state is demo.State.LOADING:
        messages.error(request, "The demo is still being loaded. Remove it when that is done.")
        return redirect("demo_progress", project.public_id)
    runs = demo.remove(project)
    messages.success(request, f"The demo project is being deleted{f': {figures.count(runs)} runs' if runs else ''}.")
    return redirect("home")


def _asked_at(request: HttpRequest) -> datetime | None:
    """Return when the person asked for the load, from `?asked=` (epoch seconds); nonsense is nothing."""
    try:
        return datetime.fromtimestamp(int(request.GET["asked"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None
