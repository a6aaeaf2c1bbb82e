"""What a run carried, decoded for display: chat messages, tool calls, documents, media, JSON, plain text. Pure.

`RunBody` keeps JSON text exactly as sent (rule 7). Nothing here changes it; both spellings (`tool_calls`, `toolCalls`)
and the shapes of every client we know are read (lunary-protocol.md §2.6). No text makes these functions raise.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from runs import jsontree, messages
from runs.mend import mend
from runs.messages import Message, Part

SHOWN = 64 * 1024  # characters of one payload that a page shows; the rest is behind "open raw"
PARSED = 2 * 1024 * 1024  # beyond this only the beginning of a payload is read
MAX_MESSAGES = 200  # of one payload, counted from its end
MAX_LINE = 2_000  # characters of one value in a key-value list
NOT_INGESTED = "__NOT_INGESTED__"  # what Lunary's SDKs send for a run that a rule filters out


class UnreadableError(Exception):
    """The text is not JSON that can be shown as such."""


@dataclass(frozen=True)
class Document:
    """One result of a retriever."""

    title: str
    text: str
    score: str = ""
    source: str = ""
    rest: tuple[jsontree.Step, ...] = ()


@dataclass(frozen=True)
class Display:
    """One payload, ready to draw. `kind`: absent, ignored, text, messages, documents or json."""

    kind: str = "absent"
    text: str = ""
    messages: tuple[Message, ...] = ()
    documents: tuple[Document, ...] = ()
    tree: tuple[jsontree.Step, ...] = ()
    size: int = 0  # bytes of the payload as stored
    cut: bool = False  # the page shows less than there is
    beginning: bool = False  # nothing but the payload's beginning was read

    def __bool__(self) -> bool:
        """Tell whether there is anything to show."""
        return self.kind != "absent"

    @property
    def part(self) -> str:
        """Return which part of the payload is shown, where it isn't all."""
        if self.beginning or self.kind in ("text", "documents"):
            return f"The first {SHOWN // 1024} KB"
        return "The latest messages" if self.kind == "messages" else "A part"


@dataclass(frozen=True)
class Failure:
    """An error as clients send it: `{message, stack}`, only one of them, a bare text, or anything else."""

    message: str
    stack: str = ""
    rest: tuple[jsontree.Step, ...] = ()


def decode(text: str) -> Any:
    """Return the value of stored JSON text; raise UnreadableError for what isn't JSON or is nested beyond reason."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError from error


def display(text: str | None, run_type: str = "llm", *, whole: int = 0) -> Display:
    """Return a stored input or output as what it is; a retriever's output is read as documents.

    `whole` is the size in bytes of a payload of which `text` is only the (mended) beginning.
    """
    if text is None:
        return Display()
    if not whole and len(text) > PARSED:
        return display(mend(text[:SHOWN]), run_type, whole=len(text.encode()))
    try:
        shown = _as_what_it_is(unwrap(decode(text)), run_type)
    except (UnreadableError, RecursionError):
        shown = _text(text)
    if whole:
        return replace(shown, tree=_begun(shown.tree), size=whole, cut=True, beginning=True)
    return replace(shown, size=len(text.encode()))


def _begun(tree: tuple[jsontree.Step, ...]) -> tuple[jsontree.Step, ...]:
    """Say of a tree that its outermost list or object goes on."""
    return (replace(tree[0], text=f"first {tree[0].text}"), *tree[1:]) if tree and tree[0].kind == "open" else tree


def message(text: str) -> Message:
    """Return one stored message as a conversation draws it, within the same bounds as a payload."""
    read = whole_message(text)
    return replace(read, parts=_shorten(read.parts, SHOWN)[0])


def whole_message(text: str) -> Message:
    """Return one stored message with all of its text, however long; text that can't be read is what was said."""
    try:
        return messages.read_one(decode(text))
    except (UnreadableError, RecursionError):
        return Message("", (Part("text", text=text),))


def media(text: str | None, number: int) -> messages.Media | None:
    """Return the bytes (base64) that a page's part with this number names, or None."""
    try:
        return messages.media(unwrap(decode(text or "null")), number)
    except (UnreadableError, RecursionError):
        return None


def unwrap(value: Any) -> Any:
    """Return what an object whose only key is `input` or `output` holds, as Lunary shows it."""
    if isinstance(value, dict) and len(value) == 1:
        ((key, inner),) = value.items()
        if key in ("input", "output"):
            return inner
    return value


def preview(text: str | None, limit: int = 160) -> str:
    """Return the last words of a payload on one line: the last message's text, else its text or compact JSON."""
    shown = display(text)
    if shown.kind == "messages":
        words = next((part.text for message in reversed(shown.messages) for part in message.parts if part.text), "")
    elif shown.kind == "json":
        words = jsontree.compact(decode(text or "null"), limit)
    else:
        words = shown.text
    line = " ".join(words[: limit * 4].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def failure(text: str | None) -> Failure | None:
    """Return a stored error, or None where there is none; an empty object still is an error."""
    if text is None:
        return None
    try:
        value = decode(text)
    except UnreadableError:
        return Failure(text[:SHOWN])
    if not isinstance(value, dict):
        return Failure(jsontree.pretty(value)[:SHOWN])
    rest = {key: entry for key, entry in value.items() if key not in ("message", "stack")}
    message, stack = (_words(value.get(key)) for key in ("message", "stack"))
    if not message:
        message = stack.strip().rsplit("\n", 1)[-1] if stack else "the client sent no message with this error"
    return Failure(message[:SHOWN], stack[:SHOWN], jsontree.steps(rest) if rest else ())


def metadata(ranked: Mapping[str, str] | None) -> str | None:
    """Return the run's metadata as JSON text: the texts of its events merged by key, a later rank winning.

    `ranked` is `RunBody.metadata`. Every value stays byte for byte what the client sent.
    """
    merged: dict[str, msgspec.Raw] = {}
    for _, text in sorted((ranked or {}).items()):
        try:
            merged |= msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, RecursionError):
            continue
    return msgspec.json.encode(merged).decode() if merged else None


