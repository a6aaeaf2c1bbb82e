"""Pages of one project's settings and keys. Every member reads them; owners and admins change them."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from lunary_dash.templatetags import figures
from projects import deletion, keys, queries
from projects.access import Right, account, project_page, seat
from projects.forms import NewKeyForm, ProjectForm
from projects.models import ApiKey, Project
from projects.sign_in import safe_next


@require_http_methods(["GET", "HEAD", "POST"])
@project_page(Right.READ)
def project_settings(request: HttpRequest, project: Project) -> HttpResponse:
    """Show and change a project's name and strictness."""
    if request.method == "POST":
        _demand_manager(request)
    form = ProjectForm(request.POST or None, instance=Project.objects.get(pk=project.pk))
    if form.is_bound and form.is_valid():
        form.instance.save(update_fields=["name", "accept_standalone_tools"])
        keys.forget()
        messages.success(request, "Settings saved.")
        return redirect("project_settings", project.public_id)
    return _settings_page(request, project, form)


@require_POST
@project_page(Right.MANAGE)
def accept_tools(request: HttpRequest, project: Project) -> HttpResponse:
    """Switch "accept standalone tools" from another page (`on`: 1 or 0) and go back there (`next`)."""
    project.accept_standalone_tools = request.POST.get("on") == "1"
    project.save(update_fields=["accept_standalone_tools"])
    keys.forget()
    accepted = project.accept_standalone_tools
    messages.success(request, f"Standalone tools are {'accepted and flagged' if accepted else 'held'} from now on.")
    return redirect(safe_next(request, request.POST.get("next")))


@require_POST
@project_page(Right.MANAGE)
def delete(request: HttpRequest, project: Project) -> HttpResponse:
    """Delete the project once its name was typed; its rows go in the background."""
    if request.POST.get("typed", "").strip() != project.name:
        messages.error(request, "The name was typed differently, so nothing was deleted.")
        return redirect("project_settings", project.public_id)
    runs = deletion.let_go(project)
    messages.success(request, f"{project.name} is being deleted{f': {figures.count(runs)} runs' if runs else ''}.")
    return redirect("workspace", project.workspace_id)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@project_page(Right.READ)
def key_list(request: HttpRequest, project: Project) -> HttpResponse:
    """Show the project's keys; managers make new ones."""
    form = NewKeyForm(request.POST or None)
    if request.method == "POST":
        _demand_manager(request)
        if form.is_valid():
            made = keys.create(project, form.cleaned_data["kind"], form.cleaned_data["name"], by=account(request))
            return _new_key_page(request, project, *made)
    context: dict[str, Any] = {"project": project, "keys": queries.key_rows(project), "form": form}
    return render(request, "projects/keys.html", context, status=422 if form.errors else 200)


@require_POST
@project_page(Right.MANAGE)
def revoke_key(request: HttpRequest, project: Project, key_id: int) -> HttpResponse:
    """Refuse a key from now on."""
    key = get_object_or_404(ApiKey, pk=key_id, project=project)
    keys.revoke(key)
    messages.success(request, f"The key {key.name} is revoked. Every process refuses it within 10 seconds.")
    return redirect("project_keys", project.public_id)


@never_cache
@require_POST
@project_page(Right.MANAGE)
def rotate_key(request: HttpRequest, project: Project, key_id: int) -> HttpResponse:
    """Replace a key, showing the new text once."""
    key = get_object_or_404(ApiKey, pk=key_id, project=project, revoked_at=None)
    return _new_key_page(request, project, *keys.rotate(key, by=account(request)))


def _new_key_page(request: HttpRequest, project: Project, key: ApiKey, text: str) -> HttpResponse:
    return render(request, "projects/key_made.html", {"project": project, "key": key, "text": text}, status=201)


def _settings_page(request: HttpRequest, project: Project, form: ProjectForm) -> HttpResponse:
    context = {"project": project, "form": form}
    return render(request, "projects/settings.html", context, status=422 if form.errors else 200)


def _demand_manager(request: HttpRequest) -> None:
    taken = seat(request)
    if taken is None or not taken.may(Right.MANAGE):
        raise PermissionDenied("Only owners and admins change settings.")
