"""Taking runs out again, so that the ledger still adds up: runs stored = runs there + runs in `Deletion` (rule 14).

Spans are neither counted nor billed (rule 9), so their going isn't either. Each transaction marks the hours, traces
and threads it changed, and their sums are recomputed from what is left (rule 13).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.utils import timezone

from runs import locks, stale
from runs.descendants import ids_beneath, messages_of
from runs.models import Alias, Deletion, Feedback, Message, Run, RunBody, RunLog, Score, StaleHour, StaleTrace

UNCOUNTED = "span"


def delete_run(project_id: int, run_id: UUID, reason: str = "deleted") -> int:
    """Delete a run and everything beneath it, return how many runs went; 0 when it isn't there (any more).

    A chat takes its messages and what its messages led to with it, a thread all its chats; a retry of a deleted chat
    stays, as a chat of its own. Ingest may be writing to the same runs meanwhile.
    """
    return locks.insist(partial(_delete_run, project_id, run_id, reason))


def _delete_run(project_id: int, run_id: UUID, reason: str, turn: locks.Turn) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        held = locks.enter(cursor, project_id, turn, [str(run_id)])
        run = Run.objects.filter(project_id=project_id, id=run_id).first()
        if run is None:
            return 0
        if run.thread_id is not None:
            held.take([str(run.thread_id)])  # so that no message is folded into it meanwhile
        messages, ids = _all_beneath(run, held)
        if run.type == "chat":
            _release_retries(run, held)
        Message.with_marks.filter(project_id=project_id, id__in=messages).delete()
        return _remove(project_id, ids, messages, reason)


def _all_beneath(run: Run, held: locks.Locks) -> tuple[list[UUID], list[UUID]]:
    """Return the ids of its messages, and of itself with its descendants; ingest can add none until the commit."""
    while True:
        messages = messages_of(run)
        ids = ids_beneath(run, messages)
        if not held.take(map(str, [*messages, *ids])):
            return messages, ids


def _release_retries(chat: Run, held: locks.Locks) -> None:
    """Let the retries of a chat that goes stand by themselves."""
    retries = Run.objects.filter(project_id=chat.project_id, thread_id=chat.thread_id, sibling_of=chat.id)
    ids = list(retries.values_list("id", flat=True))
    held.take(map(str, ids))
    Run.objects.filter(project_id=chat.project_id, id__in=ids).update(sibling_of=None)


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
        for hour in sorted({hour for hour, _, _ in gone})
    )
    StaleTrace.objects.bulk_create(
        StaleTrace(project_id=project_id, trace_id=trace_id, id=uuid4(), marked_at=now)
        for trace_id in {trace_id for _, trace_id, _ in gone if trace_id}
    )
    with connection.cursor() as cursor:
        stale.mark_threads(cursor, project_id, {str(thread_id) for _, _, thread_id in gone if thread_id}, now)
    return len(gone)


def take_out(project_id: int, ids: Sequence[UUID], reason: str) -> list[tuple[datetime, UUID | None, UUID | None]]:
    """Delete the rows of these runs and book that they went; return the hour, trace and thread of each.

    In the caller's transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM runs_run WHERE project_id = %s AND id = ANY(%s)"
            " RETURNING type, date_trunc('hour', started_at, 'UTC'), trace_id, thread_id",
            [project_id, sorted(ids)],
        )
        gone: list[tuple[str, datetime, UUID | None, UUID | None]] = cursor.fetchall()
    _write_off(project_id, [kind for kind, *_ in gone if kind != UNCOUNTED], reason, timezone.now())
    return [(hour, trace_id, thread_id) for _, hour, trace_id, thread_id in gone]


def _write_off(project_id: int, types: Iterable[str], reason: str, at: datetime) -> None:
    counts: dict[str, int] = {}
    for kind in types:
        counts[kind] = counts.get(kind, 0) + 1
    Deletion.objects.bulk_create(
        Deletion(project_id=project_id, id=uuid4(), at=at, reason=reason, type=kind, runs=count)
        for kind, count in sorted(counts.items())
    )
