"""A conversation as Markdown: for people to read, attach to a ticket or keep. Pure: no Django.

What people, models and tools said stands in fences that are longer than any run of backticks inside, and names and
titles are escaped: nothing that anybody wrote can become part of the document's structure.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from runs import bodies
from runs.messages import Part
from traces.story import Facts, Line, MessageRow, Reaction, Turn, Variant
from traces.thread import reaction

LABEL: Final = 200
"""Characters of a name or title."""
_RUNS: Final = re.compile("`+")
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>&~|$#!])")
# Controls, among them those that turn the direction of the text after them around.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]+")
_TITLES: Final = {"thinking": "Thinking", "result": "Tool result", "json": "Data", "refusal": "Refusal"}


@dataclass(frozen=True)
class Head:
    """What the document says of the thread before its first turn; `facts` are pairs of a label and a value."""

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    metadata: str = ""  # JSON text


@dataclass(frozen=True)
class Names:
    """Who the people are and where traces are looked at."""

    people: Mapping[str, str] = field(default_factory=dict)
    trace_page: Callable[[UUID], str] = str


def reading_order(turns: Iterable[Turn]) -> Iterator[MessageRow]:
    """Yield the messages in the order in which the document holds them."""
    for turn in turns:
        for variant in turn.variants:
            yield from _said(variant)


def document(
    head: Head,
    turns: Iterable[Turn],
    between: Iterable[Line],
    feedback: Mapping[UUID, Mapping[str, Any]],
    names: Names,
    texts: Iterator[str],
) -> Iterator[str]:
    """Yield the document part by part; `texts` are the bodies of the messages in `reading_order`, taken one by one."""
    lines = deque(between)
    yield _head(head)
    for turn in turns:
        yield from _until(lines, turn.at, names)
        if turn.silence:
            yield f"*{turn.silence}*\n\n"
        yield f"## Turn {turn.number} · {moment(turn.at)}\n\n"
        for number, variant in enumerate(turn.variants, start=1):
            rows = _said(variant)
            if len(turn.variants) > 1:
                yield from _until(lines, rows[0].at if rows else variant.started_at, names)
                yield f"### Answer {number} of {len(turn.variants)}{' · retry' if number > 1 else ''}\n\n"
            for row in rows:
                yield from _until(lines, row.at, names)
                yield _message(row, next(texts), names, reaction(feedback.get(row.id, {})))
            yield _facts(variant.facts, names)
            yield from (_reaction(given, "Feedback on a run") for given in variant.facts.reactions)
            yield _reaction(reaction(feedback.get(variant.id, {})), "Feedback on the exchange")
    yield from (_line(line, names) for line in lines)


def fenced(text: str, kind: str = "text") -> str:
    """Return the text in a fence that it can't close."""
    longest = max((len(run) for run in _RUNS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = _encodable(text).replace("\r\n", "\n").replace("\r", "\n")
    return f"{fence}{kind}\n{lines}\n{fence}\n\n"


def label(text: str) -> str:
    """Return a name on one line, with nothing in it that Markdown or a reader's screen would act on."""
    plain = " ".join(_CONTROLS.sub(" ", _encodable(text[: LABEL * 4])).split())
    return _SPECIAL.sub(r"\\\1", plain if len(plain) <= LABEL else f"{plain[: LABEL - 1]}…")


def moment(at: datetime) -> str:
    """Return a time in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(milliseconds: int) -> str:
    """Return a duration as 800 ms, 9.1 s, 4 min 12 s or 2 h 24 min."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, seconds = divmod(milliseconds // 1000, 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def money(dollars: Decimal) -> str:
    """Return US dollars with all digits that are known, at least two."""
    whole, _, decimals = f"{dollars:f}".partition(".")
    return f"${whole}.{decimals.rstrip('0').ljust(2, '0')}"


def _head(head: Head) -> str:
    facts = "".join(f"- {name}: {label(value)}\n" for name, value in head.facts)
    metadata = f"Metadata:\n\n{fenced(head.metadata, 'json')}" if head.metadata else ""
    return f"# {label(head.title) or 'Thread'}\n\n{facts}\n{metadata}"


def _said(variant: Variant) -> list[MessageRow]:
    """Return a telling's messages in order of time; a question asked once is told once."""
    inputs = [] if variant.inherits_input else variant.inputs
    return sorted([*inputs, *variant.answers], key=lambda row: row.at)


def _message(row: MessageRow, text: str, names: Names, given: Reaction) -> str:
    message = bodies.whole_message(text)
    role = message.role or row.role or ("user" if row.side == "in" else "assistant")
    name = message.name or (names.people.get(row.user_id, row.user_id) if row.user_id and row.side == "in" else "")
    who = f"{label(name)} ({label(role)})" if name and name != role else label(role)
    said = "".join(_part(part) for part in message.parts) or "*no text*\n\n"
    return f"**{who}** · {moment(row.at)}\n\n{said}{_reaction(given)}"


def _part(part: Part) -> str:
    if part.kind == "text":
        return fenced(part.text)
    if part.kind == "call":
        title = f"Tool call: {label(part.name)}{f' ({label(part.ref)})' if part.ref else ''}"
        return f"{title}\n\n{fenced(part.text or '{}', _kind(part.text or '{}'))}" + _results(part)
    if title := _TITLES.get(part.kind, ""):
        about = "".join(
            f" {words}" for words in (label(part.name), f"({label(part.ref)})" if part.ref else "") if words
        )
        return f"{title}{about}\n\n" + (fenced(part.text, _kind(part.text)) if part.text else "") + _results(part)
    return _attached(part)


def _results(part: Part) -> str:
    """Return what a tool answered, where the message itself says so."""
    return "".join(_part(inner) if inner.kind != "text" else f"Tool result\n\n{_data(inner)}" for inner in part.result)


def _data(part: Part) -> str:
    return fenced(part.text, _kind(part.text))


def _attached(part: Part) -> str:
    """Return what is no text: its address where it has one, else what it is."""
    kind = part.kind.capitalize()
    if part.media:
        size = len(part.media.data) * 3 // 4
        named = f": {label(part.name)}" if part.name else ""
        return (
            f"{kind}{named} ({label(part.media.type) or 'unknown type'}, {size} bytes, sent inside the message)\n\n"
            + (fenced(part.text) if part.text else "")
        )
    words = part.text if part.text != part.url else ""
    named = ": ".join(one for one in (kind, label(part.name)) if one)
    return f"{named}\n\n" + fenced(part.url, "uri") * bool(part.url) + fenced(words) * bool(words)


def _kind(text: str) -> str:
    return "json" if text[:1] in ("{", "[") else "text"


def _facts(facts: Facts, names: Names) -> str:
    """Return what answering took, on one line; '' where nothing is known."""
    sums = facts.sums
    told = [
        label(facts.agent),
        ", ".join(label(model) for model in facts.models),
        duration(facts.latency_ms) if facts.latency_ms is not None else "",
        f"{sums.tokens} tokens" if sums.tokens else "",
        (money(sums.cost) + (" or more" if sums.unknown else "")) if sums.priced else "",
        "cost unknown" if sums.unknown and not sums.priced else "",
        f"{sums.errors} error{'' if sums.errors == 1 else 's'}" if sums.errors else "",
        *(f"trace <{names.trace_page(trace)}>" for trace in facts.traces[:3]),
    ]
    words = " · ".join(one for one in told if one)
    return f"Answered by: {words}\n\n" if words else ""


def _reaction(given: Reaction, what: str = "Feedback") -> str:
    if not given:
        return ""
    words = [f"thumbs {given.thumb}"] if given.thumb else []
    words += [f"{label(key)}: {label(value)}" for key, value in given.other]
    comment = fenced(given.comment) if given.comment else ""
    return f"{what}: {', '.join(words) or 'comment'}\n\n{comment}"


def _until(lines: deque[Line], at: datetime, names: Names) -> Iterator[str]:
    """Take out and yield what had happened by then."""
    while lines and lines[0].at <= at:
        yield _line(lines.popleft(), names)


def _line(line: Line, names: Names) -> str:
    """Return a custom event, or a run outside of any exchange."""
    if line.kind == "run":
        took = f" · {duration(line.run.duration_ms)}" if line.run and line.run.duration_ms is not None else ""
        page = f" · trace <{names.trace_page(line.id)}>" if line.id else ""
        return f"*Run: {label(line.name)} · {moment(line.at)}{took}*{page}\n\n"
    details = "".join(f" · {label(key)}: {label(value)}" for key, value in line.details)
    return f"*Event: {label(line.name) or 'without a name'} · {moment(line.at)}*{details}\n\n"


def _encodable(text: str) -> str:
    """Return text that UTF-8 can hold: lone surrogates and NUL are replaced."""
    return text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
