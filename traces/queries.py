"""What the trace pages read: lists of traces with their sums, and the narrow rows of one trace. Never a body."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from psycopg import Cursor

from lunary_dash.paging import Page
from runs import conditions, feedback, keyset
from runs.feedback import Shown
from runs.models import Run
from runs.queries import Person, people
from traces import columns
from traces.columns import RunRow
from traces.filters import TraceFilters
from traces.tree import PRICED_TYPES, Forest, Sums

PAGE = 50
UNROOTED = 100  # traces without their root that are listed at once
COLUMNS = RunRow.__struct_fields__
ROOT_COLUMNS = (
    "id",
    "type",
    "name",
    "status",
    "started_at",
    "duration_ms",
    "user_id",
    "team_id",
    "organization_id",
    "tags",
    "chat_id",
    "thread_id",
)
NEWEST = keyset.Order("started_at", keyset.moment, required=True)


@dataclass(frozen=True)
class TraceLine:
    """One trace of the list. Without a root (`type` is None) name and people are not known yet."""

    id: UUID
    type: str | None
    name: str | None
    status: str
    started_at: datetime
    duration_ms: int | None
    sums: Sums
    user: Person | None = None
    team_id: str | None = None
    organization_id: str | None = None
    tags: tuple[str, ...] = ()
    feedback: Shown = field(default_factory=Shown)

    @property
    def errors_inside(self) -> int:
        """Errors of everything but the root."""
        return self.sums.errors - (self.type is not None and self.status == "error")


@dataclass(frozen=True)
class Turn:
    """Which exchange of which thread a trace belongs to; `number` is None where it hangs beneath the thread itself."""

    thread_id: UUID
    number: int | None


@dataclass(frozen=True)
class Trace:
    """A trace with what its header says; `head` is the root, or the first run while the root is missing."""

    forest: Forest
    head: Run
    user: Person | None
    turn: Turn | None
    feedback: feedback.Shown

    @property
    def title(self) -> str:
        """What the page is called."""
        return (self.head.name or self.head.type) if self.forest.root else "Root not received yet"


def traces(project_id: int, filters: TraceFilters, cursor: str | None) -> Page[TraceLine]:
    """Return a page of traces, newest first; raises BadCursor. Five queries, however many runs they have."""
    found = keyset.page(filters.runs(project_id), NEWEST, cursor, PAGE, ROOT_COLUMNS)
    ids = [row["id"] for row in found.rows]
    sums = sums_of(project_id, ids)
    users = people(project_id, (row["user_id"] for row in found.rows))
    places = [feedback.Place(row["id"], row["chat_id"], row["thread_id"], row["id"], row["type"]) for row in found.rows]
    given = feedback.shown(project_id, places)
    lines = []
    for row in found.rows:
        row |= {"tags": tuple(row["tags"] or ()), "user": users.get(row["user_id"])}
        kept = {key: value for key, value in row.items() if key in TraceLine.__dataclass_fields__}
        lines.append(TraceLine(**kept, sums=sums[row["id"]], feedback=given.get(row["id"], feedback.Shown())))
    return Page(rows=lines, older=found.older, newer=found.newer)


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


def sums_of(project_id: int, ids: Sequence[UUID], column: str = "trace_id") -> dict[UUID, Sums]:
    """Return the sums of these traces (or threads: another `column`) in one grouped query; all zero where empty."""
    found = {id: Sums() for id in ids}
    if ids:
        runs = conditions.of_project(project_id).filter(conditions.listed(), **{f"{column}__in": list(ids)})
        for row in summed(runs.exclude(type__in=("chat", "thread")), column):
            found[row[column]] = sums_in(row)
    return found


def summed(runs: QuerySet[Run], *columns: str) -> QuerySet[Run, dict[str, Any]]:
    """Return the sums of runs per value of the columns; `sums_in` reads them from a row."""
    grouped: QuerySet[Run, dict[str, Any]] = runs.values(*columns).annotate(
        n=Count("id"),
        failed=Count("id", filter=Q(status="error")),
        spent=Sum(Coalesce("input_tokens", 0) + Coalesce("output_tokens", 0)),
        total=Coalesce(Sum("cost"), Decimal(0)),
        priced=Count("cost"),
        unknown=Count("id", filter=Q(cost__isnull=True, status="success", type__in=sorted(PRICED_TYPES))),
    )
    return grouped


def sums_in(row: Mapping[str, Any]) -> Sums:
    """Return the sums that a row of `summed` holds."""
    return Sums(
        runs=row["n"],
        errors=row["failed"],
        tokens=row["spent"],
        cost=row["total"],
        priced=row["priced"],
        unknown=row["unknown"],
    )


def forest(project_id: int, trace_id: UUID) -> Forest | None:
    """Return the whole tree of a trace from its narrow rows, in one query; None where no run has that trace."""
    connection.ensure_connection()
    with Cursor(connection.connection) as cursor:
        record = cursor.execute(columns.SELECT, columns.parameters(project_id, trace_id), binary=True).fetchone()
    return Forest(trace_id, columns.Columns.decode(record)) if record and record[0] is not None else None


def trace(project_id: int, trace_id: UUID) -> Trace | None:
    """Return a trace with its header; None where no run has that trace. At most seven queries, whatever its size."""
    tree = forest(project_id, trace_id)
    if tree is None:
        return None
    first = tree.root or min(tree, key=lambda node: (node.start_us, node.id))
    head = conditions.of_project(project_id).get(id=first.id)
    place = feedback.Place(head.id, head.chat_id, head.thread_id, head.trace_id, head.type)
    return Trace(
        forest=tree,
        head=head,
        user=people(project_id, [head.user_id]).get(head.user_id or ""),
        turn=_turn(project_id, head),
        feedback=feedback.shown(project_id, [place]).get(head.id, feedback.Shown()),
    )


def head_id(project_id: int, trace_id: UUID) -> UUID | None:
    """Return the run that a trace's page shows where none is chosen: the root, else the first that is here."""
    runs = conditions.of_project(project_id).filter(trace_id=trace_id)
    if runs.filter(id=trace_id).exists():
        return trace_id
    return runs.order_by("started_at", "id").values_list("id", flat=True).first()


def _turn(project_id: int, head: Run) -> Turn | None:
    """Return where in a conversation the trace ran; a retry belongs to the turn it retries."""
    if head.thread_id is None:
        return None
    chats = conditions.of_project(project_id).filter(type="chat", thread_id=head.thread_id)
    chat = chats.filter(id=head.chat_id).first() if head.chat_id else None
    if chat is None:
        return Turn(head.thread_id, None)
    if chat.sibling_of:
        chat = chats.filter(id=chat.sibling_of).first() or chat
    before = Q(started_at__lt=chat.started_at) | Q(started_at=chat.started_at, id__lte=chat.id)
    return Turn(head.thread_id, chats.filter(before, sibling_of__isnull=True).count())
