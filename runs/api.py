"""The data API about runs (lunary-protocol.md §2.9): read the address, call one function, tell the result."""

from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from django.http import Http404, HttpRequest, HttpResponse
from msgspec import UNSET, Meta, UnsetType

from projects.models import Project
from runs import api_details, api_filters, api_queries, api_window, api_writes, deletion, openapi, serial
from runs.api_http import Unfit, answer, body, place, query
from runs.ids import run_id
from runs.lookup import find_run
from runs.models import Run
from runs.openapi import Parameter, operation

MOST_DAYS = 3_650
PAGE_PARAMETERS = (
    Parameter("limit", Annotated[int, Meta(ge=1, le=api_window.MOST_ROWS)], "rows on a page"),
    Parameter("page", Annotated[int, Meta(ge=0)], f"page by number, up to row {api_window.DEEPEST_ROW}"),
    Parameter("cursor", str, "nextCursor of the page before: the way through long lists"),
    Parameter("total", bool, "true or 1: count the whole list too"),
)
FILTER_PARAMETERS = (
    *(Parameter(name, str, spec.usage) for name, spec in api_filters.FILTERS.items()),
    *(Parameter(name, str, "as in the run list's address") for name in sorted(api_filters.PAGE_NAMES)),
    Parameter("metadata.<key>", str, "the metadata hold this key with this value"),
    Parameter("parentRunId", str, "children of this run, chat message or thread"),
    Parameter("repeats", bool, "1: also runs that report the same call as another run"),
)
SORT_PARAMETERS = (
    Parameter("sortField", Literal[api_queries.SORTS], f"one of {', '.join(api_queries.SORTS)}"),
    Parameter("sortDirection", str, "desc, or ascending for anything else"),
)


class RunList(serial.Shape):
    """A part of the list of runs. `total` is there where it was asked for."""

    page: int
    limit: int
    next_cursor: str | None
    data: list[serial.RunView]
    total: int | UnsetType = UNSET


class UsageRow(serial.Shape, omit_defaults=True):
    """What runs of one name and type used."""

    name: str | None
    type: str
    completion_tokens: int
    prompt_tokens: int
    cost: serial.Money | None
    errors: int
    success: int
    date: str | UnsetType = UNSET


class TagsBody(msgspec.Struct):
    """The run's new tags; null or absent: none."""

    tags: list[str] | None = None


class ScoreBody(msgspec.Struct):
    """One value of one evaluation."""

    label: Annotated[str, Meta(min_length=1, max_length=200)]
    value: float | int | str | bool
    comment: str | None = None


class Deleted(serial.Shape):
    """How many runs went: the run and everything beneath it."""

    deleted: int


class Health(msgspec.Struct):
    """The server answers."""

    status: str


@operation("List runs", RunList, (*FILTER_PARAMETERS, *SORT_PARAMETERS, *PAGE_PARAMETERS), refusals=(400,))
def list_runs(request: HttpRequest, project: Project) -> HttpResponse:
    """Newest first. Without a filter these are the LLM calls, `type=all` is every type; after `OR&` any filter does."""
    filters = api_filters.parse(query(request))
    window = api_window.read(filters.controls, api_queries.SORTS, api_queries.DEFAULT_LIMIT)
    runs = api_queries.matching(project.pk, filters, _parent(project, filters))
    with api_queries.patient(filters):
        found = api_queries.part(runs, window)
        total = runs.count() if filters.controls.get("total") in ("1", "true") else UNSET
    beside = api_details.beside(project.pk, found.rows)
    where = place(request, project)
    return answer(
        RunList(
            page=window.page,
            limit=window.limit,
            next_cursor=found.next_cursor,
            data=[serial.run_view(run, each, where) for run, each in zip(found.rows, beside, strict=True)],
            total=total,
        )
    )


@operation("Count runs", int, FILTER_PARAMETERS, refusals=(400,))
def count_runs(request: HttpRequest, project: Project) -> HttpResponse:
    """Return the number of runs that the list with the same filters has, all of them."""
    filters = api_filters.parse(query(request))
    with api_queries.patient(filters):
        return answer(api_queries.matching(project.pk, filters, _parent(project, filters)).count())


@operation("Read a run", serial.RunView)
def read_run(request: HttpRequest, project: Project, run_id: str) -> HttpResponse:
    """Return the run with its log lines; the id of a chat message leads to its chat."""
    run = _run(project, run_id)
    (beside,) = api_details.beside(project.pk, [run], logs=True)
    return answer(serial.run_view(run, beside, place(request, project)))


@operation("Delete a run", Deleted)
def delete_run(request: HttpRequest, project: Project, run_id: str) -> HttpResponse:
    """Delete the run and everything beneath it. What was billed stays billed."""
    return answer(Deleted(deleted=deletion.delete_run(project.pk, _run(project, run_id).id)))


