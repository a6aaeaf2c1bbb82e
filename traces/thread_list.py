"""The list of conversations: a page with everything its rows say, and the filter groups with their counts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final
from uuid import UUID

from django.db.models import BigIntegerField, Count, ExpressionWrapper, F, Func, IntegerField, Q, TextField, Value
from django.utils import timezone

from lunary_dash.paging import Page
from runs import facets, keyset
from runs.facets import Facet
from runs.fields import FEEDBACK
from runs.keyset import Order
from runs.queries import Person, Sort, people
from traces import signals, thread_signals, thread_summaries
from traces.filters import ThreadFilters
from traces.models import ThreadSummary
from traces.signals import Signal
from traces.tree import Sums

PAGE: Final = 50
_WORST: Final = ExpressionWrapper(F("thumbs_down") * 1_000_000 - F("thumbs_up"), BigIntegerField())
_SIGNALS: Final = Func(F("signals"), function="cardinality", output_field=IntegerField())
_TAGS: Final = Func(
    Func(F("tags"), Value(", "), function="array_to_string"), Value(""), function="nullif", output_field=TextField()
)


def _text(value: Any) -> str:
    """Read a cursor's text."""
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError
    return value


class ThreadSort(Sort):
    """How the list is sorted: latest activity first, or by any of its columns. The worst feedback is the greatest."""

    orders: ClassVar[Mapping[str, Order]] = {
        "time": Order("ended_at", keyset.moment),
        "first": Order("first", _text, required=True),
        "signals": Order(_SIGNALS, keyset.number),
        "exchanges": Order("exchanges", keyset.number, required=True),
        "messages": Order("messages", keyset.number, required=True),
        "user": Order("user_id", _text),
        "team": Order("team_id", _text),
        "organization": Order("organization_id", _text),
        "tags": Order(_TAGS, _text),
        "started": Order("started_at", keyset.moment, required=True),
        "duration": Order("duration_ms", keyset.number, required=True),
        "tokens": Order("tokens", keyset.number, required=True),
        "cost": Order("cost", keyset.number),
        "feedback": Order(_WORST, keyset.number),
    }


@dataclass(frozen=True)
class ThreadLine:
    """One conversation of the list: its summary as of now, who it is of, and its signals."""

    summary: ThreadSummary
    user: Person | None
    signals: tuple[Signal, ...]

    @property
    def id(self) -> UUID:
        """Return the thread's id."""
        return self.summary.thread_id

    @property
    def tags(self) -> list[str]:
        """Return the thread's tags."""
        return self.summary.tags or []

    @property
    def sums(self) -> Sums:
        """Return what its runs cost together."""
        row = self.summary
        return Sums(tokens=row.tokens, cost=row.cost or Sums().cost, priced=row.priced, unknown=row.unknown)


def sort_of(filters: ThreadFilters) -> ThreadSort:
    """Return how the list of these filters is sorted."""
    return ThreadSort.parse(filters.choice("sort"))


def asks_summaries(filters: ThreadFilters) -> bool:
    """Tell whether which threads are listed, and where, is told by summaries, which may lag."""
    return filters.asks_summaries or sort_of(filters).key != "time"


def threads(project_id: int, filters: ThreadFilters, cursor: str | None) -> Page[ThreadLine]:
    """Return a page of conversations in the order of their `sort`; raises BadCursor. At most nine queries.

    What rows say is exact to the last message. Which are listed, and where, is told by the threads themselves while
    the list is sorted by activity and filtered by nothing but them, and else by summaries.
    """
    rows: Any = filters.runs(project_id)
    if asks_summaries(filters):
        rows = filters.summaries(project_id).annotate(id=F("thread_id"))
    found = keyset.page(rows, sort_of(filters).order, cursor, PAGE, ("id",))
    current = thread_summaries.current(project_id, [row["id"] for row in found.rows])
    kept = [current[row["id"]] for row in found.rows if row["id"] in current]
    users = people(project_id, (row.user_id for row in kept))
    noticed = thread_signals.shown(project_id, kept, timezone.now())
    lines = [ThreadLine(row, users.get(row.user_id or ""), noticed[row.thread_id]) for row in kept]
    return Page(rows=lines, older=found.older, newer=found.newer)


def groups(project_id: int, filters: ThreadFilters, *, wide: str = "") -> list[Facet]:
    """Return the filter groups with how many threads each value would leave; `wide` names one shown with more values.

    Signals and feedback are counted among summaries.
    """
    others = facets.facets(project_id, filters, wide=wide, leave_out=("status", "name", "feedback"))
    return [facet for facet in (_signals(project_id, filters), *others, _feedback(project_id, filters)) if facet.values]


def _signals(project_id: int, filters: ThreadFilters) -> Facet:
    kinds = {kind: thread_signals.having(project_id, [kind]) for kind in signals.LABELS}
    plain = _counted(project_id, filters, "signal", "Signals", signals.LABELS, kinds)
    marked = (replace(one, icon=signals.ICONS[one.value], css=f"signal signal-{one.value}") for one in plain.values)
    return replace(plain, values=tuple(marked))


def _feedback(project_id: int, filters: ThreadFilters) -> Facet:
    given = {"up": Q(thumbs_up__gt=0), "down": Q(thumbs_down__gt=0), "comment": Q(comments__gt=0)}
    labels = {key: FEEDBACK[key].capitalize() for key in FEEDBACK}
    return _counted(project_id, filters, "feedback", "Feedback", labels, given)


def _counted(
    project_id: int,
    filters: ThreadFilters,
    key: str,
    title: str,
    labels: Mapping[str, str],
    kinds: Mapping[str, Q],
) -> Facet:
    rows = filters.summaries(project_id, skip=(key,))
    counts = rows.aggregate(**{kind: Count("thread_id", filter=condition) for kind, condition in kinds.items()})
    chosen = filters.values(key)
    return Facet(
        key,
        title,
        tuple(
            facets.Value(kind, labels[kind], counts.get(kind), kind in chosen, filters.toggled(key, kind))
            for kind in labels
            if counts.get(kind) or kind in chosen
        ),
    )
