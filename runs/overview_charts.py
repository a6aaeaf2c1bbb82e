"""The overview's four charts and its table of models, made from what overview_queries read."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from lunary_dash.templatetags.components import type_word
from lunary_dash.templatetags.figures import count, duration, money
from runs.charts import Chart, Point, Series, Value
from runs.overview_queries import Cell, Latency, Sums
from runs.periods import Period, Step

MODELS_DRAWN = 6  # the rest is one series: more colours can't be told apart
MOST_NAMES = 50  # in one link; the run list takes 100
TYPE_ORDER = ("llm", "agent", "chain", "tool", "retriever", "embed", "chat", "thread", "custom-event")
TYPE_COLOURS = {
    "llm": "type-llm",
    "agent": "type-agent",
    "chain": "type-chain",
    "tool": "type-tool",
    "retriever": "type-retriever",
    "embed": "type-embed",
    "chat": "type-thread",
    "thread": "type-thread",
}
Key = tuple[str, str]  # run type, and model where it has one
NOTHING = Sums()


@dataclass(frozen=True)
class ModelRow:
    """A model's sums over the period and the address of its runs."""

    name: str
    type: str
    sums: Sums
    share: float
    link: str

    @property
    def share_width(self) -> str:
        """Return the share as the width of its bar, of 100."""
        return f"{self.share * 100:.1f}"

    @property
    def cost(self) -> Decimal | None:
        """Return the cost, None where not one call has a price: unknown, and not 0 (rule 12)."""
        return None if self.sums.unpriced and not self.sums.cost else self.sums.cost

    @property
    def error_rate(self) -> float | None:
        """Return the share of runs that failed, of one."""
        return self.sums.errors / self.sums.runs if self.sums.runs else None


