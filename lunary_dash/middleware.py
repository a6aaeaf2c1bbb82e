"""Small middlewares: how long a request took, what a page may load, and who may call the data paths."""

import re
import time
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.utils.cache import patch_vary_headers

from lunary_dash.errors import error_page, is_data_path

Next = Callable[[HttpRequest], HttpResponseBase]

# Everything a page uses is served from here; nothing is inline, nothing is framed.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)

# What Lunary's server answers (protocol §2.1), with its X-API-Key spelled out: browsers don't send it unasked.
CORS_METHODS = "GET, POST, PATCH, DELETE, OPTIONS, PUT"
CORS_HEADERS = "Content-Type, Authorization, Accept, X-API-Key"
PREFLIGHT_SECONDS = "7200"

ACCEPTABLE_ID = re.compile(r"[\w.:-]{1,64}")


def server_time(get_response: Next) -> Next:
    """Give the request an id and a start time; answer with both (X-Request-ID, Server-Timing in ms)."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        sent = request.headers.get("X-Request-ID", "")
        request_id = sent if ACCEPTABLE_ID.fullmatch(sent) else uuid.uuid4().hex
        request.started = started  # type: ignore[attr-defined]
        request.request_id = request_id  # type: ignore[attr-defined]
        response = get_response(request)
        response["X-Request-ID"] = request_id
        response["Server-Timing"] = f"app;dur={(time.perf_counter() - started) * 1000:.1f}"
        return response

    return middleware


def content_security_policy(get_response: Next) -> Next:
    """Forbid inline script and style, foreign hosts and framing on every answer that does not say otherwise."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response

    return middleware


def cors_for_data_paths(get_response: Next) -> Next:
    """Let any page call the data paths, as browser SDKs do; a preflight is answered here, without a key.

    Reflecting the origin with credentials is safe because sessions only count from this site's own pages
    (projects.api_access), and keys are sent on purpose.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not is_data_path(request.path):
            return get_response(request)
        response = HttpResponse(status=204) if request.method == "OPTIONS" else get_response(request)
        allow_origin(request, response)
        return response

    return middleware


def explain_wrong_method(get_response: Next) -> Next:
    """Give a page to somebody who typed or reloaded an address that only forms send to; Django's 405 is blank."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if not isinstance(response, HttpResponseNotAllowed) or response.content:
            return response
        page = error_page(request, 405)
        page["Allow"] = response["Allow"]
        return page

    return middleware


def allow_origin(request: HttpRequest, response: HttpResponseBase) -> None:
    """Add the headers that let the page at the request's Origin read the answer; nothing without an Origin."""
    origin = request.headers.get("Origin")
    if not origin:
        return
    response["Access-Control-Allow-Origin"] = origin
    response["Access-Control-Allow-Credentials"] = "true"
    response["Access-Control-Expose-Headers"] = "X-Request-ID"
    patch_vary_headers(response, ["Origin"])
    if request.method == "OPTIONS":
        response["Access-Control-Allow-Methods"] = CORS_METHODS
        response["Access-Control-Allow-Headers"] = CORS_HEADERS
        response["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
