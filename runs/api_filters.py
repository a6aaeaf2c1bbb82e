"""The filters in a data API address, read into one small tree. Pure: no Django, no SQL.

Lunary's grammar (lunary-protocol.md §2.9 and its last table): `id=p1.p2.p3` joined by `&`, alternatives after a leading
`OR&`; a dot inside a value is `%2E`, several values are joined by commas and encoded twice. HTTP clients undo `%2E` on
their own (python-requests does), so a value keeps every dot after its last separator: `cost=gt.0.1` is 0.1, and
`models=gpt-4.1` is one model. Beside it plain names, as people write them: `model=a&model=b`, `user=ines`.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote, unquote_plus

CONTROLS = frozenset(
    {"cursor", "exportFormat", "exportType", "format", "granularity", "limit", "order", "page", "parentRunId"}
    | {"projectId", "repeats", "sortDirection", "sortField", "timeZone", "total"}
)
EVALUATORS = frozenset(
    {"assertion", "factualness", "guidelines", "intents", "json", "languages", "pii", "regex", "rouge", "scores"}
    | {"sentiment", "similarity", "tone", "topics", "toxicity"}
)
OPERATORS = ("eq", "neq", "gt", "gte", "lt", "lte")
PAGE_NAMES = frozenset(
    {"id", "org", "q", "runtime", "text", "thread", "trace"}
    | {f"{figure}_{edge}" for figure in ("cost", "duration", "tokens") for edge in ("min", "max")}
)
"""Filters that only the run list's own addresses have; `runs.fields` reads their values."""
NAMED_NONE = frozenset({"user", "team", "organization", "tag", "template"})
"""Filters whose empty value says something: runs that have no user, team, …"""

FIGURES = frozenset({"cost", "duration", "tokens"})
_COMPARISON = re.compile(r"(?:(?:total|prompt|completion)(?:\.|%2[eE]|$))?(?:n?eq|[gl]te?)(?:\.|%2[eE]|$)")
MOST_VALUES = 200
ANY_VALUE = object()
"""In a feedback condition: the key is there, whatever its value."""


class FilterError(ValueError):
    """A filter in the address can't be understood; the text says which one and what would do."""


@dataclass(frozen=True)
class Leaf:
    """One condition: the filter's id and its typed parameters, in the order of the grammar."""

    id: str
    params: tuple[Any, ...]


@dataclass(frozen=True)
class Filters:
    """What an address asks for: conditions that all hold, or of which one holds, and everything that is no filter."""

    leaves: tuple[Leaf, ...] = ()
    any_of: bool = False
    controls: dict[str, str] = field(default_factory=dict)


def parse(query: str, also: frozenset[str] = frozenset()) -> Filters:
    """Return what the raw query string asks for (not yet decoded: dots and commas count before decoding).

    `also` names further parameters of this list that are no filters of runs. Raise FilterError for an unknown filter, a
    missing parameter or a value that does not fit.
    """
    any_of = query == "OR" or query.startswith("OR&")
    controls: dict[str, str] = {}
    leaves: list[Leaf] = []
    for part in query.removeprefix("OR").split("&") if any_of else query.split("&"):
        raw_name, separator, raw = part.partition("=")
        name = unquote_plus(raw_name)
        if not name or not (raw or (separator and name in NAMED_NONE)):
            continue
        if name in CONTROLS or name in also:
            controls[name] = _text(raw)
        else:
            leaves.append(_leaf(name, raw))
    return Filters(_merged(leaves), any_of, controls)


def _leaf(name: str, raw: str) -> Leaf:
    if name.startswith("metadata."):
        return _read(METADATA_KEY, name, [raw], before=(name.removeprefix("metadata."),))
    if name in PAGE_NAMES or (name in FIGURES and not _COMPARISON.match(raw)):
        return Leaf("page", (name, _text(raw)))
    if name in EVALUATORS:
        raise FilterError(f"the filter '{name}' needs an evaluator, and this server has none: leave it out")
    spec = FILTERS.get(name)
    if spec is None:
        known = ", ".join(sorted({*FILTERS, *PAGE_NAMES}))
        raise FilterError(f"there is no filter '{name[:60]}': use one of {known}, metadata.<key>")
    return _read(spec, name, raw.split(".", len(spec.params) - 1), spec.before)


