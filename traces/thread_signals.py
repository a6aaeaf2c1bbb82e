"""Signals of stored threads: as a condition, as badges, and the time above which an answer counts as slow."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from runs import rollups
from traces import signals, thread_summaries
from traces.models import ThreadSummary
from traces.signals import Found, Signal

SPAN: Final = timedelta(days=30)
ENOUGH: Final = 20  # exchanges, before their 95th percentile says anything
LARGE: Final = 2_000  # messages; a recount of more is not worth a page's waiting

_BINS: Final = """
    SELECT bin, sum(count)::bigint
      FROM runs_latencybucket, unnest(bins, runs) AS histogram(bin, count)
     WHERE project_id = %s AND type = 'chat' AND hour >= %s GROUP BY bin"""


def bar(project_id: int) -> float | None:
    """Return the time in ms within which 95 % of the project's exchanges of the last SPAN ended, None if too few did.

    An exchange lasts from its first message to its last. The histogram's bins are 4 % wide: it is the upper end of the
    one that the percentile lies in, so whatever lasted longer is truly above it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BINS, [project_id, timezone.now() - SPAN])
        bins: dict[int, int] = dict(cursor.fetchall())
    middle = rollups.percentile(bins, 0.95) if sum(bins.values()) >= ENOUGH else None
    return None if middle is None else middle * rollups.BIN_BASE**0.5


def having(project_id: int, kinds: Sequence[str]) -> Q:
    """Return that a summary has one of these signals now."""
    lasting = [kind for kind in kinds if kind not in signals.WAITING and kind != signals.SLOW]
    waiting = [kind for kind in kinds if kind in signals.WAITING]
    found = Q(signals__overlap=lasting)
    if waiting:
        found |= Q(signals__overlap=waiting, ended_at__lte=timezone.now() - signals.PATIENCE)
    if signals.SLOW in kinds and (limit := bar(project_id)) is not None:
        found |= Q(slowest_ms__gt=limit)
    return found


def shown(
    project_id: int, summaries: Iterable[ThreadSummary], now: datetime | None = None
) -> Mapping[UUID, tuple[Signal, ...]]:
    """Return the signals of each of these threads, the worst first. One query."""
    limit, now = bar(project_id), now or timezone.now()
    return {row.thread_id: _told(row, now, limit) for row in summaries}


def of_thread(project_id: int, thread_id: UUID) -> tuple[Signal, ...]:
    """Return the signals of one thread, exact to its last message; of a LARGE one as the worker last knew them."""
    rows = ThreadSummary.objects.filter(project_id=project_id, thread_id=thread_id, messages__gte=LARGE)
    found = list(rows) or list(thread_summaries.current(project_id, [thread_id]).values())
    return shown(project_id, found).get(thread_id, ())


def _told(row: ThreadSummary, now: datetime, limit: float | None) -> tuple[Signal, ...]:
    found = [Found(*one) for one in zip(row.signals, row.signal_turns, row.signal_times, strict=True)]
    return signals.tell(found, row.slowest_ms, row.slowest_turn, row.ended_at, now, limit)
