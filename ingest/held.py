"""Events that could not be stored: held with their raw text until REJECTION_DAYS are over, read, replayed (rule 4)."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, F, Func, IntegerField, Q, QuerySet, TextField, Value, When
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone

from ingest.events import Refusal
from ingest.lunary import STANDALONE_TOOL
from ingest.lunary_event import Unusable, read, short
from ingest.models import Rejection
from lunary_dash.paging import BadCursor, Cursor, Page, decode, encode
from runs.models import Run, RunFlag

_NAMESPACE: Final = uuid.UUID("6f4c3a52-8a55-4d4c-9d0e-6d0a6a1f6b5e")
_PURGE_STEP: Final = 5000
LISTED_BYTES: Final = 64 * 1024
# Reasons by machine name, as headings; the full reason stands with each event.
TITLES: Final = {
    "standalone-tool": "Tool outside an agent or a chain",
    "unknown-event": "Unknown event name",
    "no-run-id": "No run id",
    "not-an-event": "Not an event",
    "too-deep": "Nested too deep",
    "message-without-thread": "Message without a thread",
    "no-message": "Chat event without a message",
    "no-feedback": "Feedback without a value",
    "log-without-run": "Log line without a run",
    "unstorable": "Value that can’t be stored",
}
_HOLD: Final = """
    INSERT INTO ingest_rejection AS r (project_id, id, key_id, run_id, code, reason, event, received_at, times)
    SELECT %s, s.id, %s, s.run_id, s.code, s.reason, s.event, %s, 1
    FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[]) AS s(id, run_id, code, reason, event)
    ORDER BY s.id
    ON CONFLICT (project_id, id) DO UPDATE SET
        key_id = excluded.key_id, received_at = GREATEST(r.received_at, excluded.received_at),
        times = r.times + 1, replayed_at = NULL
"""


@dataclass(frozen=True)
class Held:
    """One held event. `event` is its raw text; `times` counts repeats of exactly this event."""

    id: uuid.UUID
    run_id: str | None
    code: str
    reason: str
    event: str
    received_at: datetime
    times: int
    replayed_at: datetime | None

    @property
    def title(self) -> str:
        """Return the reason as a heading."""
        return TITLES.get(self.code, self.code)

    @property
    def type(self) -> str:
        """Return the type that the event gives itself; "" where it can't be read."""
        return self._told[0]

    @property
    def what(self) -> str:
        """Return what the event says it is, as in "tool start · search_flights"."""
        kind, event, name = self._told
        return " · ".join(part for part in (" ".join(filter(None, (kind, event))), name) if part)

    @cached_property
    def _told(self) -> tuple[str, str, str]:
        try:
            sent = read(self.event.encode())
        except Unusable:
            return "", "", ""
        return short(sent.type or "", 40), short(sent.event or "", 40), short(sent.name or "", 80)


def hold(project_id: int, refusals: Iterable[Refusal], received_at: datetime, key_id: int | None) -> None:
    """Keep refused events; the same event again is the same row, counted."""
    rows = {_id(project_id, refusal): refusal for refusal in refusals}
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _HOLD,
            [
                project_id,
                key_id,
                received_at,
                list(rows),
                [refusal.run_id for refusal in rows.values()],
                [refusal.code for refusal in rows.values()],
                [refusal.reason for refusal in rows.values()],
                [refusal.event for refusal in rows.values()],
            ],
        )


def held_run_ids(project_id: int, ids: Mapping[str, str]) -> set[str]:
    """Return the canonical ids whose tool run was refused and has not come with a parent since (rule 6).

    `ids` maps canonical ids to ids as sent. What follows about such a run is held with it and makes no run.
    """
    if not ids:
        return set()
    ids = {canonical: short(sent) for canonical, sent in ids.items()}
    held = set(
        Rejection.objects.filter(
            project_id=project_id, run_id__in=list(ids.values()), code=STANDALONE_TOOL, replayed_at=None
        ).values_list("run_id", flat=True)
    )
    refused = {canonical for canonical, sent in ids.items() if sent in held}
    if refused:
        started = Run.objects.annotate(start=F("flags").bitand(RunFlag.START)).filter(
            project_id=project_id, id__in=refused, start=RunFlag.START
        )
        refused -= {str(run_id) for run_id in started.values_list("id", flat=True)}
    return refused


