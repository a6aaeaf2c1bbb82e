"""Filters: any address is read, says itself, and lets exactly the right runs through."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.http import QueryDict
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from projects.models import Project
from runs import api_filters, ids
from runs.api_conditions import matching
from runs.fields import FIELDS, LIMITS
from runs.filters import Filters, read_search
from runs.models import Run
from tests import make

NOW = datetime(2026, 11, 21, 14, 31, 58, tzinfo=UTC)
NAMES = st.sampled_from(
    [*FIELDS, *LIMITS, "type", "range", "from", "to", "metadata.a", "metadata.a.b", "metadata.", "model"]
)
ODD = """>=5|<2s|1..0|unknown|1e999|5k|up|none|success|gpt*|*|7d|0d|99999w|all|2026-11-20|2026-02-31|9999-12-31T23:59
0001-01-01|1795277586431|null|true||\x00|99999999999999999999999999999999999|b.*(|\\|%|"|{"""
TEXTS = st.text(max_size=30) | st.sampled_from(ODD.replace("\n", "|").split("|"))
PAIRS = st.lists(st.tuples(NAMES | st.text(max_size=5), TEXTS), max_size=8)


def parse(query: str, **options: Any) -> Filters:
    """Return the filters of a query string as a browser would send it."""
    return Filters.parse(QueryDict(query), now=NOW, **options)


def through(project: Project, query: str) -> set[str]:
    """Return the names of the runs that a query string lets through, of all time unless it says otherwise."""
    filters = parse(query if "range" in query or "from" in query else f"range=all&{query}")
    assert not filters.problems
    return {run.name or "" for run in filters.runs(project.pk)}


def built(pairs: list[tuple[str, str]]) -> QueryDict:
    """Return a query of these pairs."""
    query = QueryDict(mutable=True)
    for name, value in pairs:
        query.appendlist(name, value)
    return query


@pytest.mark.django_db
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PAIRS)
def test_any_address_is_read_and_asked(pairs: list[tuple[str, str]]) -> None:
    filters = Filters.parse(built(pairs), now=NOW)
    list(filters.runs(1)[:1])
    assert all(chip.label for chip in filters.chips)
    assert str(filters.span)


@settings(max_examples=300, deadline=None)
@example([("name", "0"), ("user", ""), ("model", "")])
@given(PAIRS)
def test_an_address_made_from_filters_means_the_same(pairs: list[tuple[str, str]]) -> None:
    first = Filters.parse(built(pairs), now=NOW)
    second = parse(first.query()[1:])
    assert (second.type, second.span, second.terms) == (first.type, first.span, first.terms)
    assert second.query() == first.query()
    assert not second.problems


@given(st.text())
def test_anything_may_be_typed_into_the_search_bar(text: str) -> None:
    Filters.parse(built(read_search(text)), now=NOW)


@pytest.mark.parametrize(
    ("typed", "pairs"),
    [
        ("model:gpt* cost:>0.1 late refund", [("name", "gpt*"), ("cost", ">0.1"), ("q", "late refund")]),
        ("has:error", [("status", "error")]),
        ("is:running user:ann", [("status", "running"), ("user", "ann")]),
        ('team:"Cargo claims"', [("team", "Cargo claims")]),
        ("metadata.lang:nl", [("metadata.lang", "nl")]),
        ("http://example.com now", [("q", "http://example.com now")]),
        ("", []),
    ],
)
def test_the_search_bar_reads_a_small_grammar(typed: str, pairs: list[tuple[str, str]]) -> None:
    assert read_search(typed) == pairs


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("duration=fast", "write it like"),
        ("duration=5parsecs", "no unit"),
        ("status=maybe", "use success"),
        ("range=soon", "write it like 24h"),
        ("from=yesterday", "write it like 2026"),
        ("type=nothing", "use llm"),
        ("from=2026-11-20&to=2026-11-01", "not after"),
    ],
)
def test_a_value_that_cannot_be_read_is_said_and_left_out(query: str, message: str) -> None:
    filters = parse(query)
    assert [message in problem.message for problem in filters.problems] == [True]
    assert not filters.terms


def test_chips_say_each_filter_once_and_lead_to_the_list_without_it() -> None:
    filters = parse("organization=Halden+Air&organization=Kestrel+Rail&metadata.environment=prod&duration=>=5&team=")
    assert [(chip.label, chip.verb, chip.value) for chip in filters.chips] == [
        ("organization", "is", "Halden Air or Kestrel Rail"),
        ("environment", "is", "prod"),
        ("duration", "", "≥ 5 s"),
        ("team", "is", "unattributed"),
    ]
    assert filters.chips[0].without == "?metadata.environment=prod&duration=%3E%3D5&team="


def test_links_keep_what_the_page_asks_them_to_keep() -> None:
    filters = parse("sort=cost&cursor=abc&status=error", keep=("sort",))
    assert filters.query() == "?status=error&sort=cost"
    assert filters.query(type="tool", sort=None) == "?status=error&type=tool"
    assert filters.toggled("status", "error") == "?sort=cost"
    assert filters.toggled("status", "success") == "?status=error&sort=cost&status=success"
    assert filters.ranged(from_="2026-11-20T10:00", to="2026-11-20T12:00") == (
        "?status=error&sort=cost&from=2026-11-20T10%3A00&to=2026-11-20T12%3A00"
    )


def test_a_long_range_begins_at_a_full_hour_and_a_short_one_at_a_full_minute() -> None:
    assert parse("range=7d").span.since == datetime(2026, 11, 14, 14, tzinfo=UTC)
    assert parse("range=1h").span.since == datetime(2026, 11, 21, 13, 31, tzinfo=UTC)
    assert parse("range=all").span.since is None


