"""Where clients send events: POST …/v1/runs/ingest, and /api/report of very old SDKs (lunary-protocol.md §2.2)."""

import re
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

import msgspec
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from ingest import intake, lunary
from ingest.transport import Refused, drain, read_body
from lunary_dash.errors import api_error
from projects import keys

RETRY_SECONDS = "5"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_encode = msgspec.json.Encoder().encode

View = Callable[[HttpRequest], HttpResponse]


def client_endpoint(view: View) -> View:
    """Make a view an endpoint for clients: POST only, no cookies, and every failure as JSON with the right status."""

    @csrf_exempt
    @login_not_required
    @wraps(view)
    def answered(request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            response: HttpResponse = api_error(HTTPStatus.METHOD_NOT_ALLOWED, "Send events here with POST")
            response["Allow"] = "POST, OPTIONS"
            return response
        try:
            return view(request)
        except Refused as refused:
            drain(request)
            response = api_error(refused.status, refused.message)
            for name, value in refused.headers.items():
                response[name] = value
            return response
        except lunary.BadBody as error:
            return api_error(HTTPStatus.BAD_REQUEST, str(error))
        except intake.NoProject as error:
            return api_error(HTTPStatus.UNAUTHORIZED, str(error))
        except intake.AWAY:
            response = api_error(
                HTTPStatus.SERVICE_UNAVAILABLE, "The database can't be reached: nothing was stored, send it again"
            )
            response["Retry-After"] = RETRY_SECONDS
            return response

    return answered


@client_endpoint
def runs_ingest(request: HttpRequest) -> HttpResponse:
    """Store a batch of events for the project of the key; 200 is sent after commit, with one result per event."""
    text = keys.from_request(request)
    if text is None:
        raise Refused(
            HTTPStatus.UNAUTHORIZED, "No API key: send a key of the project as `Authorization: Bearer` or `X-API-Key`"
        )
    sender = keys.find(text)
    if sender is None:
        raise Refused(HTTPStatus.UNAUTHORIZED, "Invalid API key" if _UUID.fullmatch(text) else "Invalid access token")
    decoded = intake.take(read_body(request), sender, timezone.now())
    return _json({"results": decoded.results})


@client_endpoint
def legacy_report(request: HttpRequest) -> HttpResponse:
    """Store a batch of events for the project that the first one names; the answer is the bare list of results."""
    return _json(intake.take(read_body(request), None, timezone.now()).results)


def _json(value: object) -> HttpResponse:
    return HttpResponse(_encode(value), content_type="application/json")
