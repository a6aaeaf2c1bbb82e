r"""Searching a trace: the ways JSON text may write what a person typed, and the words around a match. Pure.

Payloads are JSON text as sent: "é" may be `\u00e9` there, a line break `\n`, a quote `\"`. And what looks like a match
may be none: "2026" is also the middle of `\u2026`, an ellipsis. So payloads are searched twice (see find_queries):
for the *escaped* spellings as they are, and for the *plain* ones with every escape sequence masked by as many
characters that no JSON text holds. Positions stay those of the payload, from which the snippet is cut.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final
from uuid import UUID

LONGEST: Final = 200  # characters that are looked for
MOST_CASED: Final = 3  # letters beyond ASCII of which every case is looked for
MOST: Final = 500  # hits of one search; the search goes on from the last when asked
PAGE: Final = 50  # hits on a page
BEFORE: Final = 180  # characters of a payload that are read before a match
AFTER: Final = 320  # and behind its beginning, besides its own length
SHOWN_BEFORE: Final = 56  # of which so many are shown
SHOWN_AFTER: Final = 180

ESCAPES: Final = (
    ("\\\\", "\x01\x01"),
    ("\\n", "\x02\x03"),
    ("\\t", "\x02\x04"),
    ("\\r", "\x02\x05"),
    ("\\b", "\x02\x06"),
    ("\\f", "\x02\x07"),
)
"""What takes the place of each escape sequence, in this order: whole backslashes go first."""
CHARACTERS: Final = ("[\x01\\\\]u[0-9a-f]{4}", "\x02" * 6)
"""The pattern of an escaped character behind those, and its mask. It also takes what was escaped twice, as JSON in a
string of JSON is: pages show that decoded."""

_SEQUENCES: Final = re.compile(r"(?:\\u[0-9a-fA-F]{4})+|\\.", re.DOTALL)
_CUT_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?$")
_OPENED: Final = re.compile(
    r'(?:"(?P<key>[^"\\]{1,40})"\s*:\s*)?(?<!\\)(?:\\\\)*"(?P<text>(?:[^"\\]|\\.)*)$', re.DOTALL
)
_CLOSED: Final = re.compile(r'^(?P<text>(?:[^"\\]|\\.)*)"', re.DOTALL)
_BETWEEN: Final = re.compile(r"\s*[:,\]}]")
_ONE_WAY: Final = re.compile(r'[^"\\/\x00-\x1f\x7f-\U0010ffff]+')
_ID: Final = re.compile(r"[0-9a-fA-F]{8}[0-9a-fA-F-]*")


@dataclass(frozen=True)
class Snippet:
    """Words around a match, decoded; `more_before` and `more_after` tell that they were cut."""

    before: str
    match: str
    after: str
    more_before: bool = False
    more_after: bool = False


@dataclass(frozen=True)
class Match:
    """A place in a payload: JSON text around it, and where in that it begins."""

    field: str  # input, output or error
    window: str
    offset: int
    first: bool  # the window begins where the payload does


@dataclass(frozen=True)
class Hit:
    """A run in which the text occurs. `title` is its name as far as the text occurs in that."""

    position: int  # in the forest
    id: UUID
    type: str
    name: str
    status: str
    fields: tuple[str, ...]
    title: Snippet | None = None
    snippet: Snippet | None = None


@dataclass(frozen=True)
class Sought:
    """What is looked for: spellings with ASCII in lower case, those with escaped characters apart."""

    text: str
    plain: tuple[str, ...]
    escaped: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """Return what every spelling holds: the longest run of letters that are written in one way only; may be ''."""
        runs = _ONE_WAY.findall(_lower(unicodedata.normalize("NFC", self.text)))
        return max(runs, key=len, default="")

    @property
    def longest(self) -> int:
        """Return the length of the longest spelling."""
        return max(map(len, (*self.plain, *self.escaped)))


def asked(text: str) -> str:
    """Return what an address asks for: without blanks around it, and not longer than is looked for."""
    return text.replace("\x00", "").strip()[:LONGEST].strip()


def sought(text: str) -> Sought:
    """Return every spelling of a text, which must not be empty, in any case and either Unicode composition."""
    plain: dict[str, None] = {}
    escaped: dict[str, None] = {}
    for spelling in _cases(text):
        plain[_lower(json.dumps(spelling, ensure_ascii=False)[1:-1])] = None
        plain[_lower(spelling.replace("\\", "\\\\"))] = None  # a quote may also be JSON's own
        in_ascii = _lower(json.dumps(spelling)[1:-1])
        if not spelling.isascii():
            escaped[in_ascii] = None
            escaped[json.dumps(in_ascii)[1:-1]] = None  # arguments of tools are JSON in a string
        if "/" in spelling:
            (plain if spelling.isascii() else escaped)[in_ascii.replace("/", "\\/")] = None
    return Sought(text, tuple(plain), tuple(escaped))


def mask(text: str) -> str:
    """Return lower-case JSON text with its escape sequences masked, but for those of characters."""
    for sequence, masked in ESCAPES:
        text = text.replace(sequence, masked)
    return text


def mask_all(text: str) -> str:
    """Return lower-case JSON text with all of its escape sequences masked, character for character."""
    return re.sub(CHARACTERS[0], CHARACTERS[1], mask(text))


def snippet(wanted: Sought, match: Match) -> Snippet:
    """Return the words around a match as the client meant them, on one line."""
    low = _lower(match.window)
    fits = [form for form in (*wanted.plain, *wanted.escaped) if low.startswith(form, match.offset)]
    end = match.offset + max(map(len, fits), default=len(wanted.text))
    before, inside = _opened(match.window[: match.offset], whole=match.first)
    rest = match.window[end:]
    closed = _CLOSED.match(rest) if inside else None
    after, cut_after = (closed["text"], False) if closed else (rest, len(rest) >= AFTER)
    found = Snippet(
        before=_line(before.text),
        match=_line(match.window[match.offset : end]),
        after=_line(after),
        more_before=before.cut,
        more_after=cut_after,
    )
    return _shortened(found)


def named(text: str, names: Iterable[str]) -> dict[str, Snippet]:
    """Return those of some names in which the text occurs, in any case, split around it."""
    pattern = re.compile("|".join(map(re.escape, _compositions(text))), re.IGNORECASE)
    found = {}
    for name in set(names):
        if match := pattern.search(name):
            found[name] = Snippet(name[: match.start()], match[0], name[match.end() :])
    return found


def identified(text: str, ids: Sequence[bytes]) -> list[int]:
    """Return where in a list of UUIDs those stand that begin with the text, if it is the beginning of one."""
    if not _ID.fullmatch(text):
        return []
    digits = text.replace("-", "").lower()
    return [position for position, id in enumerate(ids) if id.hex().startswith(digits)]


@dataclass(frozen=True)
class _Before:
    text: str
    cut: bool


def _opened(window: str, *, whole: bool) -> tuple[_Before, bool]:
    """Return what stands before a match in its own string, its key in front, and whether it is in a string at all."""
    opened = _OPENED.search(window)
    if opened is None and not whole:  # nothing but strings is so long without a quote
        return _Before(window, cut=True), True
    if opened is None or _BETWEEN.match(opened["text"]):
        return _Before(window, not whole), False
    key = f"{opened['key']}: " if opened["key"] else ""
    return _Before(key + opened["text"], cut=False), True


def _shortened(found: Snippet) -> Snippet:
    """Return a snippet that fits its line, cut between words where there are any near."""
    before, after = found.before, found.after
    if len(before) > SHOWN_BEFORE:
        before = before[-SHOWN_BEFORE:]
        blank = before.find(" ")
        before = before[blank + 1 :] if 0 <= blank < SHOWN_BEFORE // 2 else before
        found = replace(found, before=before, more_before=True)
    if len(after) > SHOWN_AFTER:
        found = replace(found, after=after[:SHOWN_AFTER], more_after=True)
    return found


def _line(text: str) -> str:
    """Return a piece of JSON text decoded, on one line; an escape sequence that was cut at its end is left out."""
    return re.sub(r"\s+", " ", _SEQUENCES.sub(_decoded, _CUT_ESCAPE.sub("", text)))


def _decoded(escape: re.Match[str]) -> str:
    try:
        text: str = json.loads(f'"{escape[0]}"')
    except ValueError:
        return escape[0][1:]
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _cases(text: str) -> list[str]:
    """Return a text in every case of its letters beyond ASCII, or in the usual ones where those are many."""
    found: list[str] = []
    for composed in _compositions(text):
        cased = [
            position for position, letter in enumerate(composed) if not letter.isascii() and len(_both(letter)) > 1
        ]
        if len(cased) > MOST_CASED:
            found += [composed, composed.lower(), composed.upper(), composed.title(), composed.capitalize()]
        else:
            choices = [_both(letter) if position in cased else [letter] for position, letter in enumerate(composed)]
            found += ["".join(letters) for letters in product(*choices)]
    return list(dict.fromkeys(found))


def _both(letter: str) -> list[str]:
    """Return a letter as it is and in its other case, where that is one letter."""
    return list(dict.fromkeys([letter, *(other for other in (letter.lower(), letter.upper()) if len(other) == 1)]))


def _compositions(text: str) -> list[str]:
    return list(dict.fromkeys([text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)]))


def _lower(text: str) -> str:
    """Lower-case ASCII alone, character for character, as the database does under the collation "C"."""
    return text.translate(_ASCII_LOWER)


_ASCII_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
