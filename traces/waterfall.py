"""Where the bars of a waterfall lie: numbers for SVG attributes (a strict CSP forbids styles). Pure."""

from bisect import bisect_right
from itertools import pairwise

import msgspec

from traces.gaps import Gap

WIDTH = 340.0
"""Width of the drawing in its own units; the page may scale it."""
SHORTEST = 2.5
"""Narrowest bar that can still be seen and pointed at."""
GAP = 44.0
"""Width of an idle gap that is compressed: enough for its length above it."""
MOST_TICKS = 5
BETWEEN = 34.0
"""Least distance of two labels on the axis."""

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_STEPS = (
    *(base * 10**power for power in range(4) for base in (1, 2, 5)),
    *(seconds * _SECOND for seconds in (10, 20, 30)),
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 20, 30)),
    *(hours * _HOUR for hours in (1, 2, 6, 12)),
)


class Stretch(msgspec.Struct, frozen=True):
    """A horizontal extent on the drawing."""

    x: float
    width: float

    @property
    def end(self) -> float:
        """Where it ends."""
        return round(self.x + self.width, 2)

    @property
    def middle(self) -> float:
        """Its middle, in percent of the drawing."""
        return _percent(self.x + self.width / 2)


class Bar(Stretch, frozen=True):
    """The extent of a run. Where it crosses compressed gaps: `parts` are what lies outside of them."""

    parts: tuple[Stretch, ...] = ()
    crossings: tuple[Stretch, ...] = ()


class Tick(msgspec.Struct, frozen=True):
    """A labelled line of the time axis; `percent` is its place where the axis is not drawn in units."""

    x: float
    percent: float
    label: str


class Column(Stretch, frozen=True):
    """A compressed gap on the drawing."""

    gap: Gap

    @property
    def percent(self) -> float:
        """Where it begins, in percent of the drawing."""
        return _percent(self.x)

    @property
    def percent_wide(self) -> float:
        """How wide it is, in percent of the drawing."""
        return _percent(self.width)


