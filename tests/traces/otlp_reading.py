"""OTLP/JSON as others read it: its encoding checked field by field, and spans read as runs by the intake's mapping.

The mapping's rules that the exporter makes use of are here, in the mapping's own order, so that an export can be read
back without asking the exporter how it meant it.
"""

import json
import re
from typing import Any

Json = dict[str, Any]

HEX = {"traceId": r"[0-9a-f]{32}", "spanId": r"[0-9a-f]{16}", "parentSpanId": r"[0-9a-f]{16}"}
SPAN_KEYS = frozenset(
    {*HEX, "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes", "events", "status", "flags", "links"}
    | {"droppedAttributesCount", "droppedEventsCount", "droppedLinksCount", "traceState"}
)
FIXED64 = range(2**64)
INT64 = range(-(2**63), 2**63)
OPERATIONS = {
    **dict.fromkeys(("chat", "text_completion", "generate_content", "completion"), "llm"),
    "embeddings": "embed",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "retrieval": "retriever",
}
NAMED_BY = {
    "llm": "gen_ai.request.model",
    "embed": "gen_ai.request.model",
    "tool": "gen_ai.tool.name",
    "agent": "gen_ai.agent.name",
    "chain": "gen_ai.workflow.name",
}
INPUT = {
    "tool": ("gen_ai.tool.call.arguments", "input.value"),
    "retriever": ("gen_ai.retrieval.query.text", "input.value"),
}
OUTPUT = {
    "tool": ("gen_ai.tool.call.result", "output.value"),
    "retriever": ("gen_ai.retrieval.documents", "output.value"),
}
TOKENS = {
    "prompt": "gen_ai.usage.input_tokens",
    "completion": "gen_ai.usage.output_tokens",
    "cached": "gen_ai.usage.cache_read.input_tokens",
    "written": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning": "gen_ai.usage.reasoning.output_tokens",
}


def checked(request: Json, *, numbers_as_text: bool = True) -> list[Json]:
    """Return the spans of an ExportTraceServiceRequest; fail on whatever OTLP's JSON encoding does not allow.

    Recorded clients may write 64-bit numbers as numbers; `numbers_as_text` is what the specification asks for.
    """
    spans = []
    assert set(request) == {"resourceSpans"}
    for resource in request["resourceSpans"]:
        assert set(resource) <= {"resource", "scopeSpans", "schemaUrl"}
        _attributes(resource["resource"]["attributes"], numbers_as_text)
        for scope in resource["scopeSpans"]:
            assert set(scope) <= {"scope", "spans", "schemaUrl"}
            assert set(scope["scope"]) <= {"name", "version", "attributes", "droppedAttributesCount"}
            for span in scope["spans"]:
                _span(span, numbers_as_text)
                spans.append(span)
    ids = [(span["traceId"], span["spanId"]) for span in spans]
    assert len(set(ids)) == len(ids)
    return spans


def _span(span: Json, numbers_as_text: bool) -> None:
    assert set(span) <= SPAN_KEYS
    for key, form in HEX.items():
        if key in span or key != "parentSpanId":
            assert re.fullmatch(form, span[key]), key
            assert int(span[key], 16), key
    assert isinstance(span["name"], str)
    assert span["kind"] in range(6)
    _time(span["startTimeUnixNano"])
    if "endTimeUnixNano" in span:
        _time(span["endTimeUnixNano"])
    _attributes(span["attributes"], numbers_as_text)
    for event in span.get("events", ()):
        assert set(event) <= {"timeUnixNano", "name", "attributes", "droppedAttributesCount"}
        _time(event["timeUnixNano"])
        _attributes(event.get("attributes", []), numbers_as_text)
    assert set(span["status"]) <= {"code", "message"}
    assert span["status"].get("code", 0) in range(3)


def _time(text: Any) -> None:
    assert isinstance(text, str)
    assert int(text) in FIXED64


def _attributes(pairs: list[Json], numbers_as_text: bool) -> None:
    keys = [pair["key"] for pair in pairs]
    assert all(isinstance(key, str) and key for key in keys)
    assert len(set(keys)) == len(keys)
    for pair in pairs:
        assert set(pair) == {"key", "value"}
        _any_value(pair["value"], numbers_as_text)


def _any_value(value: Json, numbers_as_text: bool, depth: int = 0) -> None:
    assert len(value) <= 1
    assert depth < 30
    for kind, inner in value.items():
        if kind == "intValue":
            assert isinstance(inner, str) or not numbers_as_text
            assert int(inner) in INT64
        elif kind == "arrayValue":
            for one in inner["values"]:
                _any_value(one, numbers_as_text, depth + 1)
        elif kind == "kvlistValue":
            for pair in inner["values"]:
                assert isinstance(pair["key"], str)
                _any_value(pair["value"], numbers_as_text, depth + 1)
        else:
            types = {"stringValue": str, "boolValue": bool, "doubleValue": (int, float), "bytesValue": str}
            assert isinstance(inner, types[kind]), kind  # type: ignore[arg-type]


