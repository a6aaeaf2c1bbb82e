"""What the data API reads about threads. A retry's messages stand beside those of the exchange that they replace."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import QuerySet, Sum

from runs import api_conditions, api_details, conditions
from runs.api_filters import Filters
from runs.models import Feedback, Message, Run, Side

SIDES = {Side.IN: 0, Side.OUT: 1}


@dataclass
class Said:
    """A message with what was said of it, and the messages of later retries that replace it."""

    message: Message
    feedback: dict[str, Any]
    tool_calls: str | None = None  # JSON text as sent
    siblings: list["Said"] = field(default_factory=list)


@dataclass(frozen=True)
class Told:
    """A whole conversation; events with their metadata as JSON text."""

    messages: list[Said]
    events: list[tuple[Run, str | None]]


def matching(project_id: int, filters: Filters) -> QuerySet[Run]:
    """Return the threads that an address asks for."""
    runs = api_conditions.matching(project_id, filters) if filters.leaves else api_conditions.every_run(project_id)
    return runs.filter(type="thread")


def costs(project_id: int, threads: Sequence[Run]) -> dict[UUID, Decimal | None]:
    """Return what the runs of each thread cost together, in US dollars; None where no cost is known."""
    runs = conditions.of_project(project_id).filter(conditions.listed(), thread_id__in=[run.id for run in threads])
    spent = runs.order_by().values_list("thread_id").annotate(spent=Sum("cost"))
    return {thread_id: cost for thread_id, cost in spent if thread_id is not None}


def conversation(thread: Run, *, with_bodies: bool = True) -> Told:
    """Return the thread's messages in the order they were said, retries beside what they replace, and its events.

    Without bodies, `fill` gives them to a part of the messages at a time.
    """
    rows = Message.objects.filter(project_id=thread.project_id, thread_id=thread.id, side__in=Side.values)
    rows = rows if with_bodies else rows.defer("body")
    messages = sorted(rows, key=lambda message: (message.at, SIDES[Side(message.side)], message.id))
    given = _feedback(thread.project_id, messages)
    answered = {message.id for message in messages if message.side == Side.OUT}
    said = [Said(message, _own_feedback(message, given, answered)) for message in messages]
    if with_bodies:
        fill(said, {})
    members = Run.objects.filter(project_id=thread.project_id, thread_id=thread.id)
    retried = members.filter(type="chat", sibling_of__isnull=False).values_list("id", "sibling_of")
    return Told(_with_siblings(said, dict(retried)), _events(members))


def fill(said: Sequence[Said], texts: Mapping[tuple[UUID, str], str]) -> None:
    """Give messages without one the body that `texts` has under (id, side), and read their tool calls."""
    for each in said:
        key = each.message.id, each.message.side
        if key in texts:
            each.message.body = texts[key]
        each.tool_calls = tool_calls(each.message.body)


def tool_calls(body: str) -> str | None:
    """Return a message's tool calls as the JSON text they were sent with, in either spelling; None: it makes none."""
    try:
        message = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return None
    calls = message.get("tool_calls") or message.get("toolCalls")
    text = bytes(calls).decode() if calls is not None else "null"
    return None if text in ("null", "[]") else text


def _events(members: QuerySet[Run]) -> list[tuple[Run, str | None]]:
    events = list(members.filter(type="custom-event").order_by("started_at", "id"))
    if not events:
        return []
    beside = api_details.beside(events[0].project_id, events)
    return [(event, each.metadata) for event, each in zip(events, beside, strict=True)]


def _feedback(project_id: int, messages: Sequence[Message]) -> dict[UUID, dict[str, Any]]:
    given: dict[UUID, dict[str, Any]] = defaultdict(dict)
    ids = {message.id for message in messages}
    for row in Feedback.objects.filter(project_id=project_id, run_id__in=ids).order_by("key"):
        if row.value is not None:
            given[row.run_id][row.key] = row.value
    return given


def _own_feedback(message: Message, given: dict[UUID, dict[str, Any]], answered: set[UUID]) -> dict[str, Any]:
    """Return the message's feedback; where a question and its answer share an id, people judged the answer."""
    if message.side == Side.IN and message.id in answered:
        return {}
    return given.get(message.id, {})


def _with_siblings(said: list[Said], retried: dict[UUID, UUID | None]) -> list[Said]:
    """Move the messages of retries beside the last message of their side in the exchange that they retry."""
    kept = [each for each in said if each.message.chat_id not in retried]
    latest: dict[tuple[UUID | None, str], Said] = {}
    for each in kept:
        latest[each.message.chat_id, each.message.side] = each
    for each in said:
        original = retried.get(each.message.chat_id) if each.message.chat_id else None
        if original is None:
            continue
        replaced = latest.get((original, each.message.side)) or latest.get((original, Side.OUT))
        replaced = replaced or latest.get((original, Side.IN))
        (replaced.siblings if replaced else kept).append(each)
    return kept
