"""traces.critical: the chain of runs that the end of a trace waited for."""

from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import chain_of, relaxed, row, rows, uid
from traces.columns import RunRow
from traces.critical import SLACK_US, CriticalPath, critical_path
from traces.tree import grow


def path(given_rows: list[RunRow]) -> dict[int, int]:
    """Return the runs on the path by number, each with its own time in ms."""
    forest = grow(uid(0), given_rows)
    return {forest.node(place).id.int: own // 1000 for place, own in critical_path(forest).items()}


def test_one_after_the_other_everything_is_on_the_path() -> None:
    assert path([row(0, ms=100), row(1, 0, 10, 30), row(2, 0, 40, 50)]) == {0: 20, 1: 30, 2: 50}


def test_of_what_ran_side_by_side_the_slowest_is_on_the_path() -> None:
    assert path([row(0, ms=100), row(1, 0, 0, 40), row(2, 0, 0, 90), row(3, 0, 0, 60)]) == {0: 10, 2: 90}


def test_what_was_still_running_when_the_next_began_did_not_hold_it_up() -> None:
    assert path([row(0, ms=100), row(1, 0, 0, 60), row(2, 0, 50, 50), row(3, 0, 0, 40)]) == {0: 10, 2: 50, 3: 40}
    touching = path([row(0, ms=100), row(1, 0, 0, 51), row(2, 0, 50, 50)])  # a clock's tick of overlap
    assert set(touching) == {0, 1, 2}


def test_it_goes_down_into_each_child() -> None:
    below = [row(1, 0, 0, 100), row(2, 1, 0, 30), row(3, 1, 30, 60), row(4, 3, 40, 50), row(5, 1, 0, 20)]
    assert path([row(0, ms=100), *below]) == {0: 0, 1: 10, 2: 30, 3: 10, 4: 50}


def test_a_child_that_outlasts_its_parent_is_waited_for() -> None:
    assert path([row(0, ms=50), row(1, 0, 20, 100), row(2, 0, 0, 20)]) == {0: 0, 1: 100, 2: 20}
    assert path([row(0, ms=50), row(1, 0, 70, 30)]) == {0: 50, 1: 30}


def test_moments_hold_nothing_up() -> None:
    event = row(1, 0, 100, 0, type="custom-event")
    assert path([row(0, ms=100), event, row(2, 0, 50, None, status="error")]) == {0: 100}
    assert path([row(0, ms=0)]) == {}


def test_an_event_that_never_ends_is_a_moment() -> None:
    told = row(2, 0, 20, None, type="custom-event")
    assert path([row(0, ms=100), row(1, 0, 10, 80), told]) == {0: 20, 1: 80}


def test_what_goes_on_is_on_the_path_until_now() -> None:
    forest = grow(uid(0), [row(0, ms=None), row(1, 0, 0, 90), row(2, 0, 10, None)])
    assert [forest.node(at).id.int for at in CriticalPath(forest, forest.end_us + 5_000_000)] == [0, 2]
    assert CriticalPath(forest, forest.end_us + 5_000_000).own_us(2) == 5_080_000


def test_orphans_and_children_that_began_before_their_parents_have_a_place() -> None:
    assert path([row(0, ms=50), row(1, 99, 60, 40)]) == {0: 50, 1: 40}
    assert path([row(0, at_ms=20, ms=80), row(1, 0, 0, 90)]) == {0: 10, 1: 70}


def test_five_thousand_levels_and_a_wide_list_do_not_break_it() -> None:
    assert len(path(chain_of(5_000))) >= 4_999
    wide = [row(n, 0, at_ms=n * 2, ms=2) for n in range(1, 5_000)]
    assert len(path([row(0, ms=10_001), *wide])) == 5_000


@relaxed
@given(rows())
def test_the_path_is_a_part_of_the_tree_and_no_longer_than_the_trace(given_rows: list[RunRow]) -> None:
    forest = grow(uid(0), given_rows)
    found = critical_path(forest)
    asked = CriticalPath(forest)
    for place in range(len(forest)):
        assert (place in asked) == (place in found)
        assert asked.own_us(place) == found.get(place, 0)
    assert all(forest.parent[place] in found for place in found if forest.parent[place] >= 0)
    assert all(own >= 0 for own in found.values())
    assert sum(found.values()) <= forest.end_us - forest.start_us + len(forest) * SLACK_US


@relaxed
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 500), st.integers(1, 500)), min_size=1, max_size=30))
def test_the_last_end_is_on_the_path(made: list[tuple[int, int, int]]) -> None:
    forest = grow(uid(0), [row(n, parent if n else None, at, ms) for n, (parent, at, ms) in enumerate(made)])
    ends = [node.end_us or 0 for node in forest]
    assert max(ends[place] for place in critical_path(forest)) == max(ends)
