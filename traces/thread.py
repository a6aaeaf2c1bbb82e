"""A conversation as a page tells it: numbered turns, with what happened between them. Pure: no Django.

Ingest has folded messages into exchanges (chats) and retries into siblings (rule 10). Here they are put in time order,
a retry kept with what it retries, and each exchange gets the figures of the runs that belong to it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from runs import bodies, jsontree
from runs.messages import Part
from traces.story import (
    AttachedRow,
    Bubble,
    Conversation,
    Facts,
    Line,
    MessageRow,
    Reaction,
    Story,
    Totals,
    Turn,
    Variant,
)
from traces.tree import ROOT_TYPES, Sums

SILENCE = timedelta(minutes=30)
TURNS = 100  # on one page


def converse(story: Story, chosen: Collection[UUID] = (), around: int | None = None) -> Conversation:
    """Return the conversation; `chosen` are the retries to show (otherwise the last of each), `around` a turn number.

    The page holds the TURNS turns of the block that `around` lies in, else the first chosen retry, else the last turn.
    """
    turns = _turns(story, frozenset(chosen))
    named = next((turn.number for turn in turns if turn.variant.id in chosen), len(turns))
    number = min(max(around or named, 1), max(len(turns), 1))
    first = (number - 1) // TURNS * TURNS + 1
    page = turns[first - 1 : first - 1 + TURNS]
    between = _between(
        story, page[0].at if first > 1 else None, next((one.at for one in turns[first - 1 + TURNS :]), None)
    )
    for turn in page:
        within = [line for line in between if _is_within(line, turn.variant)]
        between = [line for line in between if not _is_within(line, turn.variant)]
        turn.lines = _lines(turn.variant, within, story.feedback)
    _mark_silences(turns)
    items: list[Turn | Line] = sorted([*page, *between], key=_item_order)
    return Conversation(items=_with_silences(items), turns=turns, first=first, page=TURNS, totals=_totals(story, turns))


def whole(story: Story, chosen: Collection[UUID] = ()) -> tuple[list[Turn], list[Line]]:
    """Return all turns, untitled and without their lines but with the silences before them, and what happened between.

    Nothing of it needs the messages' bodies, which are long.
    """
    turns = _turns(story, frozenset(chosen), titled=False)
    _mark_silences(turns)
    return turns, _between(story, None, None)


def turns_of(story: Story) -> list[Turn]:
    """Return all turns in time order with their tellings, untitled: titles are most of the work."""
    return _turns(story, frozenset(), titled=False)


def reaction(values: Mapping[str, Any]) -> Reaction:
    """Return feedback as drawn. Lunary's SDKs say `thumb` or `thumbs`; a null value is a removed key."""
    kept = {key: value for key, value in values.items() if value is not None}
    thumb = next((str(kept.pop(key)) for key in ("thumb", "thumbs") if kept.get(key) in ("up", "down")), "")
    comment = kept.pop("comment", "")
    other = tuple((key, jsontree.compact(value, 80)) for key, value in sorted(kept.items()))
    return Reaction(thumb=thumb, comment=comment if isinstance(comment, str) else jsontree.pretty(comment), other=other)


def _turns(story: Story, chosen: frozenset[UUID], *, titled: bool = True) -> list[Turn]:
    """Return all turns in time order, each with its tellings in time order."""
    groups: dict[UUID, list[Variant]] = {}
    sibling_of = {chat.id: chat.sibling_of for chat in story.chats}
    for variant in _variants(story):
        groups.setdefault(_original(variant.id, sibling_of), []).append(variant)
    turns: list[Turn] = []
    for variants in sorted(groups.values(), key=lambda group: (group[0].started_at, group[0].id)):
        _inherit_inputs(variants)
        shown = next((index for index, one in enumerate(variants) if one.id in chosen), len(variants) - 1)
        turns.append(
            Turn(
                number=len(turns) + 1,
                title=_title(variants) if titled else "",
                variants=variants,
                shown=shown,
                thumb=_thumb(variants[shown], story.feedback),
            )
        )
    return turns


def _variants(story: Story) -> list[Variant]:
    """Return every exchange in time order; a message that is in none yet makes one of its own."""
    said: dict[UUID, list[MessageRow]] = {}
    for row in sorted(story.messages, key=lambda row: (row.at, row.side != "in", row.id)):
        said.setdefault(row.chat_id or row.id, []).append(row)
    attached: dict[UUID, list[AttachedRow]] = {}
    for one in sorted(story.runs, key=lambda one: (one.started_at, one.trace_id)):
        if one.chat_id:
            attached.setdefault(one.chat_id, []).append(one)
    attached = _by_telling(story, said, attached)
    given: dict[UUID, list[Reaction]] = {}
    for run_id, chat_id in sorted(story.chat_of.items()):
        given.setdefault(chat_id, []).append(reaction(story.feedback.get(run_id, {})))
    made = [_variant(key, said.get(key, []), attached.get(key, []), given.get(key, [])) for key in said | attached]
    return sorted(made, key=lambda one: (one.started_at, one.id))


