"""Geometry of the Ingest health page's drawings, for SVG attributes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

BAR_SERIES: Final = 3  # reasons with a colour of their own; what remains is one series


@dataclass(frozen=True)
class Rect:
    """One rectangle; `series` 1 to 3, and 0 for all other reasons."""

    x: float
    y: float
    width: float
    height: float
    series: int


@dataclass(frozen=True)
class Column:
    """One day: its rectangles from the ground up, and its events."""

    day: date
    events: int
    x: float
    width: float
    rects: list[Rect]


def stacked(days: Sequence[date], series: Sequence[Sequence[int]], width: int, height: int) -> list[Column]:
    """Return a column per day; the first BAR_SERIES series are told apart, the rest are stacked on top as one."""
    shown = [list(values) for values in series[:BAR_SERIES]]
    rest = [sum(values) for values in zip(*series[BAR_SERIES:], strict=True)] if len(series) > BAR_SERIES else []
    layers = [*enumerate(shown, start=1), *([(0, rest)] if rest else [])]
    top = max((sum(values[at] for _, values in layers) for at in range(len(days))), default=0) or 1
    step = width / max(len(days), 1)
    columns = []
    for at, day in enumerate(days):
        x, bar, ground = at * step, step * 0.72, float(height)
        rects = []
        for number, values in layers:
            if values[at]:
                size = max(values[at] / top * height, 1.5)
                ground -= size
                rects.append(Rect(round(x + step * 0.14, 2), round(ground, 2), round(bar, 2), round(size, 2), number))
        events = sum(values[at] for _, values in layers)
        columns.append(Column(day, events, round(x, 2), round(step, 2), rects))
    return columns


def spark(values: Sequence[int], width: int, height: int) -> list[Rect]:
    """Return a bar per value; nothing for 0, and never too small to see."""
    top = max(values, default=0) or 1
    step = width / max(len(values), 1)
    return [
        Rect(
            round(at * step, 2),
            round(height - max(value / top * height, 1.5), 2),
            round(max(step - 0.4, 0.6), 2),
            round(max(value / top * height, 1.5), 2),
            1,
        )
        for at, value in enumerate(values)
        if value
    ]
