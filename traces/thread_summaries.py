"""What lists know of whole threads, recounted from messages, runs and feedback (DESIGN.md rule 13), never incremented.

A writing transaction leaves a `StaleThread` mark (runs.stale) beside what it wrote, `traces.marks` works them off.
Whoever shows figures asks `current`, which is exact to the last message, worker or not: threads with marks are counted
on the spot. Only what a whole list is filtered or sorted by may lag, by `MARKS.lag`.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from projects.models import Project
from runs import conditions
from runs.models import StaleThread
from traces.marks import BATCH, Marks
from traces.models import ThreadSummary
from traces.thread_facts import facts

MARKS: Final = Marks(
    mark=StaleThread,
    summary=ThreadSummary,
    column="thread_id",
    size="messages",
    # A thread of N messages takes about N × 100 µs to recount; it may take a tenth of the time.
    per_item=timedelta(milliseconds=1),
    longest=timedelta(seconds=60),
    lock_class=0x1DA7,
)
KEY: Final = ("project_id", "thread_id")
VALUES: Final = tuple(
    field.name for field in ThreadSummary._meta.concrete_fields if field.name not in KEY and field.name != "pk"
)


def recompute(project_id: int, threads: Sequence[UUID]) -> int:
    """Take these threads' marks out and bring their summaries up to date, return how many marks there were.

    0 when another process is at this project, or is emptying it.
    """
    return MARKS.recount(project_id, threads, _store)


def _store(project_id: int, threads: Sequence[UUID]) -> None:
    """Make the summaries of these threads what a recount says, writing only those that differ."""
    fresh, kept = facts(project_id, threads), _stored(project_id, threads)
    ThreadSummary.objects.filter(project_id=project_id, thread_id__in=kept.keys() - fresh.keys()).delete()
    changed = [found for id, found in fresh.items() if id not in kept or _values(kept[id]) != _values(found)]
    ThreadSummary.objects.bulk_create(changed, update_conflicts=True, unique_fields=KEY, update_fields=VALUES)


def recompute_stale(seconds: float = math.inf, *, patient: bool = False) -> int:
    """Recompute stale threads, longest waiting first, for about that long; return how many marks were worked off."""
    return MARKS.work_off(recompute, seconds, patient=patient)


def current(project_id: int, threads: Collection[UUID]) -> dict[UUID, ThreadSummary]:
    """Return what is known of these threads, exact to the last message; one query, or six.

    Stored ones are read where no mark says that they are out of date, which the same statement tells.
    """
    if not threads:
        return {}
    marks = StaleThread.objects.filter(project_id=project_id, thread_id=OuterRef("thread_id"))
    kept = ThreadSummary.objects.filter(~Exists(marks), project_id=project_id, thread_id__in=list(threads))
    found = {row.thread_id: row for row in kept}
    missing = [id for id in threads if id not in found]
    return found | facts(project_id, missing) if missing else found


def _stored(project_id: int, threads: Collection[UUID]) -> dict[UUID, ThreadSummary]:
    rows = ThreadSummary.objects.filter(project_id=project_id, thread_id__in=list(threads))
    return {row.thread_id: row for row in rows}


def _values(row: ThreadSummary) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in VALUES)


# Proof ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proof:
    """What a look at all summaries of a project found. Those with marks are about to be recomputed anyway."""

    project: str
    equal: int
    repaired: int
    waiting: int

    @property
    def holds(self) -> bool:
        """Tell whether every summary without a mark was equal to a recount."""
        return not self.repaired

    def __str__(self) -> str:
        """Return the proof in a sentence."""
        verdict = "all equal to a recount" if self.holds else f"{self.repaired} were not and have been repaired"
        waiting = f"; {self.waiting} wait to be recomputed" if self.waiting else ""
        return f"{self.project}: {self.equal + self.repaired} thread summaries, {verdict}{waiting}"


def verify(project: Project) -> Proof:
    """Compare every thread's summary of a project with a recount, and recompute those that differ."""
    equal = repaired = waiting = 0
    for threads in _walk(project.pk):
        marked, wrong = _compared(project.pk, threads)
        waiting += len(marked)
        repaired += len(wrong)
        equal += len(threads) - len(marked) - len(wrong)
        if wrong:
            MARKS.add(project.pk, wrong)
            recompute(project.pk, wrong)
    return Proof(str(project), equal, repaired, waiting)


def _compared(project_id: int, threads: Sequence[UUID]) -> tuple[set[UUID], list[UUID]]:
    """Return which have marks, and which of the others are wrong; from one snapshot: a mark is there when its cause is.

    Within a caller's own transaction it is the caller's.
    """
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        marked = MARKS.among(project_id, threads)
        fresh, kept = facts(project_id, threads), _stored(project_id, threads)
    wrong = []
    for id in threads:
        one, other = fresh.get(id), kept.get(id)
        same = one is other if one is None or other is None else _values(one) == _values(other)
        if not same and id not in marked:
            wrong.append(id)
    return marked, wrong


def _walk(project_id: int) -> Iterator[list[UUID]]:
    """Yield the ids of all threads that have a summary or should, batch by batch."""
    after = UUID(int=0)
    runs = conditions.of_project(project_id).filter(type="thread")
    while True:
        there = runs.filter(id__gt=after).order_by("id").values_list("id", flat=True)[:BATCH]
        summed = ThreadSummary.objects.filter(project_id=project_id, thread_id__gt=after).order_by("thread_id")
        threads = sorted({*there, *summed.values_list("thread_id", flat=True)[:BATCH]})[:BATCH]
        if not threads:
            return
        yield threads
        after = threads[-1]
