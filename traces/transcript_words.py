"""What the payloads of a transcript's cards say, cut to what a card shows. Pure: no Django.

Nothing here raises, whatever a client sent; what is too long to be read whole is told by its beginning.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from runs import bodies, jsontree, messages
from runs.bodies import Document, Failure
from runs.messages import Message, Part

LONG: Final = 6_000
"""Characters of one message that a card shows."""
SHORT: Final = 3_000
"""Characters of a tool's arguments or result that a card shows."""
LINE: Final = 160
"""Characters of a one-line preview."""
MOST_PARTS: Final = 40  # of one message
DATA: Final = "data"
"""Role of what an object holds beside its words."""
WORDS: Final = (
    *("message", "question", "query", "prompt", "input", "text"),
    *("answer", "output", "response", "reply", "result", "content"),
)
"""Keys under which objects hold what a person or a model said, the most telling first."""

Key = tuple[str, tuple[tuple[str, str, str], ...]]


@dataclass(frozen=True)
class Text:
    """Stored JSON text, or only its beginning; `size` is that of all of it, in bytes."""

    text: str
    size: int = 0
    cut: bool = False


@dataclass(frozen=True)
class Body:
    """What is read of a run for its card."""

    input: Text | None = None
    output: Text | None = None
    error: Text | None = None
    metadata: str | None = None  # of events only, JSON text


def key(message: Message) -> Key | None:
    """Return what makes two messages the same although one is an answer and one history; None where it is empty.

    Histories leave out thinking and ids, and a call's result is there only later.
    """
    parts = tuple(
        (part.kind, part.name, part.text.strip() or (part.media.data[:200] if part.media else part.url))
        for part in message.parts
        if part.kind != "thinking" and (part.text.strip() or part.name or part.media or part.url)
    )
    return (message.role, parts) if parts else None


def chat(text: Text | None, role: str) -> list[Message]:
    """Return a payload as messages; what is none, as one message of that role; nothing where it can't be read."""
    value = _value(text)
    if value is None or value == "" or value == bodies.NOT_INGESTED:
        return []
    try:
        found = messages.read(value)
    except RecursionError:
        return [Message(role, (Part("json", text=jsontree.compact(value, LONG)),))]
    inner = value.get("messages") if isinstance(value, dict) else None
    if not found and isinstance(inner, dict):
        found = messages.read([inner])  # LangGraph's only message
    return [message for message in found if message.parts] or ([] if found else list(_spoken(value, role)))


def answer(part: Part) -> Part:
    """Return a part of an answer as it is read best: text that is a JSON object or list, as JSON."""
    if part.kind != "text" or len(part.text) > LONG or part.text.strip()[:1] not in ("{", "["):
        return part
    try:
        return replace(part, kind="json", text=messages.arguments(bodies.decode(part.text)))
    except bodies.UnreadableError:
        return part


def _spoken(value: Any, role: str) -> Iterator[Message]:
    """Yield what is no message as words of that role, what an object says beside its words as data of their own."""
    if isinstance(value, dict):
        strings = [key for key, inner in value.items() if isinstance(inner, str) and inner.strip()]
        spoken = next((key for key in WORDS if key in strings), strings[0] if len(value) == len(strings) == 1 else None)
        if spoken is not None:
            yield Message(role, (Part("text", text=value[spoken]),))
            value = {key: inner for key, inner in value.items() if key != spoken}
            role = DATA
    if value not in ({}, []):
        said = Part("text", text=value) if isinstance(value, str) else Part("json", text=messages.arguments(value))
        yield Message(role, (said,))


def _value(text: Text | None) -> Any:
    """Return what a text says; None where it is too long to have been read, or isn't there."""
    if text is None or text.cut:
        return None
    try:
        return bodies.unwrap(bodies.decode(text.text))
    except bodies.UnreadableError:
        return text.text


def work(text: Text | None) -> Part | None:
    """Return what a tool was given or gave back, cut to what its card shows; None where there is nothing."""
    if text is None:
        return None
    if text.cut:
        return start(text, SHORT)
    value = _value(text)
    if value is None:
        return None
    said = _words(value)
    return cut(Part("text" if isinstance(value, str) else "json", text=said), SHORT)


