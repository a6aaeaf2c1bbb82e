"""What the comparison of two traces reads: both trees, which of their texts differ, and the payloads of one pair."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote
from uuid import UUID

from django.db import connection
from django.db.models import F, Min, QuerySet, Value

from runs import conditions
from runs.carried import Carried, Payload, carried
from runs.lookup import canonical, find_run
from runs.models import Run
from runs.patience import TooSlowError, patience
from runs.queries import Person, people
from traces import queries
from traces.align import align
from traces.alignment import Alignment, Figure, Kind
from traces.compare_rows import WORDS
from traces.compare_texts import TableDiff, TextDiff, table_diff, text_diff
from traces.preorder import NONE
from traces.tree import Forest, Sums

MOST_TEXTS: Final = 5_000
"""Of at most so many pairs the page says which texts differ; of more only where a pair is opened."""
LARGEST_TEXT: Final = 64 * 1024  # bytes; larger texts of the same size count as the same until the pair is opened
PLAIN: Final = 0.05
ICONS: Final = {Kind.CHANGED: "equal-not", Kind.ADDED: "plus", Kind.REMOVED: "minus", Kind.SAME: "equal"}
TEXT_SECONDS: Final = 1.5
NEIGHBOUR_SECONDS: Final = 1.0
TEXTS: Final = ("input", "output", "error", "params")
TITLES: Final = (("input", "Input"), ("output", "Output"), ("error", "Error"))
IN_ADDRESS: Final = re.compile(r"/(?:traces|runs)/([^/?#]+)")

# A text's size is known without reading it, so that only texts of the same size are compared, inside the database.
_DIFFER: Final = ", ".join(
    f"octet_length(a.{name}) IS DISTINCT FROM octet_length(b.{name})"
    f" OR octet_length(a.{name}) <= %(largest)s AND a.{name} <> b.{name}"
    for name in TEXTS
)
_SELECT: Final = f"""
    SELECT pairs.line, {_DIFFER}
    FROM unnest(%(lines)s::int[], %(lefts)s::uuid[], %(rights)s::uuid[]) AS pairs (line, a, b)
    LEFT JOIN runs_runbody a ON a.project_id = %(project)s AND a.run_id = pairs.a
    LEFT JOIN runs_runbody b ON b.project_id = %(project)s AND b.run_id = pairs.b
"""


@dataclass(frozen=True)
class Side:
    """One of the two traces; `head` is its root, or the first run while that is missing."""

    forest: Forest
    head: Run
    user: Person | None

    @property
    def id(self) -> UUID:
        """The trace's id."""
        return self.forest.trace_id

    @property
    def title(self) -> str:
        """What the trace is called."""
        return (self.head.name or self.head.type) if self.forest.root else "Root not received yet"

    @property
    def sums(self) -> Sums:
        """The trace's figures."""
        return self.forest.sums

    @property
    def cost(self) -> Decimal | None:
        """Its cost in USD, a lower bound where not every call has a price; None where none has."""
        return self.sums.cost if self.sums.priced else None

    @property
    def duration_ms(self) -> int | None:
        """From the first start to the last end; None while it is running."""
        return None if self.forest.running else self.forest.duration_ms


@dataclass(frozen=True)
class Fact:
    """One figure of both traces. `unit` is duration, count or money; a word stands where a figure says too little."""

    label: str
    unit: str
    figure: Figure
    left_word: str = ""
    right_word: str = ""
    less_is_better: bool = False

    @property
    def verdict(self) -> str:
        """Return good or bad where a change plainly is; a change of less than a twentieth is neither."""
        change, share = self.figure.change, self.figure.share
        if not self.less_is_better or not change or (share is not None and abs(share) < PLAIN):
            return ""
        return "good" if change < 0 else "bad"


@dataclass(frozen=True)
class Count:
    """How many lines of a kind there are."""

    kind: str
    icon: str
    word: str
    lines: int


def _unpriced(sums: Sums) -> str:
    """Return what is to be said of a cost that leaves calls out."""
    if not sums.unknown:
        return ""
    return "≥" if sums.priced else "unknown"


