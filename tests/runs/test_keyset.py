"""Walking a list page by page shows each row exactly once and in order: every sort, ties, rows without a key."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.http import QueryDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunary_dash import paging
from projects.models import Project
from runs import queries
from runs.filters import Filters
from runs.models import Run
from runs.queries import SORTS, Sort
from tests import make

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
FEW = st.integers(0, 3)
ROWS = st.lists(
    st.tuples(FEW, st.none() | FEW, st.none() | FEW, st.none() | FEW, st.none() | st.just(Decimal("0.0000000001"))),
    max_size=14,
)
EVERYTHING = Filters.parse(QueryDict("range=all&type=all"))


def stored(rows: list[tuple[Any, ...]]) -> Project:
    """Return a new project with one run per row."""
    project = make.project(name="Walk")
    for minute, duration, given_tokens, answered, cost in rows:
        started = START + timedelta(minutes=minute)
        ended = None if duration is None else started + timedelta(milliseconds=duration)
        make.run(
            project,
            started_at=started,
            ended_at=ended,
            duration_ms=duration,
            input_tokens=given_tokens,
            output_tokens=answered,
            cost=cost,
        )
    return project


def in_order(project: Project, sort: Sort) -> list[UUID]:
    """Return the ids as Python sorts them: by key, rows without it last, ids breaking ties the same way."""

    def key(run: Run) -> Any:
        tokens = None
        if run.input_tokens is not None or run.output_tokens is not None:
            tokens = (run.input_tokens or 0) + (run.output_tokens or 0)
        return {"time": run.started_at, "duration": run.duration_ms, "tokens": tokens, "cost": run.cost}[sort.key]

    runs = sorted(Run.objects.filter(project_id=project.pk), key=lambda run: run.id, reverse=sort.descending)
    known = sorted((run for run in runs if key(run) is not None), key=key, reverse=sort.descending)
    return [run.id for run in known] + [run.id for run in runs if key(run) is None]


def walk(project: Project, sort: Sort, size: int, cursor: str | None, *, forward: bool) -> list[list[UUID]]:
    """Return the pages' ids from `cursor` to the list's end or beginning."""
    pages = []
    for _ in range(40):
        page = queries.page(project.pk, EVERYTHING, sort, cursor, size)
        pages.append([row.id for row in page.rows])
        cursor = page.older if forward else page.newer
        if cursor is None:
            return pages
    raise AssertionError("the list has no end")


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.sampled_from(list(SORTS)), st.booleans(), st.integers(1, 5))
def test_walking_pages_shows_each_row_exactly_once(
    rows: list[tuple[Any, ...]], key: str, descending: bool, size: int
) -> None:
    project, sort = stored(rows), Sort(key, descending)
    expected = in_order(project, sort)
    pages = walk(project, sort, size, None, forward=True)
    assert [id for page in pages for id in page] == expected
    if len(pages) > 1:
        last = queries.page(project.pk, EVERYTHING, sort, _cursor_of(project, sort, size, len(pages) - 1), size)
        back = walk(project, sort, size, last.newer, forward=False)
        assert [id for page in reversed(back) for id in page] == expected[: -len(last.rows)]


def _cursor_of(project: Project, sort: Sort, size: int, page_number: int) -> str | None:
    cursor = None
    for _ in range(page_number):
        cursor = queries.page(project.pk, EVERYTHING, sort, cursor, size).older
    return cursor


def test_new_rows_do_not_move_the_page_a_reader_is_on(project: Project) -> None:
    for minute in range(6):
        make.run(project, started_at=START + timedelta(minutes=minute), name=str(minute))
    first = queries.page(project.pk, EVERYTHING, Sort(), None, 2)
    make.run(project, started_at=START + timedelta(minutes=9), name="new")
    second = queries.page(project.pk, EVERYTHING, Sort(), first.older, 2)
    assert [row.name for row in second.rows] == ["3", "2"]
    assert queries.newer_count(project.pk, EVERYTHING, queries.first_cursor(first)) == 1


@pytest.mark.django_db
@given(
    st.text(max_size=40)
    | st.lists(st.none() | st.integers() | st.text(max_size=5) | st.floats()).map(
        lambda key: paging.encode(paging.Cursor(tuple(key)))
    ),
    st.sampled_from(list(SORTS)),
)
def test_a_damaged_cursor_is_refused_and_nothing_else(cursor: str, key: str) -> None:
    with suppress(paging.BadCursor):
        queries.page(1, EVERYTHING, Sort(key), cursor or None, 5)
