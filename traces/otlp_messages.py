"""Chat messages as the GenAI conventions of OpenTelemetry write them: a role and typed parts. Pure.

Read are OpenAI's and Anthropic's messages, in both spellings (`tool_calls`, `toolCalls`). Only what is made of such
messages from end to end is rewritten; anything else is left to be exported as it was sent. Reading the parts back by
the same conventions gives the messages again (tests/traces/test_otlp_messages.py).
"""

from typing import Any

Json = dict[str, Any]

ROLES = {
    "human": "user",
    "ai": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "AIMessageChunk": "assistant",
    "tool-call": "assistant",
    "tool-response": "tool",
    "function": "tool",
}
_SAID = frozenset({"content", "tool_calls", "toolCalls", "function_call", "functionCall"})
_OWN = _SAID | {"role", "tool_call_id", "toolCallId", "reasoning_content", "parts"}
"""Keys of a message that become its role and parts; all others stay keys of the message."""
_CALLS = frozenset({"tool_use", "tool_call", "tool-call"})
_RESULTS = frozenset({"tool_result", "tool_call_response", "tool-result"})
_THOUGHTS = frozenset({"thinking", "reasoning"})


class _UnlikeError(Exception):
    """The value is no chat message."""


def messages(value: Any) -> list[Json] | None:
    """Return the payload's messages with their parts; None where it isn't made of chat messages alone."""
    given = [value] if isinstance(value, dict) else value
    if not isinstance(given, list) or not given:
        return None
    try:
        return [_message(one) for one in given]
    except _UnlikeError:
        return None


def _message(value: Any) -> Json:
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("role"), str)
        or _OWN.isdisjoint(value.keys() - {"role"})
    ):
        raise _UnlikeError
    role = ROLES.get(value["role"], value["role"])
    parts: list[Json] = []
    if thought := value.get("reasoning_content"):
        parts.append({"type": "reasoning", "content": thought})
    ref = value.get("tool_call_id", value.get("toolCallId"))
    if ref is not None:
        parts.append({"type": "tool_call_response", "id": ref, "response": value.get("content")})
    else:
        parts += _content(value.get("content"))
    parts += _calls(value)
    return {"role": role, "parts": parts} | {key: inner for key, inner in value.items() if key not in _OWN}


def _content(value: Any) -> list[Json]:
    if value is None:
        return []
    if isinstance(value, str):
        return [{"type": "text", "content": value}]
    if isinstance(value, list):
        return [_part(block) for block in value]
    raise _UnlikeError


def _part(block: Any) -> Json:
    if isinstance(block, str):
        return {"type": "text", "content": block}
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        raise _UnlikeError
    kind = block["type"]
    if kind == "text" and isinstance(block.get("text"), str):
        return {"type": "text", "content": block["text"]} | _rest(block, "type", "text")
    if kind in _CALLS:
        return _call(block)
    if kind in _RESULTS:
        return _result(block)
    if kind in _THOUGHTS:
        return _thought(block, kind)
    return block  # an image, a file: other parts are written as their makers do


def _result(block: Json) -> Json:
    refs = ("tool_use_id", "tool_call_id", "toolCallId", "id")
    answers = ("content", "response", "result", "output")
    told = {"type": "tool_call_response", "id": _first(block, *refs), "response": _first(block, *answers)}
    return told | _rest(block, "type", *refs, *answers)


def _thought(block: Json, kind: str) -> Json:
    texts = (kind, "content", "text")
    return {"type": "reasoning", "content": _first(block, *texts)} | _rest(block, "type", *texts)


def _calls(value: Json) -> list[Json]:
    calls = value.get("tool_calls") or value.get("toolCalls") or []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise _UnlikeError
    single = value.get("function_call") or value.get("functionCall")
    if isinstance(single, dict):
        calls = [*calls, single]
    return [_call(call) for call in calls]


def _call(call: Json) -> Json:
    """Return a tool call; arguments stay the text or object they are, so that nothing of them changes."""
    inner = call.get("function")
    named = inner if isinstance(inner, dict) else call
    part: Json = {"type": "tool_call"}
    ref = _first(call, "id", "call_id", "toolCallId")
    if ref is not None:
        part["id"] = ref
    return part | {"name": _first(named, "name", "toolName"), "arguments": _first(named, "arguments", "args", "input")}


def _first(value: Json, *keys: str) -> Any:
    return next((value[key] for key in keys if value.get(key) is not None), None)


def _rest(value: Json, *keys: str) -> Json:
    return {key: inner for key, inner in value.items() if key not in keys}