@dataclass(frozen=True)
class Comparison:
    """Two traces, aligned. `texts` names the payloads that differ, by line, where that is known."""

    left: Side
    right: Side
    alignment: Alignment
    texts: Mapping[int, tuple[str, ...]]
    texts_known: bool

    @property
    def identical(self) -> bool:
        """True where nothing differs, as far as was looked."""
        return self.alignment.differing(0, len(self.alignment)) == 0

    @property
    def counts(self) -> list[Count]:
        """How many lines there are of each kind."""
        counts = self.alignment.counts
        return [Count(kind.value, ICONS[kind], WORDS[kind], counts[kind]) for kind in ICONS]

    @property
    def facts(self) -> list[Fact]:
        """The traces' figures, side by side."""
        left, right = self.left, self.right
        ours, theirs = left.sums, right.sums
        running = ("running" if left.forest.running else "", "running" if right.forest.running else "")
        priced = (_unpriced(ours), _unpriced(theirs))
        return [
            Fact("Duration", "duration", Figure(left.duration_ms, right.duration_ms), *running, less_is_better=True),
            Fact("Cost", "money", Figure(left.cost, right.cost), *priced, less_is_better=True),
            Fact("Tokens", "count", Figure(ours.tokens, theirs.tokens)),
            Fact("Runs", "count", Figure(ours.runs, theirs.runs)),
            Fact("Errors", "count", Figure(ours.errors, theirs.errors), less_is_better=True),
        ]


@dataclass(frozen=True)
class PairDetail:
    """Two runs that are (or are taken for) the same, with what they carried; one of them may be None."""

    left: Run | None
    right: Run | None
    texts: tuple[TextDiff, ...]
    tables: tuple[TableDiff, ...]

    @property
    def either(self) -> Run:
        """The run as it is now."""
        run = self.right or self.left
        assert run is not None  # noqa: S101 -- for the type checker: a pair has a side
        return run

    @property
    def word(self) -> str:
        """What became of the run."""
        if self.left is None or self.right is None:
            return "added" if self.left is None else "removed"
        figures = [figure for label, _, figure in self.figures if label != "Duration"]
        plain = (self.left.type, self.left.name, self.left.status) == (
            self.right.type,
            self.right.name,
            self.right.status,
        )
        same = plain and all(figure.left == figure.right for figure in figures)
        same = same and all(text.same for text in self.texts) and not any(table.differing for table in self.tables)
        return "unchanged" if same else "changed"

    @property
    def figures(self) -> list[tuple[str, str, Figure]]:
        """The figures that either side has: (label, unit, figure)."""
        every = [
            ("Duration", "duration", self._figure("duration_ms")),
            ("Tokens in", "count", self._figure("input_tokens")),
            ("of them cached", "count", self._figure("cache_read_tokens")),
            ("written to cache", "count", self._figure("cache_write_tokens")),
            ("Tokens out", "count", self._figure("output_tokens")),
            ("of them reasoning", "count", self._figure("reasoning_tokens")),
            ("Cost", "money", self._figure("cost")),
        ]
        return [line for line in every if line[2].left is not None or line[2].right is not None]

    def _figure(self, column: str) -> Figure:
        left, right = (None if run is None else getattr(run, column) for run in (self.left, self.right))
        return Figure(left, right, absent=self.left is None or self.right is None)


@dataclass(frozen=True)
class Candidate:
    """A trace that another may be compared with. `why` is one of previous, next, success."""

    why: str
    id: UUID
    name: str | None
    status: str
    started_at: datetime
    duration_ms: int | None


def comparison(project_id: int, a: UUID, b: UUID) -> Comparison | None:
    """Return both traces, aligned; None where one is not there. At most five queries, whatever their size."""
    forests = [queries.forest(project_id, trace_id) for trace_id in dict.fromkeys((a, b))]
    left, right = forests[0], forests[-1]
    if left is None or right is None:
        return None
    ours, theirs = _heads(project_id, [left, right])
    users = people(project_id, [ours.user_id, theirs.user_id])
    alignment = align(left, right)
    texts = {} if left is right else differing_texts(project_id, alignment)
    return Comparison(
        left=Side(left, ours, users.get(ours.user_id or "")),
        right=Side(right, theirs, users.get(theirs.user_id or "")),
        alignment=alignment.marked(texts or ()),
        texts=texts or {},
        texts_known=texts is not None,
    )


def differing_texts(project_id: int, alignment: Alignment) -> dict[int, tuple[str, ...]] | None:
    """Return which payloads differ, by line; None where there are too many to look, or they are too large.

    The database compares them; none is read into this process.
    """
    lines = [
        line
        for line, (left, right) in enumerate(zip(alignment.lefts, alignment.rights, strict=True))
        if left != NONE and right != NONE
    ]
    if len(lines) > MOST_TEXTS:
        return None
    left_ids, right_ids = alignment.left.columns.ids, alignment.right.columns.ids
    asked: dict[str, Any] = {
        "lines": lines,
        "lefts": [UUID(bytes=left_ids[alignment.lefts[line]]) for line in lines],
        "rights": [UUID(bytes=right_ids[alignment.rights[line]]) for line in lines],
        "project": project_id,
        "largest": LARGEST_TEXT,
    }
    try:
        with patience(TEXT_SECONDS), connection.cursor() as cursor:
            cursor.execute(_SELECT, asked)
            found = cursor.fetchall()
    except TooSlowError:
        return None
    return {line: names for line, *differ in found if (names := tuple(_named(differ)))}


