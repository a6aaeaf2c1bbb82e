"""What stands out in a trace: work done twice, calls tried again, where time and money went. Pure: no Django, no body.

Computed from the forest and, for model and tool calls, from a few facts about their inputs. Everything here is bounded:
a finding names its first runs and how many there are.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from itertools import pairwise
from typing import Final

from traces.findings_sparkline import Sparkline
from traces.tree import NONE, Forest, Node

NAMED: Final = 6
"""Runs that a finding links to."""
STEPS: Final = 8
"""Runs of the slowest path that are shown: those that add most to it."""
MOST: Final = 8
"""Findings of one kind that are shown."""
NEARLY: Final = 0.02
"""Share by which the lengths of two model inputs may differ for the second to count as trying the first again."""
GROWN: Final = 3
"""Growth from the first to the largest input of a model that stands out …"""
LARGE: Final = 8_000
"""… once it is larger than so many tokens."""
FEWEST_CALLS: Final = 3  # of a series that can grow
PREFIX: Final = 1_024
"""Tokens from which on providers cache the beginning of a prompt."""
LEAST_SHARE: Final = Decimal("0.01")
"""Share of the trace's cost below which no single call is worth a word."""
LOUD_SHARE: Final = Decimal("0.05")
"""Share of the trace's time or cost from which on something is a warning rather than a note."""

Money = Decimal | None


class Kind(Enum):
    """What a finding is about; the value is its name in the page's addresses."""

    REPEATED = "repeated"  # a tool was called again with the same input
    RETRIED = "retried"  # a call failed and was made again
    SLOWEST = "slowest"  # the chain of runs that decides how long the trace takes
    COSTLIEST = "costliest"  # the call with the largest cost of its own
    UNCACHED = "uncached"  # a prompt began like an earlier one and was paid in full
    GROWTH = "growth"  # a model's inputs grow from call to call


class Area(Enum):
    """What a finding costs: the headings of the page."""

    COST = "Cost"
    TIME = "Time"
    QUALITY = "Reliability"


