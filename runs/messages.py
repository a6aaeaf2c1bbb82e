"""Chat messages in every client's spelling, as one shape to draw. Pure.

OpenAI, Anthropic, Gemini, LangChain and OpenTelemetry are read. A tool's result is folded into the call it answers, as
people read it. Arguments that are JSON text are indented, anything else (LangChain's Python repr) is shown as it came.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from runs import jsontree

Json = dict[str, Any]


@dataclass(frozen=True)
class Media:
    """Bytes inside a payload, still base64; served by the page's own address, never inlined."""

    type: str  # as the client said: image/png, audio/wav, …
    data: str = field(repr=False)


@dataclass(frozen=True)
class Part:
    """A piece of a message. `kind`: text, thinking, call, result, image, audio, file, refusal or json."""

    kind: str
    text: str = ""
    name: str = ""
    ref: str = ""  # the id that ties a result to its call
    url: str = ""  # http or https only
    media: Media | None = None
    number: int | None = None  # of the media in its payload, see `media()`
    result: tuple["Part", ...] = ()  # on a call: what the tool answered
    cut: int = 0  # characters left out of `text`


@dataclass(frozen=True)
class Message:
    """One message: a role as the page names it, the name of a tool or speaker, its parts."""

    role: str  # user, assistant, system, tool or as sent
    parts: tuple[Part, ...]
    name: str = ""
    ref: str = ""

    @property
    def folded(self) -> bool:
        """Tell whether the page shows only the first line at first: instructions are long and the same every time."""
        return self.role in ("system", "developer")

    @property
    def line(self) -> str:
        """Return the beginning of its text on one line."""
        words = next((part.text for part in self.parts if part.text), "")
        return " ".join(words[:400].split())[:160]


ROLES = {
    "human": "user",
    "ai": "assistant",
    "aimessagechunk": "assistant",
    "aimessage": "assistant",
    "humanmessage": "user",
    "systemmessage": "system",
    "toolmessage": "tool",
    "bot": "assistant",
    "model": "assistant",
    "function": "tool",
}
CONTENT_KEYS = frozenset(
    (
        "content",
        "text",
        "parts",
        "tool_calls",
        "toolCalls",
        "function_call",
        "functionCall",
        "refusal",
        "audio",
        "output",
    )
)
LANGCHAIN_TYPES = frozenset(("human", "ai", "system", "tool", "function", "AIMessageChunk", "HumanMessageChunk"))


def role(text: str) -> str:
    """Return the role as the page names it; unknown ones as sent, in lower case."""
    plain = text.strip().lower()
    return ROLES.get(plain, plain)


def read(value: Any) -> list[Message]:
    """Return the messages a payload holds, or nothing where it isn't made of messages."""
    found = _numbered(_fold_results(_messages(value)))
    return [message for message in found if message.parts or message.role]


def read_one(value: Any) -> Message:
    """Return one message as a conversation's page draws it; what is no message is shown as what it is."""
    found = read(value)
    if len(found) == 1:
        return found[0]
    return Message("", tuple(content(value)))


def media(value: Any, number: int) -> Media | None:
    """Return the bytes that a page's part with this `number` names, or None."""
    for message in read(value):
        for part in _all_parts(message.parts):
            if part.number == number:
                return part.media
    return None


def content(value: Any) -> list[Part]:
    """Return the parts of a message's content: text, one block or a list of blocks."""
    if value is None or value == "":
        return []
    if isinstance(value, list):
        return [part for item in value for part in _block(item)]
    return _block(value)


def _messages(value: Any) -> list[Message]:
    if isinstance(value, dict):
        if _is_message(value):
            return [_message(value)]
        for key in ("messages", "choices", "generations", "candidates"):
            if isinstance(inner := value.get(key), list) and (found := _messages(inner)):
                return found
        return []
    if not isinstance(value, list) or not value:
        return []
    if len(value) == 1 and isinstance(value[0], list):
        return _messages(value[0])
    if all(isinstance(item, dict) and isinstance(item.get("message"), dict) for item in value):  # OpenAI's choices
        value = [item["message"] for item in value]
    if all(_is_message(item) for item in value):
        return [_message(item) for item in value]
    if all(isinstance(item, dict) and _text(item.get("type")) in BLOCKS for item in value):
        return [Message("assistant", tuple(content(value)))]
    return []


def _is_message(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("role"), str):
        return not CONTENT_KEYS.isdisjoint(value)
    if _langchain(value) is not None:
        return True
    return _text(value.get("type")) in LANGCHAIN_TYPES and "content" in value


