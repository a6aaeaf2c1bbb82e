"""Taking runs out again, so that the ledger still adds up: runs stored = runs there + runs in `Deletion` (rule 14).

Spans are neither counted nor billed (rule 9), so their going isn't either. Each transaction marks the hours and traces
it changed, and their sums are recomputed from what is left (rule 13).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID, uuid4

from django.db import OperationalError, connection, transaction
from django.utils import timezone
from psycopg.errors import DeadlockDetected

from runs import locks
from runs.descendants import ids_beneath, messages_of
from runs.models import Alias, Deletion, Feedback, Message, Run, RunBody, RunLog, Score, StaleHour, StaleTrace

Done = TypeVar("Done")

ATTEMPTS = 5
UNCOUNTED = "span"


def delete_run(project_id: int, run_id: UUID, reason: str = "deleted") -> int:
    """Delete a run and everything beneath it, return how many runs went; 0 when it isn't there (any more).

    A chat takes its messages and what its messages led to with it, a thread all its chats; a retry of a deleted chat
    stays, as a chat of its own. Ingest may be writing to the same runs: whoever loses a deadlock begins again.
    """
    return stubbornly(lambda: _delete_run(project_id, run_id, reason))


def stubbornly(work: Callable[[], Done]) -> Done:
    """Do the work, each time in a transaction of its own, again where it loses a deadlock."""
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected):
                raise
    return work()


@transaction.atomic
def _delete_run(project_id: int, run_id: UUID, reason: str) -> int:
    run = _locked(project_id, run_id)
    if run is None:
        return 0
    messages, ids = _all_beneath(run)
    Run.objects.filter(project_id=project_id, thread_id=run.thread_id, sibling_of__in=ids).update(sibling_of=None)
    Message.with_marks.filter(project_id=project_id, id__in=messages).delete()
    return _remove(project_id, ids, messages, reason)


def _locked(project_id: int, run_id: UUID) -> Run | None:
    """Return the run with its lock and its thread's held, so that no message is folded into it meanwhile."""
    run = Run.objects.filter(project_id=project_id, id=run_id).first()
    if run is None:
        return None
    with connection.cursor() as cursor:
        locks.enter(cursor, project_id, alone=False)
        locks.take(cursor, project_id, {str(own) for own in (run.id, run.thread_id) if own})
    return Run.objects.select_for_update().filter(project_id=project_id, id=run_id).first()


def _all_beneath(run: Run) -> tuple[list[UUID], list[UUID]]:
    """Return the ids of its messages, and of itself with its descendants; ingest can add none until the commit."""
    held: set[UUID] = set()
    while True:
        messages = messages_of(run)
        ids = ids_beneath(run, messages)
        new = {*messages, *ids} - held
        if not new:
            return messages, ids
        with connection.cursor() as cursor:
            locks.take(cursor, run.project_id, map(str, new))
        held |= new


def _remove(project_id: int, ids: Sequence[UUID], messages: Sequence[UUID], reason: str) -> int:
    """Delete these runs with everything that hangs on them, inside the caller's transaction."""
    both = [*ids, *messages]
    RunBody.objects.filter(project_id=project_id, run_id__in=ids).delete()
    RunLog.objects.filter(project_id=project_id, run_id__in=ids).delete()
    Score.objects.filter(project_id=project_id, run_id__in=ids).delete()
    Feedback.objects.filter(project_id=project_id, run_id__in=both).delete()
    Alias.objects.filter(project_id=project_id, canonical__in=both).delete()
    gone = take_out(project_id, ids, reason)
    now = timezone.now()
    StaleHour.objects.bulk_create(
        StaleHour(project_id=project_id, hour=hour, id=uuid4(), marked_at=now)
        for hour in sorted({hour for hour, _ in gone})
    )
    StaleTrace.objects.bulk_create(
        StaleTrace(project_id=project_id, trace_id=trace_id, id=uuid4(), marked_at=now)
        for trace_id in {trace_id for _, trace_id in gone if trace_id}
    )
    return len(gone)


def take_out(project_id: int, ids: Sequence[UUID], reason: str) -> list[tuple[datetime, UUID | None]]:
    """Delete the rows of these runs and book that they went; return the hour and trace of each.

    In the caller's transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM runs_run WHERE project_id = %s AND id = ANY(%s)"
            " RETURNING type, date_trunc('hour', started_at, 'UTC'), trace_id",
            [project_id, sorted(ids)],
        )
        gone: list[tuple[str, datetime, UUID | None]] = cursor.fetchall()
    _write_off(project_id, [kind for kind, _, _ in gone if kind != UNCOUNTED], reason, timezone.now())
    return [(hour, trace_id) for _, hour, trace_id in gone]


def _write_off(project_id: int, types: Iterable[str], reason: str, at: datetime) -> None:
    counts: dict[str, int] = {}
    for kind in types:
        counts[kind] = counts.get(kind, 0) + 1
    Deletion.objects.bulk_create(
        Deletion(project_id=project_id, id=uuid4(), at=at, reason=reason, type=kind, runs=count)
        for kind, count in sorted(counts.items())
    )
