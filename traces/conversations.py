"""What the thread pages read: lists of conversations, and everything of one."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connection
from django.db.models import F, Min, Q, TextField, Value

from runs import bodies, conditions, feedback, jsontree
from runs.models import EndUser, Feedback, Message, Run, RunBody
from runs.queries import Person, people
from traces.columns import RunRow
from traces.queries import COLUMNS, summed, sums_in
from traces.story import AttachedRow, ChatRow, EventRow, MessageRow, Story

MODELS = 20  # names of models that one trace is said to have used


@dataclass(frozen=True)
class Who:
    """The end user of a conversation, with properties as pairs for a key-value list."""

    person: Person
    props: tuple[tuple[str, str], ...]
    threads: int


@dataclass(frozen=True)
class Thread:
    """One conversation with everything its page says beside the messages."""

    run: Run
    story: Story
    who: Who | None
    names: dict[str, Person] = field(default_factory=dict)
    metadata: list[tuple[str, str, tuple[jsontree.Step, ...]]] = field(default_factory=list)


def thread(project_id: int, run: Run) -> Thread:
    """Return a conversation; `run` is its run of type thread. Eight queries, however long it is."""
    story = story_of(project_id, run.id)
    body = RunBody.objects.filter(project_id=project_id, run_id=run.id).only("metadata").first()
    speakers = {message.user_id for message in story.messages if message.user_id}
    names = people(project_id, speakers | ({run.user_id} if run.user_id else set()))
    return Thread(
        run=run,
        story=story,
        who=_who(project_id, run.user_id),
        names=names,
        metadata=bodies.pairs(_metadata_text(run, body)),
    )


def _metadata_text(run: Run, body: RunBody | None) -> str | None:
    """Return a thread's metadata as sent; where no event of its own carried any, what was gathered from messages."""
    sent = bodies.metadata(body.metadata) if body else None
    return sent or (json.dumps(run.metadata) if run.metadata else None)


def story_of(project_id: int, thread_id: UUID, *, with_bodies: bool = True) -> Story:
    """Return what is stored of one thread; without bodies, those of its messages are ''."""
    fields = [
        name if with_bodies or name != "body" else Value("", TextField()) for name in MessageRow.__struct_fields__
    ]
    messages = Message.objects.filter(project_id=project_id, thread_id=thread_id).values_list(*fields)
    parts = conditions.of_project(project_id).filter(thread_id=thread_id, type__in=("chat", "custom-event"))
    rows = list(parts.values_list("type", "id", "name", "started_at", "sibling_of"))
    events = [EventRow(id, name, at) for type, id, name, at, _ in rows if type == "custom-event"]
    given, given_at, chat_of = _given(project_id, thread_id)
    return Story(
        messages=[MessageRow(*row) for row in messages],
        chats=[ChatRow(id, at, sibling_of) for type, id, _, at, sibling_of in rows if type == "chat"],
        events=_with_metadata(project_id, events),
        runs=_attached(project_id, thread_id),
        feedback=given,
        given_at=given_at,
        chat_of=chat_of,
    )


def _attached(project_id: int, thread_id: UUID) -> list[AttachedRow]:
    """Return the runs of a thread by exchange and trace: two queries, and as many rows as there are traces."""
    inside = conditions.of_project(project_id).filter(thread_id=thread_id, trace_id__isnull=False)
    inside = inside.exclude(type__in=("chat", "thread", "custom-event"))
    roots = {row[0]: RunRow(*row) for row in inside.filter(id=F("trace_id")).values_list(*COLUMNS)}
    models = ArrayAgg("name", distinct=True, filter=Q(type="llm", name__isnull=False), default=Value([]))
    grouped = summed(inside.filter(conditions.listed()), "chat_id", "trace_id").annotate(
        first=Min("started_at"), models=models
    )
    return [
        AttachedRow(
            chat_id=row["chat_id"],
            trace_id=row["trace_id"],
            started_at=row["first"],
            sums=sums_in(row),
            models=tuple(row["models"][:MODELS]),
            root=roots.get(row["trace_id"]),
        )
        for row in grouped
    ]