AREAS: Final = {
    Kind.UNCACHED: Area.COST,
    Kind.GROWTH: Area.COST,
    Kind.COSTLIEST: Area.COST,
    Kind.REPEATED: Area.TIME,
    Kind.SLOWEST: Area.TIME,
    Kind.RETRIED: Area.QUALITY,
}


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of a call besides its row."""

    size: int | None = None  # bytes of its input; None: no input
    digest: str = ""  # of its input, only where another input might equal it
    again: int = 0  # tokens with which its prompt began like an earlier one's although they were not read from a cache
    saving: Money = None  # USD that reading them from the cache would have saved; None: not known


@dataclass(frozen=True)
class Finding:
    """One thing that stands out. `nodes` are its first runs by start, `count` all of them.

    `ms`, `cost` (USD; None: unknown or none) and `tokens` are what it took: of repeats and failed attempts what was
    spent on them, of a path or a call its own figures.
    """

    kind: Kind
    nodes: list[Node]
    count: int
    ms: int = 0
    cost: Money = None
    tokens: int = 0
    loud: bool = False  # a warning; otherwise only worth knowing
    share: float = 0.0  # of the trace's time (slowest) or cost (costliest, uncached), 0 to 1
    spent: int = 0  # repeated: how many repeats; retried: how many attempts failed
    inputs: int = 0  # repeated: with how many inputs
    vain: int = 0  # retried: how many series of attempts ended in an error
    series: tuple[int, ...] = ()  # growth: input tokens, call by call
    own_ms: tuple[int, ...] = ()  # slowest: what each node adds to the path

    @property
    def runs(self) -> list[tuple[Node, int]]:
        """Its named runs, each with the ms after the start of the trace at which it began."""
        return [(node, (node.start_us - node.forest.start_us) // 1000) for node in self.nodes]

    @property
    def priced(self) -> bool:
        """True where any of its named runs has a cost."""
        return any(node.cost is not None for node in self.nodes)

    @property
    def sparkline(self) -> Sparkline:
        """Growth: its series as a line."""
        return Sparkline.over(self.series)

    @property
    def steps(self) -> list[tuple[Node, int]]:
        """Slowest: its nodes, each with the ms that it adds to the path."""
        return list(zip(self.nodes, self.own_ms, strict=True))

    @property
    def longest(self) -> tuple[Node, int]:
        """Slowest: the run that adds most to the path, with the ms that it adds."""
        return max(self.steps, key=lambda step: step[1])

    @property
    def area(self) -> Area:
        """The heading it stands under."""
        return AREAS[self.kind]

    @property
    def more(self) -> int:
        """Runs that are not named."""
        return self.count - len(self.nodes)

    @property
    def name(self) -> str:
        """What was called, where all its runs are calls of the same."""
        return self.nodes[0].name or self.nodes[0].type

    @property
    def weight(self) -> tuple[bool, Decimal, int, int]:
        """Order of importance: warnings first, then what costs, lasts, or is most."""
        return self.loud, self.cost or Decimal(0), self.ms, self.tokens


@dataclass(frozen=True)
class Findings:
    """All findings of a trace, by importance; `left_out` counts those of a kind beyond MOST."""

    found: list[Finding]
    left_out: Mapping[Kind, int] = field(default_factory=dict)

    @property
    def loud(self) -> list[Finding]:
        """The warnings."""
        return [one for one in self.found if one.loud]

    @property
    def areas(self) -> list[tuple[Area, list[Finding]]]:
        """The findings by heading, headings without any left out."""
        by_area = [(area, [one for one in self.found if one.area is area]) for area in Area]
        return [(area, found) for area, found in by_area if found]


def find(forest: Forest, calls: "Calls", facts: Mapping[int, Fact], path: Mapping[int, int]) -> Findings:
    """Return what stands out. `facts` are by position; `path` is what `traces.critical` says, own time in µs."""
    found: list[Finding] = []
    left_out: dict[Kind, int] = {}
    for one in (
        _repeats(forest, calls, facts),
        _retries(forest, calls, facts),
        _uncached(forest, calls, facts),
        _growth(forest, calls),
        _costliest(forest),
        _slowest(forest, path),
    ):
        kinds = sorted(one, key=lambda finding: finding.weight, reverse=True)
        found += kinds[:MOST]
        if len(kinds) > MOST:
            left_out[kinds[0].kind] = len(kinds) - MOST
    return Findings(sorted(found, key=lambda finding: finding.weight, reverse=True), left_out)


@dataclass(frozen=True)
class Calls:
    """Positions of calls by who made them and what was called, each list by start: (scope, type, name) → positions.

    The scope of a call is the nearest agent above it, else the topmost run.
    """

    by: dict[tuple[int, str, str], list[int]]

    @classmethod
    def of(cls, forest: Forest) -> "Calls":
        """Return the model, tool and retriever calls that count."""
        columns, parent = forest.columns, forest.parent
        scope = [0] * len(forest)
        by: defaultdict[tuple[int, str, str], list[int]] = defaultdict(list)
        for position, kind in enumerate(columns.types):
            above = parent[position]
            if above == NONE:
                scope[position] = position
            else:
                scope[position] = above if columns.types[above] == "agent" else scope[above]
            if kind in ("llm", "tool", "retriever") and not columns.repeats[position]:
                by[scope[position], kind, columns.names[position] or ""].append(position)
        for positions in by.values():
            positions.sort(key=lambda position: (columns.starts[position], position))
        return cls(dict(by))

    def series(self, *kinds: str) -> Iterator[list[int]]:
        """Yield the calls of one of these types by each agent, of each name."""
        return (positions for (_, kind, _), positions in self.by.items() if kind in kinds)

    def named(self, *kinds: str) -> list[list[list[int]]]:
        """Return the same by name: for each tool or model the calls of it by each agent."""
        found: defaultdict[tuple[str, str], list[list[int]]] = defaultdict(list)
        for (_, kind, name), positions in self.by.items():
            if kind in kinds:
                found[kind, name].append(positions)
        return list(found.values())


TOOLS: Final = ("tool", "retriever")


def lookalikes(calls: Calls, sizes: Mapping[int, int | None]) -> list[int]:
    """Return the tool calls whose input may equal another's: same tool, same agent, same length. By position."""
    found: list[int] = []
    for positions in calls.series(*TOOLS):
        same: defaultdict[int, list[int]] = defaultdict(list)
        for position in positions:
            if (size := sizes.get(position)) is not None:
                same[size].append(position)
        found += [position for group in same.values() if len(group) > 1 for position in group]
    return sorted(found)


