"""traces.sieve: what matches is shown with the runs above it, once, in the forest's order, whatever the forest."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import chain_of, relaxed, row, rows, uid
from traces.columns import RunRow
from traces.sieve import Only, Sight, Tint, Wanted, sift, tally
from traces.tree import NONE, Forest, Group, grow

wanted = st.builds(
    Wanted,
    only=st.sampled_from(Only),
    share=st.floats(0, 100),
    tint=st.sampled_from(Tint),
    hides_spans=st.booleans(),
)


def numbers(sight: Sight) -> list[int]:
    """Return which runs are shown, in order."""
    return [sight.forest.node(position).id.int for position in sight.positions]


def matching(sight: Sight) -> list[int]:
    """Return which of them are shown for their own sake."""
    return [number for place, number in enumerate(numbers(sight)) if sight.is_match(place)]


def tree() -> Forest:
    """Return an agent with a plain span that holds two calls and a failed tool, and a chain with a cheap call."""
    return grow(
        uid(0),
        [
            row(0, ms=1000, type="agent"),
            row(1, 0, 0, 500, type="span"),
            row(2, 1, 10, 100, type="llm", cost=Decimal("0.9")),
            row(3, 1, 200, 100, type="llm", cost=Decimal("0.06"), repeat_of=uid(9)),
            row(4, 1, 310, 10, type="tool", status="error"),
            row(5, 0, 600, 300, type="chain"),
            row(6, 5, 600, 40, type="llm", cost=Decimal("0.1")),
            row(7, 5, 700, 40, type="span", status="error"),
        ],
    )


def test_everything_is_the_forest_itself() -> None:
    sight = sift(tree(), Wanted())
    assert numbers(sight) == list(range(8))
    assert (sight.matches, len(sight)) == (8, 8)
    assert sight.children(0) == [1, 5]


def test_only_errors_are_those_that_are_counted() -> None:
    sight = sift(tree(), Wanted(only=Only.ERRORS))
    assert (numbers(sight), matching(sight), sight.matches) == ([0, 1, 4], [4], 1)
    assert tally(tree()).errors == 1


def test_only_model_calls_leave_repeats_out() -> None:
    sight = sift(tree(), Wanted(only=Only.LLM))
    assert (numbers(sight), matching(sight)) == ([0, 1, 2, 5, 6], [2, 6])
    assert (tally(tree()).llm, tally(tree()).spans) == (2, 2)


@pytest.mark.parametrize(
    ("share", "tint", "found"),
    [
        (50, Tint.COST, [0, 1, 2]),
        (10, Tint.COST, [0, 1, 2, 5, 6]),
        (100, Tint.COST, [0]),
        (0, Tint.COST, [0, 1, 2, 5, 6]),
        (30, Tint.TIME, [0, 1, 5]),
        (100, Tint.TIME, [0]),
    ],
)
def test_a_share_is_of_the_sub_trees_cost_or_of_the_time(share: float, tint: Tint, found: list[int]) -> None:
    assert matching(sift(tree(), Wanted(Only.SHARE, share, tint))) == found


def test_children_of_hidden_spans_move_up() -> None:
    sight = sift(tree(), Wanted(hides_spans=True))
    assert numbers(sight) == [0, 2, 3, 4, 5, 6]
    assert [sight.skipped(place) for place in range(len(sight))] == [0, 1, 1, 1, 0, 0]
    assert sight.children(0) == [1, 2, 3, 4]
    assert [sight.depth[place] for place in range(len(sight))] == [0, 1, 1, 1, 1, 2]
    assert numbers(sift(tree(), Wanted(Only.ERRORS, hides_spans=True))) == [0, 4]
    lost = grow(uid(0), [row(0), row(1, 99, type="span"), row(2, 1), row(3, 99, 5)])
    assert sift(lost, Wanted(hides_spans=True)).tops == {Group.TREE: [0], Group.ORPHANS: [1, 2]}


def test_a_hidden_span_that_matches_keeps_nothing() -> None:
    forest = grow(uid(0), [row(0, ms=100), row(1, 0, 0, 10), row(2, 1, 0, 90, type="span")])
    assert numbers(sift(forest, Wanted(Only.SHARE, 50, Tint.TIME))) == [0, 1, 2]
    assert numbers(sift(forest, Wanted(Only.SHARE, 50, Tint.TIME, hides_spans=True))) == [0]


def test_what_is_asked_for_by_name_is_shown_though_it_does_not_match() -> None:
    sight = sift(tree(), Wanted(Only.ERRORS, hides_spans=True), besides=[7])
    assert numbers(sight) == [0, 4, 5, 7]
    assert matching(sight) == [4]


def test_nothing_may_match() -> None:
    sight = sift(grow(uid(0), [row(0)]), Wanted(Only.ERRORS))
    assert (len(sight), sight.matches, sight.tops) == (0, 0, {})


def test_a_run_that_goes_on_takes_time_until_now() -> None:
    forest = grow(uid(0), [row(0, ms=None), row(1, 0, 0, 100), row(2, 0, 10, None)])
    now = forest.start_us + 1_000_000
    assert matching(sift(forest, Wanted(Only.SHARE, 50, Tint.TIME), until_us=now)) == [0, 2]


def test_five_thousand_levels_are_sifted_without_recursion() -> None:
    deep = [*chain_of(5_000), row(9_000, 4_999, 5_000, status="error")]
    sight = sift(grow(uid(0), deep), Wanted(Only.ERRORS))
    assert (len(sight), sight.matches, sight.depth[-1]) == (5_001, 1, 5_000)


@relaxed
@given(rows(), wanted)
def test_any_sight_of_any_forest_is_a_forest(given_rows: list[RunRow], asked: Wanted) -> None:
    forest = grow(uid(0), given_rows)
    sight = sift(forest, asked)
    assert list(sight.positions) == sorted(set(sight.positions))
    tops = [place for places in sight.tops.values() for place in places]
    seen = list(tops)
    for place in range(len(sight)):
        seen += sight.children(place)
        position = sight.positions[place]
        assert sight.place(position) == place
        if sight.parent[place] != NONE:
            assert sight.positions[sight.parent[place]] in forest.above(position)
        assert place in sight.beside(place)
        assert sight.depth[place] == len(sight.above(place))
        assert asked.hides_spans <= (forest.columns.types[position] != "span")
        is_leaf = sight.size[place] == 1
        assert sight.is_match(place) or not is_leaf
    assert sorted(seen) == list(range(len(sight)))