def page(project_id: int, cursor: str | None = None, limit: int = 50, code: str | None = None) -> Page[Held]:
    """Return held events newest first, replayed ones too; raise BadCursor for a cursor that is not ours.

    The raw text of an event larger than LISTED_BYTES is left out (""), so that no list reads megabytes; `one` has it.
    """
    rows = _listed(project_id)
    if code:
        rows = rows.filter(code=code)
    at = _cursor(cursor)
    if at is None:
        found = [_held(row, row.brief) for row in rows.order_by("-received_at", "id")[: limit + 1]]
        return _page(found[:limit], older=len(found) > limit, newer=False)
    moment, row_id = at.key
    if at.forward:
        rows = rows.filter(Q(received_at__lt=moment) | Q(received_at=moment, id__gt=row_id))
        found = [_held(row, row.brief) for row in rows.order_by("-received_at", "id")[: limit + 1]]
        return _page(found[:limit], older=len(found) > limit, newer=True)
    rows = rows.filter(Q(received_at__gt=moment) | Q(received_at=moment, id__lt=row_id))
    found = [_held(row, row.brief) for row in rows.order_by("received_at", "-id")[: limit + 1]]
    return _page(found[:limit][::-1], older=True, newer=len(found) > limit)


def one(project_id: int, rejection_id: uuid.UUID) -> Held | None:
    """Return one held event."""
    row = Rejection.objects.filter(project_id=project_id, id=rejection_id).first()
    return None if row is None else _held(row, row.event)


def about(project_id: int, run_ids: Sequence[str]) -> list[Held]:
    """Return the newest held events that name one of the ids."""
    rows = _listed(project_id).filter(run_id__in=run_ids).order_by("-received_at", "id")[:10]
    return [_held(row, row.brief) for row in rows]


def waiting(project_id: int, code: str, limit: int) -> list[uuid.UUID]:
    """Return the events of one reason that were not replayed, oldest first."""
    rows = Rejection.objects.filter(project_id=project_id, code=code, replayed_at=None)
    return list(rows.order_by("received_at", "-id").values_list("id", flat=True)[:limit])


def these(project_id: int, ids: Sequence[uuid.UUID]) -> list[Held]:
    """Return the events with these ids, whole, oldest first."""
    rows = Rejection.objects.filter(project_id=project_id, id__in=ids).order_by("received_at", "-id")
    return [_held(row, row.event) for row in rows]


def mark_replayed(project_id: int, ids: Sequence[uuid.UUID]) -> None:
    """Note that the events are stored now; they stay readable until they are too old."""
    rows = Rejection.objects.filter(project_id=project_id, id__in=ids)
    with transaction.atomic():
        locked = rows.select_for_update().order_by("id").values_list("id", flat=True)  # the order of `hold`
        rows.filter(id__in=list(locked)).update(replayed_at=timezone.now())


def purge(now: datetime) -> int:
    """Delete what is older than REJECTION_DAYS, in steps that hold no lock for long; return how many rows went.

    Rows that are being written to just now are no longer old.
    """
    oldest = now - timedelta(days=settings.REJECTION_DAYS)
    gone = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM ingest_rejection WHERE ctid = ANY(ARRAY("
                "SELECT ctid FROM ingest_rejection WHERE received_at < %s LIMIT %s FOR UPDATE SKIP LOCKED))",
                [oldest, _PURGE_STEP],
            )
            went = int(cursor.rowcount)
        gone += went
        if went < _PURGE_STEP:
            return gone


def _id(project_id: int, refusal: Refusal) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, f"{project_id}\0{refusal.code}\0{refusal.event}")


def _listed(project_id: int) -> QuerySet[Any]:
    """Return a project's rows with `brief`, the raw text where it is short."""
    size = Func(F("event"), function="octet_length", output_field=IntegerField())
    brief = Case(
        When(condition=LessThanOrEqual(size, LISTED_BYTES), then=F("event")),
        default=Value(""),
        output_field=TextField(),
    )
    return Rejection.objects.filter(project_id=project_id).annotate(brief=brief).defer("event")


def _held(row: Any, event: str) -> Held:
    return Held(row.id, row.run_id, row.code, row.reason, event, row.received_at, row.times, row.replayed_at)


def _page(rows: list[Held], *, older: bool, newer: bool) -> Page[Held]:
    if not rows:
        return Page([], None, None)
    first, last = rows[0], rows[-1]
    return Page(
        rows,
        older=encode(Cursor((last.received_at.isoformat(), str(last.id)))) if older else None,
        newer=encode(Cursor((first.received_at.isoformat(), str(first.id)), forward=False)) if newer else None,
    )


def _cursor(text: str | None) -> Cursor | None:
    if not text:
        return None
    cursor = decode(text, 2)
    try:
        moment, row_id = cursor.key
        key = (datetime.fromisoformat(moment), uuid.UUID(row_id))
    except (ValueError, TypeError, AttributeError) as error:
        raise BadCursor("the page address does not fit this list: open the list again") from error
    return Cursor(key, cursor.forward)
