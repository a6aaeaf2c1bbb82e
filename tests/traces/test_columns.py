"""traces.columns: what PostgreSQL glues together comes apart again, whatever the rows hold."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from runs.models import Run
from tests.traces.forests import relaxed, rows, uid
from traces import queries
from traces.columns import Columns, RunRow, moment, money
from traces.tree import Forest, grow

SOMEWHERE = 7_001  # a project's number: rows of runs need no project to be there
words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
times = st.datetimes(datetime(1, 1, 2), datetime(9998, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
counts = st.none() | st.integers(0, 2**31 - 1)


@st.composite
def odd_rows(draw: st.DrawFn) -> list[RunRow]:
    """Rows with anything that the columns of the table can hold."""
    ids = draw(st.lists(st.uuids(allow_nil=True), min_size=1, max_size=12, unique=True))
    return [
        RunRow(
            id=run_id,
            parent_id=draw(st.none() | st.sampled_from(ids) | st.uuids(allow_nil=True)),
            type=draw(st.sampled_from(("agent", "llm", "span")) | words),
            name=draw(st.none() | words | st.sampled_from(("NULL", "", "{a,b}", 'x"\\y', "two\nlines", "ไทย 🧵"))),
            status=draw(st.sampled_from(("started", "success", "error"))),
            started_at=draw(times),
            ended_at=draw(st.none() | times),
            duration_ms=draw(st.none() | st.integers(0, 2**62)),
            input_tokens=draw(counts),
            output_tokens=draw(counts),
            cost=draw(st.none() | st.decimals(0, Decimal("9999999999"), places=10)),
            repeat_of=draw(st.none() | st.uuids()),
        )
        for run_id in ids
    ]


def stored(project_id: int, trace_id: UUID, given_rows: list[RunRow]) -> None:
    Run.objects.bulk_create(
        Run(
            project_id=project_id,
            trace_id=trace_id,
            received_at=timezone.now(),
            **{name: getattr(row, name) for name in RunRow.__struct_fields__},
        )
        for row in given_rows
    )


def told(forest: Forest) -> list[tuple[Any, ...]]:
    names = (*RunRow.__struct_fields__[:1], *RunRow.__struct_fields__[2:], "depth", "size", "height", "sums")
    return [tuple(getattr(node, name) for name in names) for node in forest]


@pytest.mark.django_db
@settings(deadline=None, max_examples=60)
@given(odd_rows(), st.booleans())
def test_a_trace_from_the_database_is_the_forest_of_its_rows(given_rows: list[RunRow], is_rooted: bool) -> None:
    trace_id = given_rows[-1].id if is_rooted else uuid4()
    Run.objects.all().delete()
    stored(SOMEWHERE, trace_id, given_rows)
    stored(SOMEWHERE + 1, trace_id, given_rows[:1])
    named = [replaced(row) for row in given_rows]
    found = queries.forest(SOMEWHERE, trace_id)
    assert found is not None
    assert told(found) == told(grow(trace_id, named))
    assert queries.forest(SOMEWHERE + 2, trace_id) is None


def replaced(row: RunRow) -> RunRow:
    """Return the row with its type as a tree says it: a line break in one reads as a blank."""
    return RunRow(
        **{name: getattr(row, name) for name in RunRow.__struct_fields__} | {"type": row.type.replace("\n", " ")}
    )


@relaxed
@given(rows())
def test_rows_stand_by_start_and_id_and_can_be_arranged(given_rows: list[RunRow]) -> None:
    columns = Columns.of([*given_rows, *given_rows])
    ordered = sorted(given_rows, key=lambda row: (row.started_at, row.id))
    assert columns.ids == [row.id.bytes for row in ordered]
    backwards = columns.arranged(range(len(ordered) - 1, -1, -1))
    assert list(backwards.ids) == list(reversed(columns.ids))
    assert [moment(at) for at in backwards.starts] == [row.started_at for row in reversed(ordered)]


def test_money_and_moments_are_exact() -> None:
    assert money(1) == Decimal("0.0000000001")
    assert money(12_345_678_901) == Decimal("1.2345678901")
    assert moment(1_700_000_000_123_456) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC) + timedelta(
        microseconds=123_456
    )
    assert uid(0).bytes == bytes(16)