class Charts:
    """Makes the charts of one project and period; `runs` is the run list's address, `only` what narrows it."""

    def __init__(self, period: Period, cells: Iterable[Cell], runs: str, only: dict[str, str] | None = None) -> None:
        self.period = period
        self.steps = list(period.steps())
        self._list, self._only = runs, only or {}
        self._spans = [urlencode(_span(step)) for step in self.steps]
        self.by_key: dict[Key, dict[datetime, Sums]] = defaultdict(dict)
        self.by_type: dict[str, dict[datetime, Sums]] = defaultdict(lambda: defaultdict(Sums))
        for cell in cells:
            at = min(max(cell.at, self.steps[0].at), self.steps[-1].at)  # a client's clock may be ahead
            self.by_key[cell.type, cell.name].setdefault(at, Sums()).add(cell.sums)
            self.by_type[cell.type][at].add(cell.sums)

    @property
    def times(self) -> list[datetime]:
        """Return where the bars stand, in the reader's zone."""
        return [step.at for step in self.steps]

    def all(self, latencies: Iterable[Latency]) -> list[Chart]:
        """Return the charts in the page's order."""
        return [self.cost(), self.runs(), self.tokens(), self.latency(latencies)]

    def cost(self) -> Chart:
        """Return cost by model, the dearest first, the rest in one series."""
        keys = sorted(self.by_key, key=lambda key: (-self._cost(key), key))
        paid = [key for key in keys if self._cost(key) > 0]
        drawn, rest = paid[:MODELS_DRAWN], paid[MODELS_DRAWN:]
        series = [
            Series(key[1] or type_word(key[0]), f"chart-{index}", self._cost_points([key]))
            for index, key in enumerate(drawn, 1)
        ]
        if rest:
            series.append(Series(f"{len(rest)} more", "chart-rest", self._cost_points(rest), hatched=True))
        total = sum((self._cost(key) for key in paid), Decimal(0))
        summary = f"{money(total)} in all"
        if paid:
            share = self._cost(paid[0]) / total
            summary += f"; {drawn[0][1] or type_word(drawn[0][0])} is {share:.0%} of it"
        return Chart(
            "cost", f"Cost per {self.period.unit} by model", summary, "usd", self.times, self.period.unit, series
        )

    def runs(self) -> Chart:
        """Return runs by type."""
        types = sorted(self.by_type, key=lambda type_: (_rank(type_), type_))
        series = [
            Series(
                type_word(type_),
                TYPE_COLOURS.get(type_, "ink-3"),
                self._points([self._bar(type_, step).runs for step in self.steps], type=type_),
            )
            for type_ in types
        ]
        total = sum(int(one.total or 0) for one in series)
        errors = sum(sums.errors for bars in self.by_type.values() for sums in bars.values())
        summary = f"{count(total)} in all, {count(errors)} of them failed"
        return Chart(
            "runs", f"Runs per {self.period.unit} by type", summary, "count", self.times, self.period.unit, series
        )

    def tokens(self) -> Chart:
        """Return tokens by class; the classes don't overlap, so that they stack up to input plus output."""
        classes: list[tuple[str, str, Callable[[Sums], int]]] = [
            ("Input", "chart-1", lambda s: s.input_tokens - s.cache_read_tokens - s.cache_write_tokens),
            ("Cache read", "chart-3", lambda s: s.cache_read_tokens),
            ("Cache write", "chart-5", lambda s: s.cache_write_tokens),
            ("Output", "type-llm", lambda s: s.output_tokens - s.reasoning_tokens),
            ("Reasoning", "type-embed", lambda s: s.reasoning_tokens),
        ]
        bars: dict[datetime, Sums] = defaultdict(Sums)
        for by_time in self.by_type.values():
            for at, sums in by_time.items():
                bars[at].add(sums)
        every = [
            Series(name, colour, self._points([read(bars[step.at]) for step in self.steps], type="all"))
            for name, colour, read in classes
        ]
        series = [one for one in every if one.total]
        whole = Sums()
        for sums in bars.values():
            whole.add(sums)
        summary = f"{count(whole.input_tokens)} in, {count(whole.output_tokens)} out"
        if whole.cache_read_tokens:
            summary += f"; {whole.cache_read_tokens / whole.input_tokens:.0%} of the input came from caches"
        return Chart(
            "tokens", f"Tokens per {self.period.unit} by class", summary, "count", self.times, self.period.unit, series
        )

    def latency(self, latencies: Iterable[Latency]) -> Chart:
        """Return the median and the 95th percentile of LLM calls."""
        bars = {one.at: one for one in latencies}
        medians, slow = (
            self._points([getattr(bars.get(step.at), name, None) for step in self.steps], type="llm", sort="duration")
            for name in ("p50", "p95")
        )
        series = [Series("p50", "chart-1", medians), Series("p95", "chart-4", slow)] if bars else []
        worst = max((one for one in bars.values() if one.p95), key=lambda one: one.p95 or 0, default=None)
        calls = sum(one.calls for one in bars.values())
        summary = f"{count(calls)} LLM calls, to within 2 %"
        if worst:
            at = f"{worst.at.astimezone(self.period.zone):%H:%M}" if self.period.unit == "hour" else ""
            at = at or f"{worst.at.astimezone(self.period.zone).day} {worst.at.astimezone(self.period.zone):%b}"
            summary += f"; slowest at p95 {duration(worst.p95)} ({at})"
        return Chart(
            "latency",
            f"LLM latency per {self.period.unit}",
            summary,
            "ms",
            self.times,
            self.period.unit,
            series,
            kind="lines",
            sums=False,
            empty="No LLM call with a duration in this range.",
        )

    def models(self) -> list[ModelRow]:
        """Return every model's sums over the period, the dearest first."""
        rows = []
        total = sum((self._cost(key) for key in self.by_key), Decimal(0))
        for key, bars in self.by_key.items():
            if key[0] in ("llm", "embed"):
                whole = Sums()
                for sums in bars.values():
                    whole.add(sums)
                share = float(whole.cost / total) if total else 0.0
                link = self.link(type=key[0], name=key[1]) if key[1] else ""
                rows.append(ModelRow(key[1], key[0], whole, share, link))
        return sorted(rows, key=lambda row: (-row.sums.cost, -row.sums.runs, row.name))

    def _cost(self, key: Key) -> Decimal:
        return sum((sums.cost for sums in self.by_key[key].values()), Decimal(0))

    def _cost_points(self, keys: list[Key]) -> list[Point]:
        types, names = {key[0] for key in keys}, [key[1] for key in keys]
        linked = len(types) == 1 and all(names) and len(names) <= MOST_NAMES
        costs = [
            sum((bars[step.at].cost for key in keys if step.at in (bars := self.by_key[key])), Decimal(0))
            for step in self.steps
        ]
        return self._points(costs, type=next(iter(types)), name=names) if linked else [Point(cost) for cost in costs]

    def _points(self, values: Sequence[Value], **filters: Any) -> list[Point]:
        """Return the values of the bars, each with the address of the runs behind it; nothing is behind a zero."""
        query = urlencode({**filters, **self._only}, doseq=True)
        return [
            Point(value, f"{self._list}?{span}&{query}" if value else "")
            for value, span in zip(values, self._spans, strict=True)
        ]

    def _bar(self, type_: str, step: Step) -> Sums:
        return self.by_type[type_].get(step.at, NOTHING)

    def link(self, **filters: Any) -> str:
        """Return the address of the period's runs."""
        query = urlencode({"range": self.period.preset, **filters, **self._only}, doseq=True)
        return f"{self._list}?{query}"


def _span(step: Step) -> dict[str, str]:
    """Return a bar's range as a run list's address says it."""
    begin = {"from": step.since.isoformat()}
    return begin if step.until is None else {**begin, "to": step.until.isoformat()}


def _rank(type_: str) -> int:
    return TYPE_ORDER.index(type_) if type_ in TYPE_ORDER else len(TYPE_ORDER)
