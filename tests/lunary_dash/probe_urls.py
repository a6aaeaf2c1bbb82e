"""Addresses that go wrong on purpose, beside the real ones."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path

from projects.access import Right, project_page
from projects.api_access import data_api
from projects.models import Project


def raising(error: Exception) -> Any:
    """Return a public view that raises `error`."""

    @login_not_required
    def view(request: HttpRequest) -> HttpResponse:
        raise error

    return view


@data_api()
def private_only(request: HttpRequest, project: Project) -> HttpResponse:
    return JsonResponse({"project": project.name})


@data_api(public_ok=True)
def public_too(request: HttpRequest, project: Project) -> HttpResponse:
    return JsonResponse({"project": project.name})


def reader(right: Right) -> Any:
    @project_page(right)
    def view(request: HttpRequest, project: Project) -> HttpResponse:
        return HttpResponse(project.name)

    return view


urlpatterns = [
    path("broken/400", raising(SuspiciousOperation("secret detail"))),
    path("broken/403", raising(PermissionDenied("secret detail"))),
    path("broken/413", raising(RequestDataTooBig("secret detail"))),
    path("broken/500", raising(RuntimeError("secret detail"))),
    path("broken/503", raising(OperationalError("secret detail"))),
    path("v1/broken/500", raising(RuntimeError("secret detail"))),
    path("v1/broken/503", raising(OperationalError("secret detail"))),
    path("v1/private", private_only),
    path("v1/public", public_too),
    path("prefix//v1/public", public_too),
    *[path(f"right/{right.value}/<uuid:project_id>", reader(right)) for right in Right],
    path("", include("lunary_dash.urls")),
]

handler400 = "lunary_dash.errors.bad_request"
handler403 = "lunary_dash.errors.forbidden"
handler404 = "lunary_dash.errors.not_found"
handler500 = "lunary_dash.errors.server_error"
