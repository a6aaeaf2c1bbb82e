"""Downloads of a trace: complete, verbatim, from one moment, streamed, and for its own people only."""

import json
import tracemalloc
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.http import StreamingHttpResponse
from django.utils import timezone

from projects import keys
from projects.models import KeyKind
from runs.models import Run, RunBody, Score
from tests import make
from tests.traces.conftest import Site
from traces import export, export_views
from traces.export import CHUNK_BYTES, CHUNK_RUNS, chunks

FILES = ("export.json", "otlp.json")


def streamed(response: Any) -> bytes:
    assert response.status_code == 200
    assert isinstance(response, StreamingHttpResponse)
    return b"".join(response)


def downloaded(site: Site, trace: UUID, file: str = "export.json") -> dict[str, Any]:
    told: dict[str, Any] = json.loads(streamed(site.client().get(site.url(f"traces/{trace}/{file}"))))
    return told


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("person", ["owner", "member", "viewer"])
def test_people_of_the_workspace_may_download(site: Site, agent: Run, file: str, person: str) -> None:
    response = site.client(person).get(site.url(f"traces/{agent.id}/{file}"))
    assert b"claims-agent" in streamed(response)
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("file", FILES)
def test_strangers_and_the_unknown_may_not(site: Site, agent: Run, file: str) -> None:
    address = site.url(f"traces/{agent.id}/{file}")
    assert site.client("stranger").get(address).status_code == 404
    assert site.client("billing").get(address).status_code == 403
    assert "/login" in site.client("anonymous").get(address)["Location"]
    other = make.project(site.people, name="Other")
    assert site.client().get(f"/p/{other.public_id}/traces/{agent.id}/{file}").status_code == 404
    assert site.client().get(site.url(f"traces/{uuid4()}/{file}")).status_code == 404


def test_every_run_has_the_shape_of_the_data_api(site: Site, agent: Run) -> None:
    """Also key by key in the same order: what a script learned from one it knows of the other."""
    llm = Run.objects.get(name="gpt-4.1")
    make.body(llm, [{"role": "user", "content": "Hé 🙂"}], {"b": 1, "a": [1.10, None]}, metadata={"z": 1, "a": 2})
    make.feedback(site.project, llm.id, "thumb", "up")
    make.feedback(site.project, agent.id, "comment", "good")
    make.log(llm, "looked it up", extra={"hits": 3})
    Score.objects.create(
        project_id=site.project.pk, run_id=llm.id, label="tone", value=0.5, comment="calm", at=timezone.now()
    )
    told = downloaded(site, agent.id)
    _, key = keys.create(site.project, KeyKind.PRIVATE, "a script")
    client = site.client("anonymous")
    for run in told["runs"]:
        answer = client.get(f"/v1/runs/{run['id']}", headers={"Authorization": f"Bearer {key}"})
        assert json.dumps(answer.json()) == json.dumps(run)
    (said,) = [run for run in told["runs"] if run["name"] == "gpt-4.1"]
    assert said["feedback"] == {"thumb": "up"}
    assert said["parentFeedback"] == {"comment": "good"}
    assert said["logs"][0]["extra"] == {"hits": 3}
    assert said["scores"] == [{"label": "tone", "value": 0.5, "comment": "calm"}]
    (root,) = [run for run in told["runs"] if run["id"] == str(agent.id)]
    assert root["user"]["props"] == {"name": "Inès Moreau", "plan": "Flex"}


def test_payloads_are_byte_for_byte_as_sent(site: Site, agent: Run) -> None:
    odd = '{"z":  1.10, "a": "\\u00e9\\/", "toolCalls": [1e2, 12345678901234567890123]}'
    RunBody.objects.create(project_id=site.project.pk, run_id=agent.id, input=odd, output='"NaN"')
    text = streamed(site.client().get(site.url(f"traces/{agent.id}/export.json"))).decode()
    assert odd in text


def test_the_totals_are_those_of_the_page_and_runs_come_in_start_order(site: Site) -> None:
    began = timezone.now() - timedelta(minutes=10)
    root = make.run(site.project, "agent", name="root", started_at=began, duration_ms=60_000)
    late = make.child(root, site.project, started_at=began + timedelta(seconds=40), cost=Decimal("0.5"))
    make.child(late, site.project, "tool", started_at=began + timedelta(seconds=20), status="error")
    make.child(root, site.project, "span", started_at=began + timedelta(seconds=10))
    make.child(root, site.project, cost=None, started_at=began + timedelta(seconds=50))
    told = downloaded(site, root.id)
    assert [run["type"] for run in told["runs"]] == ["agent", "span", "tool", "llm", "llm"]
    facts = told["trace"]
    assert (facts["rows"], facts["runs"], facts["errors"], facts["tokens"]) == (5, 4, 1, 240)
    assert (facts["cost"], facts["unpriced"], facts["durationMs"]) == (0.5, 1, 60_000)
    assert facts["url"].endswith(site.url(f"traces/{root.id}"))
    assert facts["name"] == "root"


