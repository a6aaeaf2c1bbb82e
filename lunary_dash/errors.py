"""Error answers: pages for people, one JSON shape for scripts, and a 500 that needs nothing that may be broken."""

import logging
import re
import sys
from dataclasses import dataclass
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

logger = logging.getLogger(__name__)

# Lunary's paths, whatever prefix or doubled slash a client's base URL brought along.
DATA_PATH = re.compile(r"(?:^|/)(?:v1(?:/|$)|api/report/*$)")
# A project's pages take ids and names as clients sent them, /v1/ included; other origins must never read these.
PAGE_PATH = re.compile(r"/p/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/(?!/*v1/)")


@dataclass(frozen=True)
class Explanation:
    """What an error page says: what happened, and what to do now."""

    title: str
    advice: str


EXPLANATIONS: dict[int, Explanation] = {
    400: Explanation(
        "This request can’t be read", "Something in the address or the form is damaged. Go back and try again."
    ),
    403: Explanation(
        "Your role doesn’t allow this", "Ask an owner or admin of the workspace to do it, or to change your role."
    ),
    404: Explanation(
        "Nothing here",
        "The address is mistyped, the thing was deleted, or it belongs to a project you are not a member of.",
    ),
    405: Explanation("That is not how this address works", "Go back and use the button or link on the page."),
    413: Explanation("Too much at once", "What was sent is larger than this server accepts. Send it in smaller parts."),
    429: Explanation("Too many tries", "Wait a little, then try again."),
    503: Explanation("The database can’t be reached", "Nothing that was accepted is lost. Try again in a few seconds."),
}


def is_data_path(path: str) -> bool:
    """Tell whether a path belongs to the API that scripts and SDKs use."""
    return DATA_PATH.search(path) is not None and PAGE_PATH.match(path) is None


def api_error(status: int, message: str) -> JsonResponse:
    """Return the one shape of API errors: `{"error": <title of the status>, "message": <what happened>}`."""
    return JsonResponse({"error": HTTPStatus(status).phrase, "message": message}, status=status)


def error_page(request: HttpRequest, status: int, advice: str | None = None) -> HttpResponse:
    """Return the page for an error status, or its JSON on data paths; `advice` replaces the general one."""
    if is_data_path(request.path):
        return api_error(status, advice or HTTPStatus(status).phrase)
    explanation = EXPLANATIONS[status]
    user = getattr(request, "user", None)
    context = {
        "frame": "base.html" if user is not None and user.is_authenticated else "registration/frame.html",
        "status": status,
        "title": explanation.title,
        "advice": advice or explanation.advice,
        "request_id": getattr(request, "request_id", ""),
    }
    return HttpResponse(render_to_string("errors/error.html", context, request=request), status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400, or 413 when the body was over the limit."""
    return error_page(request, 413 if isinstance(exception, RequestDataTooBig) else 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403."""
    return error_page(request, 403)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 for a form without a valid token: nearly always a page that stayed open across a log-in."""
    return error_page(request, 403, "This form is out of date: go back, reload the page and send it again.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404."""
    return error_page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, or 503 when the database is away, without session, database or context processors."""
    status = 503 if isinstance(sys.exc_info()[1], OperationalError | InterfaceError) else 500
    request_id = getattr(request, "request_id", "unknown")
    logger.error("request %s: %s %s answered %s", request_id, request.method, request.path, status)
    response = _plain_error(request, status, request_id)
    if status == 503:
        response["Retry-After"] = "5"
    return response


def _plain_error(request: HttpRequest, status: int, request_id: str) -> HttpResponse:
    if is_data_path(request.path):
        message = "The database can't be reached" if status == 503 else "Internal server error"
        return api_error(status, f"{message} (request {request_id})")
    template = "errors/503.html" if status == 503 else "errors/500.html"
    return HttpResponse(render_to_string(template, {"request_id": request_id}), status=status)
