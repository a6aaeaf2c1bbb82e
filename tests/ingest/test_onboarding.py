"""First steps: the snippet with the key, the wait, and what it turns into."""

import json
import re
import shlex

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from projects import keys
from projects.founding import Founded, found_project
from projects.models import ApiKey, Project
from tests import make

pytestmark = pytest.mark.django_db

POLL = {"HX-Request": "true", "HX-Target": "waiting"}
RUN = "0197c3f2-8e41-4000-8000-000000000001"


@pytest.fixture
def people() -> make.People:
    return make.workspace_with_people()


@pytest.fixture
def founded(people: make.People) -> Founded:
    keys.forget()
    return found_project(people.workspace, "Claims intake")


def home(founded: Founded) -> str:
    return f"/p/{founded.project.public_id}/"


def send(key: str, **event: object) -> dict[str, object]:
    """Send one event as an SDK does and return what it was told."""
    response = Client().post(
        "/v1/runs/ingest",
        json.dumps({"events": [event]}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )
    told: dict[str, object] = response.json()["results"][0]
    return told


def test_members_see_it_billing_and_strangers_do_not(people: make.People, founded: Founded) -> None:
    for person in (people.owner, people.member, people.viewer):
        assert make.client_for(person).get(home(founded)).status_code == 200
    assert make.client_for(people.billing).get(home(founded)).status_code == 403
    assert make.client_for(people.stranger).get(home(founded)).status_code == 404
    assert make.client_for(None).get(home(founded)).status_code == 302


@pytest.mark.parametrize("language", ["curl", "python", "javascript", "langchain"])
def test_each_language_has_the_key_and_this_servers_address(
    people: make.People, founded: Founded, language: str
) -> None:
    page = make.client_for(people.viewer).get(home(founded), {"lang": language}).content.decode()
    copied = re.search(r'data-copy="([^"]*)"', page)
    assert copied is not None
    assert founded.public_key in copied[1]
    assert "http://testserver" in copied[1]
    assert founded.private_key not in page


def test_the_public_url_wins_over_the_requests_host(people: make.People, founded: Founded, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://dash.example/lunary"
    page = make.client_for(people.viewer).get(home(founded)).content.decode()
    assert "https://dash.example/lunary" in page
    assert "http://testserver" not in page


def test_without_a_public_key_in_use_it_says_so(people: make.People, founded: Founded) -> None:
    keys.revoke(ApiKey.objects.get(project=founded.project, kind="public"))
    page = make.client_for(people.viewer).get(home(founded)).content.decode()
    assert "no public key in use" in page
    assert f"BLIC_KEY={founded.public_key}" not in page


def test_it_waits_and_says_for_how_long(people: make.People, founded: Founded) -> None:
    client = make.client_for(people.viewer)
    page = client.get(home(founded)).content.decode()
    poll = re.search(r'hx-get="([^"]+since=\d+)"\s+hx-trigger="every 1s"', page)
    assert poll is not None
    assert "Reload this page" in page
    answer = client.get(home(founded), {"since": "1"}, headers=POLL).content.decode()
    assert answer.strip().startswith('<div id="waiting"')
    assert "Listening for" in answer
    assert client.get(home(founded), {"since": "soon"}, headers=POLL).status_code == 200


def test_the_first_event_turns_the_wait_into_the_run(people: make.People, founded: Founded) -> None:
    client = make.client_for(people.viewer)
    told = send(founded.public_key, type="llm", event="start", runId=RUN, name="gpt-4o", input="Hello")
    assert told["success"] is True
    answer = client.get(home(founded), headers=POLL).content.decode()
    assert "Your first event is here" in answer
    assert f"/p/{founded.project.public_id}/runs/{RUN}" in answer
    assert "hx-trigger" not in answer
    reloaded = client.get(home(founded))
    assert reloaded.status_code == 302
    assert reloaded["Location"].startswith(home(founded) + "overview")


def test_the_curl_line_works_as_it_is_pasted(people: make.People, founded: Founded) -> None:
    client = make.client_for(people.viewer)
    page = client.get(home(founded), {"lang": "curl"})
    words = shlex.split(page.context["curl"].text)
    headers = dict(word.split(": ", 1) for word in words if ": " in word and not word.startswith("{"))
    assert words[1] == "http://testserver/v1/runs/ingest"
    response = Client().post("/v1/runs/ingest", words[-1], content_type=headers.pop("Content-Type"), headers=headers)
    assert [result["success"] for result in response.json()["results"]] == [True, True]
    assert "gpt-4o-mini" in client.get(home(founded), headers=POLL).content.decode()


def test_a_refused_event_is_shown_with_its_reason_and_what_to_do(people: make.People, founded: Founded) -> None:
    told = send(founded.public_key, type="tool", event="start", runId=RUN, name="search_<b>policy", input="x")
    assert told["success"] is False
    owner = make.client_for(people.owner).get(home(founded), headers=POLL).content.decode()
    assert "An event was refused" in owner
    assert "search_&lt;b&gt;policy" in owner
    assert "parentRunId" in owner
    assert "Accept standalone tools, flagged" in owner
    assert "1 held" in make.client_for(people.owner).get(home(founded)).content.decode()
    viewer = make.client_for(people.viewer).get(home(founded), headers=POLL).content.decode()
    assert "Accept standalone tools, flagged" not in viewer


def test_the_switch_on_the_page_lets_tools_in(people: make.People, founded: Founded) -> None:
    path = f"{home(founded)}settings/tools"
    response = make.client_for(people.owner).post(path, {"on": "1", "next": home(founded)})
    assert response["Location"] == home(founded)
    assert send(founded.public_key, type="tool", event="start", runId=RUN, name="search")["success"] is True


def test_a_project_with_events_keeps_its_snippets_under_settings(people: make.People) -> None:
    project = make.project(people)
    keys.create(project, "public", "First", text=str(project.public_id))
    make.run(project)
    page = make.client_for(people.viewer).get(f"/p/{project.public_id}/connect").content.decode()
    assert str(project.public_id) in page
    assert "every 1s" not in page
    assert Project.objects.get(pk=project.pk).first_event_at is not None


def test_waiting_stays_cheap(
    people: make.People, founded: Founded, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = make.client_for(people.viewer)
    client.get(home(founded))
    with django_assert_max_num_queries(6):
        client.get(home(founded), headers=POLL)
