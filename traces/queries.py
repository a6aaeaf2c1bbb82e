"""What the page of a trace reads: the narrow rows of all its runs, never a body. And sums of runs by any column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from psycopg import Cursor

from runs import conditions, feedback
from runs.models import Run
from runs.queries import Person, people
from traces import alive, columns, recent
from traces.columns import RunRow
from traces.tree import PRICED_TYPES, Forest, Sums

COLUMNS = RunRow.__struct_fields__


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
    """Return the whole tree of a trace from its narrow rows, in one query; None where no run has that trace.

    A large one is kept for the next request, which then only asks whether it is still what it was.
    """
    if recent.holds(project_id, trace_id):
        kept = recent.find(project_id, trace_id, alive.state(project_id, trace_id))
        if kept is not None:
            return kept
    connection.ensure_connection()
    with Cursor(connection.connection) as cursor:
        record = cursor.execute(columns.SELECT, columns.parameters(project_id, trace_id), binary=True).fetchone()
    state = columns.state(record) if record else None
    if record is None or state is None:
        return None
    found = Forest(trace_id, columns.Columns.decode(record))
    recent.keep(project_id, found, state)
    return found


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
