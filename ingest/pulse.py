"""How each key is doing, counted in this process and written at most once a second, outside any ingest transaction."""

import atexit
import logging
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import DatabaseError, connection

logger = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 1.0
KEEP_DAYS: Final = 7
_UPSERT: Final = """
    INSERT INTO ingest_keypulse AS k (project_id, key_id, minute, accepted, rejected, last_event_at, skew_ms)
    SELECT * FROM unnest(%s::int[], %s::int[], %s::timestamptz[], %s::int[], %s::int[], %s::timestamptz[], %s::bigint[])
    ON CONFLICT (project_id, key_id, minute) DO UPDATE SET
        accepted = k.accepted + excluded.accepted, rejected = k.rejected + excluded.rejected,
        last_event_at = GREATEST(k.last_event_at, excluded.last_event_at),
        skew_ms = COALESCE(excluded.skew_ms, k.skew_ms)
"""


@dataclass
class Beat:
    """What one key sent in one minute, since the last flush."""

    last_event_at: datetime
    accepted: int = 0
    rejected: int = 0
    skew_ms: int | None = None


Slot = tuple[int, int, datetime]


class Pulse:
    """The counts of this process. Losing the last second of them in a crash is accepted: they are no run."""

    def __init__(self) -> None:
        self._beats: dict[Slot, Beat] = {}
        self._lock = threading.Lock()
        self._filled = threading.Event()
        self._thread: threading.Thread | None = None
        self.in_background = False

    def record(
        self, project_id: int, key_id: int, received_at: datetime, accepted: int, rejected: int, newest_at: int | None
    ) -> None:
        """Count one request's events; `newest_at` is the newest time the client sent, epoch µs."""
        slot = (project_id, key_id, received_at.replace(second=0, microsecond=0))
        with self._lock:
            beat = self._beats.setdefault(slot, Beat(received_at))
            beat.accepted += accepted
            beat.rejected += rejected
            beat.last_event_at = max(beat.last_event_at, received_at)
            if newest_at is not None:
                beat.skew_ms = round(received_at.timestamp() * 1000) - newest_at // 1000
        if self.in_background:
            self._wake()

    def flush(self) -> None:
        """Write what was counted; after a database error it is counted again with the next flush."""
        with self._lock:
            beats, self._beats = self._beats, {}
        if not beats:
            return
        slots = sorted(beats)  # one order for all processes, so that they can't deadlock
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    _UPSERT,
                    [
                        [slot[0] for slot in slots],
                        [slot[1] for slot in slots],
                        [slot[2] for slot in slots],
                        [beats[slot].accepted for slot in slots],
                        [beats[slot].rejected for slot in slots],
                        [beats[slot].last_event_at for slot in slots],
                        [beats[slot].skew_ms for slot in slots],
                    ],
                )
        except DatabaseError as error:
            logger.warning("the pulse of %s keys was not written: %s", len(slots), error)
            self._put_back(beats)

    def start(self) -> None:
        """Flush from a thread of this process from now on; it starts with the first count, so after any fork."""
        self.in_background = True
        atexit.register(self._last_flush)

    def _put_back(self, beats: dict[Slot, Beat]) -> None:
        with self._lock:
            for slot, beat in beats.items():
                newer = self._beats.setdefault(slot, beat)
                if newer is not beat:
                    newer.accepted += beat.accepted
                    newer.rejected += beat.rejected

    def _wake(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
                    self._thread.start()
        self._filled.set()

    def _run(self) -> None:
        pause = threading.Event()
        while self._filled.wait():
            pause.wait(FLUSH_SECONDS)
            self._filled.clear()
            self.flush()
            connection.close_if_unusable_or_obsolete()

    def _last_flush(self) -> None:
        try:
            self.flush()
        except Exception as error:
            logger.info("the last second's pulse was not written: %s", error)


pulse = Pulse()


def purge(now: datetime) -> int:
    """Delete minutes that no page shows any more, but each key's last; return how many rows went."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM ingest_keypulse k WHERE k.minute < %s AND EXISTS (SELECT 1 FROM ingest_keypulse newer"
            " WHERE newer.project_id = k.project_id AND newer.key_id = k.key_id AND newer.minute > k.minute)",
            [now.astimezone(UTC) - timedelta(days=KEEP_DAYS)],
        )
        return int(cursor.rowcount)