def _langchain(value: Json) -> Json | None:
    """Return the arguments of a serialised LangChain message ({"lc": 1, "id": […, "AIMessage"], "kwargs": {…}})."""
    name, inner = value.get("id"), value.get("kwargs")
    if value.get("type") != "constructor" or not isinstance(name, list) or not isinstance(inner, dict):
        return None
    last = name[-1] if name else None
    return inner | {"role": last} if isinstance(last, str) and "content" in inner else None


def _message(value: Json) -> Message:
    value = _langchain(value) or value
    parts = [
        Part("thinking", text=text) for key in ("reasoning_content", "reasoning") if (text := _text(value.get(key)))
    ]
    for key in ("content", "text", "parts"):
        if value.get(key) not in (None, "", []):
            parts += content(value[key])
            break
    if refusal := _text(value.get("refusal")):
        parts.append(Part("refusal", text=refusal))
    if isinstance(value.get("audio"), dict):
        parts.append(_audio(value["audio"]))
    known = {part.ref for part in parts if part.kind == "call" and part.ref}
    parts += [call for call in _calls(value) if call.ref not in known or not call.ref]
    return Message(
        role=role(_text(value.get("role")) or _text(value.get("type"))),
        parts=tuple(parts),
        name=_text(value.get("name")),
        ref=_text(value.get("tool_call_id")) or _text(value.get("toolCallId")),
    )


def _calls(value: Json) -> Iterator[Part]:
    for key in ("tool_calls", "toolCalls"):
        calls = value.get(key)
        for call in calls if isinstance(calls, list) else ():
            yield _call(call) if isinstance(call, dict) else Part("json", text=jsontree.pretty(call))
        if calls:
            break
    for key in ("function_call", "functionCall"):
        if isinstance(value.get(key), dict):
            yield _call(value[key])
            break


def _call(value: Json) -> Part:
    inner = value.get("function")
    call = value | inner if isinstance(inner, dict) else value
    given = next((call[key] for key in ("arguments", "args", "input") if call.get(key) is not None), None)
    ref = _text(value.get("id")) or _text(value.get("call_id")) or _text(value.get("toolCallId"))
    name = _text(call.get("name")) or _text(call.get("toolName")) or "a tool without a name"
    return Part("call", text=arguments(given), name=name, ref=ref)


def arguments(value: Any) -> str:
    """Return a call's arguments: JSON (also as text) indented unless it is short, anything else as it came."""
    if value is None:
        return ""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    short = jsontree.compact(value, 74)
    return short if len(short) < 74 and not short.endswith("…") else jsontree.pretty(value)


def _result(value: Json) -> Part:
    keys = ("content", "output", "response", "result")
    given = next((value[key] for key in keys if value.get(key) is not None), None)
    name = _text(value.get("name")) or _text(value.get("toolName"))
    refs = ("tool_use_id", "tool_call_id", "toolCallId", "call_id", "id")
    ref = next((text for key in refs if (text := _text(value.get(key)))), "")
    inner = content(given) if isinstance(given, str | list) else []
    if all(part.kind == "text" for part in inner):
        text = "\n".join(part.text for part in inner) if inner else arguments(given)
        return Part("result", text=text, name=name, ref=ref)
    return Part("result", name=name, ref=ref, result=tuple(inner))


def _image(value: Json) -> Part:
    source = next((value[key] for key in ("image_url", "source", "image", "url") if value.get(key)), None)
    if isinstance(source, dict) and isinstance(source.get("data"), str):
        return Part("image", media=Media(_text(source.get("media_type")) or "image/png", source["data"]))
    link = _text(source.get("url")) if isinstance(source, dict) else _text(source)
    return _linked("image", link, value)


def _audio(value: Json) -> Part:
    inner = value.get("input_audio") if isinstance(value.get("input_audio"), dict) else value
    assert isinstance(inner, dict)  # noqa: S101 -- for the type checker: both branches are objects
    kind = _text(inner.get("media_type")) or f"audio/{_text(inner.get('format')) or 'wav'}"
    said = _text(inner.get("transcript"))
    if isinstance(inner.get("data"), str):
        return Part("audio", text=said, media=Media(kind, inner["data"]))
    return replace(_linked("audio", _text(inner.get("url")), value), text=said)


def _file(value: Json) -> Part:
    inner = next(
        (value[key] for key in ("file", "source", "inlineData", "inline_data") if isinstance(value.get(key), dict)),
        value,
    )
    kind = _text(inner.get("media_type")) or _text(inner.get("mimeType")) or _text(inner.get("mime_type"))
    name = _text(inner.get("filename")) or _text(value.get("title")) or _text(inner.get("file_id")) or kind or "a file"
    if kind.partition("/")[0] in ("image", "audio") and isinstance(inner.get("data"), str):
        return Part(kind.partition("/")[0], name=name, media=Media(kind, inner["data"]))
    if inner.get("type") == "text" and isinstance(inner.get("data"), str):
        return Part("file", text=inner["data"], name=name)
    return replace(_linked("file", _text(inner.get("url")), {}), name=name)


