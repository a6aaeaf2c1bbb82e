"""A broker that is away costs a request a second or two, and nothing that was asked for."""

import socket
import time
from collections.abc import Iterator

import pytest
from django.urls import reverse
from kombu.exceptions import OperationalError

from lunary_dash.celery import BROKER_SECONDS, app, enqueue
from projects.models import Project
from runs.tasks import finish_deletions
from tests import make


@pytest.fixture(params=["refuses", "silent"])
def away(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Point the application at a port that nobody listens on, or at one where nobody ever answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param == "silent":
            listener.listen(8)
        monkeypatch.setattr(app.conf, "broker_url", f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
        yield


def test_a_task_is_refused_soon(away: None) -> None:
    waited = []
    for _ in range(3):  # the best of them: the machine may be busy
        started = time.monotonic()
        with pytest.raises(OperationalError):
            enqueue(finish_deletions)
        waited.append(time.monotonic() - started)
    assert min(waited) < 3 * BROKER_SECONDS, waited


@pytest.mark.django_db(transaction=True)
def test_a_project_is_deleted_all_the_same(away: None) -> None:
    project = make.project()
    people = make.people(project)
    make.run(project)
    address = reverse("project_delete", args=[project.public_id])
    answer = make.client_for(people.owner).post(address, {"typed": project.name}, follow=True)
    assert answer.status_code == 200
    assert not Project.objects.filter(pk=project.pk).exists()
    assert Project.with_gone.get(pk=project.pk).going_at, "the scheduled task finds it by this"


@pytest.mark.django_db(transaction=True)
def test_loading_the_demo_says_that_it_can_t(away: None) -> None:
    project = make.project()
    people = make.people(project)
    address = reverse("demo_load", args=[project.public_id])
    answer = make.client_for(people.owner).post(address, follow=True)
    assert "background worker can’t be reached" in answer.content.decode().replace("&#x27;", "’")


def test_a_task_reaches_a_broker_that_is_there() -> None:
    with app.connection_for_write() as connection, connection.SimpleQueue("celery") as queue:
        queue.clear()
        enqueue(finish_deletions)
        message = queue.get(timeout=5)
        message.ack()
        assert message.headers["task"] == finish_deletions.name
