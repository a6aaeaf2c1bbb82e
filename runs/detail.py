"""Everything a run's detail shows: the drawer, the run's own page and a trace's selected node draw the same object."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from projects.models import Project
from runs import bodies, feedback, jsontree, pricing
from runs.bodies import Display, Failure
from runs.carried import FIELDS, Carried, Payload, carried
from runs.feedback import Shown
from runs.models import Message, Run, RunFlag, RunLog, Score
from runs.queries import Person, people
from runs.usage import Tokens

MOST_LOGS = 200


@dataclass(frozen=True)
class Parent:
    """What is known of the run above: nothing but its id while it hasn't been received."""

    id: UUID
    run: Run | None


@dataclass(frozen=True)
class Place:
    """Where a run stands in its trace and thread."""

    root: Run | None = None  # None with a trace id: the root was not received yet
    step: int = 0  # by start, from 1
    steps: int = 0
    turn: int = 0  # of its exchange in the thread, from 1
    turns: int = 0


@dataclass(frozen=True)
class Log:
    """A log line."""

    at: datetime
    level: str
    message: str
    extra: tuple[jsontree.Step, ...]


@dataclass(frozen=True)
class Sent:
    """One field of what was sent, as far as a page shows it; `size` is that of all of it, in bytes."""

    name: str
    text: str
    size: int
    cut: bool


@dataclass(frozen=True)
class Detail:
    """One run with everything beside it. Payloads are bounded; the raw addresses have all of them."""

    project: Project
    run: Run
    carried: Carried
    user: Person | None
    feedback: Shown
    place: Place
    parent: Parent | None
    children: int
    siblings: int  # other attempts at the same exchange
    logs: tuple[Log, ...]
    scores: tuple[Score, ...]

    @cached_property
    def input(self) -> Display:
        """Return the input as what it is."""
        return _displayed(self.carried["input"], self.run.type if self.run.type != "retriever" else "")

    @cached_property
    def output(self) -> Display:
        """Return the output as what it is."""
        return _displayed(self.carried["output"], self.run.type)

    @cached_property
    def failure(self) -> Failure | None:
        """Return the error, also of a run that failed without saying how."""
        found = bodies.failure(self._readable("error"))
        if found is None and self.run.status == "error":
            return Failure("the client sent no message with this error")
        return found

    @cached_property
    def metadata_text(self) -> str | None:
        """Return the metadata as JSON text, values as sent."""
        return self._readable("metadata")

    @cached_property
    def metadata(self) -> list[tuple[str, str, tuple[jsontree.Step, ...]]]:
        """Return the metadata as key-value lines."""
        return bodies.pairs(self.metadata_text)

    @cached_property
    def params(self) -> list[tuple[str, str, tuple[jsontree.Step, ...]]]:
        """Return the parameters as key-value lines."""
        return bodies.pairs(self._readable("params"))

    @cached_property
    def raw(self) -> list[Sent]:
        """Return what was sent, field by field, within the page's bound."""
        found = [(name, payload) for name in FIELDS if (payload := self.carried[name])]
        return [
            Sent(name, payload.text[: bodies.SHOWN], payload.size, payload.cut or len(payload.text) > bodies.SHOWN)
            for name, payload in found
        ]

    @property
    def cut_error(self) -> Payload | None:
        """Return the error where only its beginning is shown."""
        return self._cut("error")

    @property
    def cut_params(self) -> Payload | None:
        """Return the parameters where only their beginning is shown."""
        return self._cut("params")

    @property
    def cut_metadata(self) -> Payload | None:
        """Return the metadata where only their beginning is shown."""
        return self._cut("metadata")

    def _cut(self, name: str) -> Payload | None:
        payload = self.carried[name]
        return payload if payload and payload.cut else None

    def _readable(self, name: str) -> str | None:
        payload = self.carried[name]
        return payload.readable if payload else None

    @cached_property
    def why(self) -> pricing.Explanation | None:
        """Return how the cost came about, of runs that can have one."""
        if self.run.type not in ("llm", "embed"):
            return None
        return _explained(self.run, _object(self._readable("usage")), self.metadata_text)

    @property
    def why_lines(self) -> list[tuple[str, int, str, Decimal]]:
        """Return the cost's lines: (class, tokens, USD per million tokens as text, USD)."""
        split = bool(self.run.cache_read_tokens or self.run.cache_write_tokens)
        return [
            (
                "Input, not cached" if split and line.label == "Input" else line.label,
                *line[1:2],
                _rate(line[2]),
                line[3],
            )
            for line in (self.why.lines if self.why else ())
        ]

    @property
    def why_differs(self) -> bool:
        """Tell whether today's price table would give another cost than the one that was stored."""
        return bool(self.why and self.run.cost is not None and self.why.total != self.run.cost)

    @property
    def message_count(self) -> int:
        """Return how many messages input and output hold."""
        return len(self.input.messages) + len(self.output.messages)

    @property
    def total_tokens(self) -> int | None:
        """Return input and output tokens, None where neither is known."""
        given, answered = self.run.input_tokens, self.run.output_tokens
        return None if given is None and answered is None else (given or 0) + (answered or 0)

    @property
    def estimated(self) -> bool:
        """Tell whether the token counts are an estimate."""
        return bool(self.run.flags & RunFlag.ESTIMATED)

    @property
    def standalone(self) -> bool:
        """Tell whether it is a tool that names no parent, accepted by the project's switch (rule 6)."""
        return bool(self.run.flags & RunFlag.STANDALONE_TOOL)

    @property
    def is_model_call(self) -> bool:
        """Tell whether its name is a model."""
        return self.run.type in ("llm", "embed")

    @property
    def costs(self) -> bool:
        """Tell whether a cost is to be expected: what has none is not unknown."""
        return self.run.cost is not None or (self.is_model_call and self.run.status == "success")


