"""The data API about threads: the list, and one conversation message by message."""

from typing import Annotated, Any

import msgspec
from django.http import Http404, HttpRequest, HttpResponse
from msgspec import UNSET, Meta, UnsetType

from projects.models import Project
from runs import api_details, api_filters, api_queries, api_window, serial
from runs.api import FILTER_PARAMETERS, PAGE_PARAMETERS, SORT_PARAMETERS
from runs.api_http import answer, place, query
from runs.lookup import find_run
from runs.models import Run
from runs.openapi import operation
from traces import api_threads
from traces.api_threads import Said


class ThreadView(serial.Shape):
    """One conversation."""

    id: str
    project_id: str
    created_at: Annotated[str, Meta(description="of its first message")]
    last_activity_at: str | None
    user: serial.User | None
    team_id: str | None
    organization_id: str | None
    tags: list[str] | None
    metadata: serial.Json
    messages_count: int
    first_message: serial.FirstMessage | None
    feedbacks: list[dict[str, Any]]
    cost: Annotated[serial.Money | None, Meta(description="of all runs beneath it; null: unknown")]
    url: str


class ThreadList(serial.Shape):
    """A part of the list of threads. `total` is there where it was asked for."""

    page: int
    limit: int
    next_cursor: str | None
    data: list[ThreadView]
    total: int | UnsetType = UNSET


class ThreadMessage(serial.Shape):
    """One message. `siblings` are the retries that came after it, each kept."""

    id: str
    role: str
    content: serial.Json
    created_at: str
    chat_id: Annotated[str | None, Meta(description="the run (of type chat) of its exchange")]
    user_id: str | None
    tool_calls: serial.Json | UnsetType = UNSET
    feedback: dict[str, Any] | UnsetType = UNSET
    siblings: list["ThreadMessage"] | UnsetType = UNSET


class CustomEvent(serial.Shape):
    """Something the app tracked between messages."""

    id: str
    name: str | None
    created_at: str
    metadata: serial.Json


class Conversation(ThreadView):
    """A thread with all it holds, in order of time."""

    messages: list[ThreadMessage] = msgspec.field(default_factory=list)
    custom_events: list[CustomEvent] = msgspec.field(default_factory=list)


@operation("List threads", ThreadList, (*FILTER_PARAMETERS, *SORT_PARAMETERS, *PAGE_PARAMETERS), refusals=(400,))
def list_threads(request: HttpRequest, project: Project) -> HttpResponse:
    """Return threads, newest first; every filter of runs that makes sense for a thread."""
    filters = api_filters.parse(query(request))
    window = api_window.read(filters.controls, api_queries.SORTS, api_queries.DEFAULT_LIMIT)
    threads = api_threads.matching(project.pk, filters)
    with api_queries.patient(filters):
        found = api_queries.part(threads, window)
        total = threads.count() if filters.controls.get("total") in ("1", "true") else UNSET
    return answer(
        ThreadList(
            page=window.page,
            limit=window.limit,
            next_cursor=found.next_cursor,
            data=[ThreadView(**facts) for facts in facts_of(place(request, project), project, found.rows)],
            total=total,
        )
    )


@operation("Read a conversation", Conversation)
def read_thread(request: HttpRequest, project: Project, thread_id: str) -> HttpResponse:
    """Return the thread with its messages in order and its custom events; a message's id leads to its thread."""
    run = find_run(project.pk, thread_id)
    if run is not None and run.type != "thread" and run.thread_id is not None:
        run = find_run(project.pk, str(run.thread_id))
    if run is None or run.type != "thread":
        raise Http404("Thread not found")
    (facts,) = facts_of(place(request, project), project, [run])
    told = api_threads.conversation(run)
    return answer(
        Conversation(
            **facts,
            messages=[message_view(said) for said in told.messages],
            custom_events=[event_view(event, metadata) for event, metadata in told.events],
        )
    )


def facts_of(where: serial.Place, project: Project, threads: list[Run]) -> list[dict[str, Any]]:
    """Return the fields of each thread's ThreadView."""
    costs = api_threads.costs(project.pk, threads)
    beside = api_details.beside(project.pk, threads)
    views = [serial.run_view(run, each, where) for run, each in zip(threads, beside, strict=True)]
    same = ("id", "project_id", "created_at", "user", "team_id", "organization_id", "tags", "metadata")
    return [
        {name: getattr(view, name) for name in (*same, "messages_count", "first_message", "feedbacks", "url")}
        | {"last_activity_at": view.ended_at, "cost": serial.money(costs.get(run.id))}
        for run, view in zip(threads, views, strict=True)
    ]


def message_view(said: Said) -> ThreadMessage:
    """Return a message, with its siblings, as the API tells it."""
    message = said.message
    return ThreadMessage(
        id=str(message.id),
        role=message.role,
        content=serial.raw(api_details.message_content(message.body)),
        created_at=serial.moment(message.at),
        chat_id=serial.text(message.chat_id),
        user_id=message.user_id,
        tool_calls=UNSET if said.tool_calls is None else serial.raw(said.tool_calls),
        feedback=said.feedback or UNSET,
        siblings=[message_view(each) for each in said.siblings] if said.siblings else UNSET,
    )


def event_view(event: Run, metadata: str | None) -> CustomEvent:
    """Return a custom event as the API tells it; `metadata` is JSON text."""
    return CustomEvent(
        id=str(event.id), name=event.name, created_at=serial.moment(event.started_at), metadata=serial.raw(metadata)
    )
