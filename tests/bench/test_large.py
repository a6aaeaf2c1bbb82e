"""Large traces are what they say: one tree, of that size, depth and width."""

import psycopg
import pytest
from django.db import connection

from bench.large import ERROR_EVERY, LEVELS, SHAPES, Large, store
from runs.models import RunBody
from tests import make
from traces import queries
from traces.models import TraceSummary
from traces.summaries import recompute_stale


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [2, 10, 3_000])
def test_parents_come_first_and_end_last(shape: str, size: int) -> None:
    trace = Large(shape, size)
    assert len(set(trace.ids)) == len(trace.parents) == size
    assert trace.parents[0] == -1
    for number in range(1, size):
        parent = trace.parents[number]
        assert 0 <= parent < number
        assert trace.times[parent][0] <= trace.times[number][0]
        assert trace.times[number][1] <= trace.times[parent][1]
        assert trace.types[parent] in ("agent", "chain")


def test_shapes_are_as_wide_and_as_deep_as_promised() -> None:
    def depth(trace: Large) -> int:
        depths = [0]
        for number in range(1, trace.size):
            depths.append(depths[trace.parents[number]] + 1)
        return max(depths)

    assert Large("wide", 50_000).parents.count(0) == 49_999
    assert depth(Large("deep", 50_000)) == LEVELS
    assert 10 < depth(Large("mixed", 50_000)) < LEVELS


@pytest.mark.django_db(transaction=True)
def test_a_stored_trace_is_read_and_summed_like_any_other() -> None:
    project = make.project()
    trace = Large("mixed", 2 * ERROR_EVERY + 1, big_bytes=100_000)
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as database:
        store(database, str(project.public_id), trace)
    forest = queries.forest(project.pk, trace.trace_id)
    assert forest
    assert forest.root
    assert (len(forest), forest.root.name, forest.root.errors_below) == (trace.size, trace.name, 2)
    assert len(RunBody.objects.get(project_id=project.pk, run_id=trace.ids[1]).output or "") > 99_000
    recompute_stale()
    summary = TraceSummary.objects.get(project_id=project.pk)
    assert (summary.runs, summary.errors) == (forest.root.sums.runs, 2)