# What was given on the thread, its messages, exchanges and runs; and which exchange a run belongs to.
_GIVEN = """
    WITH inside AS (
        SELECT id, NULL::uuid AS chat_id FROM runs_message
        WHERE project_id = %(project)s AND thread_id = %(thread)s
        UNION SELECT id, CASE WHEN type NOT IN ('chat', 'thread') THEN chat_id END FROM runs_run
        WHERE project_id = %(project)s AND thread_id = %(thread)s)
    SELECT f.run_id, f.key, f.value::text, f.at, inside.chat_id
    FROM inside JOIN runs_feedback f ON f.project_id = %(project)s AND f.run_id = inside.id
    WHERE f.value IS NOT NULL AND f.value <> 'null'::jsonb
"""


def _given(
    project_id: int, thread_id: UUID
) -> tuple[dict[UUID, dict[str, Any]], dict[UUID, dict[str, datetime]], dict[UUID, UUID]]:
    """Return the feedback inside a thread by run or message, when it was given, and the exchanges of the runs."""
    given: dict[UUID, dict[str, Any]] = {}
    given_at: dict[UUID, dict[str, datetime]] = {}
    chat_of: dict[UUID, UUID] = {}
    with connection.cursor() as cursor:
        cursor.execute(_GIVEN, {"project": project_id, "thread": thread_id})
        for run_id, key, text, at, chat_id in cursor.fetchall():
            given.setdefault(run_id, {})[key] = json.loads(text)
            given_at.setdefault(run_id, {})[key] = at
            if chat_id:
                chat_of[run_id] = chat_id
    return given, given_at, chat_of


def _with_metadata(project_id: int, events: list[EventRow]) -> list[EventRow]:
    """Return the events with what their clients sent along."""
    if not events:
        return events
    rows = RunBody.objects.filter(project_id=project_id, run_id__in=[event.id for event in events])
    sent = {run_id: bodies.metadata(ranked) for run_id, ranked in rows.values_list("run_id", "metadata")}
    return [
        EventRow(event.id, event.name, event.at, json.loads(text) if (text := sent.get(event.id)) else None)
        for event in events
    ]


def feedback_of(project_id: int, ids: list[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return what was given on each of these, removed keys left out."""
    found: dict[UUID, dict[str, Any]] = {}
    rows = Feedback.objects.filter(project_id=project_id, run_id__in=set(ids)).values_list("run_id", "key", "value")
    for run_id, key, value in rows:
        if value is not None:
            found.setdefault(run_id, {})[key] = value
    return found


def _who(project_id: int, user_id: str | None) -> Who | None:
    if not user_id:
        return None
    user = EndUser.objects.filter(project_id=project_id, id=user_id).first()
    props = user.props if user and isinstance(user.props, dict) else {}
    shown = tuple(
        (str(key), value if isinstance(value, str) else jsontree.compact(value)) for key, value in props.items()
    )
    threads = conditions.of_project(project_id).filter(user_id=user_id, type="thread").count()
    return Who(person=Person.of(user_id, props), props=shown, threads=threads)


def holds(project_id: int, thread_id: UUID, message_id: UUID) -> bool:
    """Tell whether the message is part of the thread: feedback is taken on nothing else."""
    return Message.objects.filter(project_id=project_id, id=message_id, thread_id=thread_id).exists()


def give_feedback(project_id: int, message_id: UUID, values: dict[str, Any], at: datetime) -> None:
    """Set feedback on a message; both spellings of the thumb are one, so the other is removed."""
    if "thumb" in values:
        other = Feedback.objects.filter(project_id=project_id, run_id=message_id, key="thumbs").exists()
        values = values | ({"thumbs": None} if other else {})
    feedback.give(project_id, message_id, values, at)
