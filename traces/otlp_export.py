"""Runs as spans: OTLP/JSON with OpenTelemetry's GenAI conventions. Pure.

The way back is the same as for anybody's spans: read by the rules of the OTLP intake, an exported trace has the same
runs again (type, name, status, parent, times, texts, tokens, user, thread, tags, metadata). What OpenTelemetry has no
word for is kept under `lunary.…`. The other way round is in docs/data-api.md.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from traces import otlp_messages
from traces.otlp_values import Json, SpanIds, attributes, compact, nanoseconds, plain, trace_id

INTERNAL, CLIENT = 1, 3
UNSET, OK, ERROR = 0, 1, 2
OPERATIONS = {
    "llm": "chat",
    "embed": "embeddings",
    "tool": "execute_tool",
    "agent": "invoke_agent",
    "chain": "invoke_workflow",
    "retriever": "retrieval",
}
"""Run type → `gen_ai.operation.name`. Any other type is a plain span with `lunary.run.type`."""
NAMES = {
    "llm": "gen_ai.request.model",
    "embed": "gen_ai.request.model",
    "tool": "gen_ai.tool.name",
    "agent": "gen_ai.agent.name",
    "chain": "gen_ai.workflow.name",
}
MODELS = frozenset({"llm", "embed"})
TALKING = frozenset({"llm", "agent", "chain"})
"""Types whose input and output may be chat messages."""
INPUTS = {"tool": "gen_ai.tool.call.arguments", "retriever": "gen_ai.retrieval.query.text"}
OUTPUTS = {"tool": "gen_ai.tool.call.result", "retriever": "gen_ai.retrieval.documents"}
PARAMS = frozenset(
    {
        *("temperature", "top_p", "top_k", "max_tokens", "seed"),
        *("frequency_penalty", "presence_penalty", "stop_sequences"),
    }
)
"""Parameters that the conventions know, under `gen_ai.request.…`; the others are in `llm.invocation_parameters`."""
TOLD_IN_METADATA = {
    "provider": "gen_ai.provider.name",
    "ls_provider": "gen_ai.provider.name",
    "responseModel": "gen_ai.response.model",
    "responseId": "gen_ai.response.id",
    "errorType": "error.type",
}


class LogLine(msgspec.Struct, frozen=True):
    """A log line of a run; `extra` is JSON text."""

    at_us: int
    level: str
    message: str
    extra: str | None = None


class Rating(msgspec.Struct, frozen=True):
    """What an evaluation gave a run."""

    at_us: int
    label: str
    value: Any
    comment: str | None = None


class SpanSource(msgspec.Struct, frozen=True, kw_only=True):
    """One run as a span needs it. Times are epoch µs; payloads are JSON text as the client sent it."""

    id: UUID
    trace_id: UUID
    parent_id: UUID | None = None
    is_top: bool = False  # no run of the trace is its parent
    type: str
    name: str | None = None
    status: str
    started_us: int
    ended_us: int | None = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    params: str | None = None
    metadata: str | None = None
    input_tokens: int | None = None  # including cached
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None  # including reasoning
    reasoning_tokens: int | None = None
    estimated: bool = False
    cost: Decimal | None = None  # USD
    user_id: str | None = None
    user_props: Mapping[str, Any] | None = None
    team_id: str | None = None
    organization_id: str | None = None
    thread_id: UUID | None = None
    tags: tuple[str, ...] = ()
    template_id: str | None = None
    repeat_of: UUID | None = None
    feedback: Mapping[str, Any] | None = None
    scores: tuple[Rating, ...] = ()
    logs: tuple[LogLine, ...] = ()


def resource(service: str, project_id: UUID, trace: UUID) -> Json:
    """Return the resource that the spans belong to: the project as a service."""
    pairs = [("service.name", service), ("lunary.project.id", str(project_id)), ("lunary.trace.id", str(trace))]
    return {"attributes": attributes(pairs)}


def span(source: SpanSource, ids: SpanIds) -> Json:
    """Return the run as a span. Its id and its parent's are made by `ids`; the root has no parent."""
    metadata = _object(source.metadata) or {}
    told: Json = {"traceId": trace_id(source.trace_id), "spanId": ids.of(source.id)}
    if source.parent_id is not None and source.id != source.trace_id:
        told["parentSpanId"] = ids.of(source.parent_id)
    told |= {
        "name": _name(source),
        "kind": CLIENT if source.type in MODELS or source.type == "retriever" else INTERNAL,
        "startTimeUnixNano": nanoseconds(source.started_us),
    }
    if source.ended_us is not None:
        told["endTimeUnixNano"] = nanoseconds(source.ended_us)
    told["attributes"] = attributes(_attributes(source, metadata))
    if events := list(_events(source)):
        told["events"] = events
    return told | {"status": _status(source)}


