"""The ingest endpoint as clients meet it: keys, paths, encodings, odd bodies, answers (lunary-protocol.md §2)."""

import gzip
import json
import zlib
from secrets import token_hex
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from django.test import Client

from ingest.models import Rejection
from projects import keys
from projects.models import ApiKey, Project
from runs.models import Message, Run, RunBody, RunLog
from tests.ingest.conftest import Sender, new_sender

RUN = "3b1b4d0e-0000-4000-8000-000000000001"


def start(run_id: str = RUN, **fields: Any) -> dict[str, Any]:
    return {"type": "llm", "event": "start", "runId": run_id, "name": "gpt-4o", "input": "Hi", **fields}


def stored(sender: Sender) -> list[str]:
    return [str(run_id) for run_id in Run.objects.filter(project_id=sender.project.pk).values_list("id", flat=True)]


@pytest.mark.parametrize("kind", ["public_key", "private_key"])
@pytest.mark.parametrize("header", ["Authorization", "X_API_Key"])
def test_either_key_in_either_header_stores(sender: Sender, kind: str, header: str) -> None:
    key = getattr(sender, kind)
    headers = {"Authorization": f"Bearer {key}"} if header == "Authorization" else {"Authorization": "", header: key}
    response = sender.post({"events": [start()]}, **headers)
    assert response.status_code == 200
    assert response.json() == {"results": [{"id": RUN, "success": True}]}
    assert stored(sender) == [RUN]


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        ("Bearer 00000000-0000-4000-8000-000000000000", "Invalid API key"),
        ("Bearer nonsense", "Invalid access token"),
        ("", "No API key: send a key of the project as `Authorization: Bearer` or `X-API-Key`"),
    ],
)
def test_a_wrong_or_missing_key_is_401(sender: Sender, authorization: str, message: str) -> None:
    response = sender.post({"events": [start()]}, Authorization=authorization)
    assert response.status_code == 401
    assert response.json() == {"error": "Unauthorized", "message": message}
    assert stored(sender) == []


def test_a_revoked_key_is_401(sender: Sender) -> None:
    keys.revoke(ApiKey.objects.get(project=sender.project, kind="public"))
    assert sender.post({"events": [start()]}).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"events": [start()]},
        {"events": start()},
        [start()],
        start(),
        {"events": [[start()]]},
        [[[start()]]],
        {"events": [{"type": "llm", "event": "start", "run_id": RUN, "name": "gpt-4o", "input": "Hi"}]},
        {"events": [{"type": "llm", "event": "start", "run-id": RUN, "name": "gpt-4o", "input": "Hi"}]},
    ],
)
def test_every_shape_of_body_is_understood(sender: Sender, body: Any) -> None:
    response = sender.post(body)
    assert response.status_code == 200
    assert response.json() == {"results": [{"id": RUN, "success": True}]}
    assert stored(sender) == [RUN]


@pytest.mark.parametrize("body", [{"events": []}, []])
def test_no_events_is_no_fault(sender: Sender, body: Any) -> None:
    assert sender.post(body).json() == {"results": []}


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"events": [', b"nope", b"{}", b'{"events": 7}', b"7", b'"x"', b"\xff\xfe"]
)
def test_what_is_no_batch_is_400_with_advice(sender: Sender, body: bytes) -> None:
    response = sender.post(body)
    assert response.status_code == 400
    assert response.json()["error"] == "Bad Request"
    assert '{"events": […' in response.json()["message"] or "[…]" in response.json()["message"]


@pytest.mark.parametrize("path", ["/v1/runs/ingest/", "/some/prefix/v1/runs/ingest", "/api/v1/runs/ingest"])
def test_a_path_prefix_is_no_hindrance(sender: Sender, path: str) -> None:
    assert sender.post({"events": [start()]}, path=path).status_code == 200


def deflate_bare(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
        ("deflate", zlib.compress),
        ("deflate", deflate_bare),
        ("identity", bytes),
    ],
)
def test_packed_bodies_are_unpacked(sender: Sender, encoding: str, pack: Any) -> None:
    body = pack(json.dumps({"events": [start()]}).encode())
    assert sender.post(body, Content_Encoding=encoding).status_code == 200
    assert stored(sender) == [RUN]


@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(b"[]" * 99)[:-9], gzip.compress(b"[]") + b"tail"],
    ids=["not packed", "cut short", "with a tail"],
)
def test_a_broken_gzip_is_400(sender: Sender, body: bytes) -> None:
    response = sender.post(body, Content_Encoding="gzip")
    assert response.status_code == 400
    assert "gzip" in response.json()["message"]


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_another_encoding_is_415(sender: Sender, encoding: str) -> None:
    response = sender.post(b"x", Content_Encoding=encoding)
    assert response.status_code == 415
    assert response["Accept-Encoding"] == "gzip, deflate"


