"""Charts as plain data: one description makes the figure plotly.js draws, its twin as a table, and the CSV file.

Figures are plain dictionaries (tests validate them with plotly.graph_objects, which keeps that import out of the web
process). Colours are names of the design tokens, `var(--series-1)`: static/js/charts.js puts in what the theme says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from html import escape
from typing import Any

from lunary_dash.templatetags import figures

Value = Decimal | float | int | None


@dataclass(frozen=True)
class Point:
    """One value of a series and the address of the runs behind it ('' where no list shows exactly these)."""

    value: Value
    link: str = ""


@dataclass(frozen=True)
class Series:
    """One name in the legend. `colour` is a design token without its dashes, `hatched` marks what is left over."""

    name: str
    colour: str
    points: list[Point]
    hatched: bool = False

    @property
    def total(self) -> Value:
        """Return the sum of what is known."""
        known = [point.value for point in self.points if point.value is not None]
        return sum(known) if known else None


@dataclass(frozen=True)
class Chart:
    """What a chart says. `unit` is usd, count or ms; `kind` is bars (stacked) or lines; `sums`: totals make sense."""

    key: str
    title: str
    summary: str
    unit: str
    times: list[datetime]
    by: str  # hour or day
    series: list[Series]
    kind: str = "bars"
    sums: bool = True
    empty: str = "Nothing in this range."

    @property
    def drawn(self) -> bool:
        """Say whether there is anything to draw."""
        return any(point.value for series in self.series for point in series.points)

    @property
    def highest(self) -> float:
        """Return the height of the highest bar, or of the highest point of a line."""
        columns = [
            [float(series.points[index].value or 0) for series in self.series] for index in range(len(self.times))
        ]
        return max((sum(column) if self.kind == "bars" else max(column) for column in columns if column), default=0.0)

    @property
    def data_id(self) -> str:
        """Return the id of the JSON block that holds the figure."""
        return f"chart-{self.key}-data"

    @property
    def figure(self) -> dict[str, Any]:
        """Return the figure for plotly.js."""
        times = [at.replace(tzinfo=None).isoformat() for at in self.times]
        traces = [_bars(self, one, times) if self.kind == "bars" else _lines(self, one, times) for one in self.series]
        return {"data": traces, "layout": _layout(self)}

    @property
    def table(self) -> list["TableRow"]:
        """Return the same numbers as rows, newest first; charts.js finds a point's address in its cell here."""
        rows = [
            TableRow(
                self.said(at),
                [TableCell(self.format(one.points[index].value), one.points[index].link) for one in self.series],
            )
            for index, at in enumerate(self.times)
        ]
        return rows[::-1]

    @property
    def totals(self) -> list[str]:
        """Return the table's last row; nothing where adding up makes no sense."""
        return [self.format(series.total) for series in self.series] if self.sums else []

    def said(self, at: datetime) -> str:
        """Return a bar's time in words."""
        return f"{at.day} {at:%b} {at:%H:%M}" if self.by == "hour" else f"{at:%a} {at.day} {at:%b}"

    def format(self, value: Value) -> str:
        """Return a value as the page shows it; nothing known is a dash."""
        if value is None:
            return figures.NONE
        return {"usd": figures.money, "ms": figures.duration, "count": figures.count}[self.unit](value)

    def csv(self) -> Iterator[list[str]]:
        """Yield the rows of the CSV file, oldest first, with exact numbers and nothing for what is not known."""
        yield [self.by, *(f"{series.name} ({self.unit})" for series in self.series)]
        for index, at in enumerate(self.times):
            yield [at.isoformat(), *(_exact(series.points[index].value) for series in self.series)]


@dataclass(frozen=True)
class TableCell:
    """A value in words, and the runs behind it."""

    text: str
    link: str


@dataclass(frozen=True)
class TableRow:
    """One time of the table."""

    time: str
    cells: list[TableCell]


def polyline(values: Sequence[Value], width: int, height: int) -> str:
    """Return a sparkline's points for SVG, `x,y x,y`, from the lowest to the highest; nothing for fewer than two."""
    known = [(index, float(value)) for index, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(value for _, value in known), max(value for _, value in known)
    room = height - 4  # above and below, for the line's width and a calm look
    step = width / (len(values) - 1)
    heights = ((index, (value - low) / (high - low) if high > low else 0.5) for index, value in known)
    return " ".join(f"{index * step:.1f},{2 + room * (1 - share):.1f}" for index, share in heights)


def _exact(value: Value) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if isinstance(value, float) else f"{value}"


def _bars(chart: Chart, series: Series, times: list[str]) -> dict[str, Any]:
    marker: dict[str, Any] = {"color": f"var(--{series.colour})", "line": {"width": 0}}
    if series.hatched:
        marker["pattern"] = {"shape": "/", "size": 5, "solidity": 0.35, "fillmode": "overlay"}
    return {"type": "bar", "marker": marker, **_trace(chart, series, times)}


def _lines(chart: Chart, series: Series, times: list[str]) -> dict[str, Any]:
    colour = f"var(--{series.colour})"
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "line": {"color": colour, "width": 1.75},
        "marker": {"color": colour, "size": 4},
        "connectgaps": False,
        **_trace(chart, series, times),
    }


def _trace(chart: Chart, series: Series, times: list[str]) -> dict[str, Any]:
    when = "%-d %b %H:%M" if chart.by == "hour" else "%a %-d %b"
    return {
        "name": escape(series.name),  # plotly.js reads names as its own kind of HTML, and clients name models
        "x": times,
        "y": [_plotted(chart, point.value) for point in series.points],
        "text": [chart.format(point.value) for point in series.points],
        "textposition": "none" if chart.kind == "bars" else "top center",
        "hovertemplate": f"%{{x|{when}}}<br>%{{fullData.name}}: %{{text}}<extra></extra>",
    }


def _plotted(chart: Chart, value: Value) -> float | int | None:
    """Return the value in the axis' unit: seconds for durations."""
    if value is None:
        return None
    if chart.unit == "ms":
        return float(value) / 1000
    return float(value) if isinstance(value, Decimal) else value


def _layout(chart: Chart) -> dict[str, Any]:
    font = {"color": "var(--ink-3)", "size": 11}
    axis = {"zeroline": False, "tickfont": font, "fixedrange": True}
    return {
        "barmode": "stack",
        "bargap": 0.18,
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 52, "r": 8, "t": 8, "b": 28},
        "font": font,
        "hoverlabel": {
            "bgcolor": "var(--surface-raised)",
            "bordercolor": "var(--line-strong)",
            "font": {"color": "var(--ink)", "size": 12},
            "align": "left",
        },
        "xaxis": {
            **axis,
            "type": "date",
            "showgrid": False,
            "tickformat": "%H:%M" if chart.by == "hour" else "%-d %b",
            "nticks": 8,
            "linecolor": "var(--line-strong)",
        },
        "yaxis": {
            **axis,
            "rangemode": "tozero",
            "gridcolor": "var(--line)",
            "nticks": 5,
            **_ticks(chart),
        },
    }


def _ticks(chart: Chart) -> dict[str, str | int]:
    """Return how the vertical axis writes its numbers."""
    if chart.unit == "ms":
        return {"ticksuffix": " s"}
    if chart.unit == "count":  # a handful is told in whole numbers: half a run would read "500m"
        return {"tickformat": "~s"} if chart.highest > 4 else {"tickformat": "d", "dtick": 1}
    return {"tickprefix": "$", "tickformat": ",.2f" if chart.highest >= 0.2 else ",.3~f"}