def _name(source: SpanSource) -> str:
    """Return the span's name as the conventions make it: `chat gpt-4o`, `execute_tool search`."""
    if source.type in NAMES and source.name:
        return plain(f"{OPERATIONS[source.type]} {source.name}")
    return plain(source.name or source.type)


def _attributes(source: SpanSource, metadata: Json) -> Iterator[tuple[str, Any]]:
    yield from _identity(source, metadata)
    yield from _texts(source)
    yield from _params(source)
    if source.type in MODELS:
        yield from _usage(source)
    yield from _people(source, metadata)
    for key, value in metadata.items():
        yield f"lunary.metadata.{key}", value
    if source.metadata is not None and not metadata:
        yield "lunary.metadata", source.metadata


def _identity(source: SpanSource, metadata: Json) -> Iterator[tuple[str, Any]]:
    if source.type in OPERATIONS:
        yield "gen_ai.operation.name", OPERATIONS[source.type]
    elif source.type != "span":
        yield "lunary.run.type", source.type
    if source.type in NAMES and source.name:
        yield NAMES[source.type], source.name
    if source.type in OPERATIONS:
        for key, attribute in TOLD_IN_METADATA.items():
            if isinstance(metadata.get(key), str):
                yield attribute, metadata[key]
        reason = metadata.get("finishReason")
        yield "gen_ai.response.finish_reasons", [reason] if isinstance(reason, str) else None
    yield "lunary.run.id", str(source.id)
    yield "lunary.run.parent_id", str(source.parent_id) if source.parent_id else None
    yield "lunary.run.status", source.status if source.ended_us is None else None
    yield "lunary.run.repeat_of", str(source.repeat_of) if source.repeat_of else None
    yield "lunary.template.id", source.template_id
    yield "lunary.tags", list(source.tags) or None


def _texts(source: SpanSource) -> Iterator[tuple[str, Any]]:
    for text, messages, names, otherwise in (
        (source.input, "gen_ai.input.messages", INPUTS, "input.value"),
        (source.output, "gen_ai.output.messages", OUTPUTS, "output.value"),
    ):
        if text is None:
            continue
        said = otlp_messages.messages(_value(text)) if source.type in TALKING else None
        if said is not None:
            yield messages, compact(said)
        else:
            yield names.get(source.type, otherwise), readable(text)


def _params(source: SpanSource) -> Iterator[tuple[str, Any]]:
    """Yield parameters: those the conventions know by name, the tools, and the rest as one JSON text."""
    params = _object(source.params)
    if params is None or source.type not in MODELS:
        yield "llm.invocation_parameters", source.params
        return
    rest = dict(params)
    for key, value in params.items():
        if key in PARAMS and value is not None and not isinstance(value, dict):
            yield f"gen_ai.request.{key}", rest.pop(key)
    if isinstance(rest.get("tools"), list):
        yield "gen_ai.tool.definitions", compact(rest.pop("tools"))
    yield "llm.invocation_parameters", compact(rest) if rest else None