def _linked(kind: str, link: str, value: Json) -> Part:
    """Return a part that links to what a client named; other schemes than http(s) and data are never links."""
    head, comma, data = link.partition(",")
    if head.startswith("data:") and comma:
        return Part(kind, media=Media(head[5:].partition(";")[0], data))
    if link.lower().startswith(("https://", "http://")):
        return Part(kind, text=link, url=link)
    return Part(kind, text=link or jsontree.compact(value))


def _plain(value: Json) -> Part:
    given = next((value[key] for key in ("text", "content", "output") if value.get(key) is not None), "")
    return Part("text", text=given if isinstance(given, str) else jsontree.pretty(given))


def _thinking(value: Json) -> Part:
    keys = ("thinking", "reasoning", "text", "content", "summary", "data")
    given = next((value[key] for key in keys if value.get(key) not in (None, "", [])), "")
    if isinstance(given, list):
        given = "\n".join(part.text for part in content(given))
    return Part("thinking", text=given if isinstance(given, str) else jsontree.pretty(given))


def _refusal(value: Json) -> Part:
    return Part("refusal", text=_text(value.get("refusal")))


BLOCKS: dict[str, Callable[[Json], Part]] = {
    **dict.fromkeys(("text", "input_text", "output_text", "summary_text"), _plain),
    **dict.fromkeys(("thinking", "redacted_thinking", "reasoning"), _thinking),
    **dict.fromkeys(("tool_use", "server_tool_use", "tool_call", "tool-call", "function_call"), _call),
    **dict.fromkeys(
        ("tool_result", "tool-result", "tool_call_response", "function_call_output", "web_search_tool_result"), _result
    ),
    **dict.fromkeys(("image_url", "image", "input_image"), _image),
    **dict.fromkeys(("input_audio", "audio"), _audio),
    **dict.fromkeys(("file", "document", "input_file", "blob"), _file),
    "refusal": _refusal,
}
UNTYPED: dict[str, Callable[[Json], Part]] = {  # Gemini and Bedrock name a block by its only key
    "text": _plain,
    "functionCall": lambda value: _call(value["functionCall"]),
    "functionResponse": lambda value: _result(value["functionResponse"]),
    "toolUse": lambda value: _call(value["toolUse"]),
    "toolResult": lambda value: _result(value["toolResult"]),
    "inlineData": _file,
}


def _block(value: Any) -> list[Part]:
    if isinstance(value, str):
        return [Part("text", text=value)] if value else []
    if not isinstance(value, dict):
        return [Part("json", text=jsontree.pretty(value))]
    kind = value.get("type")
    if isinstance(kind, str) and kind in BLOCKS:
        return [BLOCKS[kind](value)]
    for key, make in UNTYPED.items():
        if isinstance(value.get(key), str if key == "text" else dict):
            return [make(value)]
    return [Part("json", text=jsontree.pretty(value))]


def _fold_results(messages: list[Message]) -> list[Message]:
    """Move each tool result into the call it answers; results whose call isn't here stay where they are."""
    calls = {part.ref for message in messages for part in message.parts if part.kind == "call" and part.ref}
    answers: dict[str, list[Part]] = {}
    kept: list[Message] = []
    for message in messages:
        if message.role == "tool" and message.ref in calls:
            answers.setdefault(message.ref, []).extend(message.parts)
            continue
        own = [part for part in message.parts if part.kind == "result" and part.ref in calls]
        for part in own:
            answers.setdefault(part.ref, []).append(part)
        rest = tuple(part for part in message.parts if part not in own)
        if rest or not own:
            kept.append(replace(message, parts=rest))
    return [
        replace(
            message,
            parts=tuple(
                replace(part, result=tuple(answers.pop(part.ref, ()))) if part.kind == "call" and part.ref else part
                for part in message.parts
            ),
        )
        for message in kept
    ]


def _numbered(messages: list[Message]) -> list[Message]:
    """Give the media of a payload numbers in reading order: the number is their address."""
    numbers = iter(range(10_000))

    def number(part: Part) -> Part:
        if part.media:
            part = replace(part, number=next(numbers, None))
        return replace(part, result=tuple(number(inner) for inner in part.result)) if part.result else part

    return [replace(message, parts=tuple(number(part) for part in message.parts)) for message in messages]


def _all_parts(parts: tuple[Part, ...]) -> Iterator[Part]:
    for part in parts:
        yield part
        yield from _all_parts(part.result)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
