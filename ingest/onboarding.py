"""The way to the first event: snippets with the key filled in, and a page that turns into the run when it arrives."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from projects.access import Right, project_page
from projects.models import Project


@require_GET
@project_page(Right.READ)
def project_home(request: HttpRequest, project: Project) -> HttpResponse:
    """Lead to the overview once there is something to see; until then, show how to send the first event."""
    if project.first_event_at is not None:
        return redirect(reverse("overview", args=[project.public_id]))
    return render(request, "projects/onboarding.html", {"project": project})
