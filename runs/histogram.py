"""The volume histogram and the sparklines of the metric strip, as geometry for server-drawn SVG.

Lengths across are per cent of the drawing's width, so that it fills any page without a script; heights are pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lunary_dash.templatetags import figures as written
from runs.figures import Bar, Figures, stretch
from runs.filters import Filters
from runs.sums import Sums

HEIGHT = 68  # of the bars
FILLED = 0.86  # of a bar's share of the width; the rest is the gap
LEAST_APART = 9.0  # per cent between two dates
LEAST = 1.5  # px: what there is can be seen, however little
SPARK_WIDTH, SPARK_HEIGHT = 56, 24


@dataclass(frozen=True)
class Column:
    """One bar: geometry, what a pointer reads, and the list of just that time."""

    x: str
    width: str
    y: str
    height: str
    error_y: str
    error_height: str
    since: datetime
    until: datetime
    sums: Sums
    query: str

    @property
    def drawn(self) -> SafeString:
        """Return the bar as a link in SVG: a hundred of them in template language take longer than the queries."""
        if not self.sums.runs:
            return SafeString("")
        return format_html(
            '<a href="{}" tabindex="-1"><title>{}</title>'
            '<rect class="histogram-hit" x="{}" y="0" width="{}" height="{}"/>'
            '<rect class="histogram-bar" x="{}" y="{}" width="{}" height="{}"/>'
            '<rect class="histogram-error" x="{}" y="{}" width="{}" height="{}"/></a>',
            *(self.query, self.title, self.x, self.width, HEIGHT, self.x, self.y, self.width, self.height),
            *(self.x, self.error_y, self.width, self.error_height),
        )

    @property
    def title(self) -> str:
        """Return what a pointer reads: when, and how many runs and errors."""
        since, until = timezone.localtime(self.since), timezone.localtime(self.until)
        days = f"{since:%a} {since.day} {since:%b %H:%M} – {until:%H:%M}"
        runs = f"{written.count(self.sums.runs)} run{'s' if self.sums.runs != 1 else ''}"
        if not self.sums.errors:
            return f"{days}: {runs}"
        return f"{days}: {runs}, {written.count(self.sums.errors)} error{'s' if self.sums.errors != 1 else ''}"


@dataclass(frozen=True)
class Tick:
    """A line between days, with its date."""

    x: str
    text: str


@dataclass(frozen=True)
class Histogram:
    """The drawing."""

    columns: tuple[Column, ...]
    ticks: tuple[Tick, ...]
    step: str
    height: int = HEIGHT


def histogram(figures: Figures, filters: Filters) -> Histogram | None:
    """Return the drawing of the figures' bars, or None where there are no runs."""
    bars = figures.bars
    if not bars or not figures.total.runs:
        return None
    most = max(bar.sums.runs for bar in bars)
    share = 100 / len(bars)
    columns = [_column(bar, n * share, share * FILLED, most, filters) for n, bar in enumerate(bars)]
    return Histogram(tuple(columns), tuple(_ticks(bars, figures.step, share)), stretch(figures.step))


def _column(bar: Bar, x: float, width: float, most: int, filters: Filters) -> Column:
    height = _height(bar.sums.runs, most)
    errors = _height(bar.sums.errors, most)
    return Column(
        x=f"{x:.3f}%",
        width=f"{width:.3f}%",
        y=f"{HEIGHT - height:.1f}",
        height=f"{height:.1f}",
        error_y=f"{HEIGHT - errors:.1f}",
        error_height=f"{errors:.1f}",
        since=bar.since,
        until=bar.until,
        sums=bar.sums,
        query=filters.ranged(from_=_address(bar.since), to=_address(bar.until)),
    )


def _height(count: int, most: int) -> float:
    return max(LEAST, HEIGHT * count / most) if count else 0.0


def _address(at: datetime) -> str:
    return at.isoformat(timespec="minutes").replace("+00:00", "Z")


def _ticks(bars: Sequence[Bar], step: timedelta, share: float) -> list[Tick]:
    """Return where days (long ranges: months) begin, at most about ten of them; hours on a short range."""
    found = [(n, word) for n, bar in enumerate(bars) if (word := _word(bar, bars[n - 1] if n else None, step))]
    if len(found) > 1 and (found[1][0] - found[0][0]) * share < LEAST_APART:
        found.pop(0)  # the range begins late in a day: its date would run into the next
    every = -(-len(found) // 10) or 1
    return [Tick(f"{n * share:.3f}%", word) for n, word in found[::every]]


def _word(bar: Bar, before: Bar | None, step: timedelta) -> str:
    at = timezone.localtime(bar.since)
    earlier = timezone.localtime(before.since) if before else None
    if step < timedelta(minutes=60):
        return f"{at:%H:%M}" if earlier is None or at.hour != earlier.hour else ""
    if step < timedelta(days=7):
        return f"{at:%a} {at.day}" if earlier is None or at.date() != earlier.date() else ""
    return f"{at:%b %Y}" if earlier is None or at.month != earlier.month else ""


def spark(bars: Sequence[Bar], figure: Callable[[Sums], float | None]) -> str:
    """Return the points of a sparkline over the bars, '' where there is nothing to see: all are alike."""
    values = [float(value) for bar in _merged(bars) if (value := figure(bar)) is not None]
    low, high = min(values, default=0.0), max(values, default=0.0)
    if low == high:
        return ""
    scale = high - low
    return " ".join(
        f"{n * SPARK_WIDTH / (len(values) - 1):.1f},{SPARK_HEIGHT - 3 - (value - low) / scale * (SPARK_HEIGHT - 6):.1f}"
        for n, value in enumerate(values)
    )


def _merged(bars: Sequence[Bar], most: int = 24) -> list[Sums]:
    """Return at most `most` sums: a sparkline of a hundred points is noise. Percentiles are of the fullest bar."""
    size = -(-len(bars) // most) or 1
    return [_together([bar.sums for bar in bars[at : at + size]]) for at in range(0, len(bars), size)]


def _together(several: Sequence[Sums]) -> Sums:
    fullest = max(several, key=lambda one: one.runs)
    return Sums(
        runs=sum(one.runs for one in several),
        errors=sum(one.errors for one in several),
        p50_ms=fullest.p50_ms,
        p95_ms=fullest.p95_ms,
        tokens=sum(one.tokens for one in several),
        cost=sum((one.cost for one in several), start=type(fullest.cost)(0)),
        unpriced=sum(one.unpriced for one in several),
    )
