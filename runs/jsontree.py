"""JSON values as a flat list of display steps, so that a template draws a folding tree with one loop. Pure.

The list is bounded in depth, entries and characters: whatever a client sends, a page stays small and says what is cut.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

MAX_DEPTH = 24
MAX_STEPS = 600
MAX_ENTRIES = 100  # of one object or array
MAX_TEXT = 8_000  # characters of one string
OPEN_DEPTH = 2  # levels unfolded at first


@dataclass(frozen=True)
class Step:
    """One line: `open` begins a container (with `close` later), `leaf` is a value, `more` says what was left out."""

    kind: str
    key: str | None = None
    text: str = ""
    type: str = ""  # of a leaf: string, number, boolean, null, deep; of a container: object or array
    unfolded: bool = True


def steps(value: Any) -> tuple[Step, ...]:
    """Return the tree's lines in order; every `open` has its `close`, also where the list was cut short."""
    lines: list[Step] = []
    depth = 0
    for step in _walk(value, None, 0):
        if len(lines) >= MAX_STEPS:
            lines.append(Step("more", text="the rest is in the raw view"))
            break
        depth += {"open": 1, "close": -1}.get(step.kind, 0)
        lines.append(step)
    else:
        return tuple(lines)
    lines.extend([Step("close")] * depth)
    return tuple(lines)


def compact(value: Any, limit: int = 200) -> str:
    """Return a value as one line of JSON text, at most `limit` characters."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        return "…"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def pretty(value: Any) -> str:
    """Return a value as indented JSON text; text stays as it is."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, indent=2)
    except (ValueError, TypeError, RecursionError):
        return "…"


def _walk(value: Any, key: str | None, depth: int) -> Iterator[Step]:
    if isinstance(value, dict | list) and value:
        if depth >= MAX_DEPTH:
            yield Step("leaf", key, "nested too deeply to show here", "deep")
        elif isinstance(value, list) and _is_vector(value):
            yield Step("leaf", key, _vector(value), "number")
        else:
            yield from _container(value, key, depth)
    else:
        yield _leaf(value, key)


def _container(value: dict[str, Any] | list[Any], key: str | None, depth: int) -> Iterator[Step]:
    pairs: Iterable[tuple[str, Any]]
    if isinstance(value, dict):
        kind, unit, pairs = "object", "key", ((str(name), entry) for name, entry in value.items())
    else:
        kind, unit, pairs = "array", "item", ((str(index), entry) for index, entry in enumerate(value))
    yield Step("open", key, f"{len(value)} {unit}{'s' if len(value) > 1 else ''}", kind, unfolded=depth < OPEN_DEPTH)
    for name, entry in islice(pairs, MAX_ENTRIES):
        yield from _walk(entry, name, depth + 1)
    if len(value) > MAX_ENTRIES:
        yield Step("more", text=f"{len(value) - MAX_ENTRIES} more in the raw view")
    yield Step("close")


def _leaf(value: Any, key: str | None) -> Step:
    if isinstance(value, str):
        text = value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}… {len(value) - MAX_TEXT} more characters"
        return Step("leaf", key, text, "string")
    if value is None or isinstance(value, bool):
        return Step("leaf", key, json.dumps(value), "null" if value is None else "boolean")
    if isinstance(value, int | float):
        return Step("leaf", key, _number(value), "number")
    return Step("leaf", key, "{}" if isinstance(value, dict) else "[]", "null")


def _number(value: float) -> str:
    try:
        return str(value)
    except ValueError:  # more than 4 300 digits
        return "a very long number"


def _is_vector(value: list[Any]) -> bool:
    """Tell whether this is an embedding: a long list of numbers, which is one line and not a tree."""
    return len(value) > 16 and all(type(item) in (int, float) for item in value)


def _vector(value: list[float]) -> str:
    return f"[{', '.join(_number(item) for item in value[:6])}, … {len(value)} numbers]"