def _usage(source: SpanSource) -> Iterator[tuple[str, Any]]:
    yield "gen_ai.usage.input_tokens", source.input_tokens
    yield "gen_ai.usage.output_tokens", source.output_tokens
    yield "gen_ai.usage.cache_read.input_tokens", source.cache_read_tokens
    yield "gen_ai.usage.cache_creation.input_tokens", source.cache_write_tokens
    yield "gen_ai.usage.reasoning.output_tokens", source.reasoning_tokens
    yield "gen_ai.usage.cost", float(source.cost) if source.cost is not None else None
    yield "lunary.usage.estimated", True if source.estimated else None


def _people(source: SpanSource, metadata: Json) -> Iterator[tuple[str, Any]]:
    yield "user.id", source.user_id
    yield "lunary.user.props", compact(dict(source.user_props)) if source.user_props else None
    if source.thread_id is not None:
        yield "session.id", str(source.thread_id)
        yield "gen_ai.conversation.id", str(source.thread_id)
    if source.is_top:  # runs beneath it inherit them, as they did
        for value, keys in (
            (source.team_id, ("teamId", "team_id")),
            (source.organization_id, ("organizationId", "organization_id")),
        ):
            if value is not None and not any(key in metadata for key in keys):
                yield f"lunary.metadata.{keys[0]}", value


def _events(source: SpanSource) -> Iterator[Json]:
    for line in source.logs:
        pairs = [("log.level", line.level), ("log.message", line.message), ("log.extra", line.extra)]
        yield _event("log", line.at_us, pairs)
    for score in source.scores:
        yield _event("gen_ai.evaluation.result", score.at_us, _rated(score))
    last = source.started_us if source.ended_us is None else source.ended_us
    if source.feedback:
        yield _event("lunary.feedback", last, list(source.feedback.items()))
    if source.error is not None:
        yield _event("exception", last, list(_failure(source.error)))


def _event(name: str, at_us: int, pairs: list[tuple[str, Any]]) -> Json:
    return {"timeUnixNano": nanoseconds(at_us), "name": name, "attributes": attributes(pairs)}


def _rated(score: Rating) -> list[tuple[str, Any]]:
    is_number = isinstance(score.value, int | float) and not isinstance(score.value, bool)
    value = score.value if is_number or isinstance(score.value, str) else compact(score.value)
    return [
        ("gen_ai.evaluation.name", score.label),
        ("gen_ai.evaluation.score.value" if is_number else "gen_ai.evaluation.score.label", value),
        ("gen_ai.evaluation.explanation", score.comment),
    ]


def _failure(text: str) -> Iterator[tuple[str, Any]]:
    """Yield what an error says, and the error itself where it says more than message, type and stack."""
    value = _value(text)
    if not isinstance(value, dict):
        yield "exception.message", readable(text)
        return
    names = {"message": "exception.message", "stack": "exception.stacktrace", "type": "exception.type"}
    for key, name in names.items():
        if isinstance(value.get(key), str):
            yield name, value[key]
    if any(key not in names or not isinstance(inner, str) for key, inner in value.items()):
        yield "lunary.error", text


def _status(source: SpanSource) -> Json:
    if source.status != "error":
        return {"code": UNSET if source.ended_us is None else OK}
    said = next((value for name, value in _failure(source.error or "{}") if name == "exception.message"), None)
    return {"code": ERROR, "message": plain(said)} if said else {"code": ERROR}


def readable(text: str) -> str:
    """Return JSON text as an attribute holds it: a text by itself, without quotes, anything else as it was sent.

    Readers parse what looks like JSON. So a text stays in quotes where it would be taken for something else, or for
    nothing at all.
    """
    value = _value(text)
    if isinstance(value, str) and value.strip() and _value(value) is _UNREADABLE:
        return plain(value)
    return plain(text)


_UNREADABLE = object()


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _UNREADABLE


def _object(text: str | None) -> Json | None:
    value = _value(text) if text else None
    return value if isinstance(value, dict) else None
