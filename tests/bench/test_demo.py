"""The demo project: who may load and remove it, what loading leaves in the tables, what its page says meanwhile."""

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from pytest_django.live_server_helper import LiveServer

from ingest.models import Rejection
from lunary_dash.celery import app
from projects.founding import found_project
from projects.models import Project
from runs import demo, ledger
from runs.models import EndUser, Feedback, LedgerEntry, Run
from tests import make


@pytest.fixture
def people() -> make.People:
    return make.workspace_with_people()


def _demo(people: make.People, stored: int = 0, ago: timedelta = timedelta()) -> Project:
    project = demo.demo_project(people.workspace, people.owner)
    at = timezone.now() - ago
    Project.objects.filter(pk=project.pk).update(created_at=at - timedelta(seconds=30))
    if stored:
        LedgerEntry.objects.create(project_id=project.pk, id=uuid.uuid4(), received_at=at, type="llm", runs=stored)
    return Project.objects.get(pk=project.pk)


def _page(project: Project, person: Any, **query: Any) -> str:
    response = make.client_for(person).get(reverse("demo_progress", args=[project.public_id]), query)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.django_db
def test_who_may_see_load_and_remove(people: make.People) -> None:
    project = _demo(people)
    asked = [people.owner, people.member, people.viewer, people.billing, people.stranger, None]
    clients = [make.client_for(person) for person in asked]

    def statuses(name: str, method: str) -> list[int]:
        url = reverse(name, args=[project.public_id])
        return [getattr(client, method)(url).status_code for client in clients[1:]]

    assert clients[0].get(reverse("demo_progress", args=[project.public_id])).status_code == 200
    assert statuses("demo_progress", "get") == [200, 200, 403, 404, 302]
    assert statuses("demo_load", "post") == [403, 403, 403, 404, 302]
    assert statuses("demo_remove", "post") == [403, 403, 403, 404, 302]
    assert statuses("demo_load", "get") == [405, 405, 405, 405, 302]
    assert Project.objects.filter(pk=project.pk).exists()


@pytest.mark.django_db
def test_a_demos_settings_offer_to_remove_it_and_no_other_projects(people: make.People) -> None:
    project, own = _demo(people), make.project(people)
    for one in (project, own):
        settings_page = make.client_for(people.owner).get(reverse("project_settings", args=[one.public_id]))
        offered = reverse("demo_remove", args=[one.public_id]) in settings_page.content.decode()
        assert offered is one.is_demo


@pytest.mark.django_db
def test_another_project_offers_the_demo_once(people: make.People) -> None:
    own = make.project(people)
    load = reverse("demo_load", args=[own.public_id])
    assert load in _page(own, people.owner)
    assert load not in _page(own, people.member)
    existing = _demo(people)
    assert demo.demo_project(people.workspace) == existing
    assert load not in _page(own, people.owner)
    assert reverse("demo_progress", args=[existing.public_id]) in _page(own, people.owner)


