"""The shapes in which the data API tells about runs, and how rows become them. What is documented is what is encoded.

Payloads are JSON text in the tables and go into the answer as they are (`msgspec.Raw`): key order, spelling and the
way numbers are written survive (rule 7), and nothing is parsed only to be encoded again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from runs.models import EndUser, Run, RunBody, RunFlag, RunLog, Score

NULL = Raw(b"null")
NO_ID = "00000000-0000-0000-0000-000000000000"
Money = Annotated[Decimal, Meta(description="US dollars")]
Json = Annotated[Raw, Meta(description="as the client sent it")]
_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(value: Any) -> bytes:
    """Return `value` as JSON; money is a number with every digit it is stored with."""
    return _encoder.encode(value)


class Shape(msgspec.Struct, rename="camel"):
    """Something the data API answers with."""


class Tokens(Shape):
    """Tokens by class; `prompt` includes cache reads and writes, `completion` includes reasoning. null: not known."""

    prompt: int | None
    cached_prompt: int | None
    cache_write: int | None
    completion: int | None
    reasoning: int | None
    total: int | None


class User(Shape):
    """An end user. `id` and `externalId` are both the id that the customer's app gave."""

    id: str
    external_id: str
    created_at: str | None
    last_seen: str | None
    props: dict[str, Any] | None


class RunScore(Shape):
    """What an evaluation of the customer's gave a run."""

    label: str
    value: Any
    comment: str | None


class LogLine(Shape):
    """A log line that a client tied to a run."""

    level: str
    message: str
    created_at: str
    extra: Json


class FirstMessage(Shape):
    """How a thread began."""

    id: str
    role: str
    content: Json
    created_at: str


class RunView(Shape):
    """One run, with Lunary's keys and those it lacks."""

    id: str
    project_id: str
    is_public: bool
    feedback: Annotated[dict[str, Any] | None, Meta(description="its own; a chat's messages' with it")]
    parent_feedback: Annotated[dict[str, Any] | None, Meta(description="of the chat and the trace it is part of")]
    feedbacks: Annotated[list[dict[str, Any]], Meta(description="of a chat's or thread's messages, one by one")]
    type: str
    name: str | None
    created_at: Annotated[str, Meta(description="when it started, by the client's clock")]
    ended_at: str | None
    duration: Annotated[str | None, Meta(description="as an interval: 00:00:01.234")]
    duration_ms: int | None
    template_version_id: int | str | None
    template_slug: str | None
    cost: Annotated[Money | None, Meta(description="null: unknown, never 0")]
    tokens: Tokens
    toxicity: None
    tags: list[str] | None
    input: Json
    output: Json
    error: Json
    status: Annotated[str, Meta(description="started, success or error")]
    sibling_run_id: Annotated[str | None, Meta(description="the chat that this retry replaces")]
    params: Json
    metadata: Json
    user: User | None
    team_id: str | None
    organization_id: str | None
    trace_id: str | None
    thread_id: str | None
    parent_run_id: Annotated[str | None, Meta(description="as sent: a run, a chat message, or a chat's thread")]
    received_at: Annotated[str, Meta(description="when it was first stored, by the server's clock")]
    estimated: Annotated[bool, Meta(description="the token counts are an estimate")]
    repeat_of: Annotated[str | None, Meta(description="another run that reports the same call")]
    url: Annotated[str, Meta(description="the run's page")]
    scores: list[RunScore]
    first_message: FirstMessage | UnsetType | None = UNSET
    messages_count: int | UnsetType = UNSET
    logs: Annotated[list[LogLine] | UnsetType, Meta(description="on a single run")] = UNSET


class RelatedRun(Shape):
    """A run of a sub-tree, in the keys of Lunary's `related` answer, with its trace's and its own status."""

    created_at: str
    ended_at: str | None
    duration_ms: int | None
    id: str
    project_id: str
    parent_run_id: str | None
    type: str
    name: str | None
    status: str
    tags: list[str] | None
    input: Json
    output: Json
    error: Json
    params: Json
    metadata: Json
    completion_tokens: int | None
    prompt_tokens: int | None
    tokens: Tokens
    cost: Money | None
    feedback: dict[str, Any] | None


@dataclass(frozen=True)
class Place:
    """Where runs are told from: the project's public id, and the addresses of a run's and a thread's page.

    The addresses hold NO_ID where the id goes, so that thousands of runs don't ask the URLconf thousands of times.
    """

    project_id: UUID
    run_page: str
    thread_page: str

    def url(self, run: Run) -> str:
        """Return the address of the run's page."""
        page = self.thread_page if run.type == "thread" else self.run_page
        return page.replace(NO_ID, str(run.id))


@dataclass(frozen=True)
class Beside:
    """What is known of one run apart from its row."""

    body: RunBody | None = None
    user: EndUser | None = None
    feedback: Mapping[str, Any] | None = None
    parent_feedback: Mapping[str, Any] | None = None
    feedbacks: Sequence[Mapping[str, Any]] = ()
    scores: Sequence[Score] = ()
    metadata: str | None = None
    first_message: FirstMessage | None = None
    messages: int = 0
    logs: Sequence[RunLog] | None = field(default=None)