def test_a_bare_date_as_the_end_includes_that_day() -> None:
    span = parse("from=2026-11-20&to=2026-11-20").span
    assert (span.since, span.until) == (datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))


@pytest.fixture
def shelf(project: Project) -> Project:
    """Return a project whose runs differ in one thing each; another project holds the same."""
    for each in (project, make.project(name="Neighbour")):
        make.run(
            each, name="plain", tags=["web", "beta"], metadata={"lang": "nl", "n": 5, "a": {"b": True}, "l": ["x"]}
        )
        make.run(each, name="gpt-4o", user_id="ines", team_id="claims", organization_id="halden")
        make.run(each, name="broken", status="error", cost=None)
        make.run(each, name="open", status="started")
        make.run(each, name="slow", duration_ms=8_000, cost=Decimal("0.5"), input_tokens=9_000)
        make.run(each, name="look", type="tool")
        make.run(each, name="GET /", type="span")
        make.run(each, name="twice", repeat_of=make.run_id("x"))
        make.run(each, name="old", started_at=NOW - timedelta(days=400))
    return project


LLM = {"plain", "gpt-4o", "broken", "open", "slow", "old"}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", LLM),
        ("type=all", LLM | {"look"}),
        ("type=tool", {"look"}),
        ("type=span", {"GET /"}),
        ("status=error", {"broken"}),
        ("status=error&status=running", {"broken", "open"}),
        ("status=error&name=open", set()),
        ("model=gpt*", {"gpt-4o"}),
        ("name=*o*&name=plain", {"gpt-4o", "broken", "open", "slow", "old", "plain"}),
        ("user=ines", {"gpt-4o"}),
        ("user=", LLM - {"gpt-4o"}),
        ("team=claims&organization=halden", {"gpt-4o"}),
        ("tag=beta&tag=none-such", {"plain"}),
        ("metadata.lang=nl", {"plain"}),
        ("metadata.lang=nl&metadata.lang=de", {"plain"}),
        ("metadata.lang=de", set()),
        ("metadata.n=5", {"plain"}),
        ("metadata.a.b=true", {"plain"}),
        ("metadata.l=x", {"plain"}),
        ("duration=>5", {"slow"}),
        ("duration=>=1s&duration=<5", LLM - {"slow", "open"}),
        ("duration_min=7500ms&duration_max=&cost_min=", {"slow"}),
        ("duration=unknown", {"open"}),
        ("tokens=>=9k", {"slow"}),
        ("tokens=120", {"plain", "gpt-4o", "old"}),
        ("cost=0.4..0.6", {"slow"}),
        ("cost=unknown", {"broken", "open"}),
        ("range=30d&from=2025-01-01&to=2026-01-01", {"old"}),
        ("q=BROK", {"broken"}),
        ("q=100%25", set()),
    ],
)
def test_each_filter_lets_exactly_its_runs_through(shelf: Project, query: str, names: set[str]) -> None:
    assert through(shelf, query) == names


def test_text_is_found_in_bodies_however_json_writes_it(project: Project) -> None:
    make.body(make.run(project, name="a"), input=[{"role": "user", "content": "Grüße aus Köln"}])
    escaped = make.body(make.run(project, name="b"), output="Ünïcode")
    escaped.output = '"\\u00dcn\\u00efcode"'
    escaped.save(update_fields=["output"])
    make.body(make.run(project, name="c"), error={"message": 'quoted "word" \\ done'})
    assert through(project, "q=grüße") == {"a"}
    assert through(project, "q=ünïcode") == {"b"}
    assert through(project, 'q="word" \\ d') == {"c"}
    assert through(project, "q=Köln&q=refund") == set()


def test_an_id_is_found_in_every_form(project: Project) -> None:
    raw = "custom-id"
    make.run(project, id=UUID(ids.run_id(raw) or ""), name="raw")
    thread = make.run(project, "thread", name="thread")
    chat = make.run(project, "chat", name="chat", thread_id=thread.id)
    said = make.message(project, thread.id, "hi", chat_id=chat.id)
    assert through(project, f"id={raw}") == {"raw"}
    assert through(project, f"type=all&id={said.id}") == {"chat"}
    assert through(project, f"type=all&thread={thread.id}") == {"chat", "thread"}


def test_feedback_is_seen_from_everything_beneath_a_chat_or_trace_root(project: Project) -> None:
    thread = make.run(project, "thread", name="thread")
    chat = make.run(project, "chat", name="chat", thread_id=thread.id)
    said = make.message(project, thread.id, "hello", side="out", chat_id=chat.id)
    agent = make.run(project, "agent", name="agent", parent_id=said.id, chat_id=chat.id, thread_id=thread.id)
    Run.objects.filter(project_id=project.pk, id=agent.id).update(trace_id=agent.id)
    agent.trace_id = agent.id
    make.child(agent, project, name="answer")
    other = make.run(project, "agent", name="other")
    make.child(other, project, name="below")
    make.run(project, name="alone")
    make.feedback(project, said.id, value="down")
    make.feedback(project, other.id, value="up")
    make.feedback(project, other.id, key="comment", value="nice")
    removed = make.run(project, name="removed")
    make.feedback(project, removed.id, value=None)
    assert through(project, "type=all&feedback=down") == {"thread", "chat", "agent", "answer"}
    assert through(project, "type=all&feedback=up") == {"other", "below"}
    assert through(project, "type=all&feedback=comment") == {"other", "below"}
    assert through(project, "feedback=up&feedback=down") == {"answer", "below"}
    assert through(project, "type=all&feedback=none") == {"alone", "removed"}
    for wanted in ("up", "down", "comment", "none"):  # the data API counts the same runs
        query = f"type=all&feedback={wanted}"
        assert matching(project.pk, api_filters.parse(query)).count() == len(through(project, query))
