"""A series of numbers as one line in a box, for server-drawn SVG. Pure: no Django."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

WIDTH: Final = 240
HEIGHT: Final = 44
MARGIN: Final = 4  # so that the marks at the ends aren't cut
MOST: Final = 240
"""Points drawn; of a longer series each point is the largest of its stretch, so that no peak is lost."""


@dataclass(frozen=True)
class Sparkline:
    """A line's points in a box of WIDTH × HEIGHT, its ends and its peak; `slope` is the change per step."""

    values: tuple[int, ...]
    points: tuple[tuple[float, float], ...]
    slope: float
    width = WIDTH
    height = HEIGHT

    @classmethod
    def over(cls, values: Sequence[int]) -> Self:
        """Return the line of a series with at least one number; the box begins at 0."""
        kept = _thinned(values)
        top = max(max(kept), 1)
        step = (WIDTH - 2 * MARGIN) / max(len(kept) - 1, 1)
        points = tuple(
            (round(MARGIN + n * step, 1), round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * max(value, 0) / top, 1))
            for n, value in enumerate(kept)
        )
        slope = (values[-1] - values[0]) / (len(values) - 1) if len(values) > 1 else 0.0
        return cls(tuple(values), points, slope)

    @property
    def path(self) -> str:
        """The line as the `points` of a polyline."""
        return " ".join(f"{x},{y}" for x, y in self.points)

    @property
    def area(self) -> str:
        """What lies beneath the line, as the `points` of a polygon."""
        floor = HEIGHT - MARGIN
        return f"{self.points[0][0]},{floor} {self.path} {self.points[-1][0]},{floor}"

    @property
    def first(self) -> int:
        """The first number."""
        return self.values[0]

    @property
    def last(self) -> int:
        """The last number."""
        return self.values[-1]

    @property
    def peak(self) -> int:
        """The largest number."""
        return max(self.values)

    @property
    def marks(self) -> list[tuple[float, float]]:
        """Where the first, the largest and the last number are."""
        peak = min(self.points, key=lambda point: point[1])
        return list(dict.fromkeys((self.points[0], peak, self.points[-1])))


def _thinned(values: Sequence[int]) -> list[int]:
    if len(values) <= MOST:
        return list(values)
    bounds = [len(values) * n // MOST for n in range(MOST + 1)]
    return [max(values[start:stop]) for start, stop in pairwise(bounds)]
