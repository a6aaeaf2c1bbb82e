"""The door of the data API: keys, sessions, and what is said to those who have neither."""

import pytest
from django.test import Client

from projects import keys
from projects.founding import Founded, found_project
from projects.models import ApiKey
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.lunary_dash.probe_urls")]


@pytest.fixture
def people() -> make.People:
    return make.workspace_with_people()


@pytest.fixture
def founded(people: make.People) -> Founded:
    keys.forget()
    return found_project(people.workspace, "Concierge")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_private_key_opens_every_route_of_its_project(founded: Founded) -> None:
    for path in ("/v1/private", "/v1/public", "/prefix//v1/public"):
        response = Client().get(path, headers=bearer(founded.private_key))
        assert response.json() == {"project": "Concierge"}


def test_a_public_key_opens_only_what_is_meant_for_it(founded: Founded) -> None:
    assert Client().get("/v1/public", headers={"X-API-Key": founded.public_key}).status_code == 200
    refused = Client().get("/v1/private", headers=bearer(founded.public_key))
    assert refused.status_code == 401
    assert refused.json() == {"error": "Unauthorized", "message": "This route requires a private API key"}


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "Invalid access token"),
        (bearer("not-a-uuid"), "Invalid access token"),
        (bearer("0b4a1f1e-7d0a-4f43-9df3-7a9f6a3a7f10"), "Invalid API key"),
    ],
)
def test_refusals_use_the_words_clients_know(headers: dict[str, str], message: str) -> None:
    response = Client().get("/v1/private", headers=headers)
    assert response.status_code == 401
    assert response.json()["message"] == message


def test_a_revoked_key_is_an_invalid_key(founded: Founded) -> None:
    keys.revoke(ApiKey.objects.get(project=founded.project, kind="private"))
    assert Client().get("/v1/private", headers=bearer(founded.private_key)).json()["message"] == "Invalid API key"


def test_a_post_with_a_key_needs_no_csrf_token(founded: Founded) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post("/v1/private", headers=bearer(founded.private_key)).status_code == 200


def test_a_member_who_is_logged_in_may_name_the_project(people: make.People, founded: Founded) -> None:
    path = f"/v1/private?projectId={founded.project.public_id}"
    assert make.client_for(people.viewer).get(path).status_code == 200
    assert make.client_for(people.stranger).get(path).status_code == 404
    assert make.client_for(people.billing).get(path).json() == {
        "error": "Forbidden", "message": "You don't have access to this resource"
    }  # fmt: skip
    assert make.client_for(None).get(path).status_code == 401
    assert make.client_for(people.viewer).get("/v1/private").status_code == 401


def test_a_session_writes_only_from_this_sites_own_pages(people: make.People, founded: Founded) -> None:
    path = f"/v1/private?projectId={founded.project.public_id}"
    client = make.client_for(people.member)
    assert client.post(path, headers={"Origin": "http://testserver"}).status_code == 200
    assert client.post(path).status_code == 401
    assert client.post(path, headers={"Origin": "https://evil.example"}).status_code == 401
    assert client.get(path, headers={"Origin": "https://evil.example"}).status_code == 401
    assert client.get(path, headers={"Sec-Fetch-Site": "same-site"}).status_code == 401
    assert make.client_for(people.viewer).post(path, headers={"Origin": "http://testserver"}).status_code == 403
