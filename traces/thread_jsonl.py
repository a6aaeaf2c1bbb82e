"""A conversation as OpenAI's chat format for fine-tuning and evaluation: one line `{"messages": […]}`. Pure: no Django.

Lines are valid by construction. A message that calls tools is followed by exactly one result for each of its calls, in
their order: results that came later are moved there, one that never came is empty, one whose call isn't there is left
out. What the format has no place for (thinking, media of an assistant, names) is left out or told in words.
"""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from runs.messages import Message, Part

ROLES: Final = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system", "tool": "tool"}
HELD: Final = 50
"""How many messages may lie between a call and its result."""
AUDIO: Final = {"wav": "wav", "x-wav": "wav", "wave": "wav", "mp3": "mp3", "mpeg": "mp3"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A call of a tool; `result` where the message itself holds it."""

    ref: str
    name: str
    arguments: str
    result: str | None = None


@dataclass(frozen=True)
class Said:
    """A message of a person, a model or the instructions."""

    role: str
    content: list[Json]
    calls: list[Call] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    """What a tool answered; `ref` and `name` as far as the client told them."""

    ref: str
    name: str
    text: str


Item = Said | Result


def line(messages: Iterable[tuple[str, Message]]) -> Iterator[bytes]:
    """Yield the line of a conversation, message by message; nothing where nothing was said.

    `messages` are (side, message) in the order they were said; the side, in or out, tells who spoke where the role
    doesn't.
    """
    before = b'{"messages":['
    for message in chat(messages):
        yield before + json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        before = b","
    if before == b",":
        yield b"]}\n"


def chat(messages: Iterable[tuple[str, Message]]) -> Iterator[Json]:
    """Yield the messages in OpenAI's shape, reading at most HELD of them ahead."""
    items = _Ahead(item for side, message in messages for item in _items(side, message))
    number = 0
    while (item := items.next()) is not None:
        if isinstance(item, Result):
            continue
        if not item.calls:
            yield {"role": item.role, "content": _content(item.content)}
            continue
        answers = items.answers(item.calls)
        ids = _ids(item.calls, number)
        number += len(ids)
        yield _calling(item, ids)
        if any(answer is not None for answer in answers) or items.more():
            for id, answer in zip(ids, answers, strict=True):
                yield {"role": "tool", "tool_call_id": id, "content": answer or ""}


class _Ahead:
    """Items with those read ahead in search of a call's result."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = iter(items)
        self._held: deque[Item] = deque()

    def next(self) -> Item | None:
        """Return the next item, None at the end."""
        return self._held.popleft() if self._held else next(self._items, None)

    def more(self) -> bool:
        """Tell whether anybody says anything more; results that answer nothing are skipped."""
        while (item := self.next()) is not None:
            if isinstance(item, Said):
                self._held.appendleft(item)
                return True
        return False

    def answers(self, calls: Sequence[Call]) -> list[str | None]:
        """Return what was answered to each of the calls and take it out; None: nothing, as far as is looked."""
        found = [call.result for call in calls]
        refs = [call.ref for call in calls]
        names = [call.name for call in calls]
        kept: deque[Item] = deque()
        while None in found and len(kept) < HELD:
            item = self.next()
            if item is None:
                break
            if isinstance(item, Result) and (at := _answered(item, refs, names, found)) is not None:
                found[at] = item.text
                continue
            kept.append(item)
            if isinstance(item, Said) and item.role == "user":
                break
            if isinstance(item, Said) and item.calls:
                names = []  # a result that names no call answers the call before it
                taken = {call.ref for call in item.calls}
                refs = ["" if ref in taken else ref for ref in refs]
        self._held.extendleft(reversed(kept))
        return found


def _answered(result: Result, refs: Sequence[str], names: Sequence[str], found: Sequence[str | None]) -> int | None:
    """Return which of the calls without an answer this one answers: by id, else by name, else the first."""
    waiting = [at for at, answer in enumerate(found) if answer is None]
    if result.ref:
        return next((at for at in waiting if refs[at] == result.ref), None)
    return next((at for at in waiting if names and (not result.name or names[at] == _name(result.name))), None)


def _ids(calls: Sequence[Call], number: int) -> list[str]:
    """Return an id for each call: its own, unless it has none or shares it with another of the message."""
    ids: list[str] = []
    taken = {call.ref for call in calls}
    for at, call in enumerate(calls):
        id, more = call.ref, number + at + 1
        while not id or id in ids or (id != call.ref and id in taken):
            id, more = f"call_{more}", more + 1
        ids.append(id)
    return ids


def _calling(said: Said, ids: Sequence[str]) -> Json:
    calls = [
        {"id": id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for id, call in zip(ids, said.calls, strict=True)
    ]
    return {"role": "assistant", "content": _content(said.content) if said.content else None, "tool_calls": calls}


def _content(parts: list[Json]) -> str | list[Json]:
    """Return one text as a string, anything else as parts."""
    if len(parts) == 1 and parts[0]["type"] == "text":
        return str(parts[0]["text"])
    return parts


def _items(side: str, message: Message) -> Iterator[Item]:
    """Yield a message as the format tells it: results first, then what was said; calls are the assistant's alone."""
    role = ROLES.get(message.role) or ("user" if side == "in" else "assistant")
    yield from (_result(part) for part in message.parts if part.kind == "result")
    rest = [part for part in message.parts if part.kind not in ("result", "call", "thinking")]
    calls = [_call(part) for part in message.parts if part.kind == "call"]
    if role == "tool":
        if rest or not message.parts:
            yield Result(_clean(message.ref), message.name, "\n".join(_words(part) for part in rest))
        rest = []
    content = [block for part in rest for block in _blocks(part, role)]
    content = _without_refusals(content) if len(content) > 1 else content
    if role == "assistant":
        if content or calls:
            yield Said(role, content, calls)
        return
    if content:
        yield Said(role, content)
    if calls:
        yield Said("assistant", [], calls)


def _result(part: Part) -> Result:
    return Result(_clean(part.ref), part.name, _words(part))


def _call(part: Part) -> Call:
    result = "\n".join(_words(inner) for inner in part.result) if part.result else None
    return Call(_clean(part.ref), _name(part.name), _arguments(part.text), result)


def _arguments(text: str) -> str:
    """Return arguments as they travel: JSON without spaces, anything else as it came; none are {}."""
    text = _clean(text)
    try:
        return msgspec.json.format(text, indent=-1)
    except (msgspec.DecodeError, RecursionError):
        return text.strip() or "{}"


def _name(text: str) -> str:
    """Return a tool's name in the characters that the format allows."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)[:64] or "tool"


def _blocks(part: Part, role: str) -> Iterator[Json]:
    """Yield a part as blocks of content; other than text and refusals only a user's messages may have."""
    if part.kind == "refusal" and role == "assistant":
        if part.text:
            yield {"type": "refusal", "refusal": _clean(part.text)}
        return
    if role == "user" and (block := _media(part)):
        yield block
        if part.kind != "image" and part.text:
            yield {"type": "text", "text": _clean(part.text)}
        return
    if words := _words(part):
        yield {"type": "text", "text": words}


def _media(part: Part) -> Json | None:
    """Return an image, a sound or a file as the format takes it; None where it takes none such."""
    kind, data = (part.media.type, part.media.data) if part.media else ("", "")
    if part.kind == "image" and (part.url or data):
        return {
            "type": "image_url",
            "image_url": {"url": _clean(part.url or f"data:{kind or 'image/png'};base64,{data}")},
        }
    sound = AUDIO.get(kind.partition("/")[2].lower())
    if part.kind == "audio" and data and sound:
        return {"type": "input_audio", "input_audio": {"data": _clean(data), "format": sound}}
    if part.kind == "file" and data:
        link = f"data:{kind or 'application/octet-stream'};base64,{data}"
        return {"type": "file", "file": {"filename": _clean(part.name) or "file", "file_data": _clean(link)}}
    return None


def _words(part: Part) -> str:
    """Return what a part says; what isn't text is named."""
    if part.kind in ("image", "audio", "file"):
        named = ": ".join(one for one in (part.kind, part.url or part.name) if one)
        return _clean("\n".join(one for one in (f"[{named}]", "" if part.text == part.url else part.text) if one))
    return _clean("\n".join(one for one in (part.text, *(_words(inner) for inner in part.result)) if one))


def _without_refusals(content: list[Json]) -> list[Json]:
    """Return a refusal beside other words as text: the format takes either texts or one refusal."""
    return [{"type": "text", "text": block["refusal"]} if block["type"] == "refusal" else block for block in content]


def _clean(text: str) -> str:
    """Return text that UTF-8 can hold: lone surrogates and NUL are replaced."""
    return text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