def _read(spec: "Spec", name: str, parts: list[str], before: tuple[Any, ...]) -> Leaf:
    if len(parts) < len(spec.params):
        raise FilterError(f"the filter '{name}' takes {spec.usage}")
    try:
        return Leaf(spec.id, (*before, *(read(part) for read, part in zip(spec.params, parts, strict=True))))
    except ValueError as error:
        raise FilterError(f"the filter '{name}' takes {spec.usage}: {error}") from error


def _merged(leaves: list[Leaf]) -> tuple[Leaf, ...]:
    """Join the values of a repeated filter of several values: `model=a&model=b` is one of both."""
    values: dict[str, tuple[Any, ...]] = {}
    others: list[Leaf] = []
    for leaf in leaves:
        if leaf.id in MANY:
            values[leaf.id] = tuple(dict.fromkeys((*values.get(leaf.id, ()), *leaf.params[0])))
        else:
            others.append(leaf)
    for name, several in values.items():
        if len(several) > MOST_VALUES:
            raise FilterError(f"the filter '{name}' takes at most {MOST_VALUES} values")
    return (*(Leaf(name, (several,)) for name, several in values.items()), *others)


def _text(raw: str) -> str:
    """Decode one value. NUL, which no stored text holds, becomes U+FFFD as it does on the way in."""
    return unquote_plus(raw).replace("\x00", "\ufffd")


def _words(raw: str) -> tuple[str, ...]:
    """Decode several values, joined by commas and encoded once or twice."""
    parts = (unquote(part, errors="replace").replace("\x00", "\ufffd") for part in _text(raw).split(","))
    words = tuple(dict.fromkeys(part for part in parts if part))
    if not words:
        raise ValueError("it is empty")
    return words


def _value(raw: str) -> Any:
    """Decode a value that is text, or says its type: `{"type":"number","value":1}`, `{"type":"null"}`."""
    text = _text(raw)
    for form in (text, unquote(text)):
        typed = json.loads(form) if form.startswith("{") and _is_json(form) else None
        if isinstance(typed, dict) and typed.get("type") in ("null", "number", "boolean", "string"):
            return _stored(typed.get("value"))
    return text


