"""What the data API tells of runs apart from their rows, for a whole list at once: a fixed number of statements."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import Count, Max

from runs import bodies, serial
from runs.models import EndUser, Feedback, Message, Run, RunBody, RunLog, Score, Side

SIDE_ORDER = {Side.IN: 0, Side.OUT: 1}


def beside(project_id: int, runs: Sequence[Run], *, logs: bool = False) -> list[serial.Beside]:
    """Return what belongs to each of `runs`, in their order; log lines only where asked for."""
    ids = [run.id for run in runs]
    chats = _chats(project_id, runs)
    threads = _threads(project_id, [run for run in runs if run.type == "thread"])
    shown = _feedback(project_id, runs, chats, threads)
    found = RunBody.objects.filter(project_id=project_id, run_id__in=ids)
    carried = {body.run_id: body for body in found}
    people = EndUser.objects.filter(project_id=project_id, id__in={run.user_id for run in runs if run.user_id})
    users = {user.id: user for user in people}
    scores: dict[UUID, list[Score]] = defaultdict(list)
    for score in Score.objects.filter(project_id=project_id, run_id__in=ids).order_by("label"):
        scores[score.run_id].append(score)
    lines = _logs(project_id, ids) if logs else None
    return [
        serial.Beside(
            body=_body(run, carried.get(run.id), chats.get(run.id)),
            user=users.get(run.user_id or ""),
            feedback=shown.own(run),
            parent_feedback=shown.above(run),
            feedbacks=shown.each(run),
            scores=scores[run.id],
            metadata=_metadata(run, carried.get(run.id), chats.get(run.id), threads.get(run.id)),
            first_message=threads[run.id].first if run.id in threads else None,
            messages=threads[run.id].messages if run.id in threads else len(chats.get(run.id, ())),
            logs=None if lines is None else lines[run.id],
        )
        for run in runs
    ]


def feedback_of(run: Run) -> dict[str, Any] | None:
    """Return the run's own feedback, a chat's with that of its messages; None where there is none."""
    chats = _chats(run.project_id, [run])
    return _feedback(run.project_id, [run], chats, {}).own(run) or None


@dataclass
class ThreadFacts:
    """What a thread's messages say about it."""

    messages: int = 0
    first: serial.FirstMessage | None = None
    metadata: list[str] = field(default_factory=list)
    message_ids: list[UUID] = field(default_factory=list)


@dataclass
class Given:
    """Feedback by what it was given on: {run or message: {key: (when, value)}}; null values were taken back."""

    rows: dict[UUID, dict[str, tuple[datetime, Any]]]
    chat_messages: dict[UUID, list[UUID]]
    threads: dict[UUID, ThreadFacts]

    def own(self, run: Run) -> dict[str, Any]:
        """Return the run's own feedback, a chat's with its messages'; of two answers to one key the newer."""
        if run.type == "chat":
            return self._newest([run.id, *self.chat_messages.get(run.id, ())])
        return self._newest([run.id])

    def above(self, run: Run) -> dict[str, Any]:
        """Return what was given on the chat and on the trace that the run is part of; the trace is nearer."""
        found: dict[str, Any] = {}
        if run.chat_id and run.type != "chat":
            found |= self._newest([run.chat_id, *self.chat_messages.get(run.chat_id, ())])
        if run.trace_id and run.trace_id != run.id:
            found |= self._newest([run.trace_id])
        return found

    def each(self, run: Run) -> list[dict[str, Any]]:
        """Return the feedback on each message of a chat or thread that has some."""
        if run.type == "chat":
            members = self.chat_messages.get(run.id, [])
        else:
            members = self.threads[run.id].message_ids if run.id in self.threads else []
        return [given for member in dict.fromkeys(members) if (given := self._newest([member]))]

    def _newest(self, ids: Iterable[UUID]) -> dict[str, Any]:
        newest: dict[str, tuple[datetime, Any]] = {}
        for each in dict.fromkeys(ids):
            for key, (at, value) in self.rows.get(each, {}).items():
                if key not in newest or newest[key][0] < at:
                    newest[key] = (at, value)
        return {key: value for key, (_, value) in newest.items() if value is not None}


def _chats(project_id: int, runs: Sequence[Run]) -> dict[UUID, list[Message]]:
    """Return the messages of every chat among the runs, and of the chats above them, in the order they were said.

    Bodies are read only for chats that are themselves in the list.
    """
    listed = [run.id for run in runs if run.type == "chat"]
    above = {run.chat_id for run in runs if run.chat_id} - set(listed)
    threads = {run.thread_id for run in runs if run.thread_id and (run.chat_id or run.type == "chat")}
    if not threads:
        return {}
    rows = Message.objects.filter(project_id=project_id, thread_id__in=threads, side__in=Side.values)
    said: dict[UUID, list[Message]] = defaultdict(list)
    for chat_ids, messages in ((listed, rows), (list(above), rows.defer("body"))):
        if chat_ids:
            for message in messages.filter(chat_id__in=chat_ids):
                if message.chat_id is not None:
                    said[message.chat_id].append(message)
    return {chat: sorted(messages, key=_moment) for chat, messages in said.items()}


