"""Ids of any kind, over HTTP to the real server: each names its run, thread and page, and nothing else (rule 2)."""

from typing import Any
from urllib.parse import quote, urlencode

import pytest
import requests

from runs.ids import run_id, sdk_hash
from tests.journeys.browsing import signed_in
from tests.journeys.conftest import Instance, new_project
from tests.supervisor.instances import Copy

pytestmark = pytest.mark.xdist_group("copy")

IDS = (
    *("x/related", "x/feedback", "x/tags", "x/score", "related", "/feedback", "x"),
    *("a/b", "a//b", "/a", "//a", "a/", "a//", "/", "//", "v1/runs/x", "/v1/", "p/../q"),
    *("a?b=c", "a#b", "100%", "%2F", "a%2Fb", "%", "a+b c", " padded ", "a;b", "a&b=c,d", "a\tb\nc", '"quoted"'),
    *("🚂", "ملف/related", "é", "e\u0301", "\ufffd", "null", "undefined", "0", "true", "<b>", "{{ x }}", "\\"),
    *("long/" + 1200 * "é", "550e8400-e29b-41d4-a716-446655440000/feedback"),
)
WORDS = ("count", "usage", "facets", "compare", ".", "..", "./x", "a/../b")
"""Addresses of their own, or what clients take for places relative to others: asked for as `id=`, or as stored."""


@pytest.fixture(scope="module")
def instance(whole_copy: Copy) -> Instance:
    """Return a project in which every id is an agent's, and part of a thread's and a message's."""
    made = new_project(whole_copy, "Ids")
    at = "2026-11-21T10:00:00.000Z"
    for id in (*IDS, *WORDS):
        said = {"type": "thread", "event": "chat", "parentRunId": f"thread {id}", "runId": f"said {id}"}
        results = made.send(
            [
                {"type": "agent", "event": "start", "runId": id, "name": id[:50], "timestamp": at},
                said | {"message": {"role": "user", "content": id}, "timestamp": at},
            ]
        )
        assert [each["success"] for each in results] == [True, True]
    return made


def ask(instance: Instance, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
    """Send a request with the project's private key."""
    headers = {"Authorization": f"Bearer {instance.private_key}"}
    return requests.request(method, instance.url + path, json=body, headers=headers, timeout=10)


@pytest.mark.parametrize("id", IDS, ids=ascii)
def test_an_encoded_id_names_its_run_and_its_sub_addresses(instance: Instance, id: str) -> None:
    place = f"/v1/runs/{quote(id, safe='')}"
    run = instance.get(place)
    assert run["id"] == run_id(id)
    assert [each["id"] for each in instance.get(f"{place}/related")] == [run["id"]]
    assert ask(instance, "PATCH", f"{place}/tags", {"tags": [id[:9]]}).status_code == 200
    assert ask(instance, "PATCH", f"{place}/score", {"label": "tone", "value": 1}).status_code == 200
    assert ask(instance, "PATCH", f"{place}/feedback", {"comment": id}).status_code == 200
    assert instance.get(f"{place}/feedback") == {"comment": id}
    told = instance.get(f"/v1/runs/{run['id']}")
    assert (told["tags"], told["feedback"]) == ([id[:9]], {"comment": id})


@pytest.mark.parametrize("id", IDS, ids=ascii)
def test_an_encoded_id_names_its_thread(instance: Instance, id: str) -> None:
    told = instance.get(f"/v1/threads/{quote('thread ' + id, safe='')}")
    assert [each["content"] for each in told["messages"]] == [id]
    assert instance.get(f"/v1/threads/{quote('said ' + id, safe='')}")["id"] == told["id"]


@pytest.mark.parametrize("id", [*IDS, *WORDS], ids=ascii)
def test_every_id_can_be_asked_for_as_a_filter_and_as_it_is_stored(instance: Instance, id: str) -> None:
    found = instance.get(f"/v1/runs?{urlencode({'type': 'all', 'id': id})}")["data"]
    assert [each["id"] for each in found] == [run_id(id)]
    assert instance.get(f"/v1/runs/{run_id(id)}")["id"] == run_id(id)


def test_a_plain_slash_before_a_sub_address_separates(instance: Instance) -> None:
    assert [each["id"] for each in instance.get("/v1/runs/x/related")] == [run_id("x")]
    assert instance.get("/v1/runs/a/b")["id"] == run_id("a/b")
    assert ask(instance, "GET", "/v1/runs/nothing/related").status_code == 404


def test_pages_take_encoded_ids(instance: Instance) -> None:
    with signed_in(instance.copy) as person:
        pages = f"{instance.url}/p/{instance.project_id}"
        for id in IDS:
            for place, wanted, held in (
                ("runs", "runs", id),
                ("traces", "traces", id),
                ("threads", "threads", "thread " + id),
                ("threads", "threads", "said " + id),
            ):
                page = person.get(f"{pages}/{place}/{quote(held, safe='')}", timeout=10)
                assert page.status_code == 200, (place, held)
                shown = run_id("thread " + id) if place == "threads" else run_id(id)
                assert page.url.split("#")[0].split("?")[0] == f"{pages}/{wanted}/{shown}", (place, held)


def test_deleting_an_encoded_id_deletes_that_run_alone(whole_copy: Copy) -> None:
    instance = new_project(whole_copy, "Ids to delete")
    events = [{"type": "agent", "event": "start", "runId": id} for id in ("x", "x/related", "x/feedback")]
    instance.send(events)
    assert ask(instance, "DELETE", "/v1/runs/x%2Frelated").json() == {"deleted": 1}
    assert ask(instance, "DELETE", "/v1/runs/x/related").status_code == 405
    assert {run["id"] for run in instance.runs()} == {run_id("x"), run_id("x/feedback")}


def test_what_only_the_python_sdk_sent_is_found_raw_and_as_sent(whole_copy: Copy) -> None:
    instance = new_project(whole_copy, "Ids of Python")
    held, thread = "run/related", "conversation/1"
    sent = sdk_hash(held, instance.public_key)
    said: dict[str, Any] = {"type": "thread", "event": "chat", "runId": sdk_hash("said", instance.public_key)}
    said |= {"parentRunId": sdk_hash(thread, instance.public_key), "message": {"role": "user", "content": "Hi"}}
    instance.send([{"type": "agent", "event": "start", "runId": sent}, said])
    for form in (held, sent):
        assert instance.get(f"/v1/runs/{quote(form, safe='')}")["id"] == sent
    for form in (thread, sdk_hash(thread, instance.public_key)):
        assert instance.get(f"/v1/threads/{quote(form, safe='')}")["messages"][0]["content"] == "Hi"
    # Made of the raw id by another hash, without the raw id ever having been here: nothing leads from one to the other.
    assert ask(instance, "GET", f"/v1/runs/{run_id(held)}").status_code == 404