@pytest.mark.django_db
def test_page_tells_loading_from_stopped_from_done(
    people: make.People, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    project = _demo(people, stored=12_000)
    loading = _page(project, people.owner)
    client = make.client_for(people.owner)
    with django_assert_max_num_queries(12):
        client.get(reverse("demo_progress", args=[project.public_id]))
    assert 'hx-trigger="every 1s"' in loading
    assert 'width="50"' in loading
    LedgerEntry.objects.update(received_at=timezone.now() - timedelta(minutes=5))
    stopped = _page(project, people.owner)
    assert "every 1s" not in stopped
    assert "Go on" in stopped
    assert "Go on" not in _page(project, people.member)
    assert "every 1s" in _page(project, people.owner, asked=int(timezone.now().timestamp()))
    assert "Go on" in _page(project, people.owner, asked="soon")
    LedgerEntry.objects.update(runs=demo.DEMO_RUNS)
    done = _page(project, people.owner)
    assert reverse("trace_list", args=[project.public_id]) in done
    assert "every 1s" not in done


@pytest.mark.django_db
def test_polling_gets_only_the_changing_part(people: make.People) -> None:
    project = _demo(people, stored=100)
    client = make.client_for(people.owner)
    part = client.get(reverse("demo_progress", args=[project.public_id]), headers={"HX-Request": "true"})
    assert "<html" not in part.content.decode()
    assert 'id="demo-progress"' in part.content.decode()


@pytest.mark.django_db
def test_only_a_finished_demo_is_removed_and_nothing_else(people: make.People) -> None:
    own = make.project(people)
    client = make.client_for(people.owner)
    client.post(reverse("demo_remove", args=[own.public_id]))
    assert Project.objects.filter(pk=own.pk).exists()
    with pytest.raises(ValueError, match="not a demo"):
        demo.remove(own)
    loading = _demo(people, stored=100)
    client.post(reverse("demo_remove", args=[loading.public_id]))
    assert Project.objects.filter(pk=loading.pk).exists()


@pytest.fixture
def installation(live_server: LiveServer, settings: Settings, tmp_path: Path) -> Iterator[str]:
    """Return a server that the background task finds; tasks run at once."""
    settings.DATA_DIR = tmp_path
    (tmp_path / "connection.json").write_text(json.dumps({"url": live_server.url}))
    app.conf.task_always_eager = True
    yield live_server.url
    app.conf.task_always_eager = False


@pytest.mark.django_db(transaction=True)
def test_load_in_the_browser_then_remove(
    people: make.People, installation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "DEMO_RUNS", 400)
    client: Client = make.client_for(people.owner)
    own = make.project(people)
    response = client.post(reverse("demo_load", args=[own.public_id]), follow=True)
    project = Project.objects.get(is_demo=True)
    assert project.name == "Demo · Aster Labs"
    assert response.redirect_chain[-1][0].startswith(reverse("demo_progress", args=[project.public_id]))
    assert demo.progress(project).state is demo.State.DONE
    assert Run.objects.filter(project_id=project.pk).count() >= 400
    assert not Run.objects.filter(project_id=own.pk).exists()
    assert not Rejection.objects.exists()
    assert EndUser.objects.filter(project_id=project.pk).exists()
    assert ledger.verify(project).holds

    client.post(reverse("demo_remove", args=[project.public_id]))
    assert not Project.objects.filter(is_demo=True).exists()
    for model in (Run, EndUser, Feedback):
        assert not model.objects.filter(project_id=project.pk).exists()
    assert Project.objects.filter(pk=own.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_loading_twice_changes_nothing(people: make.People, installation: str) -> None:
    project = demo.demo_project(people.workspace)
    first = demo.load(project, installation, 300)
    assert not first.refused
    rows = list(Run.objects.filter(project_id=project.pk).order_by("id").values())
    assert demo.load(project, installation, 300).events == first.events
    assert list(Run.objects.filter(project_id=project.pk).order_by("id").values()) == rows


@pytest.mark.django_db(transaction=True)
def test_command_makes_fills_and_removes_the_project(people: make.People, installation: str) -> None:
    out = StringIO()
    call_command("demo", runs=120, stdout=out)
    project = Project.objects.get(is_demo=True)
    assert out.getvalue().strip() == f"{installation}/p/{project.public_id}/"
    assert Run.objects.filter(project_id=project.pk).count() >= 120
    call_command("demo", remove=True, stdout=out)
    assert "removed" in out.getvalue()
    assert not Project.objects.filter(is_demo=True).exists()


@pytest.mark.django_db(transaction=True)
def test_command_sends_to_any_key_and_says_when_it_is_not_taken(people: make.People, installation: str) -> None:
    founded = found_project(people.workspace, "Somewhere else")
    call_command("demo", url=installation, key=founded.public_key, runs=100, stdout=StringIO())
    assert Run.objects.filter(project_id=founded.project.pk).count() >= 100
    with pytest.raises(CommandError, match="401"):
        call_command("demo", url=installation, key=str(uuid.uuid4()), runs=100, stdout=StringIO())
