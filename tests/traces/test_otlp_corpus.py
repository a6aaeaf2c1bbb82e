"""Exports against recorded traffic: their encoding is that of real clients, and what Lunary's SDKs sent comes back."""

import json
from typing import Any
from uuid import UUID

import pytest

from projects import keys
from runs.models import Run
from tests import make
from tests.ingest.conftest import Sender, new_sender
from tests.journeys.scenarios import Scenario, scenarios
from tests.traces.otlp_reading import checked, run_of, value_of
from traces import otlp_export

RECORDED = [one for one in scenarios("") if one.requests and b"resourceSpans" in one.requests[0][1]]
every_recorded = pytest.mark.parametrize("scenario", RECORDED, ids=lambda scenario: scenario.name)


@every_recorded
def test_recorded_requests_pass_the_same_check(scenario: Scenario) -> None:
    """What the check allows is what instrumentations send, and exports have no field that these don't know."""
    for _, body in scenario.requests:
        assert checked(json.loads(body), numbers_as_text=False)


@pytest.mark.django_db
@pytest.mark.parametrize("scenario", scenarios("lunary-"), ids=lambda scenario: scenario.name)
def test_what_clients_sent_survives_the_way_out_and_back(scenario: Scenario) -> None:
    sender = _sent(scenario)
    runs = {run.id: run for run in Run.objects.filter(project_id=sender.project.pk, trace_id__isnull=False)}
    bodies = {str(run): _told(sender, str(run)) for run in runs}
    for trace in {run.trace_id for run in runs.values()}:
        spans = checked(_told(sender, f"{trace}/otlp", of="traces"))
        by_run = {_attribute(one, "lunary.run.id"): one for one in spans}
        assert set(by_run) == {str(run.id) for run in runs.values() if run.trace_id == trace}
        for run_id, told in by_run.items():
            _same(runs[UUID(run_id)], bodies[run_id], told, by_run)


def _same(run: Run, api: dict[str, Any], told: dict[str, Any], by_run: dict[str, Any]) -> None:
    again = run_of(told)
    assert again["type"] == run.type
    assert again["name"] == (run.name or run.type)
    assert again["status"] == ("error" if run.status == "error" else "success")
    parent = by_run.get(str(run.parent_id))
    assert again["parent"] == (parent["spanId"] if parent and run.id != run.trace_id else None)
    assert again["user"] == run.user_id
    assert again["thread"] == (str(run.thread_id) if run.thread_id else None)
    assert again["tags"] == run.tags
    given = api["params"] if isinstance(api["params"], dict) else {}
    assert again["params"] == given
    assert again["metadata"] == {key: value for key, value in (api["metadata"] or {}).items() if value is not None}
    if run.type in otlp_export.MODELS:
        assert again["tokens"]["prompt"] == run.input_tokens
        assert again["tokens"]["completion"] == run.output_tokens
    if api["error"]:
        assert again["error"]["message"] == api["error"]["message"]
    for side in ("input", "output"):
        assert _words(again[side]) == _words(api[side]), side


def _words(value: Any) -> set[str]:
    """Return every text and number of a payload, structure left aside; roles and types are words of the structure."""
    if isinstance(value, dict):
        found = (_words(inner) for key, inner in value.items() if key not in ("role", "type"))
        return set().union(*found)
    if isinstance(value, list):
        return set().union(*(_words(inner) for inner in value))
    return set() if value is None else {str(value)}


def _sent(scenario: Scenario) -> Sender:
    keys.forget()
    sender = new_sender()
    sender.project.accept_standalone_tools = scenario.has_standalone_tool
    sender.project.save(update_fields=["accept_standalone_tools"])
    keys.forget()
    for path, body in scenario.requests:
        sender.post(body, path)
    return sender


def _told(sender: Sender, address: str, of: str = "runs") -> dict[str, Any]:
    client = make.client_for(None)
    answer = client.get(f"/v1/{of}/{address}", headers={"Authorization": f"Bearer {sender.private_key}"})
    told: dict[str, Any] = json.loads(answer.getvalue())
    return told


def _attribute(told: dict[str, Any], key: str) -> Any:
    return next(value_of(pair["value"]) for pair in told["attributes"] if pair["key"] == key)
