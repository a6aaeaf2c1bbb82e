"""Whether an open trace may still change, how often its page asks, and what tells the page that something did."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection

from traces import columns
from traces.tree import Forest, Group

QUICK: Final = (timedelta(minutes=10), 3)
"""So long after the last event a trace that goes on is asked for every so many seconds …"""
SLOW: Final = (timedelta(hours=1), 30)
"""… and so long every so many; after that its page stops asking, and says so."""
SETTLING: Final = timedelta(seconds=45)
"""A trace that has ended is watched so long: its last events may still be on their way."""


@dataclass(frozen=True)
class Pulse:
    """How alive a trace is. `every` is 0 where its page need not ask; at `until` that has to be thought over."""

    going_on: bool  # a run has not ended, or one waits for its parent
    running: bool  # a run has not ended
    last: datetime  # event that is known of
    every: int  # seconds
    until: datetime

    @property
    def is_quiet(self) -> bool:
        """True where a run never ended, and nothing has come for so long that it hardly will."""
        return self.running and not self.every

    @property
    def is_live(self) -> bool:
        """True where runs that have not ended are believed to go on."""
        return self.running and self.every > 0

    def live_us(self, now: datetime) -> int | None:
        """Return now as epoch µs where runs that have not ended are believed to go on, else None."""
        return int(now.timestamp() * 1_000_000) if self.is_live else None

    def token(self, state: str) -> str:
        """Return what the page says next time: what it has seen, and until when that holds."""
        return f"{state}~{int(self.until.timestamp())}"


def pulse(forest: Forest, now: datetime, received_at: datetime | None = None) -> Pulse:
    """Return how alive a trace is by its runs, and by when the first of them was received."""
    last = min(now, max(forest.ended_at, received_at or forest.ended_at))
    running = "started" in forest.columns.statuses
    going_on = running or Group.ORPHANS in forest.tops
    every, until = 0, datetime.max.replace(tzinfo=UTC)
    for span, seconds in (QUICK, SLOW) if going_on else ((SETTLING, QUICK[1]),):
        if now - last < span:
            every, until = seconds, last + span
            break
    return Pulse(going_on=going_on, running=running, last=last, every=every, until=until)


def state(project_id: int, trace_id: UUID) -> str | None:
    """Return `traces.columns.state` of a trace without reading it."""
    with connection.cursor() as cursor:
        cursor.execute(columns.STATE, (project_id, trace_id))
        return columns.state(cursor.fetchone())


def is_current(token: str, state: str, now: datetime) -> bool:
    """Tell whether a page that holds a token shows this state, and need not think over how often it asks."""
    seen, _, until = token.rpartition("~")
    return seen == state and until.isascii() and until.isdigit() and now.timestamp() < int(until)
