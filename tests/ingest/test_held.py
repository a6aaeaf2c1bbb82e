"""What could not be stored waits with its raw text, can be replayed, and is forgotten in the end (rule 4)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from ingest import held, intake, tasks
from ingest.models import KeyPulse, Rejection
from ingest.pulse import Pulse
from lunary_dash.paging import BadCursor
from projects.models import Project
from runs.models import Run
from tests.ingest.conftest import Sender, new_sender

TOOL = {"type": "tool", "event": "start", "runId": "3b1b4d0e-0000-4000-8000-000000000001", "name": "search"}
END = {"type": "tool", "event": "end", "runId": TOOL["runId"], "output": "found"}


def accept_tools(sender: Sender) -> Project:
    sender.project.accept_standalone_tools = True
    sender.project.save()
    return sender.project


def test_the_same_event_again_is_one_row_counted(sender: Sender) -> None:
    sender.send(TOOL)
    sender.send(TOOL, TOOL)
    (event,) = held.page(sender.project.pk).rows
    assert (event.times, event.run_id, event.code) == (2, TOOL["runId"], "standalone-tool")
    assert event.what == "tool start · search"


def test_the_same_event_is_held_in_each_project_apart(sender: Sender) -> None:
    other = new_sender("Other")
    sender.send(TOOL)
    other.send(TOOL)
    assert len(held.page(sender.project.pk).rows) == len(held.page(other.project.pk).rows) == 1
    mine = held.page(sender.project.pk).rows[0]
    assert held.one(other.project.pk, mine.id) is None


def test_replaying_stores_what_is_allowed_now(sender: Sender) -> None:
    sender.send(TOOL)
    sender.send(END)
    project = accept_tools(sender)
    waiting = held.waiting(project.pk, "standalone-tool", 10)
    assert intake.replay(project, held.these(project.pk, waiting)) == 2
    assert Run.objects.get(project_id=project.pk).status == "success"
    assert held.waiting(project.pk, "standalone-tool", 10) == []
    assert all(event.replayed_at for event in held.page(project.pk).rows)
    sender.send({**END, "output": "again"})
    assert held.waiting(project.pk, "standalone-tool", 10) == []


def test_replaying_what_is_still_refused_keeps_it(sender: Sender) -> None:
    sender.send(TOOL)
    assert intake.replay(sender.project, held.page(sender.project.pk).rows) == 0
    assert held.page(sender.project.pk).rows[0].replayed_at is None
    assert not Run.objects.filter(project_id=sender.project.pk).exists()


def test_a_replayed_event_without_a_time_begins_when_it_was_received(sender: Sender) -> None:
    received = timezone.now() - timedelta(days=3)
    sender.send(TOOL)
    Rejection.objects.update(received_at=received)
    intake.replay(accept_tools(sender), held.page(sender.project.pk).rows)
    assert Run.objects.get().started_at == received


def test_pages_hold_every_event_once_newest_first(sender: Sender) -> None:
    moment = timezone.now()
    sender.send(*({"event": "explode", "runId": str(number)} for number in range(25)))
    for number, row in enumerate(Rejection.objects.order_by("run_id")):
        Rejection.objects.filter(pk=row.pk).update(received_at=moment - timedelta(seconds=number // 3))
    whole = [event.id for event in held.page(sender.project.pk, limit=100).rows]
    walked: list[UUID] = []
    page = held.page(sender.project.pk, limit=7)
    while True:
        walked += [event.id for event in page.rows]
        if page.older is None:
            break
        page = held.page(sender.project.pk, page.older, 7)
    assert walked == whole
    assert len(set(walked)) == 25
    back = held.page(sender.project.pk, page.newer, 7)
    assert [event.id for event in back.rows] == whole[-7 - len(page.rows) : -len(page.rows)]


@pytest.mark.parametrize("cursor", ["x", "WzEsMV0", "WzEsICJhIiwgImIiXQ", "WzEsIDEsIDJd"])
def test_a_cursor_of_ours_is_told_from_others(sender: Sender, cursor: str) -> None:
    with pytest.raises(BadCursor):
        held.page(sender.project.pk, cursor)


def test_held_events_are_forgotten_after_their_days(sender: Sender, settings: Any) -> None:
    sender.send({"event": "explode", "runId": "old"}, {"event": "explode", "runId": "new"})
    limit = timezone.now() - timedelta(days=settings.REJECTION_DAYS)
    Rejection.objects.filter(run_id="old").update(received_at=limit - timedelta(minutes=1))
    tasks.purge_held_events()
    assert [row.run_id for row in Rejection.objects.all()] == ["new"]


def test_the_pulse_adds_up_over_flushes_and_processes(sender: Sender) -> None:
    now = timezone.now().replace(second=30, microsecond=0)
    one, two = Pulse(), Pulse()
    newest = int(now.timestamp() * 1_000_000) - 5_000_000
    one.record(sender.project.pk, 7, now, 10, 1, newest)
    one.flush()
    one.record(sender.project.pk, 7, now + timedelta(seconds=1), 5, 0, None)
    two.record(sender.project.pk, 7, now, 2, 2, None)
    one.flush()
    two.flush()
    two.flush()
    beat = KeyPulse.objects.get()
    assert (beat.accepted, beat.rejected, beat.skew_ms) == (17, 3, 5000)
    assert beat.last_event_at == now + timedelta(seconds=1)


def test_old_minutes_go_but_each_keys_last_stays(sender: Sender) -> None:
    old = timezone.now() - timedelta(days=30)
    for key in (1, 2):
        for minute in range(3):
            at = old + timedelta(minutes=minute)
            KeyPulse.objects.create(project_id=sender.project.pk, key_id=key, minute=at, last_event_at=at)
    tasks.purge_held_events()
    assert KeyPulse.objects.count() == 2
