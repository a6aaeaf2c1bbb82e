"""Recorded traffic of Lunary's SDKs over HTTP, in every order, against every assertion of its expect.json."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from ingest import intake
from projects import keys
from tests.ingest.conftest import Sender, new_sender
from tests.journeys.scenarios import Scenario, compare, scenarios

LUNARY = scenarios("lunary-")
every_scenario = pytest.mark.parametrize("scenario", LUNARY, ids=lambda scenario: scenario.name)


@pytest.fixture(autouse=True)
def fresh_process() -> None:
    """Forget what a process remembers about projects; test databases use the same numbers again."""
    keys.forget()
    intake._begun.clear()


class Api:
    """The data API, read with a private key."""

    def __init__(self, sender: Sender) -> None:
        self.headers = {"Authorization": f"Bearer {sender.private_key}"}

    def get(self, path: str) -> Any:
        response = Client().get(path, headers=self.headers)
        assert response.status_code == 200, (path, response.status_code, response.content)
        return response.json()


def project_for(scenario: Scenario) -> Sender:
    """Return a new project that accepts standalone tools if, and only if, the scenario has one."""
    sender = new_sender()
    sender.project.accept_standalone_tools = scenario.has_standalone_tool
    sender.project.save(update_fields=["accept_standalone_tools"])
    keys.forget()
    return sender


def replay(sender: Sender, requests: list[tuple[str, bytes]]) -> None:
    for path, body in requests:
        response = sender.post(body, path)
        assert response.status_code == 200
        assert all(result["success"] for result in response.json()["results"]), response.json()


@pytest.mark.django_db
@every_scenario
def test_a_scenario_shows_what_the_program_did(scenario: Scenario) -> None:
    sender = project_for(scenario)
    replay(sender, scenario.requests)
    compare(scenario, Api(sender))


@pytest.mark.django_db
@every_scenario
def test_sent_twice_it_shows_the_same(scenario: Scenario) -> None:
    sender = project_for(scenario)
    replay(sender, scenario.requests + scenario.requests)
    compare(scenario, Api(sender))


@pytest.mark.django_db
@every_scenario
def test_sent_in_reverse_order_of_requests_it_shows_the_same(scenario: Scenario) -> None:
    sender = project_for(scenario)
    replay(sender, scenario.requests[::-1])
    compare(scenario, Api(sender))


@pytest.mark.django_db
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@every_scenario
def test_sent_event_by_event_it_shows_the_same(scenario: Scenario, backwards: bool) -> None:
    sender = project_for(scenario)
    events = [("/v1/runs/ingest", body) for body in scenario.events]
    replay(sender, events[::-1] if backwards else events)
    compare(scenario, Api(sender))


@pytest.mark.django_db(transaction=True)
@every_scenario
def test_sent_to_two_projects_at_once_neither_disturbs_the_other(scenario: Scenario) -> None:
    senders = [project_for(scenario), project_for(scenario)]

    def write(sender: Sender) -> None:
        try:
            replay(sender, scenario.requests)
        finally:
            connections["default"].close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, senders))
    for sender in senders:
        compare(scenario, Api(sender))


@pytest.mark.django_db
@pytest.mark.parametrize("scenario", [s for s in LUNARY if s.has_standalone_tool], ids=lambda scenario: scenario.name)
def test_by_default_a_standalone_tool_is_refused_and_held(scenario: Scenario) -> None:
    sender = new_sender()
    results = [result for path, body in scenario.requests for result in sender.post(body, path).json()["results"]]
    refused = [result for result in results if not result["success"]]
    assert refused
    assert refused[0]["error"] == (
        "tool runs are tracked as part of an agent or a chain; this one names no parentRunId"
    )
    api = Api(sender)
    assert api.get("/v1/runs?type=tool")["data"] == []
    assert {held["runId"] for held in api.get("/v1/ingest/rejections")["data"]} >= {refused[0]["id"]}
