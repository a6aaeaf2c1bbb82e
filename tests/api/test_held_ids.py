"""The id that somebody's code knows works in the API, whichever form of it arrived (rule 2)."""

import json
from typing import Any

import pytest
from django.test import Client

from projects import keys
from projects.models import KeyKind, Project
from runs import ids
from tests.api.conftest import Script

AT = "2026-11-21T10:00:00.000Z"


@pytest.fixture
def public(project: Project) -> str:
    """Return the project's public key."""
    return keys.create(project, KeyKind.PUBLIC, "app", text=str(project.public_id))[1]


def send(key: str, *events: dict[str, Any]) -> None:
    """Send events as an SDK does, each accepted."""
    body = json.dumps({"events": events})
    headers = {"authorization": f"Bearer {key}"}
    response = Client().post("/v1/runs/ingest", body, content_type="application/json", headers=headers)
    assert [each["success"] for each in json.loads(response.content)["results"]] == [True] * len(events)


@pytest.mark.parametrize("sdk", ["python", "javascript"])
def test_threads_messages_and_runs_are_found_by_the_id_people_hold(script: Script, public: str, sdk: str) -> None:
    def sent(held: str) -> str:
        return ids.sdk_hash(held, public) if sdk == "python" else held

    said = {"type": "thread", "event": "chat", "parentRunId": sent("conv-1"), "timestamp": AT}
    llm = {"type": "llm", "runId": sent("call-1"), "parentRunId": sent("msg-1"), "name": "gpt-4o", "timestamp": AT}
    send(
        public,
        said | {"runId": sent("msg-1"), "message": {"role": "user", "content": "Hi"}},
        llm | {"event": "start", "input": "Hi"},
        llm | {"event": "end", "output": "Hello", "timestamp": "2026-11-21T10:00:01.000Z"},
        said | {"runId": sent("msg-2"), "message": {"role": "assistant", "content": "Hello"}},
    )
    thread = script.json("/v1/threads/conv-1")
    assert [each["content"] for each in thread["messages"]] == ["Hi", "Hello"]
    assert script.json("/v1/runs/msg-2")["id"] == script.json("/v1/runs/msg-1")["id"]
    assert script.json("/v1/runs/call-1")["output"] == "Hello"
    assert script.ids("/v1/runs?parentRunId=msg-1") == [script.json("/v1/runs/call-1")["id"]]
    assert script.ids("/v1/runs?thread=conv-1&type=llm") == script.ids("/v1/runs?parentRunId=msg-1")
    assert script.send("PATCH", "/v1/runs/call-1/score", {"label": "tone", "value": 1}).status_code == 200
    script.send("PATCH", "/v1/runs/msg-2/feedback", {"thumb": "up"})
    told = script.json("/v1/threads/conv-1")["messages"][1]
    assert (told["id"], told["feedback"]) == (thread["messages"][1]["id"], {"thumb": "up"})
    assert json.loads(script.send("DELETE", "/v1/runs/conv-1").content) == {"deleted": 3}
    assert script.get("/v1/runs/call-1").status_code == 404


def test_a_new_key_does_not_lose_old_ids(project: Project, script: Script, public: str) -> None:
    old, text = keys.create(project, KeyKind.PRIVATE, "old")
    send(text, {"type": "agent", "event": "start", "runId": ids.sdk_hash("job-7", text), "timestamp": AT})
    keys.rotate(old, None)
    assert script.json("/v1/runs/job-7")["type"] == "agent"