def pairs(text: str | None) -> list[tuple[str, str, tuple[jsontree.Step, ...]]]:
    """Return an object's entries for a key-value list: (key, one line of text, tree where it has parts)."""
    if text is None:
        return []
    try:
        value = decode(text)
    except UnreadableError:
        return [("", text[:MAX_LINE], ())]
    if not isinstance(value, dict):
        return [("", jsontree.compact(value, MAX_LINE), ())]
    return [
        (key, "", jsontree.steps(entry))
        if isinstance(entry, dict | list) and entry
        else (key, entry[:SHOWN] if isinstance(entry, str) else jsontree.compact(entry, MAX_LINE), ())
        for key, entry in value.items()
        if entry is not None
    ]


def _as_what_it_is(value: Any, run_type: str) -> Display:
    if value is None:
        return Display()
    if value == NOT_INGESTED:
        return Display("ignored")
    if isinstance(value, str):
        return _text(value)
    if run_type == "retriever" and (found := documents(value)):
        return _bounded_documents(found)
    if chat := messages.read(value):
        return _bounded_messages(chat)
    if found := documents(value, strict=True):
        return _bounded_documents(found)
    if isinstance(value, dict | list):
        tree = jsontree.steps(value)
        return Display("json", tree=tree, cut=any(step.kind == "more" for step in tree))
    return _text(jsontree.compact(value))


def _text(text: str) -> Display:
    return Display("text", text=text[:SHOWN], cut=len(text) > SHOWN)


def _bounded_messages(chat: list[Message]) -> Display:
    """Spend the room on the latest messages first: they are what a reader came for."""
    room, kept = SHOWN, []
    for message in reversed(chat[-MAX_MESSAGES:]):
        parts, room = _shorten(message.parts, room)
        kept.append(replace(message, parts=parts))
    return Display("messages", messages=tuple(reversed(kept)), cut=room < 0 or len(chat) > MAX_MESSAGES)


def _shorten(parts: tuple[Part, ...], room: int) -> tuple[tuple[Part, ...], int]:
    """Return the parts within `room` characters, and what is left of it: negative once something was cut."""
    kept = []
    for part in parts:
        fits = max(room, 0)
        room -= len(part.text)
        result, room = _shorten(part.result, room)
        over = max(len(part.text) - fits, 0)
        kept.append(replace(part, text=part.text[:fits], result=result, cut=over))
    return tuple(kept), room


def documents(value: Any, *, strict: bool = False) -> list[Document]:
    """Return a retriever's results; `strict` accepts only lists whose every item is plainly a document."""
    if isinstance(value, dict) and isinstance(value.get("documents"), list):
        value = value["documents"]
    if isinstance(value, dict) and isinstance(value.get("summary"), str) and not strict:
        return [Document("Summary", value["summary"])]
    if not isinstance(value, list) or not value:
        return []
    if strict and not all(
        isinstance(item, dict) and ("pageContent" in item or "page_content" in item) for item in value
    ):
        return []
    if not all(isinstance(item, dict | str) for item in value):
        return []
    return [_document(item, number) for number, item in enumerate(value[: jsontree.MAX_ENTRIES], 1)]


TITLES = ("title", "source", "name", "file", "url", "id")
TEXTS = ("pageContent", "page_content", "text", "content", "summary", "chunk")
SCORES = ("score", "relevance_score", "similarity", "distance")


def _document(item: dict[str, Any] | str, number: int) -> Document:
    if isinstance(item, str):
        return Document(f"Document {number}", item)
    inner = item.get("metadata")
    facts = item | inner if isinstance(inner, dict) else item
    title_key = next((key for key in TITLES if _words(facts.get(key))), "")
    text_key = next((key for key in TEXTS if isinstance(item.get(key), str)), "")
    score_key = next((key for key in SCORES if isinstance(facts.get(key), int | float)), "")
    source = _words(facts.get("source")) or _words(facts.get("url"))
    rest = {key: entry for key, entry in facts.items() if key not in (title_key, text_key, score_key, "metadata")}
    return Document(
        title=_words(facts.get(title_key)) or f"Document {number}",
        text=_words(item.get(text_key)),
        score=jsontree.compact(facts[score_key]) if score_key else "",
        source="" if title_key == "source" else source,
        rest=jsontree.steps(rest) if rest else (),
    )


def _bounded_documents(found: list[Document]) -> Display:
    room, cut, kept = SHOWN, False, []
    for document in found:
        text = document.text[: max(room, 0)]
        room -= len(text)
        cut = cut or len(text) < len(document.text)
        kept.append(replace(document, text=text))
    return Display("documents", documents=tuple(kept), cut=cut)


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None or isinstance(value, bool | dict) else jsontree.pretty(value)
