"""Pages of a workspace: its projects, its members, a new project."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from projects import members, queries
from projects.access import Right, Seat, account, seat, workspace_for, zone_of
from projects.forms import InviteForm, NewProjectForm, WorkspaceForm
from projects.founding import found_project
from projects.models import Membership, Role, Workspace
from projects.sign_in import password_link


@require_http_methods(["GET", "HEAD", "POST"])
def workspace(request: HttpRequest, workspace_id: int) -> HttpResponse:
    """Show a workspace to its members; managers rename it here."""
    rights = [Right.MANAGE] if request.method == "POST" else []
    place = workspace_for(request, workspace_id, *rights)
    form = WorkspaceForm(request.POST or None, instance=Workspace.objects.get(pk=place.pk))
    if form.is_bound and form.is_valid():
        form.instance.save(update_fields=["name", "time_zone"])
        messages.success(request, "Workspace saved.")
        return redirect("workspace", place.pk)
    return _workspace_page(request, place, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
def project_new(request: HttpRequest, workspace_id: int) -> HttpResponse:
    """Make a project and lead to its first steps."""
    place = workspace_for(request, workspace_id, Right.MANAGE)
    form = NewProjectForm(request.POST or None)
    if form.is_bound and form.is_valid():
        founded = found_project(place, form.cleaned_data["name"], by=account(request))
        return redirect("project_home", founded.project.public_id)
    context = {"form": form, "workspace": place}
    return render(request, "projects/project_new.html", context, status=422 if form.errors else 200)


@never_cache
@require_POST
def invite(request: HttpRequest, workspace_id: int) -> HttpResponse:
    """Add a member; for a new account, show its one-time link."""
    place = workspace_for(request, workspace_id, Right.MANAGE)
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _workspace_page(request, place, invite_form=form)
    try:
        invitation = members.invite(place, form.cleaned_data["email"], form.cleaned_data["role"], _seat(request).role)
    except members.NotAllowed as refusal:
        form.add_error("email", str(refusal))
        return _workspace_page(request, place, invite_form=form)
    if invitation.is_new_account and members.may_have_new_link(invitation.membership, _seat(request).role):
        return _link_page(request, invitation.membership)
    messages.success(request, f"{invitation.membership.account} joined the workspace.")
    return redirect("workspace", place.pk)


@require_POST
def change_role(request: HttpRequest, workspace_id: int, membership_id: int) -> HttpResponse:
    """Give a member another role."""
    membership = _membership(request, workspace_id, membership_id)
    try:
        members.change_role(membership, request.POST.get("role", ""), _seat(request).role)
    except members.NotAllowed as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{membership.account} is now {membership.role}.")
    return redirect("workspace", workspace_id)


@require_POST
def remove(request: HttpRequest, workspace_id: int, membership_id: int) -> HttpResponse:
    """End a membership."""
    membership = _membership(request, workspace_id, membership_id)
    try:
        members.remove(membership, _seat(request).role)
    except members.NotAllowed as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{membership.account} left the workspace.")
    return redirect("workspace", workspace_id)


@never_cache
@require_POST
def new_link(request: HttpRequest, workspace_id: int, membership_id: int) -> HttpResponse:
    """Show a one-time link for a member who has no password yet or has forgotten it."""
    membership = _membership(request, workspace_id, membership_id)
    if not members.may_have_new_link(membership, _seat(request).role):
        raise PermissionDenied("This member belongs to another workspace too, or is an owner.")
    return _link_page(request, membership)


def _workspace_page(request: HttpRequest, place: Workspace, **forms: Any) -> HttpResponse:
    here = _seat(request)
    context = {
        "workspace": place,
        "form": forms.get("form") or WorkspaceForm(instance=place),
        "invite_form": forms.get("invite_form") or InviteForm(),
        "project_rows": queries.project_rows(place),
        "members": queries.member_rows(place, account(request).pk, here.role),
        "roles": [role for role in Role.values if members.may_touch(here.role, role)],
        "may_read": here.may(Right.READ),
    }
    status = 422 if any(form.errors for form in forms.values()) else 200
    with timezone.override(zone_of(place)):
        return render(request, "projects/workspace.html", context, status=status)


def _link_page(request: HttpRequest, membership: Membership) -> HttpResponse:
    link = password_link(request, membership.account)
    return render(request, "projects/member_link.html", {"membership": membership, "link": link})


def _membership(request: HttpRequest, workspace_id: int, membership_id: int) -> Membership:
    place = workspace_for(request, workspace_id, Right.MANAGE)
    return get_object_or_404(Membership.objects.select_related("account"), pk=membership_id, workspace=place)


def _seat(request: HttpRequest) -> Seat:
    taken = seat(request)
    if taken is None:
        raise LookupError("workspace_for has not been asked yet")
    return taken
