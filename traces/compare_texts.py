"""What two runs carried, as texts and tables that can be compared. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from runs import bodies, jsontree, messages
from runs.messages import Message, Part
from traces.worddiff import Kind, Piece, diff, pieces

MOST_KEYS: Final = 200  # lines of a table
MOST_VALUE: Final = 2_000  # characters of a value in it


@dataclass(frozen=True)
class TextDiff:
    """One payload of both runs. `pieces` are empty where neither has it; `parts` of it may be beyond what was read."""

    field: str
    title: str
    pieces: tuple[Piece, ...]
    same: bool
    in_left: bool
    in_right: bool
    partial: bool = False  # only the beginning of a very large payload was read

    @property
    def words(self) -> str:
        """What became of it, in words."""
        if not self.in_left or not self.in_right:
            return "only in B" if self.in_right else "only in A"
        return "the same" if self.same else "differs"

    @property
    def removed(self) -> int:
        """Characters that are only in the left text."""
        return sum(piece.size or len(piece.text) for piece in self.pieces if piece.kind.startswith("removed"))

    @property
    def added(self) -> int:
        """Characters that are only in the right text."""
        return sum(piece.size or len(piece.text) for piece in self.pieces if piece.kind.startswith("added"))


@dataclass(frozen=True)
class Entry:
    """One key of both runs' parameters or metadata; None where a side has no such key."""

    key: str
    left: str | None
    right: str | None


@dataclass(frozen=True)
class TableDiff:
    """What differs between two objects, key by key; nested keys are joined by dots."""

    title: str
    differing: tuple[Entry, ...]
    same: tuple[Entry, ...]
    left_out: int = 0  # keys beyond MOST_KEYS

    @property
    def size(self) -> int:
        """How many keys there are."""
        return len(self.differing) + len(self.same) + self.left_out


def text_diff(field: str, title: str, left: str | None, right: str | None, *, partial: bool = False) -> TextDiff | None:
    """Return what changed between two payloads (stored JSON text); None where there is neither."""
    if left is None and right is None:
        return None
    spans = diff(readable(left), readable(right))
    same = all(span.kind is Kind.COMMON for span in spans) and left is not None and right is not None
    shown = pieces(spans)
    return TextDiff(field, title, shown, same, left is not None, right is not None, partial)


def readable(text: str | None) -> str:
    """Return a stored payload as people read it: messages with their roles, JSON indented, text as it is."""
    if text is None:
        return ""
    try:
        value = bodies.unwrap(bodies.decode(text))
        chat = messages.read(value)
    except (bodies.UnreadableError, RecursionError):
        return text
    if not chat:
        return jsontree.pretty(value)
    return "\n\n".join(_message(message) for message in chat)


def table_diff(title: str, left: str | None, right: str | None) -> TableDiff | None:
    """Return what differs between two objects (stored JSON text); None where neither has anything."""
    ours, theirs = dict(_entries(left)), dict(_entries(right))
    keys = list(dict.fromkeys([*ours, *theirs]))
    if not keys:
        return None
    entries = [Entry(key, ours.get(key), theirs.get(key)) for key in keys]
    differing = [entry for entry in entries if entry.left != entry.right]
    same = [entry for entry in entries if entry.left == entry.right]
    left_out = max(0, len(differing) - MOST_KEYS) + max(0, len(same) - MOST_KEYS)
    return TableDiff(title, tuple(differing[:MOST_KEYS]), tuple(same[:MOST_KEYS]), left_out)


def _message(message: Message) -> str:
    head = " ".join(filter(None, (message.role.capitalize() or "Message", message.name)))
    return "\n".join([f"{head}:", *(line for part in message.parts for line in _part(part))])


def _part(part: Part) -> Iterator[str]:
    """Yield a part's lines; a tool's result stands beneath its call."""
    if part.kind == "call":
        yield f"→ {part.name}"
    elif part.kind != "text":
        yield f"[{part.kind}{' ' if part.name else ''}{part.name}]"
    if part.media:
        data = part.media.data
        digest = sha256(data.encode(errors="replace")).hexdigest()[:12]
        yield f"({part.media.type}, {len(data) * 3 // 4} bytes, {digest})"
    if part.text:
        yield part.text
    if part.result:
        yield "←"
    for inner in part.result:
        yield from _part(inner)


def _entries(text: str | None) -> Iterator[tuple[str, str]]:
    """Yield dotted keys and values as text; what is no object is one entry without a key."""
    if text is None:
        return
    try:
        value = bodies.decode(text)
    except bodies.UnreadableError:
        yield "", text[:MOST_VALUE]
        return
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        key, value = stack.pop()
        if isinstance(value, dict) and value:
            stack += [(f"{key}.{name}" if key else str(name), inner) for name, inner in reversed(value.items())]
        elif value is not None and (key or value != {}):
            yield key, _short(value)


def _short(value: Any) -> str:
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return "…"
    return text if len(text) <= MOST_VALUE else f"{text[:MOST_VALUE]}… ({len(text)} characters)"