@operation("Read a run and everything beneath it", list[serial.RelatedRun])
def related_runs(request: HttpRequest, project: Project, run_id: str) -> HttpResponse:
    """Return the sub-tree as a flat list in order of time, plain spans included."""
    runs = api_queries.related(_run(project, run_id))
    beside = api_details.beside(project.pk, runs)
    where = place(request, project)
    return answer([serial.related_view(run, each, where) for run, each in zip(runs, beside, strict=True)])


@operation("Read a run's feedback", dict[str, Any] | None, keys="any")
def read_feedback(request: HttpRequest, project: Project, run_id: str) -> HttpResponse:
    """Return the feedback on a run or message, null where there is none."""
    run = _run(project, run_id)
    message = api_writes.message_meant(project.pk, run_id, run)
    return answer(api_details.feedback_of(run) if message is None else api_writes.message_feedback(project.pk, message))


@operation("Give feedback", dict[str, Any] | None, body=dict[str, Any] | None, refusals=(400, 415, 422))
def give_feedback(request: HttpRequest, project: Project, run_id: str) -> HttpResponse:
    """Merge keys (`thumb`: up or down, `comment`, any other) into the feedback; a null value removes its key."""
    run = _run(project, run_id)
    values: dict[str, Any] | None = body(request, dict[str, Any] | None)
    if values and values.get("thumb") not in (None, "up", "down"):
        raise Unfit(HTTPStatus.UNPROCESSABLE_ENTITY, "thumb is up, down or null")
    if api_writes.is_deep(values):
        raise Unfit(HTTPStatus.UNPROCESSABLE_ENTITY, f"feedback is nested at most {api_writes.DEEPEST} levels deep")
    message = api_writes.message_meant(project.pk, run_id, run)
    api_writes.give_feedback(project.pk, message or run.id, values)
    return read_feedback(request, project, run_id)


@operation("Set a run's tags", TagsBody, body=TagsBody, refusals=(400, 415, 422))
def set_tags(request: HttpRequest, project: Project, run_id: str) -> HttpResponse:
    """Replace the tags. Later events no longer change them."""
    run = _run(project, run_id)
    wanted: TagsBody = body(request, TagsBody)
    api_writes.set_tags(run, wanted.tags)
    return answer(wanted)


@operation("Score a run", ScoreBody, body=ScoreBody, refusals=(400, 415, 422))
def set_score(request: HttpRequest, project: Project, run_id: str) -> HttpResponse:
    """Store what an evaluation of yours found; the same label again replaces it."""
    run = _run(project, run_id)
    score: ScoreBody = body(request, ScoreBody)
    api_writes.set_score(run, score.label, score.value, score.comment)
    return answer(score)


@operation(
    "Sum usage by name and type",
    list[UsageRow],
    (
        Parameter("days", Annotated[int, Meta(ge=1, le=MOST_DAYS)], "the last days up to now", required=True),
        Parameter("userId", str, "of one end user"),
        Parameter("daily", bool, "1 or true: by UTC day as well"),
    ),
    refusals=(400,),
)
def usage(request: HttpRequest, project: Project) -> HttpResponse:
    """Return tokens, cost, errors and successes; a cost of null is unknown."""
    days = request.GET.get("days", "")
    if not (days.isascii() and days.isdigit() and 1 <= int(days[:6]) <= MOST_DAYS):
        raise Unfit(HTTPStatus.BAD_REQUEST, f"Invalid query parameters: days is a number from 1 to {MOST_DAYS}")
    daily = request.GET.get("daily") in ("1", "true")
    user_id = request.GET.get("userId", "").replace("\x00", "\ufffd") or None
    rows = api_queries.usage(project.pk, int(days), user_id, daily=daily)
    return answer([_usage_row(row) for row in rows])


@operation("Ask whether the server is up", Health, keys="none")
def health(request: HttpRequest) -> HttpResponse:
    """Answer without a key and without the database."""
    return answer(Health(status="OK"))


@operation("Read this description", openapi.Document, keys="none")
def describe(request: HttpRequest) -> HttpResponse:
    """Return the OpenAPI document of the data API."""
    return answer(openapi.document(request.build_absolute_uri("/").rstrip("/")))


def _run(project: Project, text: str) -> Run:
    run = find_run(project.pk, text)
    if run is None:
        raise Http404("Run not found")
    return run


def _parent(project: Project, filters: api_filters.Filters) -> Run | UUID | None:
    """Return the run whose children are asked for; its bare id where it has not been received, None where none is."""
    text = filters.controls.get("parentRunId", "")
    if not text:
        return None
    identifier = run_id(text)
    return find_run(project.pk, text) or (UUID(identifier) if identifier else None)


def _usage_row(row: api_queries.UsageRow) -> UsageRow:
    return UsageRow(
        name=row.name,
        type=row.type,
        completion_tokens=row.completion_tokens,
        prompt_tokens=row.prompt_tokens,
        cost=serial.money(row.cost),
        errors=row.errors,
        success=row.success,
        date=UNSET if row.day is None else serial.moment(row.day),
    )
