"""What changed from one text to another, word by word, in bounded time. Pure.

What both texts begin and end with is set aside first, whatever its size; then lines are compared, and words within the
lines that changed. Joined, the common and removed spans are the left text, the common and added ones the right text.
"""

import re
from collections.abc import Iterable, Iterator
from enum import Enum

import msgspec

from traces import matching

COMPARED = 64 * 1024
"""Characters of each text, between what both begin and end with, that are compared; beyond, a text is only told."""
MOST_SPANS = 2_000
"""A comparison in more pieces than this is shown as one text replaced by another from there on."""
ALIKE = 0.2
"""Lines with less than this share of their words in common are shown as replaced, not as confetti."""
CONTEXT = 3  # lines shown around a change
LINE = 240  # characters shown of a longer line around a change, up to where a word of WORD characters ends
WORD = 40
FOLDED = 16 * 1024  # characters of an unchanged stretch that can be unfolded

# A word is whatever is neither blank nor punctuation: marks, joiners and emoji belong to it. Han, kana and other
# scripts that are written without blanks are compared by the character.
_SOLID = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_POINTS = (
    r"!-/:-@\[-\^`{-~\u060c\u061b\u061f\u06d4\u2000-\u200b\u2010-\u2027\u2030-\u205e\u3000-\u303f"
    r"\uff00-\uff0f\uff1a-\uff20"
)
_TOKEN = re.compile(rf"[{_SOLID}]|\n|[^\S\n]+|\d+(?:[.,]\d+)+|[^\s{_POINTS}{_SOLID}]+|.", re.DOTALL)
_BREAK = re.compile(rf"(?!(?<=\d)[.,]|[.,](?=\d))[\s{_POINTS}{_SOLID}]")


class Kind(Enum):
    """Which text a span is in."""

    COMMON = "common"
    REMOVED = "removed"  # in the left text only
    ADDED = "added"  # in the right text only


class Span(msgspec.Struct, frozen=True):
    """A piece of one or both texts. `compared` is False for what lies beyond COMPARED characters."""

    kind: Kind
    text: str
    compared: bool = True


class Piece(msgspec.Struct, frozen=True):
    """A span as a page shows it.

    `kind`: common, removed, added; fold (unchanged, can be unfolded), removed-beyond and added-beyond (not compared).
    """

    kind: str
    text: str
    lines: int = 0  # of a fold
    size: int = 0  # characters of a fold, or beyond
    cut: int = 0  # characters of a fold that can't be unfolded


def diff(left: str, right: str) -> tuple[Span, ...]:
    """Return the spans of both texts in order, removed before added; nothing for two empty texts."""
    start, stop = _ends(left, right)
    middle, other = left[start : len(left) - stop], right[start : len(right) - stop]
    spans = [
        Span(Kind.COMMON, left[:start]),
        *_by_line(middle[:COMPARED], other[:COMPARED]),
        Span(Kind.REMOVED, middle[COMPARED:], compared=False),
        Span(Kind.ADDED, other[COMPARED:], compared=False),
        Span(Kind.COMMON, left[len(left) - stop :] if stop else ""),
    ]
    return _bounded(_joined(spans))


def pieces(spans: Iterable[Span]) -> tuple[Piece, ...]:
    """Return what a page shows: every change, a little of what is around it, the rest folded."""
    every = list(spans)
    found: list[Piece] = []
    for number, span in enumerate(every):
        if not span.compared:
            found.append(Piece(f"{span.kind.value}-beyond", "", size=len(span.text)))
        elif span.kind is Kind.COMMON:
            found += _context(span.text, first=number == 0, last=number == len(every) - 1)
        else:
            found.append(Piece(span.kind.value, span.text))
    return tuple(found)


def _ends(left: str, right: str) -> tuple[int, int]:
    """Return how much both texts begin and end with, in characters, without cutting a word."""
    start = _shared(left, right, 0)
    stop = _shared(left[start:][::-1], right[start:][::-1], 0)
    if start == len(left) == len(right):
        return start, 0
    return _back(left, right, start), _forth(left, right, stop)