def _words(value: Any) -> str:
    """Return a payload as text: messages by what they say, text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    try:
        found = messages.read(value)
    except RecursionError:
        found = []
    said = [part.text for message in found for part in message.parts if part.text]
    return "\n".join(said) if said else messages.arguments(value)


def line(text: Text | None) -> str:
    """Return a payload on one line: the last message's text, an object as `key: value, key: value`."""
    if text is None:
        return ""
    if text.cut:
        return squeeze(beginning(text.text))
    value = _value(text)
    if value is None:
        return ""
    if found := _last_words(value):
        return squeeze(found)
    if isinstance(value, dict):
        pairs = list(value.items())[:12]
        return squeeze(", ".join(f"{key}: {squeeze(_short(inner), 60)}" for key, inner in pairs))
    if isinstance(value, list) and not any(isinstance(inner, dict | list) for inner in value[:12]):
        return squeeze(", ".join(_short(inner) for inner in value[:12]))
    return squeeze(_short(value))


def _last_words(value: Any) -> str:
    try:
        found = [] if isinstance(value, str) else messages.read(value)
    except RecursionError:
        return ""
    return next((part.text for message in reversed(found) for part in reversed(message.parts) if part.text), "")


def _short(value: Any) -> str:
    return value if isinstance(value, str) else jsontree.compact(value, LINE)


def squeeze(text: str, limit: int = LINE) -> str:
    """Return a text on one line, cut with an ellipsis."""
    line = " ".join(text[: limit * 4].split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def beginning(text: str) -> str:
    """Return the beginning of a long JSON text as people read it: of a JSON string what it says so far."""
    if text.startswith('"'):
        for end in range(len(text), max(len(text) - 12, 0), -1):  # an escape may have been cut in two
            try:
                return str(json.loads(f'{text[:end]}"'))
            except ValueError:
                continue
    return text


def ref(text: Text | None) -> str:
    """Return the id of the call that a tool's output says it answers."""
    value = _value(text)
    if not isinstance(value, dict):
        return ""
    inner = value.get("kwargs") if isinstance(value.get("kwargs"), dict) else value
    keys = ("tool_call_id", "toolCallId", "tool_use_id", "call_id")
    found = next((inner[key] for key in keys if isinstance(inner, dict) and inner.get(key)), "")
    return found if isinstance(found, str) else ""


def plain(name: str) -> str:
    """Return a tool's name as compared: find_flights is findFlights."""
    return re.sub(r"[\W_]+", "", name).lower()


def start(text: Text, limit: int) -> Part:
    """Return what can be shown of a text of which only the beginning was read."""
    said = beginning(text.text)[:limit]
    return Part("text", text=said, cut=max(text.size - len(said), 1))


def documents(text: Text | None) -> tuple[Document, ...]:
    """Return what a search found, each cut; at most 20."""
    found = bodies.documents(_value(text))
    return tuple(replace(one, text=one.text[:SHORT]) for one in found[:20])


def titles(found: Sequence[Document]) -> str:
    """Return how many documents there are and which, on one line."""
    if not found:
        return ""
    words = "1 document" if len(found) == 1 else f"{len(found)} documents"
    return squeeze(f"{words}: {', '.join(one.title for one in found)}")


def details(metadata: str | None) -> tuple[tuple[str, str], ...]:
    """Return the first entries of an event's metadata."""
    value = _value(Text(metadata)) if metadata else None
    pairs = list(value.items())[:6] if isinstance(value, dict) else []
    return tuple((key, squeeze(_short(inner), 60)) for key, inner in pairs)


def failure(text: Text | None) -> Failure:
    """Return an error as its card says it: cut, and without its stack."""
    found = bodies.failure(text.text if text else None)
    if found is None or (text and text.cut):
        message = beginning(text.text) if text else "the client sent no message with this error"
        return Failure(message[:SHORT])
    return Failure(found.message[:SHORT])


def shown(found: Iterable[Message]) -> tuple[Message, ...]:
    """Return messages cut to what a card shows."""
    return tuple(
        replace(message, parts=tuple(cut(part, LONG) for part in message.parts[:MOST_PARTS])) for message in found
    )


def cut(part: Part, limit: int) -> Part:
    """Return a part with at most so many characters of text, its results with SHORT each."""
    over = max(len(part.text) - limit, 0)
    result = tuple(cut(inner, SHORT) for inner in part.result[:MOST_PARTS])
    return replace(part, text=part.text[:limit], cut=part.cut + over, result=result)
