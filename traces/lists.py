"""Lists of traces: a page with everything its rows say, the neighbours of a trace, names that can be asked for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar, Final
from uuid import UUID

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from lunary_dash.paging import Page
from lunary_dash.templatetags import figures as written
from runs import conditions, feedback, keyset
from runs.feedback import Shown
from runs.keyset import Order
from runs.models import Run, UsageBucket
from runs.queries import Person, Sort, people
from traces import summaries
from traces.fields import KINDS
from traces.filters import TraceFilters
from traces.models import TraceSummary
from traces.queries import sums_of
from traces.summaries import Totals
from traces.tree import ROOT_TYPES, Sums

PAGE: Final = 50
UNROOTED: Final = 100  # traces without their root that are listed at once
SUGGESTED: Final = 100  # names of one kind
ROOT_COLUMNS: Final = (
    *("id", "type", "name", "status", "started_at", "user_id", "team_id", "organization_id", "tags"),
    *("chat_id", "thread_id"),
)


class TraceSort(Sort):
    """How the list of traces is sorted: newest first, or by one of the totals."""

    orders: ClassVar[Mapping[str, Order]] = {
        "time": Order("started_at", keyset.moment, required=True),
        "duration": Order("duration_ms", keyset.number, required=True),
        "runs": Order("runs", keyset.number, required=True),
        "errors": Order("errors", keyset.number, required=True),
        "tokens": Order("tokens", keyset.number, required=True),
        "cost": Order("cost", keyset.number),
    }

    @classmethod
    def of(cls, filters: TraceFilters) -> "TraceSort":
        """Return how the list of these filters is sorted."""
        return cls.parse(filters.choice("sort"))


@dataclass(frozen=True)
class TraceLine:
    """One trace of the list. Without a root (`type` is None) name and people are not known yet.

    `duration_ms` is the whole trace's, `running_ms` how long a root that has not ended has been running.
    """

    id: UUID
    type: str | None
    name: str | None
    status: str
    started_at: datetime
    duration_ms: int | None
    sums: Sums
    running_ms: int | None = None
    user: Person | None = None
    team_id: str | None = None
    organization_id: str | None = None
    tags: tuple[str, ...] = ()
    feedback: Shown = field(default_factory=Shown)

    @property
    def lasted(self) -> str:
        """Return the duration, while the root is running so far."""
        if self.running_ms is not None:
            return f"{written.duration(self.running_ms)}…"
        return written.duration(self.duration_ms)


def traces(project_id: int, filters: TraceFilters, cursor: str | None) -> Page[TraceLine]:
    """Return a page of traces in the order of their `sort`; raises BadCursor. Six queries, however many runs they have.

    Their figures are exact to the last run. Which traces are listed, and where, is told by the roots while the list is
    sorted by time and filtered by nothing but them, and else by summaries, which may be as old as `MARKS.lag` says.
    """
    listed, order = _listed(project_id, filters)
    if listed.model is Run:
        found = keyset.page(listed, order, cursor, PAGE, ROOT_COLUMNS)
        roots = found.rows
    else:
        found = keyset.page(listed, order, cursor, PAGE, ("id",))
        roots = _roots(project_id, [row["id"] for row in found.rows])
    return Page(rows=_lines(project_id, roots), older=found.older, newer=found.newer)


def neighbours(project_id: int, filters: TraceFilters, trace_id: UUID) -> tuple[UUID | None, UUID | None]:
    """Return the traces before and after this one in the list of these filters, None at its ends.

    A trace that the filters leave out has neighbours as well: those around the place that it would have.
    """
    if filters.choice("root") == "missing":
        around = [None, *(line.id for line in unrooted(project_id, filters)), None]
        beside = {one: (before, after) for (before, one), (_, after) in pairwise(pairwise(around))}
        return beside.get(trace_id, (None, None))
    listed, order = _listed(project_id, filters)
    if listed.model is Run:
        mine: QuerySet[Any] = conditions.of_project(project_id).filter(id=trace_id)
    else:
        mine = TraceSummary.objects.filter(project_id=project_id, trace_id=trace_id)
    key = mine.values_list(order.by).first()
    return keyset.neighbours(listed, order, key[0], trace_id) if key else (None, None)


def _listed(project_id: int, filters: TraceFilters) -> tuple[QuerySet[Any], Order]:
    """Return the rows, each with an `id`, that the list is read from, and their order."""
    sort = TraceSort.of(filters)
    if sort.key == "time" and not filters.asks_summaries:
        return filters.runs(project_id), sort.order
    return filters.summaries(project_id).annotate(id=F("trace_id")), sort.order


def _roots(project_id: int, ids: list[UUID]) -> list[dict[str, Any]]:
    """Return the roots of these traces in their order, without those that went since they were summed up."""
    rows = conditions.of_project(project_id).filter(conditions.listed(), id__in=ids, trace_id=F("id"))
    found = {row["id"]: row for row in rows.values(*ROOT_COLUMNS)}
    return [found[id] for id in ids if id in found]


def _lines(project_id: int, roots: list[dict[str, Any]]) -> list[TraceLine]:
    totals = summaries.current(project_id, [row["id"] for row in roots])
    users = people(project_id, (row["user_id"] for row in roots))
    places = [feedback.Place(row["id"], row["chat_id"], row["thread_id"], row["id"], row["type"]) for row in roots]
    given = feedback.shown(project_id, places)
    now = timezone.now()
    return [_line(row, totals.get(row["id"], Totals()), users, given, now) for row in roots]


def _line(
    row: dict[str, Any], totals: Totals, users: Mapping[str, Person], given: Mapping[UUID, Shown], now: datetime
) -> TraceLine:
    running = row["status"] == "started" and row["started_at"] <= now
    return TraceLine(
        **{key: row[key] for key in ("id", "type", "name", "status", "started_at", "team_id", "organization_id")},
        duration_ms=totals.duration_ms,
        running_ms=int((now - row["started_at"]).total_seconds() * 1000) if running else None,
        sums=totals.sums,
        user=users.get(row["user_id"] or ""),
        tags=tuple(row["tags"] or ()),
        feedback=given.get(row["id"], Shown()),
    )


def unrooted(project_id: int, filters: TraceFilters) -> list[TraceLine]:
    """Return the newest traces whose topmost run has not been received, at most UNROOTED.

    Only the time range applies: what the other filters ask for is told by the root.
    """
    present = conditions.of_project(project_id).filter(id=OuterRef("trace_id"))
    found = (
        conditions.of_project(project_id)
        .filter(filters.when(), parent_id=F("trace_id"))
        .filter(~Exists(present))
        .values("trace_id")
        .annotate(first=Min("started_at"), last=Max("ended_at"), running=Count("id", filter=Q(status="started")))
        .order_by("-first", "trace_id")[:UNROOTED]
    )
    rows = {row["trace_id"]: row for row in found if row["trace_id"]}
    sums = sums_of(project_id, list(rows))
    return [
        TraceLine(
            id=trace_id,
            type=None,
            name=None,
            status="started" if row["running"] else "success",
            started_at=row["first"],
            duration_ms=round((row["last"] - row["first"]).total_seconds() * 1000) if row["last"] else None,
            sums=sums[trace_id],
        )
        for trace_id, row in rows.items()
    ]


def counts(project_id: int, filters: TraceFilters) -> dict[str, int]:
    """Return how many traces each tab of the list holds: those of each type of root, and "all"."""
    asked: Any = filters.summaries if filters.asks_summaries else filters.runs
    every = asked(project_id, skip=("type",)).order_by()
    counted: dict[str, int] = dict(every.values_list("type").annotate(traces=Count("*")))
    return {kind: counted.get(kind, 0) for kind in ROOT_TYPES} | {"all": sum(counted.values())}


def suggestions(project_id: int, filters: TraceFilters) -> dict[str, list[str]]:
    """Return names of tools, models and agents that ran in the time range, most used first, from hourly sums."""
    since = filters.span.since or datetime(1970, 1, 1, tzinfo=UTC)
    used = UsageBucket.objects.filter(project_id=project_id, hour__gte=since - timedelta(hours=1)).exclude(name="")
    return {kind: list(_most_used(used.filter(type__in=types))) for kind, types in KINDS.items()}


def _most_used(buckets: QuerySet[UsageBucket]) -> Iterable[str]:
    return buckets.values_list("name", flat=True).annotate(used=Sum("runs")).order_by("-used", "name")[:SUGGESTED]
