"""How the data API speaks HTTP: one view per address, JSON in and out, every refusal in one shape."""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from lunary_dash.errors import api_error
from lunary_dash.paging import BadCursor
from projects.api_access import data_api
from projects.models import Project
from runs import serial
from runs.api_filters import FilterError
from runs.patience import TooSlowError

View = Callable[..., HttpResponseBase]
EMPTY_BODY = b"{}"
NUL = re.compile(rb"((?<!\\)(?:\\\\)*)\\u0000")
"""An escaped NUL, which no stored text may hold; it becomes U+FFFD as it does in ingested payloads."""


class Unfit(Exception):  # noqa: N818 - an answer, not a fault
    """The request can't be answered; carries the status and what would do."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def route(**views: View) -> View:
    """Return the one view of an address, given what answers each method; HEAD is answered as GET.

    Each view is `operation`-described and takes (request, project, …); `keys="none"` takes (request, …).
    """
    operations = {method: view.operation for method, view in views.items()}  # type: ignore[attr-defined]
    guarded = {method: _guarded(view, operations[method].keys) for method, view in views.items()}
    allowed = ", ".join(sorted({*views, "OPTIONS", *(("HEAD",) if "GET" in views else ())}))

    def dispatch(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        method = "GET" if request.method == "HEAD" else request.method or ""
        if method == "OPTIONS":
            return HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"Allow": allowed})
        if method not in guarded:
            response = api_error(HTTPStatus.METHOD_NOT_ALLOWED, f"this address answers {allowed}")
            response["Allow"] = allowed
            return response
        return guarded[method](request, *args, **kwargs)

    for name, value in (("operations", operations), ("csrf_exempt", True), ("login_required", False)):
        setattr(dispatch, name, value)
    return dispatch


def _guarded(view: View, keys: str) -> View:
    def with_refusals(*args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(*args, **kwargs)
        except Unfit as unfit:
            return api_error(unfit.status, str(unfit))
        except (FilterError, BadCursor) as error:
            return api_error(HTTPStatus.BAD_REQUEST, str(error))
        except TooSlowError:
            return api_error(HTTPStatus.BAD_REQUEST, "the search took too long: add from=, type= or user= to narrow it")

    return with_refusals if keys == "none" else data_api(public_ok=keys == "any")(with_refusals)


def answer(value: Any, status: int = HTTPStatus.OK) -> HttpResponse:
    """Return `value` as JSON; never cached, as it is somebody's data."""
    response = HttpResponse(serial.encode(value), status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response


def body(request: HttpRequest, shape: Any) -> Any:
    """Return the request's JSON as `shape`; raise Unfit for another type (415), no JSON (400) or other fields (422)."""
    if (request.content_type or "application/json") not in ("application/json", "text/plain"):
        raise Unfit(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send JSON, with Content-Type: application/json")
    text = NUL.sub(rb"\1\\ufffd", request.body.strip()) or EMPTY_BODY
    try:
        return msgspec.json.decode(text, type=shape)
    except msgspec.ValidationError as error:
        raise Unfit(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unfit(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error


def query(request: HttpRequest) -> str:
    """Return the query string as sent, not yet decoded: in the filters' grammar dots count before decoding."""
    sent: str = request.META.get("QUERY_STRING", "")
    return sent.encode("latin-1", "replace").decode("utf-8", "replace")


def place(request: HttpRequest, project: Project) -> serial.Place:
    """Return where the project's runs are told from, with the addresses of their pages."""
    site = settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")
    pages = {
        name: site + reverse(name, kwargs={"project_id": project.public_id, parameter: serial.NO_ID})
        for name, parameter in (("run_page", "run_id"), ("thread_page", "thread_id"))
    }
    return serial.Place(project.public_id, pages["run_page"], pages["thread_page"])
