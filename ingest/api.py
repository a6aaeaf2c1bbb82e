"""The data API about events that could not be stored: each with its reason and its raw text (rule 4)."""

from uuid import UUID

import msgspec
from django.http import HttpRequest, HttpResponse
from msgspec import UNSET, UnsetType

from ingest.models import Rejection
from projects.models import Project
from runs import api_filters, api_window, keyset, serial
from runs.api import PAGE_PARAMETERS
from runs.api_http import answer, query
from runs.api_window import Key
from runs.openapi import Parameter, operation

OWN = frozenset({"code"})
DEFAULT_LIMIT = 50


class HeldEvent(serial.Shape):
    """An event that was refused. `event` is what was sent: JSON where it was JSON, else text."""

    id: str
    run_id: str | None
    code: str
    reason: str
    event: serial.Json
    received_at: str
    times: int
    replayed_at: str | None


class HeldEvents(serial.Shape):
    """A part of the list of refused events. `total` is there where it was asked for."""

    page: int
    limit: int
    next_cursor: str | None
    data: list[HeldEvent]
    total: int | UnsetType = UNSET


@operation(
    "List refused events",
    HeldEvents,
    (Parameter("code", str, "only of this reason, by its machine name"), *PAGE_PARAMETERS),
    refusals=(400,),
)
def list_rejections(request: HttpRequest, project: Project) -> HttpResponse:
    """Return what could not be stored, newest first; kept for 30 days unless configured otherwise."""
    filters = api_filters.parse(query(request), OWN)
    if filters.leaves:
        raise api_filters.FilterError(f"there is no filter '{filters.leaves[0].id}' here: use code")
    window = api_window.read(filters.controls, ("createdAt",), DEFAULT_LIMIT)
    held = Rejection.objects.filter(project_id=project.pk)
    if code := filters.controls.get("code"):
        held = held.filter(code=code)
    found = api_window.part(held, window, Key("received_at", keyset.moment, read_identity=UUID))
    return answer(
        HeldEvents(
            page=window.page,
            limit=window.limit,
            next_cursor=found.next_cursor,
            data=[_told(rejection) for rejection in found.rows],
            total=held.count() if filters.controls.get("total") in ("1", "true") else UNSET,
        )
    )


def _told(rejection: Rejection) -> HeldEvent:
    return HeldEvent(
        id=str(rejection.id),
        run_id=rejection.run_id,
        code=rejection.code,
        reason=rejection.reason,
        event=_as_sent(rejection.event),
        received_at=serial.moment(rejection.received_at),
        times=rejection.times,
        replayed_at=serial.optional_moment(rejection.replayed_at),
    )


def _as_sent(text: str) -> msgspec.Raw:
    """Return the raw event for an answer: as it is where it is JSON, quoted where it never was."""
    try:
        return msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.Raw(msgspec.json.encode(text))