class Scale(msgspec.Struct, frozen=True):
    """Maps the time of one trace to the drawing, piece by piece: from `times[n]` (epoch µs) on `xs[n]`, and so on.

    Pieces differ in steepness where idle gaps are compressed; the mapping never falls and loses no moment.
    """

    times: tuple[int, ...]
    xs: tuple[float, ...]
    columns: tuple[Column, ...] = ()

    @classmethod
    def over(cls, start_us: int, end_us: int, gaps: tuple[Gap, ...] = ()) -> "Scale":
        """Return the scale from the first start to the last end; a trace without extent counts as 1 ms long.

        `gaps` are to be compressed: they lie apart, within the trace, by start.
        """
        end_us = max(end_us, start_us + 1000)
        idle = sum(gap.end_us - gap.start_us for gap in gaps)
        active = end_us - start_us - idle
        wide = min(GAP, WIDTH / (len(gaps) + 1)) if active else WIDTH / max(1, len(gaps))
        per_us = (WIDTH - wide * len(gaps)) / active if active else 0.0
        times, xs, columns = [start_us], [0.0], []
        for gap in gaps:
            x = xs[-1] + (gap.start_us - times[-1]) * per_us
            times += (gap.start_us, gap.end_us)
            xs += (x, x + wide)
            columns.append(Column(x=round(x, 2), width=round(wide, 2), gap=gap))
        return cls((*times, end_us), (*xs, WIDTH), tuple(columns))

    @property
    def start_us(self) -> int:
        """The first moment."""
        return self.times[0]

    @property
    def end_us(self) -> int:
        """The last moment."""
        return self.times[-1]

    def x(self, at_us: int) -> float:
        """Return where a moment lies; one outside of the trace at the edge."""
        if at_us <= self.times[0]:
            return 0.0
        if at_us >= self.times[-1]:
            return WIDTH
        piece = bisect_right(self.times, at_us) - 1
        begin, end = self.times[piece], self.times[piece + 1]
        return self.xs[piece] + (at_us - begin) / (end - begin) * (self.xs[piece + 1] - self.xs[piece])

    def at(self, x: float) -> int:
        """Return which moment lies at a place, epoch µs."""
        piece = min(bisect_right(self.xs, x), len(self.xs) - 1) - 1
        share = (x - self.xs[piece]) / ((self.xs[piece + 1] - self.xs[piece]) or 1.0)
        return self.times[piece] + round(share * (self.times[piece + 1] - self.times[piece]))

    def bar(self, start_us: int, end_us: int | None) -> Bar:
        """Return the extent of a run; one that has not ended reaches to the end of the drawing."""
        start = self.x(start_us)
        end = WIDTH if end_us is None else self.x(max(start_us, end_us))
        width = min(WIDTH, max(SHORTEST, end - start))
        x = min(start, WIDTH - width)
        crossed = [column for column in self.columns if x <= column.x and column.end <= x + width + 0.02]
        if not crossed:
            return Bar(x=round(x, 2), width=round(width, 2))
        edges = [x, *(edge for column in crossed for edge in (column.x, column.end)), x + width]
        parts = tuple(_stretch(*edge) for edge in list(pairwise(edges))[::2] if edge[1] - edge[0] > 0.05)
        crossings = tuple(Stretch(x=column.x, width=column.width) for column in crossed)
        return Bar(x=round(x, 2), width=round(width, 2), parts=parts, crossings=crossings)

    def offset_ms(self, at_us: int) -> int:
        """Return how long after the start of the trace that was."""
        return (at_us - self.start_us) // 1000

    def ticks(self) -> list[Tick]:
        """Return a few lines at round times, the start first; none in a gap, too near another, or at the right edge."""
        active_ms = (self.end_us - self.start_us - sum(c.gap.end_us - c.gap.start_us for c in self.columns)) / 1000
        step = next((step for step in _STEPS if active_ms / step <= MOST_TICKS), None)
        if step is None:
            step = _DAY * (int(active_ms / _DAY / MOST_TICKS) + 1)
        found: list[Tick] = []
        for at_ms in self._round_times(step):
            x = self.x(self.start_us + at_ms * 1000)
            free = not any(column.x - 14 < x < column.end + 14 for column in self.columns)
            if x <= WIDTH * 0.94 and (at_ms == 0 or free) and (not found or x - found[-1].x >= BETWEEN):
                found.append(Tick(x=round(x, 2), percent=_percent(x), label=_label(at_ms)))
        return found

    def _round_times(self, step: int) -> list[int]:
        """Return the multiples of `step` (ms) that lie in the pieces that are not compressed."""
        found = []
        for begin, end in list(zip(self.times, self.times[1:], strict=False))[::2]:
            first = -(-(begin - self.start_us) // (step * 1000))
            last = (end - self.start_us) // (step * 1000)
            found += [number * step for number in range(first, last + 1)]
        return sorted({0, *found})


def _stretch(start: float, end: float) -> Stretch:
    return Stretch(x=round(start, 2), width=round(end - start, 2))


def _percent(x: float) -> float:
    return round(x / WIDTH * 100, 2)


def _label(at_ms: int) -> str:
    """Return a time on the axis: 0, 500 ms, 2.5 s, 20 s, 4:00, 2:05:00, 3 d."""
    if at_ms == 0:
        return "0"
    if at_ms < _SECOND:
        return f"{at_ms} ms"
    if at_ms < _MINUTE:
        return f"{at_ms / _SECOND:g} s"
    if at_ms >= _DAY and at_ms % _DAY == 0:
        return f"{at_ms // _DAY} d"
    minutes, ms = divmod(at_ms, _MINUTE)
    seconds = f"{ms // _SECOND:02}" + f"{ms % _SECOND / _SECOND:g}"[1:]
    return f"{minutes}:{seconds}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{seconds}"