def value_of(value: Json) -> Any:
    """Return an AnyValue as what it holds."""
    for kind, inner in value.items():
        if kind == "intValue":
            return int(inner)
        if kind == "arrayValue":
            return [value_of(one) for one in inner["values"]]
        if kind == "kvlistValue":
            return {pair["key"]: value_of(pair["value"]) for pair in inner["values"]}
        return inner
    return None


def run_of(span: Json) -> Json:
    """Return the run that a span becomes by the intake's mapping (§3 to §7), as far as exports reach."""
    found = {pair["key"]: value_of(pair["value"]) for pair in span["attributes"]}
    kind = _type(found)
    end = int(span.get("endTimeUnixNano", "0"))
    return {
        "type": kind,
        "name": found.get(NAMED_BY.get(kind, "")) or span["name"],
        "status": "error" if span["status"].get("code") == 2 else "success",
        "started_ns": int(span["startTimeUnixNano"]),
        "duration_ns": max(end - int(span["startTimeUnixNano"]), 0),
        "parent": span.get("parentSpanId"),
        "user": found.get("user.id"),
        "props": _parsed(found.get("lunary.user.props")),
        "thread": found.get("session.id"),
        "tags": found.get("lunary.tags"),
        "template": found.get("lunary.template.id"),
        "metadata": _without("lunary.metadata.", found),
        "params": _params(found),
        "tokens": {name: found.get(key) for name, key in TOKENS.items()} if kind in ("llm", "embed") else {},
        "cost": found.get("gen_ai.usage.cost") or None,
        "input": _text(found, "gen_ai.input.messages", *INPUT.get(kind, ("input.value",))),
        "output": _text(found, "gen_ai.output.messages", *OUTPUT.get(kind, ("output.value",))),
        "error": _error(span, found),
    }


def _type(found: Json) -> str:
    """§3, rules 1 to 10."""
    if operation := found.get("gen_ai.operation.name"):  # rules 1 to 4 are about attributes that no export has
        return OPERATIONS.get(operation, "chain")
    assert not {"openinference.span.kind", "traceloop.span.kind", "ai.operationId", "llm.request.type"} & set(found)
    if "gen_ai.tool.name" in found:
        return "tool"
    models = ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "gen_ai.input.messages")
    return "llm" if any(key in found for key in models) else "span"


def _params(found: Json) -> Json:
    params = _without("gen_ai.request.", found)
    params.pop("model", None)
    rest = _parsed(found.get("llm.invocation_parameters"))
    params |= rest if isinstance(rest, dict) else {}
    if "gen_ai.tool.definitions" in found:
        params["tools"] = _parsed(found["gen_ai.tool.definitions"])
    return params


def _text(found: Json, messages: str, *names: str) -> Any:
    if found.get(messages):
        return [one for message in _parsed(found[messages]) for one in said(message)]
    given = next((found[name] for name in names if found.get(name) not in (None, "")), None)
    return _parsed(given) if isinstance(given, str) else given


def said(message: Json) -> list[Json]:
    """§5: one message with parts becomes the messages of the one shape."""
    rest = {key: value for key, value in message.items() if key not in ("role", "parts")}
    whole: Json = {"role": message["role"]}
    texts, others, calls, results = [], [], [], []
    for part in message["parts"]:
        if part["type"] == "text":
            texts.append(part["content"])
        elif part["type"] == "tool_call":
            given = part["arguments"]
            function = {"name": part["name"], "arguments": given if isinstance(given, str) else json.dumps(given)}
            calls.append({"id": part.get("id"), "type": "function", "function": function})
        elif part["type"] == "tool_call_response":
            results.append({"role": "tool", "tool_call_id": part["id"], "content": part["response"]} | rest)
        else:
            others.append(part)
    if others:
        whole["content"] = [*({"type": "text", "text": text} for text in texts), *others]
    elif texts:
        whole["content"] = "\n".join(texts)
    if calls:
        whole["tool_calls"] = calls
    own = [whole | rest] if texts or others or calls or not results else []
    return [*own, *results]


def _error(span: Json, found: Json) -> Json | None:
    """§7: the last exception event's message comes before the status'."""
    events = [event for event in span.get("events", ()) if event["name"] == "exception"]
    told = {pair["key"]: value_of(pair["value"]) for pair in events[-1]["attributes"]} if events else {}
    message = told.get("exception.message") or found.get("error.message") or span["status"].get("message")
    return {"message": message, "stack": told.get("exception.stacktrace")} if message or events else None


def _without(prefix: str, found: Json) -> Json:
    return {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)}


def _parsed(text: Any) -> Any:
    """Texts that hold JSON are parsed; if that fails they are kept as text."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
