"""Who may ask what: every address of the data API, by every kind of asker."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from ingest.models import Rejection
from projects import keys
from projects.models import KeyKind, Project
from runs.models import Run
from tests import make
from tests.api.conftest import Script

PUBLIC_OK = {
    ("GET", "feedback"),
    ("GET", "template_versions/latest"),
    ("GET", "template-versions/latest"),
    ("GET", "datasets/x"),
}
ROUTES = [
    ("GET", "runs"),
    ("GET", "runs/count"),
    ("GET", "runs/usage?days=7"),
    ("GET", "runs/{run}"),
    ("GET", "runs/{run}/related"),
    ("GET", "runs/{run}/feedback"),
    ("PATCH", "runs/{run}/feedback"),
    ("PATCH", "runs/{run}/tags"),
    ("PATCH", "runs/{run}/score"),
    ("DELETE", "runs/{run}"),
    ("GET", "threads"),
    ("GET", "threads/{thread}"),
    ("GET", "external-users"),
    ("GET", "external-users/ines"),
    ("GET", "ingest/rejections"),
    ("GET", "template_versions/latest?slug=a"),
    ("GET", "template-versions/latest?slug=a"),
    ("GET", "templates/latest"),
    ("GET", "datasets/x"),
]
MISSING = {"template_versions/latest", "template-versions/latest", "templates/latest", "datasets/x"}
BODIES: dict[str, Any] = {"feedback": {"thumb": "up"}, "tags": {"tags": ["a"]}, "score": {"label": "a", "value": 1}}


@pytest.fixture
def things(project: Project) -> dict[str, str]:
    """Make one of everything in the project."""
    thread = make.run(project, "thread")
    run = make.run(project, user_id="ines")
    make.end_user(project, "ines")
    return {"run": str(run.id), "thread": str(thread.id)}


def ask(script: Script, method: str, route: str, things: dict[str, str]) -> tuple[int, Any]:
    body = BODIES.get(route.rpartition("/")[2]) if method == "PATCH" else None
    response = script.send(method, f"/v1/{route.format(**things)}", body)
    return response.status_code, json.loads(response.content)


def is_public(method: str, route: str) -> bool:
    return (method, route.partition("?")[0]) in PUBLIC_OK or (method == "GET" and route.endswith("/feedback"))


def expected(route: str) -> int:
    return 404 if route.partition("?")[0] in MISSING else 200


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_the_owners_private_key_may(script: Script, things: dict[str, str], method: str, route: str) -> None:
    assert ask(script, method, route, things)[0] == expected(route)


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_a_public_key_may_only_where_sdks_use_it(
    project: Project, things: dict[str, str], method: str, route: str
) -> None:
    key = keys.create(project, KeyKind.PUBLIC, "site", text=str(project.public_id))[1]
    status, answer = ask(Script(key), method, route, things)
    if is_public(method, route):
        assert status == expected(route)
    else:
        assert (status, answer["message"]) == (401, "This route requires a private API key")
        assert Run.objects.filter(id=things["run"]).exists()


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_another_projects_key_reaches_nothing(
    elsewhere: Script, things: dict[str, str], method: str, route: str
) -> None:
    before = Run.objects.values().get(id=things["run"])
    status, answer = ask(elsewhere, method, route, things)
    if "{" in route or route == "external-users/ines":
        assert status == 404
    elif status == 200:
        assert not (answer.get("data") if isinstance(answer, dict) else answer)
    assert Run.objects.values().get(id=things["run"]) == before


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_no_key_a_wrong_one_and_a_revoked_one_are_refused(
    project: Project, things: dict[str, str], method: str, route: str
) -> None:
    key, text = keys.create(project, KeyKind.PRIVATE, "old")
    keys.revoke(key)
    refusals = {None: "Invalid access token", "not-a-uuid": "Invalid access token", text: "Invalid API key"}
    for tried, message in refusals.items():
        status, answer = ask(Script(tried), method, route, things)
        assert (status, answer["message"]) == (401, message)


def in_browser(
    client: Client, project: Project, method: str, route: str, things: dict[str, str], **headers: str
) -> int:
    address = f"/v1/{route.format(**things)}"
    address += f"{'&' if '?' in address else '?'}projectId={project.public_id}"
    body = json.dumps(BODIES.get(route.rpartition("/")[2])) if method == "PATCH" else ""
    response = client.generic(method, address, body, "application/json", headers=headers)
    return response.status_code


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_people_may_what_their_role_allows(project: Project, things: dict[str, str], method: str, route: str) -> None:
    people = make.people(project)
    own = {"origin": "http://testserver"}
    clients = {name: make.client_for(getattr(people, name)) for name in ("member", "viewer", "stranger", "billing")}
    seen = {name: in_browser(client, project, method, route, things, **own) for name, client in clients.items()}
    assert seen["stranger"] == 404
    assert seen["billing"] == 403
    assert seen["viewer"] == (expected(route) if method == "GET" else 403)
    assert seen["member"] == expected(route)
    assert in_browser(make.client_for(None), project, method, route, things, **own) == 401


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_a_session_cannot_be_used_from_another_site(
    project: Project, things: dict[str, str], method: str, route: str
) -> None:
    client = make.client_for(make.people(project).owner)
    assert in_browser(client, project, method, route, things, origin="https://evil.example") == 401
    assert Run.objects.filter(id=things["run"]).exists()


def test_a_key_may_come_as_x_api_key(script: Script, things: dict[str, str]) -> None:
    bare = Script(None)
    assert bare.get("/v1/runs", **{"X-API-Key": script.key or ""}).status_code == 200


def test_a_projects_rejections_are_its_own(project: Project, script: Script, elsewhere: Script) -> None:
    refusal = {"code": "standalone-tool", "reason": "tool runs …", "received_at": timezone.now()}
    Rejection.objects.create(project_id=project.pk, id=uuid4(), run_id="t-1", event='{"b": 1.0}', **refusal)
    Rejection.objects.create(project_id=project.pk, id=uuid4(), event="{NaN", **refusal)
    told = script.json("/v1/ingest/rejections?total=1&code=standalone-tool")
    assert sorted(map(str, (each["event"] for each in told["data"]))) == ["{'b': 1.0}", "{NaN"]
    assert (told["total"], told["nextCursor"]) == (2, None)
    first = script.json("/v1/ingest/rejections?limit=1")
    second = script.json(f"/v1/ingest/rejections?limit=1&cursor={first['nextCursor']}")
    assert {first["data"][0]["id"], second["data"][0]["id"]} == {each["id"] for each in told["data"]}
    assert elsewhere.json("/v1/ingest/rejections")["data"] == []
    assert script.get("/v1/ingest/rejections?status=error").status_code == 400


@pytest.mark.parametrize("route", ["runs", "runs/count", "runs/x", "runs/x/tags", "threads", "health", "openapi"])
def test_other_methods_are_refused_and_preflights_answered(script: Script, route: str) -> None:
    response = script.send("PUT", f"/v1/{route}", {})
    assert response.status_code == 405
    assert "OPTIONS" in response["Allow"]
    assert script.send("OPTIONS", f"/v1/{route}").status_code in (200, 204)


def test_unknown_addresses_are_told_in_json(script: Script) -> None:
    assert script.get("/v1/nothing").status_code == 404


def test_health_needs_no_key(client: Client) -> None:
    assert json.loads(client.get("/v1/health").content) == {"status": "OK"}


def test_sdk_look_ups_get_the_message_they_know(script: Script) -> None:
    answer = json.loads(script.get("/v1/template_versions/latest?slug=support").content)
    assert answer["message"] == "Template not found, is the project ID correct?"


@pytest.mark.parametrize("base", ["/", "/tools/lunary", "/tools/lunary/"])
def test_a_base_address_may_bring_a_path_and_a_slash(script: Script, things: dict[str, str], base: str) -> None:
    for route in ("runs/count", f"runs/{things['run']}", f"runs/{things['run']}/feedback", "health"):
        response = script.client.get(f"http://testserver{base}/v1/{route}", headers={"x-api-key": script.key or ""})
        assert response.status_code == 200


def test_the_key_of_a_deleted_project_is_refused(project: Project, script: Script) -> None:
    assert script.get("/v1/runs").status_code == 200
    project.delete()
    assert script.get("/v1/runs").status_code == 401
