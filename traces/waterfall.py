"""Where the bars of a waterfall lie: numbers for SVG attributes (a strict CSP forbids styles). Pure."""

from datetime import datetime, timedelta

import msgspec

WIDTH = 340.0
"""Width of the drawing in its own units; the page may scale it."""
SHORTEST = 2.5
"""Narrowest bar that can still be seen and pointed at."""
MOST_TICKS = 5

_MS = timedelta(milliseconds=1)
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_STEPS = (
    *(base * 10**power for power in range(4) for base in (1, 2, 5)),
    *(seconds * _SECOND for seconds in (10, 20, 30)),
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 20, 30)),
    *(hours * _HOUR for hours in (1, 2, 6, 12)),
)


class Bar(msgspec.Struct, frozen=True):
    """A horizontal extent on the drawing."""

    x: float
    width: float

    @property
    def end(self) -> float:
        """Where it ends."""
        return round(self.x + self.width, 2)


class Tick(msgspec.Struct, frozen=True):
    """A labelled line of the time axis; `percent` is its place where the axis is not drawn in units."""

    x: float
    percent: float
    label: str


class Scale(msgspec.Struct, frozen=True):
    """Maps the time of one trace to the drawing."""

    started_at: datetime
    duration_ms: float

    @classmethod
    def over(cls, started_at: datetime, ended_at: datetime) -> "Scale":
        """Return the scale from the first start to the last end; a trace without extent counts as 1 ms long."""
        return cls(started_at, max(1.0, (ended_at - started_at) / _MS))

    def bar(self, started_at: datetime, ended_at: datetime | None) -> Bar:
        """Return the extent of a run; one that has not ended reaches to the end of the drawing."""
        start = self._x(started_at)
        end = WIDTH if ended_at is None else self._x(max(started_at, ended_at))
        width = min(WIDTH, max(SHORTEST, end - start))
        return Bar(x=round(min(start, WIDTH - width), 2), width=round(width, 2))

    def offset_ms(self, at: datetime) -> int:
        """Return how long after the start of the trace that was."""
        return (at - self.started_at) // _MS

    def ticks(self) -> list[Tick]:
        """Return at most MOST_TICKS lines at round times, the start first; none crowds the right edge."""
        step = next((step for step in _STEPS if self.duration_ms / step <= MOST_TICKS), None)
        if step is None:
            step = _DAY * (int(self.duration_ms / _DAY / MOST_TICKS) + 1)
        count = int(self.duration_ms * 0.94 / step) + 1
        return [self._tick(step * number) for number in range(count)]

    def _tick(self, at_ms: int) -> Tick:
        share = at_ms / self.duration_ms
        return Tick(x=round(share * WIDTH, 2), percent=round(share * 100, 2), label=_label(at_ms))

    def _x(self, at: datetime) -> float:
        share = (at - self.started_at) / _MS / self.duration_ms
        return min(1.0, max(0.0, share)) * WIDTH


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
    minutes, seconds = divmod(at_ms // _SECOND, 60)
    if minutes < 60:
        return f"{minutes}:{seconds:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