def detail(project: Project, run: Run, *, counts_steps: bool = True) -> Detail:
    """Return everything a run's detail shows, in a bounded number of queries whatever its trace or thread holds.

    `counts_steps` says which step of its trace it is, for which all of the trace's runs are looked at.
    """
    shown = feedback.shown(project.pk, [feedback.Place(run.id, run.chat_id, run.thread_id, run.trace_id, run.type)])
    relatives = _relatives(project.pk, run)
    logs = RunLog.objects.filter(project_id=project.pk, run_id=run.id).order_by("at", "digest")[:MOST_LOGS]
    return Detail(
        project=project,
        run=run,
        carried=carried(project.pk, run.id),
        user=people(project.pk, [run.user_id]).get(run.user_id or ""),
        feedback=shown.get(run.id, Shown()),
        place=_place(project.pk, run, relatives, counts_steps=counts_steps),
        parent=_parent(run, relatives),
        children=Run.objects.filter(project_id=project.pk, parent_id=run.id).count(),
        siblings=_siblings(run),
        logs=tuple(Log(log.at, log.level, log.message, _tree(log.extra)) for log in logs),
        scores=tuple(Score.objects.filter(project_id=project.pk, run_id=run.id).order_by("label")[:50]),
    )


def _displayed(payload: Payload | None, run_type: str) -> Display:
    if payload is None:
        return Display()
    return bodies.display(payload.readable, run_type, whole=payload.size if payload.cut else 0)


def _relatives(project_id: int, run: Run) -> dict[UUID, Run]:
    """Return the run's parent, trace root and chat by the ids it names them by."""
    near = {id for id in (run.parent_id, run.trace_id, run.chat_id) if id and id != run.id}
    found = {one.id: one for one in Run.objects.filter(project_id=project_id, id__in=near)} if near else {}
    if run.parent_id and run.parent_id not in found:  # a message is no run: it stands for its exchange
        message = Message.objects.filter(project_id=project_id, id=run.parent_id, chat_id__isnull=False).first()
        if message and message.chat_id in found:
            found[run.parent_id] = found[message.chat_id]
    return found


def _siblings(run: Run) -> int:
    """Return how many other attempts at the same exchange there are."""
    if run.type != "chat" or run.thread_id is None:
        return 0
    first = run.sibling_of or run.id
    attempts = Run.objects.filter(Q(id=first) | Q(sibling_of=first), project_id=run.project_id, thread_id=run.thread_id)
    return max(attempts.count() - 1, 0)


def _parent(run: Run, relatives: Mapping[UUID, Run]) -> Parent | None:
    return Parent(run.parent_id, relatives.get(run.parent_id)) if run.parent_id else None


def _place(project_id: int, run: Run, relatives: Mapping[UUID, Run], *, counts_steps: bool) -> Place:
    step = steps = turn = turns = 0
    if run.trace_id and counts_steps:
        trace = Run.objects.filter(project_id=project_id, trace_id=run.trace_id).exclude(type="span")
        before = Q(started_at__lt=run.started_at) | Q(started_at=run.started_at, id__lte=run.id)
        counted = trace.aggregate(steps=Count("id"), step=Count("id", filter=before))
        step, steps = counted["step"], counted["steps"]
    chat = run if run.type == "chat" else relatives.get(run.chat_id) if run.chat_id else None
    if chat and chat.thread_id:
        chats = Run.objects.filter(project_id=project_id, thread_id=chat.thread_id, type="chat", sibling_of=None)
        before = Q(started_at__lt=chat.started_at) | Q(started_at=chat.started_at, id__lte=chat.id)
        counted = chats.aggregate(turns=Count("id"), turn=Count("id", filter=before))
        turn, turns = counted["turn"], counted["turns"]
    root = run if run.trace_id == run.id else relatives.get(run.trace_id) if run.trace_id else None
    return Place(root=root, step=step, steps=steps, turn=turn, turns=turns)


def _explained(run: Run, usage: Mapping[str, Any] | None, metadata_text: str | None) -> pricing.Explanation:
    metadata = _object(metadata_text)
    provider = (metadata or {}).get("ls_provider") or (metadata or {}).get("provider")
    tokens = Tokens(
        input=run.input_tokens,
        cache_read=run.cache_read_tokens,
        cache_write=run.cache_write_tokens,
        output=run.output_tokens,
        reasoning=run.reasoning_tokens,
        estimated=bool(run.flags & RunFlag.ESTIMATED),
    )
    return pricing.explain(
        run.name,
        provider if isinstance(provider, str) else None,
        run.started_at,
        tokens,
        raw=usage,
        runtime=run.runtime,
        metadata=metadata,
    )


def _rate(per_million: Decimal) -> str:
    """Return a price with two decimals, or as many as it has."""
    text = f"{per_million:f}"
    return f"{per_million:.2f}" if len(text.partition(".")[2]) <= 2 else text


def _object(text: str | None) -> dict[str, Any] | None:
    """Return stored JSON text as an object, None for anything else."""
    try:
        value = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _tree(text: str | None) -> tuple[jsontree.Step, ...]:
    if text is None:
        return ()
    try:
        value = bodies.decode(text)
    except bodies.UnreadableError:
        value = text
    return () if value in (None, {}, []) else jsontree.steps(value)