def _by_telling(
    story: Story, said: Mapping[UUID, list[MessageRow]], attached: Mapping[UUID, list[AttachedRow]]
) -> dict[UUID, list[AttachedRow]]:
    """Return the runs by the telling they made.

    Runs hang below the question's message; where it was answered again, they belong to the first answer that came after
    they began.
    """
    sibling_of = {chat.id: chat.sibling_of for chat in story.chats}
    ends: dict[UUID, list[tuple[datetime, UUID]]] = {}
    for chat_id, rows in said.items():
        ends.setdefault(_original(chat_id, sibling_of), []).append((rows[-1].at, chat_id))
    told: dict[UUID, list[AttachedRow]] = {}
    for chat_id, runs in attached.items():
        tellings = sorted(ends.get(chat_id, ()))
        latest = tellings[-1][1] if tellings else chat_id
        for one in runs:
            made = next((telling for end, telling in tellings if one.started_at <= end), latest)
            told.setdefault(made, []).append(one)
    return told


def _variant(chat_id: UUID, rows: list[MessageRow], attached: list[AttachedRow], given: list[Reaction]) -> Variant:
    times = [row.at for row in rows] or [one.started_at for one in attached]
    inputs = [row for row in rows if row.side == "in"]
    answers = [row for row in rows if row.side != "in"]
    return Variant(
        id=chat_id,
        inputs=inputs,
        answers=answers,
        started_at=times[0],
        ended_at=times[-1],
        facts=_facts(inputs, answers, attached, given),
    )


def _facts(
    inputs: list[MessageRow], answers: list[MessageRow], attached: list[AttachedRow], given: list[Reaction]
) -> Facts:
    roots = [one.root for one in attached if one.root]
    durations = [root.duration_ms for root in roots if root.duration_ms is not None]
    asked = [row.at for row in inputs if answers and row.at <= answers[0].at]
    waited = (answers[0].at - asked[-1]) // timedelta(milliseconds=1) if asked else None
    return Facts(
        agent=next((root.name or root.type for root in roots if root.type in ROOT_TYPES), ""),
        models=tuple(dict.fromkeys(model for one in attached for model in one.models)),
        latency_ms=waited if waited is not None else max(durations, default=None),
        sums=_sum(attached),
        traces=tuple(dict.fromkeys(one.trace_id for one in attached)),
        failed=any(root.failed for root in roots),
        reactions=tuple(one for one in given if one),
    )


def _sum(attached: Iterable[AttachedRow]) -> Sums:
    total = Sums()
    for one in attached:
        total.add(one.sums)
    return total


def _original(chat_id: UUID, sibling_of: Mapping[UUID, UUID | None]) -> UUID:
    """Return the exchange that a retry of a retry … retries; a circle is known by its least id."""
    walked: list[UUID] = []
    while chat_id not in walked:
        walked.append(chat_id)
        before = sibling_of.get(chat_id)
        if before is None:
            return chat_id
        chat_id = before
    return min(walked[walked.index(chat_id) :])


def _inherit_inputs(variants: list[Variant]) -> None:
    """Give a retry that only answers anew the question it answers."""
    asked: list[MessageRow] = []
    for variant in variants:
        if variant.inputs:
            asked = variant.inputs
        elif asked:
            variant.inputs, variant.inherits_input = asked, True


def _title(variants: list[Variant]) -> str:
    """Return the first words said in a turn; the person's if there are any."""
    rows = [row for variant in variants for row in (*variant.inputs, *variant.answers)]
    fallback = ""
    for row in rows:
        message = bodies.message(row.body)
        text = next((part.text for part in message.parts if part.kind == "text" and part.text.strip()), "")
        if text and not message.folded:
            return " ".join(text[:400].split())[:160]
        fallback = fallback or next((part.name for part in message.parts if part.name), "")
    return fallback


def _thumb(variant: Variant, feedback: Mapping[UUID, Mapping[str, Any]]) -> str:
    """Return the worst thumb of a telling: on its messages, the exchange, or its runs."""
    ids = [variant.id, *(row.id for row in (*variant.inputs, *variant.answers))]
    thumbs = {reaction(feedback.get(one, {})).thumb for one in ids} | {one.thumb for one in variant.facts.reactions}
    return next((thumb for thumb in ("down", "up") if thumb in thumbs), "")