def _repeats(forest: Forest, calls: Calls, facts: Mapping[int, Fact]) -> Iterator[Finding]:
    """Yield each tool that an agent called again with an input whose call before had succeeded."""
    statuses = forest.columns.statuses
    for series in calls.named(*TOOLS):
        groups = [
            [pair for pair in pairwise(group) if statuses[pair[0]] == "success"]
            for positions in series
            for group in _identical(positions, facts)
        ]
        pairs = [pair for group in groups for pair in group]
        if pairs:
            again = sorted(later for _, later in pairs)
            whole = sorted({*again, *(earlier for earlier, _ in pairs)}, key=forest.columns.starts.__getitem__)
            yield replace(_spent(forest, Kind.REPEATED, whole, spent=again), inputs=sum(map(bool, groups)))


def _retries(forest: Forest, calls: Calls, facts: Mapping[int, Fact]) -> Iterator[Finding]:
    """Yield the failed calls that were made again: of a tool with the same input, of a model with nearly the same.

    The next call of a model by the same agent counts where the lengths of the two inputs differ by at most NEARLY.
    """
    for series in calls.named(*TOOLS):
        yield from _tried(forest, [group for positions in series for group in _identical(positions, facts)], facts)
    for series in calls.named("llm"):
        yield from _tried(forest, series, facts)


def _tried(forest: Forest, series: Iterable[Sequence[int]], facts: Mapping[int, Fact]) -> Iterator[Finding]:
    """Yield what failed and was made again in these series of calls, as one finding."""
    statuses = forest.columns.statuses
    pairs = [
        (earlier, later)
        for positions in series
        for earlier, later in pairwise(positions)
        if statuses[earlier] == "error" and _alike(facts.get(earlier), facts.get(later))
    ]
    if pairs:
        tried = {later for _, later in pairs}
        vain = [later for _, later in pairs if statuses[later] == "error"]
        last = [later for later in vain if later not in {earlier for earlier, _ in pairs}]
        failed = sorted({*(earlier for earlier, _ in pairs), *vain})
        whole = sorted({*failed, *tried}, key=forest.columns.starts.__getitem__)
        yield replace(_spent(forest, Kind.RETRIED, whole, spent=failed), vain=len(last))


def _identical(positions: Iterable[int], facts: Mapping[int, Fact]) -> Iterator[list[int]]:
    """Yield the calls with the same input, in the order given, where there are several."""
    same: defaultdict[str, list[int]] = defaultdict(list)
    for position in positions:
        if (fact := facts.get(position)) and fact.digest:
            same[fact.digest].append(position)
    return (group for group in same.values() if len(group) > 1)


def _alike(one: Fact | None, other: Fact | None) -> bool:
    if one is None or other is None:
        return False
    if one.digest and other.digest:
        return one.digest == other.digest
    if one.size is None or other.size is None:
        return one.size == other.size
    return abs(one.size - other.size) <= NEARLY * max(one.size, other.size)


