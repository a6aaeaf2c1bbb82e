"""What a write leaves in the books: ledger entries; hours, traces and threads to recompute (rules 13 and 14).

All in the transaction that stores the runs, so that a count and its runs are never apart.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final
from uuid import uuid4

from ingest.literals import plain, texts, timestamp
from ingest.rows import Db, Row
from runs import stale

HOUR: Final = 3_600_000_000
UNCOUNTED: Final = frozenset({"span"})
"""Types that are never billed (rule 9)."""
SUMMARISED: Final = frozenset({"agent", "chain"})
"""Types of roots whose traces have a summary (rule 9)."""


def enter(
    db: Db, project_id: int, stored: Iterable[str], merged: Iterable[str], key_id: int | None, received_at: int
) -> None:
    """Append one ledger entry per type: runs `stored` for the first time, less those `merged` into another one.

    A run that turns out to be part of another (an answer that came before its question, two ids of one run) was
    counted when it was stored; the entry that takes it back keeps the sum at one per run, whatever came first.
    """
    counts = Counter(run_type for run_type in stored if run_type not in UNCOUNTED)
    counts.subtract(run_type for run_type in merged if run_type not in UNCOUNTED)
    changed = {run_type: runs for run_type, runs in counts.items() if runs}
    if changed:
        db.execute(
            "INSERT INTO runs_ledgerentry (project_id, id, key_id, received_at, type, runs)"
            " SELECT %s, id, %s, %s::timestamptz, type, runs FROM unnest(%s::uuid[], %s::text[], %s::int[])"
            " AS s(id, type, runs)",
            (
                project_id,
                key_id,
                timestamp(received_at),
                plain(uuid4() for _ in changed),
                texts(changed),
                plain(changed.values()),
            ),
        )


def mark_stale(db: Db, project_id: int, rows: Iterable[Row], received_at: int, told: Iterable[Row] = ()) -> None:
    """Mark the hours, traces and threads of `rows`, as they were and as they are, for recomputing.

    `told` are chats and threads whose messages were stored, changed or not: only their thread is marked.
    Each transaction adds marks of its own: see runs.models.StaleHour. What is by itself and makes no trace, such as a
    model call without a parent, marks none.
    """
    hours: set[int] = set()
    traces: set[str] = set()
    threads = {row.thread_id for row in told if row.thread_id is not None}
    for row in rows:
        hours.add(row.started_at // HOUR * HOUR)
        if row.thread_id is not None:
            threads.add(row.thread_id)
        if row.trace_id is not None and (row.trace_id != row.id or row.type in SUMMARISED):
            traces.add(row.trace_id)
    mark_hours(db, project_id, hours, received_at)
    if traces:
        db.execute(
            "INSERT INTO runs_staletrace (project_id, trace_id, id, marked_at)"
            " SELECT %s, trace_id, %s, %s::timestamptz FROM unnest(%s::uuid[]) AS s(trace_id)",
            (project_id, str(uuid4()), timestamp(received_at), plain(traces)),
        )
    stale.mark_threads(db, project_id, threads, timestamp(received_at))


def mark_around(db: Db, project_id: int, ids: Iterable[str], received_at: int) -> None:
    """Mark the threads of runs and messages on which feedback was given or taken back."""
    stale.mark_around(db, project_id, ids, timestamp(received_at))


def mark_threads(db: Db, project_id: int, threads: Iterable[str], received_at: int) -> None:
    """Mark threads for recomputing."""
    stale.mark_threads(db, project_id, threads, timestamp(received_at))


def mark_hours(db: Db, project_id: int, hours: Iterable[int], received_at: int) -> None:
    """Mark hours (epoch µs) for recomputing."""
    times = [timestamp(hour) for hour in sorted(hours)]
    if times:
        db.execute(
            "INSERT INTO runs_stalehour (project_id, hour, id, marked_at)"
            " SELECT %s, hour::timestamptz, %s, %s::timestamptz FROM unnest(%s::text[]) AS s(hour)",
            (project_id, str(uuid4()), timestamp(received_at), texts(times)),
        )
