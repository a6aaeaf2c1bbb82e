"""The overview's headline figures as a reader sees them: words, a change, a sparkline, and the runs behind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lunary_dash.templatetags.figures import NBSP, compact, count, duration, money, percent
from runs.charts import polyline
from runs.overview_queries import Figure, Headline
from runs.periods import Period

FLAT = 0.0005  # a change that rounds to 0.0 % is none
TELLING, TELLING_POINTS = 0.02, 0.005  # a change from which on it is called good or bad
SPARK = (96, 28)  # width and height of a sparkline, in pixels


@dataclass(frozen=True)
class Change:
    """How a figure moved against the period before: `arrow` is an icon, `tone` good, bad or neither."""

    arrow: str
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Metric:
    """One cell of the strip."""

    label: str
    value: str
    exact: str
    change: Change | None
    points: str
    link: str
    note: str = ""


def strip(headline: Headline, period: Period, links: dict[str, str]) -> list[Metric]:
    """Return the cells in order; `links` has the address behind each figure, by the name it has in Headline."""
    unpriced = f"{count(headline.unpriced)} without a price" if headline.unpriced else ""
    cells: list[tuple[str, str, Callable[[object], str], Callable[[object], str], int]] = [
        ("cost", "Cost", money, money, 0),
        ("tokens", "Tokens", compact, count, 0),
        ("runs", "Runs", count, count, 0),
        ("error_rate", "Error rate", percent, percent, -1),
        ("p50", "LLM latency p50", duration, duration, -1),
        ("p95", "LLM latency p95", duration, duration, -1),
        ("users", "Active users", count, count, 0),
        ("threads", "Threads begun", count, count, 0),
    ]
    metrics = []
    for name, label, shown, exact, wish in cells:
        figure: Figure = getattr(headline, name)
        metrics.append(
            Metric(
                label,
                shown(figure.now),
                exact(figure.now),
                change(figure, wish, points=name == "error_rate"),
                polyline(figure.points, *SPARK),
                links.get(name, ""),
                unpriced if name == "cost" else "",
            )
        )
    return metrics


def change(figure: Figure, wish: int, *, points: bool = False) -> Change | None:
    """Return the change in words; `wish` is 1 where up is plainly good, -1 where it is bad, 0 where neither.

    `points` compares shares by subtraction (percentage points). None where there is nothing to compare with.
    """
    moved = _difference(figure) if points else figure.change
    if moved is None:
        return None
    if abs(moved) < FLAT:
        return Change("minus", "no change")
    text = f"{abs(moved) * 100:.1f}{NBSP}pt" if points else _relative(abs(moved))
    telling = abs(moved) >= (TELLING_POINTS if points else TELLING)
    tone = "" if wish == 0 or not telling else "good" if (moved > 0) == (wish > 0) else "bad"
    return Change("arrow-up-right" if moved > 0 else "arrow-down-right", text, tone)


def _difference(figure: Figure) -> float | None:
    if figure.now is None or figure.before is None:
        return None
    return float(figure.now) - float(figure.before)


def _relative(size: float) -> str:
    return f"{size * 100:.1f}{NBSP}%" if size < 10 else f"{size + 1:.0f}{NBSP}×"


def links_of(period: Period, link: Callable[..., str], users: str, threads: str) -> dict[str, str]:
    """Return the address behind each headline figure; `users` and `threads` are those lists' own."""
    calls: dict[str, Any] = {"type": "llm", "sort": "duration"}
    return {
        "cost": link(type="all", sort="cost"),
        "tokens": link(type="all", sort="tokens"),
        "runs": link(type="all"),
        "error_rate": link(type="all", status="error"),
        "p50": link(**calls),
        "p95": link(**calls),
        "users": f"{users}?range={period.preset}",
        "threads": f"{threads}?range={period.preset}",
    }
