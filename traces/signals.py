"""What in a conversation deserves a look: asked again, retried, disliked, failed, left without an answer. Pure.

Nothing here asks a model: each signal is a rule that one sentence explains, with the turn it first holds for. Two rules
need the clock (a question is unanswered only once nobody seems to be answering any more) and one the project's other
answers, so these three are told when they are read, from facts that don't change by themselves: see `tell`.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID

import msgspec

REASKED: Final = "reasked"
RETRIED: Final = "retried"
DISLIKED: Final = "disliked"
FAILED: Final = "failed"
ABANDONED: Final = "abandoned"
UNANSWERED: Final = "unanswered"
SLOW: Final = "slow"

LABELS: Final = {
    FAILED: "Error answer",
    ABANDONED: "Left after error",
    UNANSWERED: "Unanswered",
    DISLIKED: "Thumbs down",
    REASKED: "Asked again",
    RETRIED: "Retried",
    SLOW: "Slow answer",
}
"""Every signal with its name, the worst first: the order in which they are shown."""
ICONS: Final = {
    FAILED: "circle-x",
    ABANDONED: "log-out",
    UNANSWERED: "circle-dashed",
    DISLIKED: "thumbs-down",
    REASKED: "repeat",
    RETRIED: "refresh-cw",
    SLOW: "clock",
}
PATIENCE: Final = timedelta(minutes=10)
"""How long nothing must have happened before a conversation counts as left: a live chat is not flagged."""
WAITING: Final = frozenset((ABANDONED, UNANSWERED))
"""Signals that hold only once PATIENCE has passed since the last activity."""

ALIKE: Final = 0.8
"""Share of their words that two questions must have in common (Jaccard) to be one question asked twice."""
FEWEST: Final = 3  # words that a question needs to be compared: "yes" after "yes" asks nothing again
LONGEST: Final = 2_000  # characters of a question that are compared


class Telling(msgspec.Struct, frozen=True):
    """One telling of an exchange, the first or a retry (`sibling_of`): what was asked, and whether it was answered."""

    id: UUID
    began: datetime
    sibling_of: UUID | None = None
    asked: tuple[str, ...] = ()  # what a person said, "" where that has no words
    answered: bool = False
    duration_ms: int | None = None  # from its first message to its last, where it was answered


class Outcome(msgspec.Struct, frozen=True):
    """How the topmost runs of one exchange ended."""

    failed: bool = False  # any of them
    last_at: datetime | None = None  # start of the last one
    last_failed: bool = False


class Found(msgspec.Struct, frozen=True):
    """A signal: the first turn that it holds for (0: the thread at large), and how often it does."""

    kind: str
    turn: int = 0
    times: int = 1


class Noticed(msgspec.Struct, frozen=True):
    """Everything that `notice` finds; `slowest_ms` is the longest exchange, of turn `slowest_turn`."""

    exchanges: int = 0
    retries: int = 0
    signals: tuple[Found, ...] = ()
    slowest_ms: int | None = None
    slowest_turn: int = 0


class Signal(msgspec.Struct, frozen=True):
    """A signal as a page shows it."""

    kind: str
    label: str
    icon: str
    sentence: str
    turn: int = 0


# What is alike -------------------------------------------------------------------------------------------------------

# Scripts that put no spaces between words: a run of their letters counts as its pairs of neighbours.
_UNSPACED: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
_WORDS: Final = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_UNSPACED_FIRST: Final = re.compile(rf"[{_UNSPACED}]")


def words(text: str) -> frozenset[str]:
    """Return what a question consists of, whatever its case, width, punctuation or script; bounded by LONGEST."""
    found: set[str] = set()
    plain = unicodedata.normalize("NFKC", text[:LONGEST]).casefold()
    for word in _WORDS.findall(plain):
        if _UNSPACED_FIRST.match(word) and len(word) > 1:
            found.update(word[at : at + 2] for at in range(len(word) - 1))
        else:
            found.add(word)
    return frozenset(found)


def alike(one: frozenset[str], other: frozenset[str]) -> bool:
    """Tell whether two questions are one asked twice. Another number makes it another question: order 17, order 18."""
    if min(len(one), len(other)) < FEWEST or _numbers(one) != _numbers(other):
        return False
    return len(one & other) >= ALIKE * len(one | other)


def _numbers(found: frozenset[str]) -> set[str]:
    return {word for word in found if any(letter.isdigit() for letter in word)}


# What is noticed -----------------------------------------------------------------------------------------------------


def tellings(
    said: Mapping[UUID, datetime], begun: Mapping[UUID, datetime], sibling_of: Mapping[UUID, UUID | None]
) -> list[Telling]:
    """Return the exchanges of a conversation, with when they began and what they retry, and nothing else.

    `said` is when the first message of each was said, `begun` when its first run started: one with nothing but runs is
    an exchange too, unless another telling of it has messages, to which its runs belong then.
    """
    told = {original(chat_id, sibling_of) for chat_id in said}
    alone = {chat_id: at for chat_id, at in begun.items() if chat_id not in said and chat_id not in told}
    firsts = {chat_id: original(chat_id, sibling_of) for chat_id in (*said, *alone)}
    return [
        Telling(chat_id, at, None if firsts[chat_id] == chat_id else firsts[chat_id])
        for chat_id, at in (dict(said) | alone).items()
    ]


def turns_of(tellings: Iterable[Telling]) -> list[list[Telling]]:
    """Return tellings as turns in order of time, retries with what they retry: numbered like the conversation's page.

    That a turn's number here is the one of `traces.thread` is held by a test.
    """
    known = sorted(tellings, key=lambda telling: (telling.began, telling.id))
    sibling_of = {telling.id: telling.sibling_of for telling in known}
    groups: dict[UUID, list[Telling]] = {}
    for telling in known:
        groups.setdefault(original(telling.id, sibling_of), []).append(telling)
    return list(groups.values())


def original(chat_id: UUID, sibling_of: Mapping[UUID, UUID | None]) -> UUID:
    """Return the exchange that a retry of a retry … retries; a circle is known by its least id."""
    walked: list[UUID] = []
    while chat_id not in walked:
        walked.append(chat_id)
        before = sibling_of.get(chat_id)
        if before is None:
            return chat_id
        chat_id = before
    return min(walked[walked.index(chat_id) :])


def notice(
    turns: Sequence[Sequence[Telling]], outcomes: Mapping[UUID, Outcome], disliked: Iterable[UUID | None] = ()
) -> Noticed:
    """Return the signals of a conversation, the worst first.

    `turns` are those of `turns_of`, `outcomes` how their exchanges' runs ended, by id of any telling or of what it
    retries, `disliked` the exchanges of each thumbs-down (None: it was given on the thread).
    """
    number = {telling.id: at for at, turn in enumerate(turns, 1) for telling in turn}
    number |= {one.sibling_of: number[one.id] for turn in turns for one in turn if one.sibling_of}
    ends: dict[int, list[Outcome]] = {}
    for chat_id, outcome in outcomes.items():
        ends.setdefault(number.get(chat_id, 0), []).append(outcome)
    retried = [at for at, turn in enumerate(turns, 1) for _ in turn[1:]]
    hits = {
        FAILED: sorted(at for at, found in ends.items() if any(one.failed for one in found)),
        ABANDONED: [len(turns)] if turns and _ended_failing(ends.get(len(turns), ())) else [],
        UNANSWERED: [len(turns)] if turns and _unanswered(turns[-1]) else [],
        DISLIKED: sorted(number.get(chat_id, 0) if chat_id else 0 for chat_id in disliked),
        REASKED: _asked_again(turns),
        RETRIED: retried,
    }
    slowest, turn = max(
        ((one.duration_ms, -at) for at, told in enumerate(turns, 1) for one in told if one.duration_ms is not None),
        default=(None, 0),
    )
    found = [Found(kind, next(filter(None, hits[kind]), 0), len(hits[kind])) for kind in LABELS if hits.get(kind)]
    return Noticed(len(turns), len(retried), tuple(found), slowest, -turn)


def _asked_again(turns: Sequence[Sequence[Telling]]) -> list[int]:
    """Return the turns with a question that nearly repeats the one before it. A retry's is meant to be the same."""
    asked = [(at, words(text)) for at, turn in enumerate(turns, 1) for text in turn[0].asked]
    return [at for (_, before), (at, again) in pairwise(asked) if alike(before, again)]


