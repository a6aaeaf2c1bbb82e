"""A project with its keys, and a client that sends events to it."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from ingest import intake
from projects import keys
from projects.founding import found_project
from projects.models import Project, Workspace


@dataclass(frozen=True)
class Sender:
    """A program with a key of a project."""

    project: Project
    public_key: str
    private_key: str

    def post(self, body: bytes | str | object, path: str = "/v1/runs/ingest", **headers: str) -> Any:
        """Send a body (objects as JSON) with the public key, unless `headers` say otherwise."""
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        sent = {"Authorization": f"Bearer {self.public_key}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return Client().post(path, data, content_type="application/json", headers=sent)

    def send(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """Send events and return the results; the answer must be 200."""
        response = self.post({"events": events})
        assert response.status_code == 200, response.content
        return list(response.json()["results"])


@pytest.fixture(autouse=True)
def fresh_process() -> None:
    """Forget what a process remembers about projects; test databases use the same numbers again."""
    keys.forget()
    intake._begun.clear()


@pytest.fixture
def sender(db: None) -> Sender:
    return new_sender()


def new_sender(name: str = "Concierge") -> Sender:
    """Return a sender of a new project in a new workspace."""
    founded = found_project(Workspace.objects.create(name="Aster Labs"), name)
    return Sender(founded.project, founded.public_key, founded.private_key)