def test_a_body_over_the_limit_is_413(sender: Sender, settings: Any) -> None:
    settings.INGEST_BODY_LIMIT = 1024 * 1024
    body = json.dumps({"events": [start(input="x" * 1024 * 1024)]}).encode()
    response = sender.post(body)
    assert response.status_code == 413
    assert "1 MB" in response.json()["message"]
    assert len(gzip.compress(body)) < 5000
    assert sender.post(gzip.compress(body), Content_Encoding="gzip").status_code == 413
    assert stored(sender) == []


def test_other_methods_are_405(sender: Sender) -> None:
    response = Client().get("/v1/runs/ingest")
    assert response.status_code == 405
    assert response["Allow"] == "POST, OPTIONS"


def test_a_browser_on_another_site_may_send(sender: Sender) -> None:
    preflight = Client().options(
        "/v1/runs/ingest",
        headers={
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert preflight.status_code in (200, 204)
    assert preflight["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "POST" in preflight["Access-Control-Allow-Methods"]
    assert "authorization" in preflight["Access-Control-Allow-Headers"].lower()
    response = sender.post({"events": [start()]}, Origin="https://shop.example")
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"


def test_one_bad_event_does_not_fail_the_others(sender: Sender) -> None:
    good, late = "3b1b4d0e-0000-4000-8000-00000000000a", "3b1b4d0e-0000-4000-8000-00000000000b"
    results = sender.send(
        start(good),
        {"type": "llm", "event": "explode", "runId": "x"},
        7,  # type: ignore[arg-type]
        {"type": "llm", "event": "start"},
        {"type": "log", "event": "info", "message": "lost"},
        start(late),
    )
    assert [result["success"] for result in results] == [True, False, False, False, False, True]
    assert [result["id"] for result in results] == [good, "x", None, None, None, late]
    assert sorted(stored(sender)) == [good, late]
    held = {row.code: row for row in Rejection.objects.filter(project_id=sender.project.pk)}
    assert set(held) == {"unknown-event", "not-an-event", "no-run-id", "log-without-run"}
    assert json.loads(held["unknown-event"].event) == {"type": "llm", "event": "explode", "runId": "x"}
    assert held["unknown-event"].run_id == "x"
    assert [result.get("error") for result in results][1] == held["unknown-event"].reason


def test_a_hostile_depth_fails_only_its_own_event(sender: Sender) -> None:
    deep = '{"type":"llm","event":"start","runId":"deep","input":' + "[" * 9000 + "]" * 9000 + "}"
    response = sender.post(f'{{"events": [{json.dumps(start())}, {deep}]}}')
    assert [result["success"] for result in response.json()["results"]] == [True, False]
    assert Rejection.objects.get().code == "too-deep"


def test_nan_and_nul_are_kept_as_their_documented_replacement(sender: Sender) -> None:
    body = rb'{"events": [{"type":"llm","event":"start","runId":"%s","input":[NaN, -Infinity, "a\u0000b", "\ud800"]}]}'
    assert sender.post(body % RUN.encode()).json()["results"][0]["success"]
    assert RunBody.objects.get(run_id=RUN).input == r'["NaN", "-Infinity", "a\ufffdb", "\ufffd"]'


def test_a_value_that_postgresql_cannot_hold_fails_only_its_own_event(sender: Sender) -> None:
    good = "3b1b4d0e-0000-4000-8000-00000000000a"
    results = sender.send(start(good), start(feedback={"thumb": token_hex(20_000)}))
    assert results[0] == {"id": good, "success": True}
    assert not results[1]["success"]
    assert stored(sender) == [good]
    assert Rejection.objects.get().code == "unstorable"


def test_events_may_name_another_project_by_its_key(sender: Sender) -> None:
    other = new_sender("Other")
    mine, theirs, unknown = (f"3b1b4d0e-0000-4000-8000-00000000000{digit}" for digit in "abc")
    results = sender.send(
        start(mine, appId=sender.public_key),
        start(theirs, appId=other.private_key),
        start(unknown, appId="259d2d94-9446-478a-ae04-484de705b522"),
    )
    assert [result["success"] for result in results] == [True, True, True]
    assert sorted(stored(sender)) == [mine, unknown]
    assert stored(other) == [theirs]


def test_a_revoked_public_key_is_no_way_into_its_project(sender: Sender) -> None:
    other = new_sender("Other")
    keys.revoke(ApiKey.objects.get(project=other.project, kind="public"))
    sender.send(start(appId=other.public_key))
    assert stored(other) == []
    assert stored(sender) == [RUN]


def test_a_legacy_report_needs_no_key_and_is_answered_with_a_bare_list(sender: Sender) -> None:
    events = [start(app=sender.public_key), start("3b1b4d0e-0000-4000-8000-00000000000b")]
    response = Client().post("/api/report", json.dumps({"events": events}), content_type="application/json")
    assert response.status_code == 200
    assert response.json() == [{"id": event["runId"], "success": True} for event in events]
    assert len(stored(sender)) == 2
    nobody = Client().post("/api/report", json.dumps({"events": [start()]}), content_type="application/json")
    assert nobody.status_code == 401
    assert nobody.json()["message"] == "This project does not exist"


def test_a_standalone_tool_is_refused_and_held_with_what_follows(sender: Sender) -> None:
    tool = {"type": "tool", "event": "start", "runId": "my-tool", "name": "search", "input": "q"}
    first = sender.send({"type": "tool", "event": "end", "runId": "my-tool", "output": "a"}, tool, start())
    reason = "tool runs are tracked as part of an agent or a chain; this one names no parentRunId"
    assert first == [
        {"id": "my-tool", "success": False, "error": reason},
        {"id": "my-tool", "success": False, "error": reason},
        {"id": RUN, "success": True},
    ]
    later = sender.send(
        {"type": "tool", "event": "end", "runId": "my-tool", "output": "again"},
        {"type": None, "event": "feedback", "runId": "my-tool", "feedback": {"thumb": "up"}},
        {"type": "llm", "event": "end", "runId": RUN, "output": "Hello"},
    )
    assert [result["success"] for result in later] == [False, False, True]
    assert stored(sender) == [RUN]
    assert Rejection.objects.filter(code="standalone-tool", run_id="my-tool").count() == 4


def test_a_tool_that_names_its_parent_later_is_stored(sender: Sender) -> None:
    tool = {"type": "tool", "event": "start", "runId": RUN, "name": "search"}
    assert not sender.send(tool)[0]["success"]
    assert sender.send(tool | {"parentRunId": "the-agent"})[0]["success"]
    assert sender.send({"type": "tool", "event": "end", "runId": RUN, "output": "a"})[0]["success"]
    assert Run.objects.get(id=RUN).status == "success"


def test_a_tool_that_is_its_own_parent_is_standalone(sender: Sender) -> None:
    tool = {"type": "tool", "event": "start", "runId": RUN, "parentRunId": RUN}
    assert not sender.send(tool)[0]["success"]


def test_a_project_may_accept_standalone_tools(sender: Sender) -> None:
    Project.objects.filter(pk=sender.project.pk).update(accept_standalone_tools=True)
    assert sender.send({"type": "tool", "event": "start", "runId": RUN, "name": "search"})[0]["success"]
    assert stored(sender) == [RUN]


def test_a_batch_may_hold_all_kinds_of_events(sender: Sender) -> None:
    thread, message = "thread-1", "message-1"
    results = sender.send(
        start(userId=7, userProps={"name": "Ines"}),
        {"type": "log", "event": "warn", "parentRunId": RUN, "message": "1 file skipped"},
        {"type": "thread", "event": "chat", "runId": message, "parentRunId": thread, "message": {"role": "user"}},
        {"type": "thread", "event": "custom-event", "runId": "e", "parentRunId": thread, "name": "clicked"},
        {"type": None, "event": "feedback", "runId": message, "feedback": {"thumb": "up"}},
        {"type": "llm", "event": "error", "runId": RUN, "error": {"message": "no"}},
    )
    assert all(result["success"] for result in results)
    run = Run.objects.get(id=RUN)
    assert (run.status, run.user_id) == ("error", "7")
    assert RunLog.objects.get().message == "1 file skipped"
    assert Message.objects.get(side="in").role == "user"


def test_the_first_stored_event_ends_the_onboarding(sender: Sender) -> None:
    sender.send({"event": "explode"})
    sender.project.refresh_from_db()
    assert sender.project.first_event_at is None
    sender.send(start())
    sender.project.refresh_from_db()
    assert sender.project.first_event_at is not None


def test_without_postgresql_nothing_is_claimed(sender: Sender) -> None:
    keys.find(sender.public_key)
    gone = psycopg.OperationalError("the server is gone")
    with patch("ingest.write.store", side_effect=gone):
        response = sender.post({"events": [start()]})
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert response.json()["error"] == "Service Unavailable"