def _shared(left: str, right: str, start: int) -> int:
    """Return the length of the common beginning; compares slices, which is quick for megabytes."""
    low, high = start, min(len(left), len(right))
    step = 256
    while low < high:
        end = min(high, low + step)
        if left[low:end] == right[low:end]:
            low, step = end, step * 2
        elif end - low == 1:
            break
        else:
            high, step = end - 1 if end - low == 2 else end, max(1, (end - low) // 2)
    return low


def _back(left: str, right: str, start: int) -> int:
    """Move the end of the common beginning back to where a word ends in both."""
    lowest = max(0, start - LINE)
    for at in range(start, lowest, -1):
        if _BREAK.match(left, at - 1) and not left[at - 1 : at + 1].isspace() and not right[at - 1 : at + 1].isspace():
            return at
    return 0 if lowest == 0 else start


def _forth(left: str, right: str, stop: int) -> int:
    """Move the start of the common end forth to where a word begins in both."""
    lowest = max(0, stop - LINE)
    for size in range(stop, lowest, -1):
        if _BREAK.match(left, len(left) - size) and not _blank_before(left, size) and not _blank_before(right, size):
            return size
    return 0 if lowest == 0 else stop


def _blank_before(text: str, size: int) -> bool:
    """Tell whether the last `size` characters begin in the middle of a blank."""
    at = len(text) - size
    return at > 0 and text[at - 1 : at + 1].isspace()


def _by_line(left: str, right: str) -> Iterator[Span]:
    """Compare lines, then the words of those that changed."""
    lines, others = left.splitlines(keepends=True), right.splitlines(keepends=True)
    at = other = 0
    for line, match in [*matching.pairs(*matching.interned(lines, others)), (len(lines), len(others))]:
        yield from _by_word("".join(lines[at:line]), "".join(others[other:match]))
        yield Span(Kind.COMMON, lines[line] if line < len(lines) else "")
        at, other = line + 1, match + 1


def _by_word(left: str, right: str) -> list[Span]:
    """Compare words; texts with hardly a word in common replace each other."""
    whole = [Span(Kind.REMOVED, left), Span(Kind.ADDED, right)]
    if not left or not right:
        return whole
    words, others = _TOKEN.findall(left), _TOKEN.findall(right)
    matches = matching.pairs(*matching.interned(words, others))
    alike = sum(len(words[at]) for at, _ in matches if not words[at].isspace())
    if alike < ALIKE * max(len(left), len(right)):
        return whole
    spans: list[Span] = []
    at = other = 0
    for word, match in [*matches, (len(words), len(others))]:
        spans.append(Span(Kind.REMOVED, "".join(words[at:word])))
        spans.append(Span(Kind.ADDED, "".join(others[other:match])))
        spans.append(Span(Kind.COMMON, words[word] if word < len(words) else ""))
        at, other = word + 1, match + 1
    return _without_crumbs(_joined(spans))


def _without_crumbs(spans: list[Span]) -> list[Span]:
    """Make blanks and single points that are common by chance between two changes part of the change."""
    changed = {number for number, span in enumerate(spans) if span.kind is not Kind.COMMON}
    found: list[Span] = []
    for number, span in enumerate(spans):
        crumb = span.kind is Kind.COMMON and len(span.text.strip()) <= 1 and "\n" not in span.text
        if crumb and number - 1 in changed and number + 1 in changed:
            found += [Span(Kind.REMOVED, span.text), Span(Kind.ADDED, span.text)]
        else:
            found.append(span)
    return _joined(found)


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Join neighbours of a kind; what is removed at one place stands before what is added there."""
    found: list[Span] = []
    removed, added = [""], [""]

    def settle() -> None:
        for kind, texts in ((Kind.REMOVED, removed), (Kind.ADDED, added)):
            if text := "".join(texts):
                found.append(Span(kind, text))
            texts.clear()

    common: list[str] = []
    for span in spans:
        if not span.text:
            continue
        if span.kind is Kind.COMMON:
            settle()
            common.append(span.text)
            continue
        if common:
            found.append(Span(Kind.COMMON, "".join(common)))
            common.clear()
        if not span.compared:
            settle()
            found.append(span)
        else:
            (removed if span.kind is Kind.REMOVED else added).append(span.text)
    settle()
    if common:
        found.append(Span(Kind.COMMON, "".join(common)))
    return found


def _bounded(spans: list[Span]) -> tuple[Span, ...]:
    """Return at most about MOST_SPANS spans: what follows is one removed and one added text, and the common end."""
    if len(spans) <= MOST_SPANS:
        return tuple(spans)
    head, tail = spans[:MOST_SPANS], spans[MOST_SPANS:]
    ends = [span for span in tail if not span.compared]
    last = [tail.pop()] if tail[-1].kind is Kind.COMMON else []
    rest = [span for span in tail if span.compared]
    removed = "".join(span.text for span in rest if span.kind is not Kind.ADDED)
    added = "".join(span.text for span in rest if span.kind is not Kind.REMOVED)
    return tuple(_joined([*head, Span(Kind.REMOVED, removed), Span(Kind.ADDED, added), *ends, *last]))


def _context(text: str, *, first: bool, last: bool) -> list[Piece]:
    """Return an unchanged stretch: the lines next to a change, and a fold between them."""
    head = "" if first else _first_lines(text)
    rest = text[len(head) :]
    tail = "" if last else _last_lines(rest)
    inner = rest[: len(rest) - len(tail)]
    if len(inner) < LINE:
        return [Piece("common", text)]
    lines = inner.count("\n") + (not inner.endswith("\n"))
    fold = Piece("fold", inner[:FOLDED], lines=lines, size=len(inner), cut=max(0, len(inner) - FOLDED))
    return [piece for piece in (Piece("common", head), fold, Piece("common", tail)) if piece.text]


def _first_lines(text: str) -> str:
    end = 0
    for _ in range(CONTEXT):
        end = text.find("\n", end, end + LINE) + 1
        if end == 0:
            return text[:LINE][: text.rfind(" ", LINE - WORD, LINE) + 1 or LINE]
    return text[:end]


def _last_lines(text: str) -> str:
    start = len(text)
    for _ in range(CONTEXT + 1):
        found = text.rfind("\n", max(0, start - LINE), start)
        if found < 0:
            blank = text.find(" ", len(text) - LINE, len(text) - LINE + WORD)
            return text[blank if blank >= 0 else len(text) - LINE :]
        start = found
    return text[start + 1 :]
