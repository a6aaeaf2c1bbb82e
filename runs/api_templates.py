"""What the SDKs look up here but Lunary Dash doesn't keep (templates, data sets): clear refusals, never a dead end."""

from http import HTTPStatus

from django.http import Http404, HttpRequest, HttpResponse

from lunary_dash.errors import api_error
from projects.models import Project
from runs.openapi import Parameter, operation

MISSING_TEMPLATE = "Template not found, is the project ID correct?"
"""The one text that both SDKs turn into their own "template not found" error."""


@operation("Look up a template", None, (Parameter("slug", str, "the template's name"),), keys="any")
def latest_template(request: HttpRequest, project: Project) -> HttpResponse:
    """Answer 404 with the message that the SDKs know: templates are not kept here."""
    return api_error(HTTPStatus.NOT_FOUND, MISSING_TEMPLATE)


@operation("Look up all templates", None)
def latest_templates(request: HttpRequest, project: Project) -> HttpResponse:
    """Answer 404: templates are not kept here."""
    return api_error(HTTPStatus.NOT_FOUND, MISSING_TEMPLATE)


@operation("Look up a data set", None, keys="any")
def dataset(request: HttpRequest, project: Project, slug: str) -> HttpResponse:
    """Answer 404: data sets are not kept here."""
    raise Http404("Dataset not found: this server keeps runs, not data sets")
