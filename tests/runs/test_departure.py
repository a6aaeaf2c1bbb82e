"""Deleted projects: out of sight at once, emptied in the background, whatever interrupts or races with that."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from ingest import intake
from lunary_dash.celery import app
from projects import deletion, keys
from projects.founding import Founded, found_project
from projects.models import Account, ApiKey, Membership, Project, Role
from runs import departure, ledger
from runs.models import Deletion, LedgerEntry, Run, StaleHour
from tests import make

DEADLINE = 20.0


@pytest.fixture
def people() -> make.People:
    return make.workspace_with_people()


@pytest.fixture
def founded(people: make.People) -> Founded:
    keys.forget()
    intake._begun.clear()
    return found_project(people.workspace, "Claims intake")


@pytest.fixture
def at_once() -> Iterator[None]:
    """Have a worker that does every task the moment it is asked for."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


def send(key: str, *run_ids: str) -> Any:
    """Send one agent per id, with all that leaves rows: bodies, an end user, feedback, a log line, a refused tool."""
    events: list[dict[str, Any]] = []
    for run_id in run_ids:
        told = {"type": "agent", "runId": run_id, "timestamp": "2026-11-21T18:00:00Z"}
        events += [
            told | {"event": "start", "name": "Claims", "input": "hello", "userId": "ines"},
            told | {"event": "end", "output": "done", "feedback": {"thumb": "up"}},
            {"type": "log", "event": "info", "parentRunId": run_id, "message": "looked", "runId": str(uuid4())},
            {"type": "tool", "event": "start", "runId": f"tool-{run_id}"},
            {"type": "chat", "event": "chat", "runId": str(uuid4()), "parentRunId": run_id + "-t", "message": "hi"},
        ]
    return Client().post(
        "/v1/runs/ingest",
        json.dumps({"events": events}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )


def left(project_id: int) -> dict[str, int]:
    """Return how many rows of the project each table holds, the books left out; tables without any are not told."""
    counts = {
        model.__name__: model._base_manager.filter(project_id=project_id).count()
        for model in apps.get_models()
        if model not in (LedgerEntry, Deletion, ApiKey) and hasattr(model, "project_id")
    }
    return {name: count for name, count in counts.items() if count}


def long_ago(project: Project) -> None:
    """Let the grace be over."""
    Project.with_gone.filter(pk=project.pk).update(going_at=timezone.now() - departure.GRACE)


def admin_of(people: make.People) -> Account:
    person = make.account("admin")
    Membership.objects.create(workspace=people.workspace, account=person, role=Role.ADMIN)
    return person


@pytest.mark.django_db
def test_who_may_delete(people: make.People, founded: Founded) -> None:
    url = f"/p/{founded.project.public_id}/settings/delete"
    asked = [people.member, people.viewer, people.billing, people.stranger, None]
    answers = [make.client_for(person).post(url, {"typed": "Claims intake"}).status_code for person in asked]
    assert answers == [403, 403, 403, 404, 302]
    assert Project.objects.filter(pk=founded.project.pk).exists()
    assert make.client_for(admin_of(people)).post(url, {"typed": "Claims intake"}).status_code == 302
    assert not Project.objects.filter(pk=founded.project.pk).exists()
    assert make.client_for(people.owner).post(url, {"typed": "Claims intake"}).status_code == 404


@pytest.mark.django_db
def test_from_the_mark_on_nobody_sees_it_but_the_bill(people: make.People, founded: Founded) -> None:
    """No worker has done anything yet."""
    kept = make.project(people, "Kept")
    assert send(founded.public_key, "a", "b", "c").status_code == 200
    counted = ledger.held(founded.project.pk)
    client = make.client_for(people.owner)
    start = f"/p/{founded.project.public_id}"
    told = client.post(f"{start}/settings/delete", {"typed": "Claims intake"}, follow=True).content.decode()
    assert f"Claims intake is being deleted: {counted} runs." in told
    assert str(founded.project.public_id) not in told
    for path in (f"{start}/", f"{start}/runs", f"{start}/settings", f"{start}/keys", f"{start}/health"):
        assert client.get(path).status_code == 404
    assert client.get("/", follow=True).redirect_chain[0][0] == f"/p/{kept.public_id}/"
    assert "Claims intake" not in client.get(f"/p/{kept.public_id}/runs").content.decode()
    assert send(founded.public_key, "d").status_code == 401
    for key in (founded.public_key, founded.private_key):
        assert client.get("/v1/runs", headers={"Authorization": f"Bearer {key}"}).status_code == 401
    assert client.get(f"/v1/runs?projectId={founded.project.public_id}").status_code == 404
    assert ledger.month_count(people.workspace) == counted
    assert Run.objects.filter(project_id=founded.project.pk).exists(), "nobody had to wait for that"


@pytest.mark.django_db(transaction=True)
def test_a_small_project_is_empty_at_once(people: make.People, founded: Founded, at_once: None) -> None:
    kept = found_project(people.workspace, "Kept")
    for key in (founded.public_key, kept.public_key):
        send(key, "a", "b")
    before, counted = left(kept.project.pk), ledger.month_count(people.workspace)
    make.client_for(people.owner).post(f"/p/{founded.project.public_id}/settings/delete", {"typed": "Claims intake"})
    assert left(founded.project.pk) == {}
    assert left(kept.project.pk) == before
    assert ledger.verify(founded.project).holds
    assert not ledger.verify(founded.project).stored
    assert counted == 2 * ledger.verify(founded.project).ledger
    assert sum(ledger.month_by_type([founded.project.pk], datetime.now(UTC))[founded.project.pk].values())


@pytest.mark.django_db
def test_what_is_left_are_the_books_and_whose_they_are(people: make.People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departure, "BATCH", 2)
    founded = found_project(people.workspace, "Claims intake")
    send(founded.public_key, *"abcde")
    counted = ledger.held(founded.project.pk)
    assert deletion.let_go(founded.project) == counted
    departure.finish()
    departure.finish()
    assert ApiKey.objects.filter(project=founded.project).exists(), "late writes are looked for until the grace is over"
    long_ago(founded.project)
    departure.finish()
    project = Project.with_gone.get(pk=founded.project.pk)
    assert project.gone_at is not None
    assert not ApiKey.objects.filter(project=project).exists()
    assert left(project.pk) == {}
    proof = ledger.verify(project)
    assert (proof.holds, proof.deleted, proof.stored) == (True, counted, 0)
    assert ledger.month_count(people.workspace) == counted
    assert make.client_for(people.owner).get("/").status_code == 302


@pytest.mark.django_db
def test_a_demo_is_written_off_as_one(people: make.People) -> None:
    project = make.project(people, is_demo=True)
    make.run(project)
    deletion.let_go(project)
    departure.finish()
    assert [row.reason for row in Deletion.objects.filter(project_id=project.pk)] == ["demo"]


@pytest.mark.django_db(transaction=True)
def test_what_broke_off_half_way_is_finished(people: make.People, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection dies in the third batch; a small project beside it did not have to wait."""
    monkeypatch.setattr(departure, "BATCH", 2)
    large, small = (found_project(people.workspace, name) for name in ("Large", "Small"))
    at = timezone.now()
    runs = [make.run(large.project, started_at=at + timedelta(seconds=second)) for second in range(7)]
    make.run(small.project)
    for project in (large.project, small.project):
        LedgerEntry.objects.create(
            project_id=project.pk,
            id=uuid4(),
            received_at=at,
            type="llm",
            runs=Run.objects.filter(project_id=project.pk).count(),
        )
        Project.objects.filter(pk=project.pk).update(going_at=at)
    backend: list[int] = []
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        Run.objects.select_for_update().get(project_id=large.project.pk, id=runs[4].id)
        broken_off = pool.submit(finish_elsewhere, backend)
        until(lambda: backend and _waits(backend[0]))
        departure.finish()  # another call meanwhile finds it in good hands
        assert left(large.project.pk) == {"Run": 3}
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [backend[0]])
        broken_off.result(DEADLINE)
    assert list(
        Run.objects.filter(project_id=large.project.pk).values_list("id", flat=True).order_by("started_at")
    ) == [run.id for run in runs[4:]]
    assert ledger.verify(large.project).holds
    assert left(small.project.pk) == {}
    departure.finish()
    assert left(large.project.pk) == {}
    assert ledger.verify(large.project).holds
    assert ledger.verify(small.project).holds


@pytest.mark.django_db(transaction=True)
def test_a_project_deleted_while_another_is_emptied_waits_for_nothing(people: make.People) -> None:
    large, small = make.project(people, "Large"), make.project(people, "Small")
    held, _ = make.run(large), make.run(small)
    deletion.let_go(large)
    backend: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Run.objects.select_for_update().get(project_id=large.pk, id=held.id)
            emptied = pool.submit(finish_elsewhere, backend)
            until(lambda: backend and _waits(backend[0]))
            Project.objects.filter(pk=small.pk).update(going_at=timezone.now())
            departure.finish()
            assert left(small.pk) == {"Run": 1}, "the other process is at it"
        emptied.result(DEADLINE)
    assert left(small.pk) == left(large.pk) == {}


@pytest.mark.django_db(transaction=True)
def test_what_is_stored_meanwhile_goes_too(people: make.People, founded: Founded, at_once: None) -> None:
    """Other processes remember the key: their requests go on being stored while the project is emptied."""
    holder = keys.find(founded.public_key)
    assert holder is not None
    stop = Event()

    def other_process(sender: int) -> int:
        stored = 0
        while not stop.is_set():
            events = [{"type": "agent", "event": "start", "runId": str(uuid4()), "userId": "ines"} for _ in range(20)]
            stored += intake.take(json.dumps(events).encode(), holder, timezone.now()).accepted
        connection.close()
        return stored

    with ThreadPoolExecutor(3) as pool:
        senders = [pool.submit(other_process, sender) for sender in range(3)]
        until(lambda: Run.objects.filter(project_id=founded.project.pk).count() > 100)
        make.client_for(people.owner).post(
            f"/p/{founded.project.public_id}/settings/delete", {"typed": "Claims intake"}
        )
        before = ledger.verify(founded.project)
        until(lambda: ledger.verify(founded.project).ledger > before.ledger)
        departure.finish(seconds=0.3)
        stop.set()
        stored = sum(sender.result(DEADLINE) for sender in senders)
    departure.finish()
    assert left(founded.project.pk) == {}
    proof = ledger.verify(founded.project)
    assert (proof.holds, proof.ledger, proof.deleted) == (True, stored, stored)


@pytest.mark.django_db
def test_a_write_after_the_end_is_found_the_next_night(founded: Founded) -> None:
    holder = keys.find(founded.public_key)
    assert holder is not None
    deletion.let_go(founded.project)
    long_ago(founded.project)
    departure.finish()
    intake.take(b'{"events": [{"type": "agent", "event": "start", "runId": "late"}]}', holder, timezone.now())
    departure.finish()
    assert left(founded.project.pk)["Run"] == 1
    departure.look_again()
    assert left(founded.project.pk) == {}
    assert ledger.verify(founded.project).holds


@pytest.mark.django_db
def test_no_hour_is_recomputed_for_nobody(people: make.People) -> None:
    project = make.project(people)
    make.stale(make.run(project))
    deletion.let_go(project)
    departure.finish()
    assert not StaleHour.objects.filter(project_id=project.pk).exists()


def finish_elsewhere(backend: list[int]) -> None:
    """Finish deletions on another connection, and tell the number of its backend."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend.append(cursor.fetchone()[0])
    departure.finish()
    connection.close()


def until(condition: Any) -> None:
    """Wait for the condition, at most until the deadline."""
    end = monotonic() + DEADLINE
    while not condition():
        assert monotonic() < end, "it did not come about"


def _waits(backend: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", [backend])
        row = cursor.fetchone()
    return bool(row and row[0])