def test_a_trace_without_its_root_and_one_that_runs_are_told_as_such(site: Site) -> None:
    missing = uuid4()
    make.run(site.project, "tool", parent_id=missing, trace_id=missing, status="started")
    facts = downloaded(site, missing)["trace"]
    assert (facts["id"], facts["type"], facts["status"], facts["endedAt"]) == (str(missing), None, "started", None)
    (span,) = downloaded(site, missing, "otlp.json")["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert span["parentSpanId"]
    assert "endTimeUnixNano" not in span


def test_files_have_speaking_names(site: Site) -> None:
    began = timezone.now().replace(year=2026, month=3, day=7)
    root = make.run(site.project, "agent", name='Ägent "7"/../x', started_at=began)
    odd = make.run(site.project, "agent", name="日本", started_at=began)
    client = site.client()
    said = client.get(site.url(f"traces/{root.id}/export.json"))["Content-Disposition"]
    assert said == f'attachment; filename="agent-7x-2026-03-07-{root.id.hex[:8]}.json"'
    said = client.get(site.url(f"traces/{odd.id}/otlp.json"))["Content-Disposition"]
    assert said == f'attachment; filename="trace-2026-03-07-{odd.id.hex[:8]}.otlp.json"'


def test_the_data_api_answers_the_same(site: Site, agent: Run) -> None:
    _, private = keys.create(site.project, KeyKind.PRIVATE, "a script")
    _, public = keys.create(site.project, KeyKind.PUBLIC, "an app")
    client = site.client("anonymous")
    tool = Run.objects.get(name="fetch_tariff")
    for address, file in ((f"/v1/traces/{tool.id}", "export.json"), (f"/v1/traces/{agent.id}/otlp", "otlp.json")):
        answer = json.loads(streamed(client.get(address, headers={"Authorization": f"Bearer {private}"})))
        page = downloaded(site, agent.id, file)
        for one in (answer, page):
            one.get("trace", {}).pop("exportedAt", None)
        assert answer == page
        assert client.get(address, headers={"Authorization": f"Bearer {public}"}).status_code == 401
        assert client.get(address).status_code == 401
        _, others = keys.create(make.project(name="Other"), KeyKind.PRIVATE, "theirs")
        assert client.get(address, headers={"Authorization": f"Bearer {others}"}).status_code == 404
    chat = make.run(site.project, "chat")
    assert client.get(f"/v1/traces/{chat.id}", headers={"Authorization": f"Bearer {private}"}).status_code == 404


def test_parts_hold_few_runs_and_little_text() -> None:
    small = [(uuid4(), 10) for _ in range(2 * CHUNK_RUNS + 1)]
    assert [len(part) for part in chunks(small)] == [CHUNK_RUNS, CHUNK_RUNS, 1]
    large = [(uuid4(), CHUNK_BYTES), (uuid4(), 1), (uuid4(), 5 * CHUNK_BYTES), (uuid4(), 1)]
    assert [len(part) for part in chunks(large)] == [1, 1, 1, 1]
    assert [run for part in chunks(small + large) for run in part] == [run for run, _ in small + large]
    assert list(chunks([])) == []


@pytest.mark.parametrize("write", [export.as_json, export.as_otlp])
def test_memory_is_bounded_by_the_part_not_by_the_trace(site: Site, write: Any) -> None:
    """2 500 runs of 20 kB make a file of 50 MB, of which 12 MB are never exceeded."""
    root = make.run(site.project, "agent", name="root")
    began = root.started_at
    runs = [
        Run(
            project_id=site.project.pk,
            id=UUID(int=number),
            type="tool",
            name="step",
            status="success",
            parent_id=root.id,
            trace_id=root.id,
            started_at=began + timedelta(milliseconds=number),
            received_at=began,
        )
        for number in range(1, 2_501)
    ]
    Run.objects.bulk_create(runs)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO runs_runbody (project_id, run_id, input)"
            " SELECT project_id, id, '\"' || repeat(md5(id::text), 640) || '\"' FROM runs_run"
            " WHERE project_id = %s AND type = 'tool'",
            [site.project.pk],
        )
    del runs
    request = site.client("anonymous").get("/login").wsgi_request
    origin = export_views.origin(request, site.project, root.id)
    tracemalloc.start()
    try:
        size = sum(len(part) for part in write(origin, root.id))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 50_000_000
    assert peak < 12_000_000


@pytest.mark.django_db(transaction=True)
def test_a_file_is_of_one_moment() -> None:
    """What is stored while somebody downloads is in the next file."""
    people = make.workspace_with_people()
    site = Site(make.project(people), people)
    root = make.run(site.project, "agent", name="root")
    for _ in range(CHUNK_RUNS + 10):
        make.child(root, site.project, "tool")
    response = site.client().get(site.url(f"traces/{root.id}/export.json"))
    parts = iter(response)
    got = next(parts) + next(parts)
    elsewhere = connection.copy()
    try:
        with elsewhere.cursor() as cursor:
            cursor.execute("UPDATE runs_run SET name = 'changed' WHERE project_id = %s", [site.project.pk])
            cursor.execute("DELETE FROM runs_run WHERE project_id = %s AND id <> %s", [site.project.pk, root.id])
    finally:
        elsewhere.close()
    told = json.loads(got + b"".join(parts))
    response.close()
    assert len(told["runs"]) == told["trace"]["rows"] == CHUNK_RUNS + 11
    assert "changed" not in {run["name"] for run in told["runs"]}
    assert {run["name"] for run in downloaded(site, root.id)["runs"]} == {"changed"}


@pytest.mark.django_db(transaction=True)
def test_a_download_that_is_broken_off_leaves_nothing_open() -> None:
    people = make.workspace_with_people()
    site = Site(make.project(people), people)
    root = make.run(site.project, "agent", name="root")
    for file in FILES:
        response = site.client().get(site.url(f"traces/{root.id}/{file}"))
        next(iter(response))
        during = connection.in_atomic_block
        response.close()
        assert (during, connection.in_atomic_block) == (True, False)
