"""Lists of runs: filters against a recount, pages by number and by cursor, counts."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects.models import Project
from runs.api_filters import CONTROLS, EVALUATORS, FILTERS, PAGE_NAMES
from runs.models import Run
from tests import make
from tests.api.conftest import Script

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def many(project: Project) -> list[Run]:
    """Make runs that differ in everything that can be filtered or sorted by."""
    runs = [
        make.run(
            project,
            ("llm", "llm", "tool", "agent")[number % 4],
            name=("gpt-4o", "gpt-4.1", "search", "planner")[number % 4],
            status=("success", "success", "error")[number % 3],
            started_at=NOON + timedelta(minutes=number // 2),
            duration_ms=(None, 500, 1500, 2500)[number % 4],
            user_id=(None, "ana", "ben")[number % 3],
            team_id=(None, "t1")[number % 2],
            organization_id=("o1", "o2")[number % 2],
            tags=(None, ["a"], ["a", "b"])[number % 3],
            metadata={"plan": ("pro", 3, True, None)[number % 4]},
            input_tokens=(None, 10, 100)[number % 3],
            output_tokens=(None, 5)[number % 2],
            cost=(None, Decimal("0.001"), Decimal("0.5"))[number % 3],
            template_id=(None, "7")[number % 2],
        )
        for number in range(24)
    ]
    for number, run in enumerate(runs):
        make.body(run, {"q": ("Where is it?", "„Über“ alles")[number % 2]}, "x" * number)
    make.run(project, "span", name="GET /")
    make.run(project, "llm", name="gpt-4o", repeat_of=runs[0].id)
    return runs


Said = Callable[[Run], Any]
CASES: dict[str, Said] = {
    "": lambda run: run.type == "llm",
    "type=all": lambda run: True,
    "type=tool": lambda run: run.type == "tool",
    "type=tool&type=agent": lambda run: run.type in ("tool", "agent"),
    "type=trace": lambda run: run.type == "agent",
    "status=error": lambda run: run.status == "error",
    "models=gpt-4.1": lambda run: run.name == "gpt-4.1",
    "models=gpt-4%252E1,gpt-4o": lambda run: run.name in ("gpt-4.1", "gpt-4o"),
    "model=gpt-4*": lambda run: (run.name or "").startswith("gpt-4"),
    "user=": lambda run: run.user_id is None,
    "tag=&tag=b": lambda run: run.tags is None or "b" in run.tags,
    "tools=EAR": lambda run: run.name == "search",
    "tags=b,c": lambda run: "b" in (run.tags or []),
    "users=ana": lambda run: run.user_id == "ana",
    "user=ana&user=ben": lambda run: run.user_id in ("ana", "ben"),
    "team=t1&organization=o2": lambda run: run.team_id == "t1" and run.organization_id == "o2",
    "templates=7": lambda run: run.template_id == "7",
    "metadata=plan.pro": lambda run: (run.metadata or {})["plan"] == "pro",
    "metadata.plan=3": lambda run: (run.metadata or {})["plan"] == 3,
    "metadata=plan.true": lambda run: (run.metadata or {})["plan"] is True,
    "duration=gt.1": lambda run: (run.duration_ms or 0) > 1000,
    "duration=lte.1.5": lambda run: run.duration_ms is not None and run.duration_ms <= 1500,
    "duration=neq.0.5": lambda run: run.duration_ms not in (None, 500),
    "minDuration=1&maxDuration=2": lambda run: 1000 <= (run.duration_ms or 0) <= 2000,
    "cost=gt.0%2E1": lambda run: (run.cost or 0) > Decimal("0.1"),
    "cost=%3C0.1": lambda run: run.cost is not None and run.cost < Decimal("0.1"),
    "cost_min=0.5": lambda run: (run.cost or 0) >= Decimal("0.5"),
    "tokens=total.gt.100": lambda run: (run.input_tokens or 0) + (run.output_tokens or 0) > 100,
    "tokens=prompt.eq.10": lambda run: run.input_tokens == 10,
    "tokens=completion.gte.5": lambda run: (run.output_tokens or 0) >= 5,
    "date=gt.2026-11-20T12%3A03%3A00%2E000Z": lambda run: run.started_at > NOON + timedelta(minutes=3),
    "from=2026-11-20T12:03:00Z&to=2026-11-20T12:05:00Z": lambda run: (
        NOON + timedelta(minutes=3) <= run.started_at < NOON + timedelta(minutes=5)
    ),
    "OR&status=error&tags=b": lambda run: run.status == "error" or "b" in (run.tags or []),
    "id=nothing": lambda run: False,
}
BY_NUMBER: dict[str, Callable[[int], bool]] = {
    "search=where+is": lambda number: number % 2 == 0,
    "search=über": lambda number: number % 2 == 1,
    "string=input.contains.true.Where": lambda number: number % 2 == 0,
    "string=input.notcontains.true.Where": lambda number: number % 2 == 1,
    "string=any.starts.false.xxxxx": lambda number: number >= 5,
    "length=output.gt.12": lambda number: number + 2 > 12,
}


@pytest.mark.parametrize("query", CASES)
def test_a_filter_finds_what_a_recount_finds(script: Script, many: list[Run], query: str) -> None:
    expected = {str(run.id) for run in many if CASES[query](run)}
    assert set(script.ids(f"/v1/runs?{query}")) == expected
    assert script.json(f"/v1/runs/count?{query}") == len(expected)


@pytest.mark.parametrize("query", BY_NUMBER)
def test_a_filter_on_payloads_finds_what_a_recount_finds(script: Script, many: list[Run], query: str) -> None:
    expected = {str(run.id) for number, run in enumerate(many) if BY_NUMBER[query](number)}
    assert set(script.ids(f"/v1/runs?type=all&{query}")) == expected


def test_spans_and_repeats_show_where_they_are_named(script: Script, many: list[Run]) -> None:
    assert len(script.ids("/v1/runs?type=span")) == 1
    (repeat,) = set(script.ids("/v1/runs?repeats=1")) - set(script.ids("/v1/runs"))
    assert script.json(f"/v1/runs/{repeat}")["repeatOf"] == str(many[0].id)


def test_user_props_filter(project: Project, script: Script, many: list[Run]) -> None:
    make.end_user(project, "ana", plan="pro", seats=3)
    expected = {str(run.id) for run in many if run.user_id == "ana"}
    for query in ("user-props=plan.pro", "user-props=seats.3"):
        assert set(script.ids(f"/v1/runs?{query}")) == expected
    assert script.ids("/v1/runs?user-props=plan.free") == []


FIELDS = ("createdAt", "duration", "tokens", "cost", "messagesCount")
SORTS = ("", *(f"sortField={field}&sortDirection={way}" for field in FIELDS for way in ("asc", "desc")))


@pytest.mark.parametrize("sort", SORTS)
def test_cursors_walk_the_list_that_pages_have(script: Script, many: list[Run], sort: str) -> None:
    whole = script.ids(f"/v1/runs?type=all&limit=1000&{sort}")
    assert len(whole) == len(many)
    walked = [each["id"] for each in script.walk(f"/v1/runs?type=all&limit=5&{sort}")]
    by_number = [each for page in range(6) for each in script.ids(f"/v1/runs?type=all&limit=5&{sort}&page={page}")]
    assert walked == by_number == whole


def test_sorting_puts_unknown_values_last_both_ways(script: Script, many: list[Run]) -> None:
    for way in ("asc", "desc"):
        costs = [run["cost"] for run in script.json(f"/v1/runs?type=all&sortField=cost&sortDirection={way}")["data"]]
        known = [cost for cost in costs if cost is not None]
        assert costs == sorted(known, reverse=way == "desc") + [None] * (len(costs) - len(known))


def test_the_total_is_counted_where_asked_for(script: Script, many: list[Run]) -> None:
    assert "total" not in script.json("/v1/runs")
    assert script.json("/v1/runs?type=all&limit=2&total=1")["total"] == len(many)


def test_children_of_a_parent(project: Project, script: Script) -> None:
    agent = make.run(project, "agent")
    children = {str(make.child(agent, project, kind).id) for kind in ("llm", "tool")}
    make.child(agent, project, "span")
    assert set(script.ids(f"/v1/runs?parentRunId={agent.id}")) == children
    assert len(script.ids(f"/v1/runs?parentRunId={agent.id}&type=tool")) == 1
    assert script.ids("/v1/runs?parentRunId=nobody") == []


def test_a_chats_children_hang_on_its_messages(project: Project, script: Script) -> None:
    thread = make.run(project, "thread")
    chat = make.run(project, "chat", parent_id=thread.id, thread_id=thread.id)
    answer = make.message(project, thread.id, "yes", "out", chat_id=chat.id)
    agent = make.run(project, "agent", parent_id=answer.id, thread_id=thread.id, chat_id=chat.id)
    assert script.ids(f"/v1/runs?parentRunId={thread.id}") == [str(chat.id)]
    assert script.ids(f"/v1/runs?parentRunId={chat.id}") == [str(agent.id)]
    assert script.ids(f"/v1/runs?parentRunId={answer.id}") == [str(agent.id)]
    assert script.ids("/v1/runs?type=thread&messages=gt.0") == [str(thread.id)]
    assert script.ids("/v1/runs?type=thread&messages=gt.1") == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=0", "limit is a whole number from 1 to 1000"),
        ("limit=ten", "limit is a whole number"),
        ("page=-1", "page is a whole number"),
        ("page=300&limit=50", "cursor=nextCursor"),
        ("sortField=name", "sortField is one of"),
        ("cursor=rubbish", "open the list again"),
        ("typ=llm", "there is no filter 'typ'"),
        ("tokens=all.gt.5", "the filter 'tokens'"),
        ("range=ever", "the filter 'range'"),
        ("status_min=5", "there is no filter"),
    ],
)
def test_what_cannot_be_had_is_refused_with_what_would_do(script: Script, query: str, says: str) -> None:
    response = script.get(f"/v1/runs?{query}")
    assert response.status_code == 400
    assert says in json.loads(response.content)["message"]


@pytest.mark.parametrize(
    "raw", [b"[" * 4000, b"[1]", b'[1,"-createdAt",5,{}]', b'[1,"-createdAt","0001-01-01","x"]', b"{}"]
)
def test_a_made_up_cursor_is_refused(script: Script, raw: bytes) -> None:
    cursor = base64.urlsafe_b64encode(raw).decode()
    for path in ("runs", "threads", "external-users", "ingest/rejections"):
        assert script.get(f"/v1/{path}?cursor={cursor}").status_code == 400


def test_a_cursor_of_another_order_is_refused(script: Script, many: list[Run]) -> None:
    cursor = script.json("/v1/runs?type=all&limit=2&sortField=cost")["nextCursor"]
    assert script.get(f"/v1/runs?type=all&cursor={cursor}").status_code == 400


NAMES = [*FILTERS, *PAGE_NAMES, *CONTROLS - {"projectId"}, *EVALUATORS, "metadata.a", "metadata."]
values = st.one_of(
    st.sampled_from(["gt.1", "total.gt.1", "eq.0", "up", "all", "thread", "1", "true", "2026-01-01", "a.b", "W10",
                     "any.contains.false.x", "input.gt.3", "WzEsIngiLCJ5Iiwieil", ">5", "unknown", "%00", "%ED%A0%80"]),
    st.text(max_size=12),
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=4), st.booleans())
def test_no_address_breaks_the_server(script: Script, pairs: list[tuple[str, str]], either: bool) -> None:
    query = "&".join(f"{name}={value}" for name, value in pairs)
    for path in ("/v1/runs", "/v1/runs/count", "/v1/threads", "/v1/external-users"):
        address = f"{path}?{'OR&' if either else ''}{query}".encode().decode("latin-1")
        assert script.get(address).status_code in (200, 400)
