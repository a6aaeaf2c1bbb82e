"""End users and usage through the data API."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from projects.models import Project
from runs.models import EndUser
from tests import make
from tests.api.conftest import Script


@pytest.fixture
def users(project: Project) -> None:
    """Make five users; the third has no runs, the fourth's cost is unknown."""
    now = timezone.now().replace(microsecond=0)
    for number, name in enumerate(("ana", "ben", "cleo", "dan", "eva@example.com")):
        make.end_user(project, name, plan=("pro", "free")[number % 2], seats=number, city="Zürich")
        EndUser.objects.filter(id=name).update(
            first_seen=now - timedelta(days=10 - number), last_seen=now - timedelta(days=number)
        )
    for name, cost in (("ana", "0.5"), ("ana", "0.25"), ("ben", "2"), ("dan", None), ("eva@example.com", "0.1")):
        make.run(project, user_id=name, cost=None if cost is None else Decimal(cost))
    make.run(project, user_id="ana", cost=Decimal(9), repeat_of=make.run_id("another"))


def names(script: Script, query: str) -> list[str]:
    return [each["externalId"] for each in script.json(f"/v1/external-users?{query}")["data"]]


def test_users_are_listed_last_seen_first_with_their_cost(script: Script, users: None) -> None:
    told = script.json("/v1/external-users")
    assert (told["total"], told["limit"], told["page"]) == (5, 100, 0)
    assert [(each["externalId"], each["cost"]) for each in told["data"]] == [
        ("ana", 0.75),
        ("ben", 2),
        ("cleo", None),
        ("dan", None),
        ("eva@example.com", 0.1),
    ]
    assert told["data"][0]["props"] == {"plan": "pro", "seats": 0, "city": "Zürich"}


def test_users_are_filtered_and_searched(script: Script, users: None) -> None:
    assert names(script, "user-props=plan.free") == ["ben", "dan"]
    assert names(script, "user-props=seats.2") == ["cleo"]
    assert names(script, "search=EXAMPLE.com") == ["eva@example.com"]
    assert len(names(script, "search=zürich")) == 5
    assert names(script, "cost=gt.1") == ["ben"]
    assert names(script, "type=tool") == []
    assert script.json("/v1/external-users?search=ana")["total"] == 1


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("sortField=cost&sortDirection=desc", ["ben", "ana", "eva@example.com", "dan", "cleo"]),
        ("sortField=cost&sortDirection=asc", ["eva@example.com", "ana", "ben", "cleo", "dan"]),
        ("sortField=createdAt&sortDirection=asc", ["ana", "ben", "cleo", "dan", "eva@example.com"]),
        ("sortField=lastSeen&sortDirection=asc", ["eva@example.com", "dan", "cleo", "ben", "ana"]),
    ],
)
def test_users_are_sorted_and_walked(script: Script, users: None, sort: str, expected: list[str]) -> None:
    assert names(script, sort) == expected
    walked = [each["externalId"] for each in script.walk(f"/v1/external-users?{sort}&limit=2")]
    assert walked == expected == [name for page in range(3) for name in names(script, f"{sort}&limit=2&page={page}")]


def test_cost_may_be_of_a_time(script: Script, project: Project, users: None) -> None:
    make.run(project, user_id="ana", cost=Decimal(7), started_at=timezone.now() - timedelta(days=20))
    assert script.json("/v1/external-users/ana")["cost"] == 7.75
    since = (timezone.now() - timedelta(days=2)).date()
    (ana,) = script.json(f"/v1/external-users?search=ana&startDate={since}&endDate=2999-01-01&timeZone=UTC")["data"]
    assert ana["cost"] == 0.75
    assert script.get("/v1/external-users?startDate=soon").status_code == 400


def test_a_user_is_found_by_id_whatever_it_holds(script: Script, users: None) -> None:
    assert script.json("/v1/external-users/eva%40example.com")["externalId"] == "eva@example.com"
    assert script.get("/v1/external-users/nobody").status_code == 404
    assert script.get("/v1/external-users/%00").status_code == 404


def test_usage_sums_by_name_and_type(project: Project, script: Script) -> None:
    now = timezone.now()
    for status, cost, age in (("success", "0.5", 0), ("error", None, 1), ("success", "0.25", 1), ("success", "9", 40)):
        make.run(
            project,
            name="gpt-4o",
            status=status,
            user_id="ana",
            cost=None if cost is None else Decimal(cost),
            input_tokens=10,
            output_tokens=2,
            started_at=now - timedelta(days=age),
        )
    make.run(project, "tool", name="search")
    make.run(project, "span")
    expected = {
        "name": "gpt-4o",
        "type": "llm",
        "promptTokens": 30,
        "completionTokens": 6,
        "cost": 0.75,
        "errors": 1,
        "success": 2,
    }
    tool, llm = sorted(script.json("/v1/runs/usage?days=30"), key=lambda row: row["type"], reverse=True)
    assert llm == expected
    assert (tool["name"], tool["cost"], tool["success"]) == ("search", None, 1)
    assert script.json("/v1/runs/usage?days=30&userId=ana") == [expected]
    daily = script.json("/v1/runs/usage?days=30&userId=ana&daily=1")
    assert [row["success"] for row in daily] == [1, 1]
    assert all(row["date"].endswith("T00:00:00.000Z") for row in daily)
    assert script.json("/v1/runs/usage?days=30&userId=nobody") == []


@pytest.mark.parametrize("query", ["", "days=", "days=0", "days=x", "days=99999999999999999999", "days=-1", "days=1.5"])
def test_usage_without_sensible_days_is_refused(script: Script, query: str) -> None:
    response = script.get(f"/v1/runs/usage?{query}")
    assert response.status_code == 400
    assert b"Invalid query parameters" in response.content
