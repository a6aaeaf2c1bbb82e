"""The player's track: where moments lie on it, its marks and its words. Pure: no Django.

Places are percent of its width. The scale is time, but a long silence is as wide as a pause, and dotted.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from typing import Final

import msgspec

from traces.player import Timeline

SILENCE: Final = 30 * 60_000
"""Milliseconds from which on a silence that stands out is dotted; it is what the conversation calls one."""
PAUSE: Final = 60_000
"""Milliseconds that a silence must have anyway; below SILENCE it must be a QUARTER of all that is no longer than it."""
WIDTH: Final = 0.06
"""Of a silence, in shares of the time outside of them; all together take no more than that time."""
SLOTS: Final = (28, 14)
"""Parts of the track that are links, on wide windows and narrow ones: each is then at least 24 px wide."""
GLYPHS: Final = 50  # most marks on the track: of those that would cover each other the gravest is drawn
TICKS: Final = 60  # most turns that are told apart on the track
APART: Final = 13.0  # least distance of two labels

_SHAPES: Final = {"down": "bad", "error": "bad", "retry": "retry", "up": "up", "event": "event"}
_WORDS: Final = {
    "down": ("thumbs down", "thumbs down"),
    "error": ("error", "errors"),
    "retry": ("retry", "retries"),
    "up": ("thumbs up", "thumbs up"),
    "event": ("event", "events"),
}


class Stretch(msgspec.Struct, frozen=True):
    """A part of the track."""

    x: float
    end: float

    @property
    def width(self) -> float:
        """How wide it is."""
        return round(self.end - self.x, 2)

    @property
    def middle(self) -> float:
        """Its middle."""
        return round((self.x + self.end) / 2, 2)


class Line(Stretch, frozen=True, kw_only=True):
    """A part of the track's line."""

    is_silence: bool
    is_played: bool


class Label(msgspec.Struct, frozen=True):
    """Words below the track: how long a silence lasted in ms, or a turn's number."""

    x: float
    silence_ms: int | None = None
    turn: int | None = None


class Glyph(msgspec.Struct, frozen=True):
    """A mark above the track. `shape`: event, retry, bad or up."""

    x: float
    shape: str


class Slot(Stretch, frozen=True, kw_only=True):
    """A part of the track that has marks, and the moment of the gravest of them, to which it leads."""

    at: int  # epoch ms
    turn: int
    words: str


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """The track as drawn at a moment."""

    head: float
    lines: list[Line]
    ticks: list[float]
    labels: list[Label]
    glyphs: list[Glyph]
    wide: list[Slot]
    narrow: list[Slot]


class Scale:
    """Where on the track each moment lies, and which moment lies where."""

    def __init__(self, instants: list[int]) -> None:
        """Lay out moments (epoch ms, in order, at least one)."""
        gaps = [after - before for before, after in pairwise(instants)]
        self.silent = silences(gaps)
        ordinary = sum(gap for at, gap in enumerate(gaps) if at not in self.silent)
        share = ordinary * min(WIDTH, 1 / max(len(self.silent), 1)) or 1.0
        widths = [share if at in self.silent else gap for at, gap in enumerate(gaps)]
        ends = list(accumulate(widths, initial=0.0))
        self.places = [100 * end / (ends[-1] or 1.0) for end in ends]

    def place(self, position: int) -> float:
        """Return where a moment lies."""
        return round(self.places[position], 2)

    def nearest(self, place: float) -> int:
        """Return the moment that lies nearest to a place."""
        after = min(bisect_left(self.places, place), len(self.places) - 1)
        before = max(after - 1, 0)
        return before if place - self.places[before] <= self.places[after] - place else after