def _named(differ: list[bool | None]) -> Iterator[str]:
    return (name for name, differs in zip(TEXTS, differ, strict=True) if differs)


def _heads(project_id: int, forests: list[Forest]) -> list[Run]:
    """Return the run that stands for each trace: its root, else the first that is here. One query."""
    firsts = [forest.root or min(forest, key=lambda node: (node.start_us, node.id)) for forest in forests]
    found = {run.id: run for run in conditions.of_project(project_id).filter(id__in=[node.id for node in firsts])}
    return [found[node.id] for node in firsts]


def pair_detail(project_id: int, a: UUID, b: UUID, left: UUID | None, right: UUID | None) -> PairDetail | None:
    """Return a pair with its payloads in three queries; None where a run is not part of its trace."""
    wanted = {(a, left), (b, right)} - {(a, None), (b, None)}
    rows = conditions.of_project(project_id).filter(id__in={run for _, run in wanted})
    found = {(run.trace_id, run.id): run for run in rows}
    if not wanted or not wanted <= found.keys():
        return None
    ours = carried(project_id, left) if left else Carried()
    theirs = carried(project_id, right) if right else Carried()
    return PairDetail(
        left=found[a, left] if left else None,
        right=found[b, right] if right else None,
        texts=tuple(_texts(ours, theirs)),
        tables=tuple(_tables(ours, theirs)),
    )


def _texts(left: Carried, right: Carried) -> Iterator[TextDiff]:
    for name, title in TITLES:
        ours, theirs = left[name], right[name]
        partial = any(payload is not None and payload.cut for payload in (ours, theirs))
        found = text_diff(name, title, _readable(ours), _readable(theirs), partial=partial)
        if found:
            yield found


def _tables(left: Carried, right: Carried) -> Iterator[TableDiff]:
    for name, title in (("params", "Params"), ("metadata", "Metadata")):
        if found := table_diff(title, _readable(left[name]), _readable(right[name])):
            yield found


def _readable(payload: Payload | None) -> str | None:
    """Return a payload as JSON text within what a page reads of it."""
    return None if payload is None else payload.readable


def trace_of(project_id: int, text: str) -> UUID | None:
    """Return the trace that a person means: by its id or that of any run in it, in any form, or by its address."""
    named = IN_ADDRESS.search(text)
    wanted = unquote(named[1]) if named else text.strip()
    if not wanted:
        return None
    run = find_run(project_id, wanted)
    if run is not None:
        return run.trace_id
    traces = conditions.of_project(project_id).filter(trace_id__in=canonical(project_id, wanted))
    return traces.values_list("trace_id", flat=True).first()


def in_order_of_start(project_id: int, traces: list[UUID]) -> list[UUID]:
    """Return traces, the one that began first first."""
    runs = conditions.of_project(project_id).filter(trace_id__in=traces)
    starts = dict(runs.values_list("trace_id").annotate(first=Min("started_at")))
    return sorted(traces, key=lambda trace: (starts[trace], trace))


def candidates(project_id: int, trace_id: UUID) -> tuple[Run | None, list[Candidate]]:
    """Return the trace's root, and traces of the same agent: the one before, the one after, the last that succeeded.

    The last one only where this one failed. Nothing is offered while the root is missing, or if looking takes long.
    """
    root = conditions.of_project(project_id).filter(id=trace_id, trace_id=trace_id).first()
    if root is None:
        return None, []
    try:
        with patience(NEIGHBOUR_SECONDS):
            found = list(_candidates(project_id, root))
    except TooSlowError:
        return root, []
    order = ("previous", "next", "success")
    best: dict[UUID, Candidate] = {}
    for candidate in sorted((Candidate(**row) for row in found), key=lambda one: order.index(one.why)):
        best.setdefault(candidate.id, candidate)
    return root, list(best.values())


def _candidates(project_id: int, root: Run) -> QuerySet[Run, dict[str, Any]]:
    same = (
        conditions.of_project(project_id).filter(type=root.type, name=root.name, trace_id=F("id")).exclude(id=root.id)
    )
    before = same.filter(started_at__lte=root.started_at).order_by("-started_at", "-id")
    after = same.filter(started_at__gt=root.started_at).order_by("started_at", "id")
    asked = {"previous": before, "next": after}
    if root.status == "error":
        asked["success"] = before.filter(status="success")
    columns = ("why", "id", "name", "status", "started_at", "duration_ms")
    first, *others = (rows.annotate(why=Value(why)).values(*columns)[:1] for why, rows in asked.items())
    both: QuerySet[Run, dict[str, Any]] = first.union(*others, all=True)
    return both
