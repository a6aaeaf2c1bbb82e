"""Sums by user, team and organization: every level adds up to the same recount, every page shows each row once."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunary_dash.paging import BadCursor, Cursor, encode
from projects.models import Project
from runs import spans
from runs.models import Run, UserDay
from tests import make
from tests.users.conftest import recompute
from users import queries
from users.queries import Level, Row, Within, groups

pytestmark = pytest.mark.django_db


def every(project: Project, level: Level, within: Within, **options: Any) -> list[Row]:
    """Return all rows, page by page."""
    rows: list[Row] = []
    cursor = None
    while True:
        found = groups(project.pk, level, within, cursor=cursor, **options)
        rows += found.page.rows
        cursor = found.page.older
        if cursor is None:
            return rows


def recount(project: Project, level: Level, within: Within) -> dict[str, tuple[Any, ...]]:
    found: dict[str, list[Any]] = defaultdict(lambda: [0, 0, 0, 0, Decimal(0), 0])
    runs = Run.objects.filter(project_id=project.pk, repeat_of=None).exclude(type="span")
    if within.since:
        runs = runs.filter(started_at__gte=within.since)
    for column, value in (("team_id", within.team), ("organization_id", within.organization)):
        if value is not None:
            runs = runs.filter(**{column: value}) if value else runs.filter(**{f"{column}__isnull": True})
    for run in runs:
        sums = found[getattr(run, level.value) or ""]
        sums[0] += 1
        sums[1] += run.status == "error"
        sums[2] += run.type == "thread"
        sums[3] += (run.input_tokens or 0) + (run.output_tokens or 0)
        sums[4] += run.cost or 0
        sums[5] += run.type == "llm" and run.status == "success" and run.cost is None
    return {key: tuple(sums) for key, sums in found.items()}


def values(sums: queries.Sums) -> tuple[Any, ...]:
    return (sums.runs, sums.errors, sums.threads, sums.tokens, sums.cost, sums.unpriced)


@pytest.mark.parametrize("level", Level)
def test_rows_and_the_unattributed_one_add_up_to_the_project(busy: Project, level: Level) -> None:
    for range_ in ("24h", "7d", "30d", "all"):
        within = Within(spans.relative(range_, timezone.now()).since)
        expected = recount(busy, level, within)
        rows = every(busy, level, within)
        found = groups(busy.pk, level, within)
        assert {row.id: values(row.sums) for row in rows} == {key: sums for key, sums in expected.items() if key}
        assert values(found.unattributed.sums) == expected.get("", (0, 0, 0, 0, 0, 0))
        assert values(found.total) == tuple(map(sum, zip(*expected.values(), strict=True)))
        assert found.count == len(rows)
        shares = sum(row.share for row in rows) + found.unattributed.share
        assert shares == pytest.approx(1.0)


def test_a_level_within_another_adds_up_to_its_row(busy: Project) -> None:
    for organization in every(busy, Level.ORGANIZATION, Within(None)):
        within = Within(None, organization=organization.id)
        assert values(groups(busy.pk, Level.TEAM, within).total) == values(organization.sums)
        for team in every(busy, Level.TEAM, within):
            inner = Within(None, team=team.id, organization=organization.id)
            assert values(groups(busy.pk, Level.USER, inner).total) == values(team.sums)
            assert len(every(busy, Level.USER, inner)) == team.sums.users
    nobody = Within(None, team="")
    assert {row.id: values(row.sums) for row in every(busy, Level.USER, nobody)} == {
        key: sums for key, sums in recount(busy, Level.USER, nobody).items() if key
    }


@pytest.mark.parametrize("sort", list(queries.SORTS))
def test_each_row_is_shown_once_in_either_direction(busy: Project, sort: str) -> None:
    forward, cursor = [], None
    while True:
        found = groups(busy.pk, Level.USER, Within(None), sort=sort, cursor=cursor)
        forward.append([row.id for row in found.page.rows])
        if found.page.older is None:
            break
        cursor = found.page.older
    assert [len(page) for page in forward] == [50, 20]
    assert len({id_ for page in forward for id_ in page}) == 70
    back = groups(busy.pk, Level.USER, Within(None), sort=sort, cursor=found.page.newer)
    assert [row.id for row in back.page.rows] == forward[0]
    assert back.page.newer is None
    assert back.page.older is not None


def test_the_largest_come_first(busy: Project) -> None:
    rows = every(busy, Level.USER, Within(None))
    assert [row.sums.cost for row in rows] == sorted((row.sums.cost for row in rows), reverse=True)
    seen = every(busy, Level.USER, Within(None), sort="seen")
    assert seen[0].person is not None
    assert seen[0].person.id == "user-0"


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ("person 11", {"user-11"}),
        ("P13@EXAMPLE", {"user-13"}),
        ("user-6", {"user-6", *(f"user-{n}" for n in range(60, 70))}),
        ("100%_", {"100%_ünï"}),
        ("%", {"100%_ünï"}),
        ("_", {"100%_ünï"}),
        ("ann/", {"ann/../?x=1&y#z"}),
        ("\\", set()),
        ("nobody at all", set()),
    ],
)
def test_a_search_narrows_the_rows_and_never_the_totals(busy: Project, search: str, ids: set[str]) -> None:
    found = groups(busy.pk, Level.USER, Within(None), search=search)
    assert {row.id for row in found.page.rows} == ids
    assert found.matching == len(ids)
    assert values(found.total) == values(groups(busy.pk, Level.USER, Within(None)).total)


def test_people_are_shown_by_the_best_name_there_is() -> None:
    assert queries.person("u", {"name": " Ann ", "email": "a@x"}, None, None).name == "Ann"
    assert queries.person("u", {"name": "Ann", "email": "a@x"}, None, None).email == "a@x"
    assert queries.person("u", {"email": "a@x"}, None, None).name == "a@x"
    assert queries.person("u", {"name": 5, "email": ["x"]}, None, None).name == "u"
    assert queries.person("u", '{"fullName": "Ann"}', None, None).name == "Ann"
    assert queries.person("u", None, None, None).name == "u"


@pytest.mark.parametrize(
    "cursor", ["", "x", encode(Cursor(("NaN", "a"))), encode(Cursor(("many", "a"))), encode(Cursor((1, 2, 3)))]
)
def test_a_damaged_cursor_is_told(busy: Project, cursor: str) -> None:
    if cursor:
        with pytest.raises(BadCursor):
            groups(busy.pk, Level.USER, Within(None), cursor=cursor)
        with pytest.raises(BadCursor):
            groups(busy.pk, Level.USER, Within(None), sort="seen", cursor=cursor)


times = st.integers(0, 6 * 24 * 4).map(lambda quarters: timezone.now() - timedelta(minutes=15 * quarters))


@given(
    runs=st.lists(
        st.tuples(times, st.sampled_from([None, "ann", "ben"]), st.sampled_from([None, "t-1"]), st.integers(0, 9)),
        max_size=12,
    ),
    since=times,
)
@settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
def test_whole_days_and_ragged_edges_make_any_range(project: Project, runs: list[tuple[Any, ...]], since: Any) -> None:
    for at, user, team, cost in runs:
        make.run(project, started_at=at, user_id=user, team_id=team, cost=Decimal(cost))
    recompute(project)
    for level in Level:
        expected = recount(project, level, Within(since))
        found = groups(project.pk, level, Within(since))
        assert {row.id: values(row.sums) for row in found.page.rows} == {k: v for k, v in expected.items() if k}
        assert values(found.unattributed.sums) == expected.get("", (0, 0, 0, 0, 0, 0))
    Run.objects.all().delete()
    UserDay.objects.all().delete()
