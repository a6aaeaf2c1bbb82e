"""The person's own pages: where they land, their profile, their theme; and the gallery of components."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from lunary_dash.htmx import render_page
from projects import gallery as showcase
from projects.access import account
from projects.forms import ChangePasswordForm, ProfileForm
from projects.models import Membership, Theme
from projects.shell import THEME_COOKIE, projects_of
from projects.sign_in import safe_next

YEAR = 365 * 24 * 60 * 60


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Lead to the person's first project, else to their workspace, else say that they have none."""
    projects = projects_of(account(request))
    if projects:
        return redirect("project_home", projects[0].public_id)
    membership = Membership.objects.filter(account=account(request)).order_by("pk").first()
    if membership is not None:
        return redirect("workspace", membership.workspace_id)
    return render(request, "projects/nowhere.html")


@login_not_required
@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Store the theme on the account, and in a cookie for the log-in page."""
    theme = request.POST.get("theme", "")
    response = redirect(safe_next(request, request.POST.get("next")))
    if theme not in Theme.values:
        return response
    if request.user.is_authenticated:
        person = account(request)
        person.theme = theme
        person.save(update_fields=["theme"])
    response.set_cookie(THEME_COOKIE, theme, max_age=YEAR, samesite="Lax", httponly=True)
    return response


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Show and change the person's name and password."""
    person = account(request)
    form = ProfileForm(request.POST if "name" in request.POST else None, instance=person)
    password = ChangePasswordForm(person, request.POST if "new_password" in request.POST else None)
    if form.is_bound and form.is_valid():
        form.instance.save(update_fields=["name"])
        messages.success(request, "Name saved.")
        return redirect("profile")
    if password.is_bound and password.is_valid():
        person.set_password(password.cleaned_data["new_password"])
        person.save(update_fields=["password"])
        update_session_auth_hash(request, person)
        messages.success(request, "Password changed. Other sessions are logged out.")
        return redirect("profile")
    memberships = Membership.objects.filter(account=person).select_related("workspace").order_by("workspace__name")
    context = {"form": form, "password": password, "memberships": memberships}
    return render(request, "projects/profile.html", context, status=422 if form.errors or password.errors else 200)


@require_GET
def gallery(request: HttpRequest) -> HttpResponse:
    """Show every component with sample content; `?peek=1` opens the drawer."""
    context = showcase.samples() | {"peek": "peek" in request.GET}
    return render_page(request, "projects/gallery.html", context, partial="drawer")
