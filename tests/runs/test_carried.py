"""Payloads of any size: what a page reads of them, and what the raw addresses give."""

import json
from typing import Any, cast

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from projects.models import Project
from runs import carried
from runs.bodies import SHOWN
from runs.models import Run, RunBody
from tests import make
from tests.runs.visiting import at, text_of

EVIL = "<script>document.title='owned'</script>"
MEGABYTE = 1024 * 1024


@pytest.fixture
def large(project: Project) -> Run:
    """Return a run whose every field is large: 20 MB of output, 3 MB of the others."""
    run = make.run(project, "tool", name="read_everything", status="error")
    make.body(
        run,
        {"path": "/etc/hosts", "rows": ["é" * 500] * 3 * 1024},
        EVIL + "0123456789abcdé\n" * (20 * MEGABYTE // 18),
        error={"message": "too much", "stack": "line\n" * (3 * MEGABYTE // 6)},
        params={"limit": 5, "query": "q" * 3 * MEGABYTE},
        metadata={"first": "is shown", "rest": "m" * 3 * MEGABYTE},
    )
    return run


def test_a_page_reads_only_the_beginning(project: Project, large: Run) -> None:
    found = carried.carried(project.pk, large.id)
    stored = RunBody.objects.get(run_id=large.id)
    assert set(found.fields) == {"input", "output", "error", "params", "metadata"}
    for name in ("input", "output", "error", "params"):
        payload = found[name]
        whole = getattr(stored, name)
        assert payload is not None
        assert payload.cut
        assert payload.text == whole[:SHOWN]
        assert payload.size == len(whole.encode())
        json.loads(payload.readable)
    assert found["metadata"]
    assert json.loads(found["metadata"].text)["first"] == "is shown"


def test_up_to_the_bound_a_payload_comes_whole(project: Project) -> None:
    run = make.run(project)
    make.body(run, "x" * (carried.WHOLE - 2), "x" * (carried.WHOLE - 1))
    found = carried.carried(project.pk, run.id)
    assert found["input"] is not None
    assert found["output"] is not None
    assert (found["input"].cut, found["input"].size) == (False, carried.WHOLE)
    assert (found["output"].cut, len(found["output"].text)) == (True, SHOWN)
    assert carried.carried(project.pk, make.run(project).id).fields == {}


def test_a_page_of_large_payloads_is_small_and_says_how_much_there_is(
    member: Client, project: Project, large: Run
) -> None:
    pages = {}
    for tab in ("", "params", "raw"):
        with CaptureQueriesContext(connection) as asked:
            pages[tab] = text_of(member.get(f"{at('run_page', project, large.id)}?tab={tab}"))
        assert len(asked) < 20
        assert len(pages[tab]) < 900_000
        assert EVIL not in pages[tab]
    raw = at("run_raw", project, large.id, "output")
    for words in ("The first 64 KB of 20.0\u00a0MB of output", "/etc/hosts", "too much", f'href="{raw}?download=1"'):
        assert words in pages[""]
    assert "{ first 2 keys }" in pages[""]
    assert "The first 64 KB of 3.0\u00a0MB of the error." in pages[""]
    assert f'href="{at("run_raw", project, large.id, "params")}"' in pages["params"]
    assert "The first 64 KB of 3.0\u00a0MB of the parameters." in pages["params"]
    assert "The first 64 KB of 20.0\u00a0MB." in pages["raw"]
    assert f'href="{at("run_raw", project, large.id, "metadata")}?download=1"' in pages["raw"]


def test_raw_gives_all_of_it_piece_by_piece(member: Client, project: Project, large: Run) -> None:
    raw = member.get(at("run_raw", project, large.id, "output"))
    assert raw.streaming
    pieces = list(cast(Any, raw).streaming_content)
    assert max(map(len, pieces)) <= carried.CHUNK * 2
    assert b"".join(pieces).decode() == RunBody.objects.get(run_id=large.id).output


def test_a_payload_of_exactly_one_piece_ends(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "CHUNK", 4)
    run = make.run(project)
    make.body(run, "é😀", "é😀1", error="abcdefg")
    for name, text in (("input", '"é😀"'), ("output", '"é😀1"'), ("error", '"abcdefg"')):
        pieces = carried.whole(project.pk, run.id, name)
        assert pieces is not None
        assert "".join(pieces) == text
    assert carried.whole(project.pk, run.id, "usage") is None


@pytest.mark.parametrize("query", ["", "?download=1"])
def test_raw_text_is_never_a_page(member: Client, project: Project, query: str) -> None:
    run = make.run(project)
    make.body(run, EVIL, EVIL, error=EVIL, params=EVIL, metadata={"m": EVIL})
    for field in ("input", "output", "error", "params", "metadata"):
        raw = member.get(at("run_raw", project, run.id, field) + query)
        assert raw["Content-Type"] == ("application/json" if query else "text/plain; charset=utf-8")
        assert raw["X-Content-Type-Options"] == "nosniff"
        assert raw["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert raw.get("Content-Disposition") == (f'attachment; filename="{run.id}-{field}.json"' if query else None)
        assert EVIL in raw.getvalue().decode()


def test_raw_is_for_those_who_may_read_the_project(people: make.People, project: Project) -> None:
    run = make.run(project)
    make.body(run, "secret")
    address = at("run_raw", project, run.id, "input")
    answers = {name: make.client_for(getattr(people, name)).get(address) for name in ("owner", "member", "viewer")}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert make.client_for(people.billing).get(address).status_code == 403
    assert make.client_for(people.stranger).get(address).status_code == 404
    assert make.client_for(None).get(address)["Location"].startswith("/login")


def test_raw_knows_only_what_the_run_of_this_project_carries(
    member: Client, people: make.People, project: Project
) -> None:
    run = make.run(project)
    make.body(run, "mine")
    other = make.project(people, "Another")
    assert member.get(at("run_raw", other, run.id, "input")).status_code == 404
    for field in ("output", "project_id", "pk", "nonsense"):
        assert member.get(at("run_raw", project, run.id, field)).status_code == 404


def test_an_id_that_looks_like_a_raw_address_is_still_an_id(member: Client, project: Project) -> None:
    missing = member.get(f"/p/{project.public_id}/runs/a/b/raw/input")
    assert missing.status_code == 404
    assert b"a/b/raw/input" in missing.content
