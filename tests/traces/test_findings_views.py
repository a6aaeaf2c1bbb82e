"""Findings through the front door: what is read to make them, how they are said, and who may see them."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from runs.models import Run
from tests import make
from tests.traces.conftest import Site
from tests.traces.test_transcript_views import words
from traces import findings_queries

HTMX = {"HX-Request": "true"}
LONG = "You are Halden Air’s claims assistant. " * 400


@pytest.fixture
def busy(site: Site) -> Run:
    """Return an agent that repeats a search, is refused once, and sends its growing prompt uncached."""
    agent = make.run(site.project, "agent", name="claims-agent", duration_ms=60_000)
    at = 0

    def step(kind: str, given: Any, **fields: Any) -> Run:
        nonlocal at
        at += 2
        made = make.child(agent, site.project, kind, started_at=agent.started_at + timedelta(seconds=at), **fields)
        make.body(made, given, "ok")
        return made

    for _ in range(3):
        step("tool", {"q": "tariff"}, name="search_docs", duration_ms=1_500)
    step("tool", {"q": "other"}, name="search_docs")
    history: list[dict[str, str]] = [{"role": "system", "content": LONG}]
    for turn in range(4):
        history.append({"role": "user", "content": f"turn {turn} " * 400 * turn})
        size = {"input_tokens": 3_000 + 3_000 * turn, "output_tokens": 20, "cost": Decimal("0.02") * (turn + 1)}
        if turn == 3:
            step("llm", history, name="claude-sonnet-4-5", status="error", duration_ms=300)
        step("llm", history, name="claude-sonnet-4-5", **size)
    return agent


def test_what_stands_out_is_said_with_its_figures_and_leads_to_its_runs(site: Site, busy: Run) -> None:
    page = site.get(f"traces/{busy.id}/findings")
    text = words(page).replace("\u00a0", " ").replace("\u202f", " ")
    assert "search_docs was called 3 times with the same input · 3.0 s spent on repeating" in text
    assert "claude-sonnet-4-5 failed and was called again · 300 ms lost" in text
    assert "The prompts of claude-sonnet-4-5 grew from 3 000 to 12 k tokens in 4 calls" in text
    assert "claude-sonnet-4-5 cost most · $0.0800, 40.0 % of the trace" in text
    assert re.search(r"was sent the same beginning again in 3 calls, uncached · about [\d.]+ k tokens, caching", text)
    assert "The trace waited longest for" in text
    for run in Run.objects.filter(name="search_docs").order_by("started_at")[:3]:
        assert f"?run={run.id}" in page
    assert "<polyline" in page
    assert "How this is computed" in page
    assert "was looked at" not in text  # nothing was left out


def test_the_tree_fetches_one_line(site: Site, busy: Run) -> None:
    address = site.url(f"traces/{busy.id}/findings")
    tree = site.get(f"traces/{busy.id}")
    assert f'hx-get="{address}"' in tree
    assert 'hx-trigger="load"' in tree
    line = site.get(f"traces/{busy.id}/findings", **HTMX)
    assert "<html" not in line
    assert "search_docs" in line
    assert f'href="{address}"' in line
    quiet = make.run(site.project, "agent")
    assert "Nothing stands out" in site.get(f"traces/{quiet.id}/findings", **HTMX)


def test_a_calm_trace_says_what_was_checked(site: Site, agent: Run) -> None:
    page = site.get(f"traces/{agent.id}/findings")
    assert "Nothing stands out" in page
    assert "Checked: repeated calls" in page


@pytest.mark.parametrize("person", ["owner", "member", "viewer"])
def test_people_of_the_workspace_see_them(site: Site, busy: Run, person: str) -> None:
    assert "search_docs" in site.get(f"traces/{busy.id}/findings", person)


def test_strangers_and_the_unknown_see_nothing(site: Site, busy: Run) -> None:
    address = site.url(f"traces/{busy.id}/findings")
    for headers in ({}, HTMX):
        assert site.client("stranger").get(address, headers=headers).status_code == 404
        assert site.client("billing").get(address, headers=headers).status_code == 403
    answer = site.client("anonymous").get(address)
    assert answer.status_code == 302
    assert "/login" in answer["Location"]
    other = make.project(site.people, name="Other")
    for headers in ({}, HTMX):
        gone = site.client().get(f"/p/{other.public_id}/traces/{busy.id}/findings", headers=headers)
        assert gone.status_code == 404


def test_names_that_are_markup_stay_text(site: Site) -> None:
    evil = '"><script>alert(1)</script>'
    agent = make.run(site.project, "agent", name=evil)
    for _ in range(2):
        make.body(make.child(agent, site.project, "tool", name=evil), {"q": 1})
    for headers in ({}, HTMX):
        page = site.get(f"traces/{agent.id}/findings", **headers)
        assert "<script>alert" not in page
        assert "style=" not in page


def test_they_cost_the_same_number_of_queries_whatever_the_trace_holds(
    site: Site, busy: Run, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client, address = site.client(), site.url(f"traces/{busy.id}/findings")
    for _ in range(2):
        with django_assert_max_num_queries(28):
            client.get(address)
        for number in range(40):
            helper = make.child(busy, site.project, "agent", name=f"helper-{number}")
            make.body(make.child(helper, site.project, "tool", name="look"), {"q": 1})


def test_what_is_left_out_of_a_large_trace_is_said(site: Site, busy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings_queries, "CALLS", 6)
    monkeypatch.setattr(findings_queries, "PROMPTS", 1)
    page = words(site.get(f"traces/{busy.id}/findings"))
    assert "the inputs of the first 6 of 9 calls were looked at" in page
    assert "1 of 2 prompts were compared" in page


def test_a_slow_database_leaves_the_rest_of_the_findings(
    site: Site, agent: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings_queries, "SECONDS", 0.1)
    make.child(agent, site.project, "llm", name="dear", cost=Decimal("0.9"))
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("LOCK TABLE runs_runbody IN ACCESS EXCLUSIVE MODE")
        page = words(site.get(f"traces/{agent.id}/findings"))
    assert "The database took too long" in page
    assert "dear cost most" in page
