"""What the Ingest health page shows: refusals by reason and day, how each key is doing, where an event went."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, Literal

from django.db import connection
from django.utils import timezone

from ingest import held
from ingest.models import KeyPulse
from projects.keys import hashing_texts
from projects.models import ApiKey, Project
from runs import ids, lookup
from runs.models import Run

DAYS: Final = 14
MINUTES: Final = 60
SKEW_NOTICED_MS: Final = 2_000  # below it, network and batching explain the difference
SKEW_WRONG_MS: Final = 60_000


@dataclass(frozen=True)
class Reason:
    """One reason's refusals over the last DAYS, oldest day first; `waiting` were not replayed."""

    code: str
    title: str
    events: int
    waiting: int
    newest: datetime
    days: list[int]


@dataclass(frozen=True)
class Refusals:
    """All refusals of the last DAYS, by reason, most frequent first."""

    reasons: list[Reason]
    days: list[date]

    @property
    def events(self) -> int:
        """Return how many events were refused."""
        return sum(reason.events for reason in self.reasons)

    @property
    def waiting(self) -> int:
        """Return how many of them wait."""
        return sum(reason.waiting for reason in self.reasons)


@dataclass(frozen=True)
class KeyHealth:
    """How one key is doing. `minutes` are events of the last MINUTES, oldest first; skew is our clock minus theirs."""

    name: str
    kind: str
    hint: str
    revoked: bool
    last_event_at: datetime | None = None
    skew_ms: int | None = None
    accepted: int = 0
    rejected: int = 0
    minutes: list[int] = field(default_factory=list)

    @property
    def skew_words(self) -> str:
        """Say how the clocks differ."""
        if self.skew_ms is None:
            return "no event carried a time" if self.last_event_at else "unknown"
        ahead, size = self.skew_ms < 0, abs(self.skew_ms)
        if size < SKEW_NOTICED_MS:
            return "in step"
        return f"{_span(size)} {'ahead' if ahead else 'behind'}"

    @property
    def skew_tone(self) -> Literal["", "warn"]:
        """Say whether the difference would put runs at the wrong time."""
        return "warn" if self.skew_ms is not None and abs(self.skew_ms) >= SKEW_WRONG_MS else ""


@dataclass(frozen=True)
class Whereabouts:
    """Where the event that a person looks for is: stored as a run, held, or not here."""

    text: str
    run: Run | None
    held: list[held.Held]


def refusals(project_id: int, now: datetime) -> Refusals:
    """Return what was refused in the last DAYS days of the current time zone."""
    zone = timezone.get_current_timezone_name()
    today = timezone.localtime(now).date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT code, (received_at AT TIME ZONE %s)::date, SUM(times), COUNT(*) FILTER (WHERE replayed_at IS NULL),"
            " MAX(received_at) FROM ingest_rejection WHERE project_id = %s AND received_at >= %s GROUP BY 1, 2",
            [zone, project_id, now - timedelta(days=DAYS)],
        )
        found = cursor.fetchall()
    by_code: dict[str, list[tuple[date, int, int, datetime]]] = {}
    for code, day, events, waiting, newest in found:
        by_code.setdefault(code, []).append((day, int(events), waiting, newest))
    reasons = [_reason(code, rows, days) for code, rows in by_code.items()]
    return Refusals(sorted(reasons, key=lambda reason: (-reason.events, reason.code)), days)


def key_health(project: Project, now: datetime) -> list[KeyHealth]:
    """Return every key that is in use, and those whose events arrived in the last hour although revoked since."""
    known = list(ApiKey.objects.filter(project=project).order_by("pk"))
    last = _last_beats(project.pk, [0, *(key.pk for key in known)])
    begin = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    recent: dict[int, list[KeyPulse]] = {}
    for beat in KeyPulse.objects.filter(project_id=project.pk, minute__gte=begin):
        recent.setdefault(beat.key_id, []).append(beat)
    rows = [
        _health(KeyHealth(key.name, key.kind, key.hint, key.revoked_at is not None), last.get(key.pk), recent, begin)
        for key in known
        if key.revoked_at is None or key.pk in recent
    ]
    if 0 in last:
        rows.append(_health(KeyHealth("No key: legacy reports", "public", "", False), last[0], recent, begin))
    return rows


def find(project_id: int, text: str) -> Whereabouts | None:
    """Return where the event with this id is, whatever form the id has; None for no id."""
    text = text.strip()
    if not text:
        return None
    forms = [text, *ids.forms(text, hashing_texts(project_id))]
    return Whereabouts(text, lookup.find_run(project_id, text), held.about(project_id, forms))


def _reason(code: str, rows: Iterable[tuple[date, int, int, datetime]], days: list[date]) -> Reason:
    known = list(rows)
    by_day = {day: events for day, events, _, _ in known}
    return Reason(
        code,
        held.TITLES.get(code, code),
        sum(events for _, events, _, _ in known),
        sum(waiting for _, _, waiting, _ in known),
        max(newest for _, _, _, newest in known),
        [by_day.get(day, 0) for day in days],
    )


def _last_beats(project_id: int, key_ids: list[int]) -> dict[int, tuple[int, datetime, int | None]]:
    """Return each key's newest minute, one index look-up per key."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT k.key_id, last.last_event_at, last.skew_ms FROM unnest(%s::int[]) AS k(key_id) CROSS JOIN LATERAL ("
            " SELECT last_event_at, skew_ms FROM ingest_keypulse WHERE project_id = %s AND key_id = k.key_id"
            " ORDER BY minute DESC LIMIT 1) last",
            [key_ids, project_id],
        )
        return {row[0]: row for row in cursor.fetchall()}


def _health(
    key: KeyHealth,
    last: tuple[int, datetime, int | None] | None,
    recent: dict[int, list[KeyPulse]],
    begin: datetime,
) -> KeyHealth:
    if last is None:
        return key
    key_id, last_event_at, skew_ms = last
    minutes = [0] * MINUTES
    accepted = rejected = 0
    for beat in recent.get(key_id, []):
        slot = int((beat.minute - begin).total_seconds() // 60)
        if slot < MINUTES:
            minutes[slot] += beat.accepted + beat.rejected
        accepted += beat.accepted
        rejected += beat.rejected
    return KeyHealth(key.name, key.kind, key.hint, key.revoked, last_event_at, skew_ms, accepted, rejected, minutes)


def _span(ms: int) -> str:
    """Say a span of time in its largest unit."""
    for size, unit in ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1000, "second")):
        if ms >= size:
            number = round(ms / size)
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{ms} ms"
