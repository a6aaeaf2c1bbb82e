"""The metric strip: each figure with its change against the stretch before, and whether that is good or bad."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from lunary_dash.templatetags import figures as written
from runs.figures import Figures, change
from runs.filters import Filters
from runs.histogram import spark
from runs.sums import Sums

LEAST_CHANGE = 0.001  # of one: below that nothing changed


@dataclass(frozen=True)
class Metric:
    """One cell of the strip. `tone`: good or bad where the change plainly is, else ''."""

    label: str
    value: str
    note: str = ""  # by how much it changed
    versus: str = ""  # against what
    arrow: str = ""  # up, down or ''
    tone: str = ""
    spark: str = ""
    phone: bool = True  # shown on phones, which have room for three
    query: str = ""  # where the figure leads
    aside: str = ""  # said beside the label, and where it leads
    aside_query: str = ""


def strip(figures: Figures, filters: Filters) -> list[Metric]:
    """Return the cells for a list's figures."""
    total, before, versus = figures.total, figures.before, _versus(filters)

    def cell(
        label: str, value: str, read: Callable[[Sums], float | Decimal | None], worse: str = "", **more: str
    ) -> Metric:
        moved = change(read(total), read(before)) if before else None
        note, arrow, tone = _moved(moved, worse)
        line = spark(figures.bars, lambda sums: None if (x := read(sums)) is None else float(x))
        return Metric(
            label,
            value,
            note,
            versus if note else "",
            arrow,
            tone,
            line,
            phone=not label.startswith(("Latency", "Tokens")),
            **more,
        )

    return [
        cell("Runs", written.count(total.runs), lambda sums: sums.runs),
        _errors(figures, versus, filters),
        cell("Latency p50", written.duration(total.p50_ms), lambda sums: sums.p50_ms, worse="up"),
        cell("Latency p95", written.duration(total.p95_ms), lambda sums: sums.p95_ms, worse="up"),
        cell("Tokens", written.compact(total.tokens or (0 if _billed(filters) else None)), lambda sums: sums.tokens),
        cell("Cost", _cost(total, filters), lambda sums: sums.cost, **_unpriced(total, filters)),
    ]


def _billed(filters: Filters) -> bool:
    """Tell whether the list can hold runs that have tokens and a cost of their own."""
    return filters.type in ("llm", "embed", "all")


def _cost(total: Sums, filters: Filters) -> str:
    if total.cost:
        return written.money(total.cost)
    if total.unpriced:
        return written.money(None)
    return written.money(total.cost) if _billed(filters) else written.NONE


def _unpriced(total: Sums, filters: Filters) -> dict[str, str]:
    """Return what is said of runs whose cost is unknown, and the list of exactly them where one tab holds them."""
    if not total.unpriced:
        return {}
    of_one_tab = filters.type in ("llm", "embed")
    query = filters.query(drop=("cost", "status"), cost="unknown", status="success") if of_one_tab else ""
    return {"aside": f"{written.compact(total.unpriced)} unpriced", "aside_query": query}


def _errors(figures: Figures, versus: str, filters: Filters) -> Metric:
    """Return the error rate, whose change is told in points."""
    now, before = figures.total.error_rate, figures.before.error_rate if figures.before else None
    points = None if now is None or before is None else (now - before) * 100
    note, arrow, tone = "", "", ""
    if points is not None and abs(points) >= 0.05:
        arrow = "up" if points > 0 else "down"
        tone = "bad" if points > 0 else "good"
        note = f"{abs(points):.1f}{written.NBSP}pt"
    elif points is not None:
        note = "unchanged"
    line = spark(figures.bars, lambda sums: sums.error_rate)
    query = filters.query(drop=("status",), status="error") if figures.total.errors else ""
    return Metric("Error rate", written.percent(now), note, versus if note else "", arrow, tone, line, query=query)


def _moved(moved: float | None, worse: str) -> tuple[str, str, str]:
    """Return (note, arrow, tone) of a change."""
    if moved is None:
        return "", "", ""
    if abs(moved) < LEAST_CHANGE:
        return "unchanged", "", ""
    arrow = "up" if moved > 0 else "down"
    tone = "" if not worse or abs(moved) < 0.02 else "bad" if arrow == worse else "good"
    share = abs(moved)
    size = f"{share * 100:.1f}{written.NBSP}%" if share < 10 else f"{share + 1:.0f} times" if moved > 0 else ""
    return size, arrow, tone


def _versus(filters: Filters) -> str:
    span = str(filters.span)
    return f"vs prior {span.removeprefix('Last ')}" if span.startswith("Last ") else "vs the stretch before"