def _ended_failing(outcomes: Iterable[Outcome]) -> bool:
    """Tell whether the last thing that was tried in a turn ended in an error."""
    tried = [(one.last_at, one.last_failed) for one in outcomes if one.last_at is not None]
    return bool(tried) and max(tried)[1]


def _unanswered(turn: Sequence[Telling]) -> bool:
    """Tell whether a person waits for an answer to the last telling of a turn."""
    return not turn[-1].answered and any(telling.asked for telling in turn)


# What is told --------------------------------------------------------------------------------------------------------


def tell(
    found: Iterable[Found],
    slowest_ms: int | None,
    slowest_turn: int,
    last_activity: datetime,
    now: datetime,
    p95_ms: float | None,
) -> tuple[Signal, ...]:
    """Return the signals that hold now, the worst first.

    `p95_ms` is the time within which 95 % of the project's exchanges end; None where there are too few to tell.
    """
    left = now - last_activity >= PATIENCE
    kept = [one for one in found if left or one.kind not in WAITING]
    if p95_ms is not None and slowest_ms is not None and slowest_ms > p95_ms:
        kept.append(Found(SLOW, slowest_turn))
    order = list(LABELS)
    return tuple(
        Signal(one.kind, LABELS[one.kind], ICONS[one.kind], _sentence(one, slowest_ms or 0, p95_ms or 0), one.turn)
        for one in sorted(kept, key=lambda one: order.index(one.kind))
        if one.kind in LABELS
    )


def _sentence(found: Found, slowest_ms: int, p95_ms: float) -> str:
    turn = f"turn {found.turn}" if found.turn else "the thread"
    first = f", first in {turn}" if found.times > 1 and found.turn else f", in {turn}" if found.turn else ""
    match found.kind:
        case "reasked":
            return f"The person asked nearly the same again {_times(found.times)}{first}."
        case "retried":
            return f"An answer was tried again {_times(found.times)}{first}."
        case "disliked":
            return f"A thumbs-down was given {_times(found.times)}{first or ', on the thread'}."
        case "failed":
            return f"The run that should have answered ended in an error {_times(found.times)}{first}."
        case "abandoned":
            return f"The last answer, in {turn}, ended in an error, and the person said nothing more."
        case "unanswered":
            return f"The last question, in {turn}, got no answer within {PATIENCE // timedelta(minutes=1)} minutes."
        case _:
            return (
                f"The exchange in {turn} took {slowest_ms / 1000:.1f} s; "
                f"95 % of the project's exchanges of the last 30 days end within {p95_ms / 1000:.1f} s."
            )


def _times(times: int) -> str:
    return {1: "once", 2: "twice"}.get(times, f"{times} times")