def _uncached(forest: Forest, calls: Calls, facts: Mapping[int, Fact]) -> Iterator[Finding]:
    """Yield, of each model, the calls that paid in full for a beginning they shared with an agent's earlier call."""
    total, statuses = forest.sums.cost, forest.columns.statuses
    for series in calls.named("llm"):
        every = sorted(position for positions in series for position in positions if statuses[position] == "success")
        again = [position for position in every if (fact := facts.get(position)) and fact.again >= PREFIX]
        if not again:
            continue
        savings = [saving for position in again if (saving := facts[position].saving) is not None]
        saved = sum(savings, Decimal(0)) if savings else None
        share = saved / total if saved and total else Decimal(0)
        yield Finding(
            Kind.UNCACHED,
            _named(forest, again),
            len(again),
            cost=saved,
            tokens=sum(facts[position].again for position in again),
            share=float(share),
            loud=share >= LOUD_SHARE,
        )


def _growth(forest: Forest, calls: Calls) -> Iterator[Finding]:
    """Yield the series of input tokens, of the agent and model that read most, where it grows beyond GROWN and LARGE.

    A call that reported no tokens is left out of its series.
    """
    inputs = forest.columns.inputs
    series = [[position for position in positions if inputs[position]] for positions in calls.series("llm")]
    longest = max(series, key=lambda positions: sum(inputs[position] or 0 for position in positions), default=[])
    tokens = tuple(inputs[position] or 0 for position in longest)
    if len(tokens) >= FEWEST_CALLS and max(tokens) > LARGE and max(tokens) > GROWN * tokens[0]:
        marks = [longest[0], longest[tokens.index(max(tokens))], longest[-1]]
        nodes = _named(forest, dict.fromkeys(marks))
        yield Finding(Kind.GROWTH, nodes, len(tokens), tokens=sum(tokens), series=tokens, loud=True)


def _costliest(forest: Forest) -> Iterator[Finding]:
    """Yield the run with the largest cost of its own, where it isn't the only one and has LEAST_SHARE."""
    columns, total = forest.columns, forest.sums.cost
    rows = zip(columns.costs, columns.types, columns.repeats, strict=True)
    counted = [(cost, -n) for n, (cost, kind, repeat) in enumerate(rows) if cost and kind != "span" and not repeat]
    if len(counted) > 1 and total:
        node = forest.node(-max(counted)[1])
        share = (node.cost or Decimal(0)) / total
        if share >= LEAST_SHARE:
            yield Finding(
                Kind.COSTLIEST, [node], 1, node.duration_ms or 0, node.cost, node.tokens or 0, share=float(share)
            )


def _slowest(forest: Forest, path: Mapping[int, int]) -> Iterator[Finding]:
    """Yield the runs that the trace's end waited for, by what each adds to the path itself."""
    added = {position: own // 1000 for position, own in path.items() if own >= 1000}
    longest = sorted(added, key=lambda position: (-added[position], position))[:STEPS]
    if len(path) > 1 and longest and forest.duration_ms:
        shown = sorted(longest, key=lambda position: (forest.columns.starts[position], position))
        spent = sum(path.values()) // 1000
        yield Finding(
            Kind.SLOWEST,
            [forest.node(position) for position in shown],
            len(added),
            ms=spent,
            share=min(spent / forest.duration_ms, 1.0),
            own_ms=tuple(added[position] for position in shown),
        )


def _spent(forest: Forest, kind: Kind, positions: Sequence[int], spent: Sequence[int]) -> Finding:
    """Return a finding about calls, with what was spent on some of them, everything beneath them included."""
    sums = [forest.node(position).sums for position in spent]
    ms = sum(max(forest.columns.durations[position] or 0, 0) for position in spent)
    cost = sum((one.cost for one in sums), Decimal(0)) if any(one.priced for one in sums) else None
    total = forest.sums.cost
    is_dear = bool(cost and total and cost >= LOUD_SHARE * total)
    is_slow = ms >= float(LOUD_SHARE) * forest.duration_ms
    return Finding(
        kind,
        _named(forest, positions),
        len(positions),
        spent=len(spent),
        ms=ms,
        cost=cost,
        tokens=sum(one.tokens for one in sums),
        loud=is_dear or is_slow or kind is Kind.RETRIED or len(spent) > 1,
    )


def _named(forest: Forest, positions: Iterable[int]) -> list[Node]:
    return [forest.node(position) for position in list(positions)[:NAMED]]