def silences(gaps: list[int]) -> frozenset[int]:
    """Return which gaps (ms) are silences: much longer than most, and long in themselves or beside all the others."""
    if not gaps:
        return frozenset()
    ordered = sorted(gaps)
    most = 3 * ordered[(len(ordered) - 1) // 2]
    sums = [0, *accumulate(ordered)]

    def is_silence(gap: int) -> bool:
        stands_out = 4 * gap > sums[bisect_right(ordered, gap)]
        return gap > most and (gap >= SILENCE or (gap > PAUSE and stands_out))

    return frozenset(at for at, gap in enumerate(gaps) if is_silence(gap))


def fraction(text: str | None) -> float | None:
    """Return the place that an address names in thousandths of the track; None for anything else."""
    if not text or not text.isascii() or not text.isdecimal() or len(text) > len("1000"):
        return None
    return int(text) / 10


def track(timeline: Timeline, position: int) -> Track:
    """Return the track with its head at a moment."""
    scale = Scale(timeline.instants)
    wide, narrow = (list(_slots(timeline, scale, count)) for count in SLOTS)
    return Track(
        head=scale.place(position),
        lines=list(_lines(scale, position)),
        ticks=[scale.place(begin) for begin in timeline.begins[1:TICKS]] if timeline.turns <= TICKS else [],
        labels=_labels(timeline, scale),
        glyphs=_glyphs(timeline, scale),
        wide=wide,
        narrow=narrow,
    )


def _lines(scale: Scale, position: int) -> Iterator[Line]:
    """Give the line from left to right, cut at silences and at the head."""
    last = len(scale.places) - 1
    cuts = sorted({0, position, last, *scale.silent, *(at + 1 for at in scale.silent)})
    for start, end in pairwise(cuts):
        yield Line(
            x=scale.place(start), end=scale.place(end), is_silence=start in scale.silent, is_played=end <= position
        )


def _labels(timeline: Timeline, scale: Scale) -> list[Label]:
    """Return the words that find room: silences first, the longest before others."""
    instants = timeline.instants
    lengths = sorted(((instants[at + 1] - instants[at], at) for at in scale.silent), reverse=True)
    wanted = [
        Label(Stretch(scale.place(at), scale.place(at + 1)).middle, silence_ms=length) for length, at in lengths[:20]
    ]
    wanted += [Label(scale.place(begin), turn=number) for number, begin in enumerate(timeline.begins, start=1)]
    kept: list[Label] = []
    taken = [0.0, 100.0]
    for label in wanted:
        if all(abs(label.x - other) >= APART for other in taken):
            kept.append(label)
            taken.append(label.x)
    return sorted(kept, key=lambda label: label.x)


def _marks(timeline: Timeline) -> Iterable[tuple[int, str]]:
    """Give what is marked: positions and kinds."""
    for position, moment in enumerate(timeline.moments):
        for kind in moment.kinds:
            if kind in _SHAPES:
                yield position, kind


def _glyphs(timeline: Timeline, scale: Scale) -> list[Glyph]:
    """Return the marks in the order of drawing, the gravest last."""
    order = list(dict.fromkeys(_SHAPES.values()))
    drawn: dict[int, Glyph] = {}
    for position, kind in _marks(timeline):
        glyph = Glyph(scale.place(position), _SHAPES[kind])
        place = int(glyph.x * GLYPHS / 100)
        if place not in drawn or order.index(glyph.shape) < order.index(drawn[place].shape):
            drawn[place] = glyph
    return sorted(drawn.values(), key=lambda glyph: (-order.index(glyph.shape), glyph.x))


def _slots(timeline: Timeline, scale: Scale, count: int) -> Iterator[Slot]:
    """Give the parts of the track in which anything is marked."""
    found: dict[int, list[tuple[int, str]]] = {}
    for position, kind in _marks(timeline):
        found.setdefault(min(int(scale.places[position] * count / 100), count - 1), []).append((position, kind))
    gravity = list(_SHAPES)
    for number, marks in sorted(found.items()):
        position = min(marks, key=lambda mark: (gravity.index(mark[1]), mark[0]))[0]
        moment = timeline.moments[position]
        counted = Counter(kind for _, kind in marks)
        words = [_counted(kind, counted[kind]) for kind in gravity if counted[kind]]
        yield Slot(
            x=round(100 * number / count, 2),
            end=round(100 * (number + 1) / count, 2),
            at=moment.at,
            turn=max(moment.turn, 1),
            words=f"Turn {moment.turn}: {', '.join(words)}" if moment.turn else ", ".join(words).capitalize(),
        )


def _counted(kind: str, number: int) -> str:
    one, many = _WORDS[kind]
    return one if number == 1 else f"{number} {many}"
