"""Making, listing and revoking public links: for people who may write in the project."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import get_script_prefix, reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from lunary_dash.htmx import render_page, wants_partial
from projects.access import Right, account, project_page
from projects.models import Project
from projects.shell import server_address
from traces import export, shares

PAGE = "traces/share.html"


@require_http_methods(["GET", "POST"])
@project_page(Right.WRITE)
def trace_share(request: HttpRequest, project: Project, trace_id: UUID) -> HttpResponse:
    """Show the trace's public links with a form for a new one, and make it; htmx asks for this panel alone."""
    if not export.exists(project.pk, trace_id):
        raise Http404("trace not found")
    if request.method == "POST":
        _create(request, project, trace_id)
        if not wants_partial(request):
            messages.success(request, "The public link is ready to be copied.")
            return HttpResponseRedirect(request.path)
    return render_page(request, PAGE, panel(request, project, trace_id), partial="panel")


@require_POST
@project_page(Right.WRITE)
def share_revoke(request: HttpRequest, project: Project, share_id: int) -> HttpResponse:
    """End a public link."""
    share = shares.revoke(project.pk, share_id)
    if share is None:
        raise Http404("no such link")
    if wants_partial(request) and request.headers.get("HX-Target") == "share-panel":
        return render_page(request, PAGE, panel(request, project, share.trace_id), partial="panel")
    messages.success(request, "The public link is revoked. Whoever has it sees nothing from now on.")
    all_links = request.POST.get("from") == "all"
    page = reverse("trace_shares", args=[project.public_id])
    return HttpResponseRedirect(page if all_links else reverse("trace_share", args=[project.public_id, share.trace_id]))


@require_GET
@project_page(Right.WRITE)
def trace_shares(request: HttpRequest, project: Project) -> HttpResponse:
    """List every public link of the project that is in use."""
    return render_page(request, "traces/shares.html", {"links": shares.links(project.pk), "site": _site(request)})


def panel(request: HttpRequest, project: Project, trace_id: UUID) -> dict[str, Any]:
    """Return what the share panel shows of a trace."""
    return {"trace_id": trace_id, "links": shares.links(project.pk, trace_id), "site": _site(request)}


def _create(request: HttpRequest, project: Project, trace_id: UUID) -> None:
    """Make the link that the form asks for; a life it doesn't offer is the shortest."""
    shares.create(
        project,
        trace_id,
        account(request),
        show_people=request.POST.get("people") == "1",
        show_bodies=request.POST.get("bodies") == "1",
        life=shares.LIVES.get(request.POST.get("days", "7"), shares.LIVES["7"]),
    )


def _site(request: HttpRequest) -> str:
    """Return the address below which public links lie, without a final slash."""
    public = reverse("shared_trace", args=["x"]).removesuffix("/x").removeprefix(get_script_prefix()[:-1])
    return server_address(request) + public