def _stored(value: Any) -> Any:
    """Return a JSON value as the tables can hold it: no NUL in texts, no number beyond a double."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, int | float) and not abs(value) < 1e300:
        raise ValueError("the number is too large")
    if isinstance(value, dict | list):
        raise ValueError("a value is a text, a number, true, false or null")
    return value


def _word(raw: str) -> tuple[str, ...]:
    """Decode one value that may hold commas; empty stands for runs that have none."""
    return (_text(raw),)


def _feedback(raw: str) -> tuple[tuple[str, Any], ...]:
    """Read `{"thumb":"up"}` (encoded once or twice), or the plain words up, down, none and comment."""
    once = _text(raw)
    parts = [once] if _is_json(once) else [unquote(part).replace("\x00", "\ufffd") for part in once.split(",") if part]
    found: list[tuple[str, Any]] = []
    for part in parts:
        found += _FEEDBACK_WORDS[part] if part in _FEEDBACK_WORDS else _feedback_object(part)
    return tuple(found)


_FEEDBACK_WORDS: dict[str, list[tuple[str, Any]]] = {
    "up": [("thumb", "up")],
    "down": [("thumb", "down")],
    "none": [("thumb", None)],
    "comment": [("comment", ANY_VALUE)],
}


def _feedback_object(text: str) -> list[tuple[str, Any]]:
    value = json.loads(text) if _is_json(text) else None
    if not isinstance(value, dict):
        raise ValueError(f'"{text[:60]}" is neither up, down, none, comment nor an object')
    return [(key.replace("\x00", "\ufffd"), _stored(each)) for key, each in value.items()]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _number(raw: str) -> Decimal:
    text = unquote(_text(raw)).strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or abs(number) > Decimal("1e15") or number.adjusted() < -15:
        raise ValueError(f'"{text[:40]}" is not a number')
    return number


def moment(text: str) -> datetime:
    """Read a time: ISO 8601 with or without an offset (UTC then), a date, or epoch milliseconds."""
    text = text.strip()
    try:
        if text.lstrip("-").isdigit():
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        found = datetime.fromisoformat(text.replace(" ", "+") if " " in text[11:] else text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f'"{text[:40]}" is not a time such as 2026-11-21T10:00:00Z') from None


def _moment(raw: str) -> datetime:
    return moment(unquote(_text(raw)))


def _choice(*choices: str) -> Callable[[str], str]:
    def read(raw: str) -> str:
        text = unquote(_text(raw))
        if text not in choices:
            raise ValueError(f'"{text[:40]}" is not one of {", ".join(choices)}')
        return text

    return read


def _yes(raw: str) -> bool:
    return _choice("true", "false")(raw) == "true"


@dataclass(frozen=True)
class Spec:
    """How one filter is written: what it becomes, how each parameter is read, and how to say so."""

    id: str
    params: tuple[Callable[[str], Any], ...]
    usage: str
    before: tuple[Any, ...] = ()


_SEVERAL = "one or more values, joined by commas"
_COMPARED = "operator.number (operators eq neq gt gte lt lte)"
_operator = _choice(*OPERATORS)


def _several(id: str) -> Spec:
    return Spec(id, (_words,), _SEVERAL)


def _single(id: str) -> Spec:
    return Spec(id, (_word,), "one value, whatever it holds; repeat the filter for several, leave it empty for none")


def _compared(id: str, unit: str) -> Spec:
    return Spec(id, (_operator, _number), f"{_COMPARED}, in {unit}")


FILTERS: dict[str, Spec] = {
    "type": _several("type"),
    "models": _several("name"),
    "model": _single("name"),
    "name": _single("name"),
    "tools": Spec("tools", (_text,), "a part of the tool's name"),
    "retrievers": Spec("retrievers", (_text,), "a part of the retriever's name"),
    "tags": _several("tag"),
    "tag": _single("tag"),
    "templates": _several("template"),
    "template": _single("template"),
    "status": _several("status"),
    "feedback": Spec("feedback", (_feedback,), 'up, down, none, comment, or JSON such as {"thumb":"up"}'),
    "users": _several("user"),
    "user": _single("user"),
    "team": _single("team"),
    "organization": _single("organization"),
    "user-props": Spec("user-props", (_text, _value), "key.value"),
    "metadata": Spec("metadata", (_text, _value), "key.value (a dot in the key as %2E), or metadata.key=value"),
    "date": Spec("date", (_choice("gt", "gte", "lt", "lte"), _moment), "operator.time (operators gt gte lt lte)"),
    "from": Spec("date", (_moment,), "a time", before=("gte",)),
    "to": Spec("date", (_moment,), "a time", before=("lt",)),
    "startTime": Spec("date", (_moment,), "a time", before=("gte",)),
    "endTime": Spec("date", (_moment,), "a time", before=("lt",)),
    "duration": _compared("duration", "seconds"),
    "range": Spec("range", (_text,), "a range such as 24h, 7d or all"),
    "minDuration": Spec("duration", (_number,), "seconds", before=("gte",)),
    "maxDuration": Spec("duration", (_number,), "seconds", before=("lte",)),
    "cost": _compared("cost", "US dollars"),
    "tokens": Spec(
        "tokens",
        (_choice("total", "prompt", "completion"), _operator, _number),
        f"total, prompt or completion, then {_COMPARED}",
    ),
    "messages": Spec("messages", (_operator, _number), _COMPARED),
    "search": Spec("search", (_text,), "words"),
    "string": Spec(
        "string",
        (
            _choice("input", "output", "any"),
            _choice("contains", "notcontains", "starts", "ends"),
            _yes,
            _text,
        ),
        "input, output or any . contains, notcontains, starts or ends . true or false (case counts) . text",
    ),
    "length": Spec("length", (_choice("input", "output"), _operator, _number), f"input or output, then {_COMPARED}"),
    "custom-events": _several("custom-events"),
}
METADATA_KEY = Spec("metadata", (_value,), "a value")
MANY = frozenset(spec.id for spec in FILTERS.values() if spec.params in ((_words,), (_word,)))