def _between(story: Story, since: datetime | None, until: datetime | None) -> list[Line]:
    """Return the events, and the runs outside of exchanges, of the page's stretch of time."""
    lines = [
        Line(kind="event", at=event.at, id=event.id, name=event.name or "", details=_details(event.metadata))
        for event in story.events
    ]
    lines += [
        Line(kind="run", at=one.started_at, id=one.trace_id, name=one.root.name or one.root.type, run=one.root)
        for one in story.runs
        if one.root and one.chat_id is None
    ]
    kept = [line for line in lines if (since is None or line.at >= since) and (until is None or line.at < until)]
    return sorted(kept, key=lambda line: (line.at, line.kind, line.id))


def _details(metadata: dict[str, Any] | None) -> tuple[tuple[str, str], ...]:
    entries = list((metadata or {}).items())[:6]
    return tuple((key, value if isinstance(value, str) else jsontree.compact(value, 60)) for key, value in entries)


def _is_within(line: Line, variant: Variant) -> bool:
    """Tell whether it happened between the first and the last message shown of an exchange."""
    times = [row.at for row in (*variant.inputs, *variant.answers)]
    return bool(times) and min(times) <= line.at < max(times)


def _lines(variant: Variant, within: list[Line], feedback: Mapping[UUID, Mapping[str, Any]]) -> list[Bubble | Line]:
    bubbles = [
        Bubble(row=row, message=bodies.message(row.body), reaction=reaction(feedback.get(row.id, {})))
        for row in (*variant.inputs, *variant.answers)
    ]
    return sorted([*_fold_results(bubbles), *within], key=lambda line: line.at)


def _fold_results(bubbles: list[Bubble]) -> list[Bubble]:
    """Move tool messages into the calls they answer; one that got feedback of its own stays where it is."""
    calls = {part.ref for bubble in bubbles for part in bubble.message.parts if part.kind == "call" and part.ref}
    results: dict[str, list[Part]] = {}
    kept = []
    for bubble in bubbles:
        if bubble.message.role == "tool" and bubble.message.ref in calls and not bubble.reaction:
            results.setdefault(bubble.message.ref, []).extend(bubble.message.parts)
        else:
            kept.append(bubble)
    for bubble in kept:
        parts = tuple(
            replace(part, result=(*part.result, *results.pop(part.ref, ()))) if part.kind == "call" else part
            for part in bubble.message.parts
        )
        bubble.message = replace(bubble.message, parts=parts)
    return kept


def _mark_silences(turns: list[Turn]) -> None:
    for before, turn in pairwise(turns):
        turn.silence = _silence(before.variant.ended_at, turn.at)


def _with_silences(items: Iterable[Turn | Line]) -> list[Turn | Line]:
    """Say how long nothing happened where that was long."""
    told: list[Turn | Line] = []
    end: datetime | None = None
    for item in items:
        if end is not None and (words := _silence(end, item.at)):
            told.append(Line(kind="silence", at=item.at, name=words))
        told.append(item)
        last = item.variant.ended_at if isinstance(item, Turn) else item.at
        end = last if end is None else max(end, last)
    return told


def _silence(since: datetime, until: datetime) -> str:
    gap = until - since
    if gap < SILENCE:
        return ""
    hours = gap // timedelta(hours=1)
    if hours < 1:
        return f"{gap // timedelta(minutes=1)} min later"
    return f"{hours} h later" if hours < 48 else f"{hours // 24} days later"


def _item_order(item: Turn | Line) -> tuple[datetime, bool]:
    return item.at, isinstance(item, Turn)


def _totals(story: Story, turns: list[Turn]) -> Totals:
    thumbs = [reaction(values).thumb for values in story.feedback.values()]
    waits = sorted(turn.variant.facts.latency_ms for turn in turns if turn.variant.facts.latency_ms is not None)
    times = [row.at for row in story.messages] + [event.at for event in story.events]
    return Totals(
        turns=len(turns),
        messages=len(story.messages),
        retries=sum(len(turn.variants) - 1 for turn in turns),
        thumbs_up=thumbs.count("up"),
        thumbs_down=thumbs.count("down"),
        sums=_sum(story.runs),
        traces=len({one.trace_id for one in story.runs}),
        answer_p95_ms=waits[-(-len(waits) * 95 // 100) - 1] if waits else None,
        started_at=min(times, default=None),
        ended_at=max(times, default=None),
    )