def run_view(run: Run, beside: Beside, place: Place) -> RunView:
    """Return the run as the API tells it."""
    body = beside.body or RunBody()
    return RunView(
        id=str(run.id),
        project_id=str(place.project_id),
        is_public=False,
        feedback=_or_none(beside.feedback),
        parent_feedback=_or_none(beside.parent_feedback),
        feedbacks=[dict(each) for each in beside.feedbacks],
        type=run.type,
        name=run.name,
        created_at=moment(run.started_at),
        ended_at=optional_moment(run.ended_at),
        duration=interval(run.duration_ms),
        duration_ms=run.duration_ms,
        template_version_id=template(run.template_id),
        template_slug=None,
        cost=money(run.cost),
        tokens=tokens(run),
        toxicity=None,
        tags=run.tags,
        input=raw(body.input),
        output=raw(body.output),
        error=raw(body.error),
        status=run.status,
        sibling_run_id=text(run.sibling_of),
        params=raw(body.params),
        metadata=raw(beside.metadata),
        user=user_view(run.user_id, beside.user),
        team_id=run.team_id,
        organization_id=run.organization_id,
        trace_id=text(run.trace_id),
        thread_id=text(run.thread_id),
        parent_run_id=text(parent_of(run)),
        received_at=moment(run.received_at),
        estimated=bool(run.flags & RunFlag.ESTIMATED),
        repeat_of=text(run.repeat_of),
        url=place.url(run),
        scores=[RunScore(label=each.label, value=each.value, comment=each.comment) for each in beside.scores],
        first_message=beside.first_message if run.type == "thread" else UNSET,
        messages_count=beside.messages if run.type in ("thread", "chat") else UNSET,
        logs=UNSET if beside.logs is None else [log_line(each) for each in beside.logs],
    )


def related_view(run: Run, beside: Beside, place: Place) -> RelatedRun:
    """Return the run as one entry of a sub-tree."""
    body = beside.body or RunBody()
    return RelatedRun(
        created_at=moment(run.started_at),
        ended_at=optional_moment(run.ended_at),
        duration_ms=run.duration_ms,
        id=str(run.id),
        project_id=str(place.project_id),
        parent_run_id=text(parent_of(run)),
        type=run.type,
        name=run.name,
        status=run.status,
        tags=run.tags,
        input=raw(body.input),
        output=raw(body.output),
        error=raw(body.error),
        params=raw(body.params),
        metadata=raw(beside.metadata),
        completion_tokens=run.output_tokens,
        prompt_tokens=run.input_tokens,
        tokens=tokens(run),
        cost=money(run.cost),
        feedback=_or_none(beside.feedback),
    )


def parent_of(run: Run) -> UUID | None:
    """Return the run's parent as the API names it: a chat's and a custom event's is the thread."""
    if run.type in ("chat", "custom-event") and run.thread_id:
        return run.thread_id
    return run.parent_id


def user_view(user_id: str | None, user: EndUser | None) -> User | None:
    """Return the end user, also when nothing but the id is known of them."""
    if user_id is None:
        return None
    if user is None:
        return User(id=user_id, external_id=user_id, created_at=None, last_seen=None, props=None)
    return User(
        id=user_id,
        external_id=user_id,
        created_at=moment(user.first_seen),
        last_seen=moment(user.last_seen),
        props=user.props,
    )


def log_line(log: RunLog) -> LogLine:
    """Return the log line as the API tells it."""
    return LogLine(level=log.level, message=log.message, created_at=moment(log.at), extra=raw(log.extra))


def tokens(run: Run) -> Tokens:
    """Return the run's tokens by class; the total is unknown only where both sides are."""
    prompt, completion = run.input_tokens, run.output_tokens
    return Tokens(
        prompt=prompt,
        cached_prompt=run.cache_read_tokens,
        cache_write=run.cache_write_tokens,
        completion=completion,
        reasoning=run.reasoning_tokens,
        total=None if prompt is None and completion is None else (prompt or 0) + (completion or 0),
    )


def raw(payload: str | None) -> Raw:
    """Return stored JSON text as it goes into the answer; nothing stored is null."""
    return NULL if payload is None else Raw(payload.encode("utf-8", "surrogatepass"))


def moment(at: datetime) -> str:
    """Return a time as clients know it from Lunary: UTC with a Z, milliseconds unless there is more to say."""
    utc = at.astimezone(UTC)
    precision = "microseconds" if utc.microsecond % 1000 else "milliseconds"
    return utc.isoformat(timespec=precision).replace("+00:00", "Z")


def optional_moment(at: datetime | None) -> str | None:
    """Return the time as text, None where there is none."""
    return None if at is None else moment(at)


def interval(milliseconds: int | None) -> str | None:
    """Return a duration as PostgreSQL writes intervals, which is what Lunary answers: `00:00:01.234`."""
    if milliseconds is None:
        return None
    seconds, rest = divmod(abs(milliseconds), 1000)
    hours, seconds = divmod(seconds, 3600)
    sign = "-" if milliseconds < 0 else ""
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    return f"{sign}{hours:02d}:{seconds // 60:02d}:{seconds % 60:02d}{fraction}"


def money(amount: Decimal | None) -> Decimal | None:
    """Return the amount without the zeros its column pads it with."""
    if amount is None:
        return None
    plain = amount.normalize()
    return plain.quantize(Decimal(1)) if plain == plain.to_integral_value() else plain


def template(reference: str | None) -> int | str | None:
    """Return the template version's id: a number where it is one (Lunary's are), otherwise as sent."""
    if reference is not None and reference.isascii() and reference.isdigit() and str(int(reference)) == reference:
        return int(reference)
    return reference


def text(identifier: UUID | None) -> str | None:
    """Return an id as text."""
    return None if identifier is None else str(identifier)


def _or_none(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a dict of its own, None where it is empty: no feedback is null."""
    return dict(values) if values else None
