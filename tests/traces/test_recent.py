"""traces.recent: a large trace is not read again while nothing in it changes, and never shown as it was."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs.models import Run
from tests.traces.forests import chain_of, uid
from traces import queries, recent
from traces.recent import LARGE, MOST_RUNS
from traces.tree import Forest, grow

SOMEWHERE = 7_101  # a project's number: rows of runs need no project to be there


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    recent.forget()
    yield
    recent.forget()


def large(number: int = 0, runs: int = LARGE) -> Forest:
    return grow(UUID(int=number << 64), chain_of(runs))


def stored(project_id: int, runs: int) -> UUID:
    """Store a wide trace and return its id."""
    trace_id = uuid4()
    now = timezone.now()
    Run.objects.bulk_create(
        Run(
            project_id=project_id,
            id=trace_id if number == 0 else uuid4(),
            type="chain",
            name=f"step {number}",
            status="success",
            parent_id=trace_id if number else None,
            trace_id=trace_id,
            started_at=now + timedelta(milliseconds=number),
            received_at=now,
        )
        for number in range(runs)
    )
    return trace_id


@pytest.mark.django_db(transaction=True)
def test_a_large_trace_is_read_once_until_one_of_its_runs_changes() -> None:
    trace_id = stored(SOMEWHERE, LARGE)
    first = queries.forest(SOMEWHERE, trace_id)
    assert first is not None
    assert queries.forest(SOMEWHERE, trace_id) is first
    Run.objects.filter(project_id=SOMEWHERE, trace_id=trace_id, name="step 7").update(name="renamed")
    second = queries.forest(SOMEWHERE, trace_id)
    assert second is not None
    assert [node.name for node in second][7] == "renamed"
    assert queries.forest(SOMEWHERE, trace_id) is second
    Run.objects.filter(project_id=SOMEWHERE, trace_id=trace_id, name="renamed").delete()
    third = queries.forest(SOMEWHERE, trace_id)
    assert third is not None
    assert len(third) == LARGE - 1
    Run.objects.filter(project_id=SOMEWHERE, trace_id=trace_id).delete()
    assert queries.forest(SOMEWHERE, trace_id) is None


@pytest.mark.django_db
def test_what_is_kept_of_one_project_is_not_shown_in_another() -> None:
    trace_id = stored(SOMEWHERE, LARGE)
    assert queries.forest(SOMEWHERE, trace_id) is not None
    assert queries.forest(SOMEWHERE + 1, trace_id) is None


@pytest.mark.django_db
def test_a_small_trace_is_read_each_time_with_one_query() -> None:
    trace_id = stored(SOMEWHERE, 20)
    first = queries.forest(SOMEWHERE, trace_id)
    with CaptureQueriesContext(connection) as asked:
        assert queries.forest(SOMEWHERE, trace_id) is not first
    assert not asked.captured_queries  # only the one of psycopg itself, which Django does not see


def test_what_was_asked_for_longest_ago_gives_way() -> None:
    forests = [large(number, MOST_RUNS // 4) for number in range(5)]
    for forest in forests[:4]:
        recent.keep(SOMEWHERE, forest, "as it is")
    assert recent.find(SOMEWHERE, forests[0].trace_id, "as it is") is forests[0]
    recent.keep(SOMEWHERE, forests[4], "as it is")
    assert [recent.holds(SOMEWHERE, forest.trace_id) for forest in forests] == [True, False, True, True, True]


def test_only_the_state_it_was_read_with_finds_a_forest() -> None:
    forest = large()
    recent.keep(SOMEWHERE, forest, "then")
    for state in ("now", "", None):
        assert recent.find(SOMEWHERE, forest.trace_id, state) is None
    assert recent.find(SOMEWHERE + 1, forest.trace_id, "then") is None
    assert recent.find(SOMEWHERE, forest.trace_id, "then") is forest


def test_what_is_small_or_too_large_for_all_is_not_kept() -> None:
    assert uid(0) == large().trace_id
    recent.keep(SOMEWHERE, large(1, LARGE - 1), "then")
    recent.keep(SOMEWHERE, large(2, MOST_RUNS + 1), "then")
    assert not recent.holds(SOMEWHERE, large(1, 1).trace_id)
    assert not recent.holds(SOMEWHERE, large(2, 1).trace_id)