def _moment(message: Message) -> tuple[datetime, int, UUID]:
    return (message.at, SIDE_ORDER.get(Side(message.side), 0), message.id)


def _threads(project_id: int, threads: Sequence[Run]) -> dict[UUID, ThreadFacts]:
    if not threads:
        return {}
    rows = Message.objects.filter(project_id=project_id, thread_id__in=[run.id for run in threads])
    facts = {run.id: ThreadFacts() for run in threads}
    said = rows.filter(side__in=Side.values)
    for thread_id, count in said.order_by().values_list("thread_id").annotate(messages=Count("*")):
        facts[_known(thread_id)].messages = count
    for first in said.order_by("thread_id", "at", "side", "id").distinct("thread_id"):
        content = serial.raw(message_content(first.body))
        at = serial.moment(first.at)
        facts[_known(first.thread_id)].first = serial.FirstMessage(
            id=str(first.id), role=first.role, content=content, created_at=at
        )
    told = rows.exclude(thread_metadata=None).values_list("thread_id", "thread_metadata").annotate(last=Max("at"))
    for thread_id, text, _ in told.order_by("last"):
        facts[_known(thread_id)].metadata.append(text or "{}")
    given = Feedback.objects.filter(project_id=project_id).values("run_id")
    for thread_id, message_id in said.filter(id__in=given).order_by("at").values_list("thread_id", "id"):
        facts[_known(thread_id)].message_ids.append(message_id)
    return facts


def message_content(body: str) -> str | None:
    """Return what a message says, as the JSON text it was sent with: its `content`, else its `text`."""
    try:
        message = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return body
    for key in ("content", "text"):
        if key in message and bytes(message[key]) != b"null":
            return bytes(message[key]).decode()
    return None


def _feedback(
    project_id: int, runs: Sequence[Run], chats: dict[UUID, list[Message]], threads: dict[UUID, ThreadFacts]
) -> Given:
    members = {chat: [message.id for message in messages] for chat, messages in chats.items()}
    targets = {each for messages in members.values() for each in messages}
    targets |= {each for facts in threads.values() for each in facts.message_ids}
    targets |= {each for run in runs for each in (run.id, run.chat_id, run.trace_id) if each}
    rows: dict[UUID, dict[str, tuple[datetime, Any]]] = defaultdict(dict)
    for row in Feedback.objects.filter(project_id=project_id, run_id__in=targets):
        rows[row.run_id][row.key] = (row.at, row.value)
    return Given(rows, members, threads)


def _logs(project_id: int, ids: Sequence[UUID]) -> dict[UUID, list[RunLog]]:
    lines: dict[UUID, list[RunLog]] = defaultdict(list)
    for line in RunLog.objects.filter(project_id=project_id, run_id__in=ids).order_by("at", "digest"):
        lines[line.run_id].append(line)
    return lines


def _body(run: Run, body: RunBody | None, messages: list[Message] | None) -> RunBody | None:
    """Return what the run carried; a chat carries its messages as they were sent, input and output apart."""
    if run.type != "chat" or not messages:
        return body
    sides = {side: [message.body for message in messages if message.side == side] for side in Side.values}
    told = {side: f"[{','.join(texts)}]" if texts else None for side, texts in sides.items()}
    return RunBody(
        input=told[Side.IN],
        output=told[Side.OUT],
        error=body.error if body else None,
        params=body.params if body else None,
    )


def _metadata(run: Run, body: RunBody | None, messages: list[Message] | None, thread: ThreadFacts | None) -> str | None:
    """Return the run's metadata as sent, key by key; from the row where only the row has it."""
    ranked = body.metadata if body else None
    if not ranked and messages:
        ranked = {f"{rank:09}": message.metadata for rank, message in enumerate(messages) if message.metadata}
    if not ranked and thread:
        ranked = {f"{rank:09}": text for rank, text in enumerate(thread.metadata)}
    merged = bodies.metadata(ranked)
    if merged is None and run.metadata is not None:
        return msgspec.json.encode(run.metadata).decode()
    return merged


def _known(identifier: UUID | None) -> UUID:
    if identifier is None:
        raise ValueError("a message of a thread names its thread")
    return identifier
