"""A project with keys, and a script that calls its data API; every answer is held against its description."""

import json
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import resolve

from projects import keys
from projects.models import KeyKind, Project
from runs.openapi import Fault
from tests import make


@dataclass
class Script:
    """A client with a key. An answer that is not as documented fails the test that asked for it."""

    key: str | None
    client: Client = field(default_factory=lambda: Client(raise_request_exception=True))

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """Send a request; `body` becomes JSON."""
        if self.key is not None:
            headers = {"authorization": f"Bearer {self.key}"} | headers
        data = "" if body is None else json.dumps(body)
        response = cast(HttpResponse, self.client.generic(method, path, data, "application/json", headers=headers))
        assert_documented(method, path, response)
        return response

    def get(self, path: str, **headers: str) -> HttpResponse:
        """Send a GET request."""
        return self.send("GET", path, **headers)

    def walk(self, path: str) -> list[Any]:
        """Return all rows of a list, page by page along its cursors; `path` ends in its query."""
        rows: list[Any] = []
        page = self.json(path)
        while True:
            rows += page["data"]
            if page["nextCursor"] is None:
                return rows
            page = self.json(f"{path}&cursor={page['nextCursor']}")

    def json(self, path: str) -> Any:
        """Return the JSON of a GET that succeeds."""
        response = self.get(path)
        assert response.status_code == 200, response.content
        return json.loads(response.content)

    def ids(self, path: str) -> list[str]:
        """Return the ids of the runs that a list answers with."""
        return [each["id"] for each in self.json(path)["data"]]


def assert_documented(method: str, path: str, response: HttpResponse) -> None:
    """Check the answer against the types in the OpenAPI document, no field more and none less."""
    if method in ("HEAD", "OPTIONS"):
        return
    assert response["Content-Type"] == "application/json"
    if response.status_code >= 400:
        msgspec.json.decode(response.content, type=Fault)
        return
    view: Any = resolve(path.partition("?")[0]).func
    described = view.operations[method].answers
    decoded = msgspec.json.decode(response.content, type=described)
    encoded = msgspec.json.Encoder(decimal_format="number").encode(decoded)
    assert same(json.loads(encoded), json.loads(response.content)), "a field is in the answer but not in its type"


def same(a: Any, b: Any) -> bool:
    """Compare JSON values, numbers by what they are worth."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


@pytest.fixture
def project(db: None) -> Project:
    """Make a project."""
    keys.forget()
    return make.project()


@pytest.fixture
def script(project: Project) -> Script:
    """Return a script with the project's private key."""
    return Script(keys.create(project, KeyKind.PRIVATE, "script")[1])


@pytest.fixture
def elsewhere(project: Project) -> Script:
    """Return a script with the private key of another project."""
    return Script(keys.create(make.project(name="Elsewhere"), KeyKind.PRIVATE, "script")[1])
