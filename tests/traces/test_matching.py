"""The longest common order: right for everything small, bounded for everything large."""

import random
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import relaxed
from traces import matching
from traces.matching import interned, pairs

entries = st.lists(st.integers(0, 4), max_size=14)


def longest(left: list[int], right: list[int]) -> int:
    """Return the length of a longest common subsequence, by the textbook."""
    row = [0] * (len(right) + 1)
    for entry in left:
        before = row.copy()
        for at, other in enumerate(right, 1):
            row[at] = before[at - 1] + 1 if entry == other else max(before[at], row[at - 1])
    return row[-1]


def rises(found: list[tuple[int, int]]) -> bool:
    return all(a < c and b < d for (a, b), (c, d) in pairwise(found))


@relaxed
@given(entries, entries)
def test_short_sequences_get_a_longest_common_order(left: list[int], right: list[int]) -> None:
    found = pairs(left, right)
    assert len(found) == longest(left, right)
    assert rises(found)
    assert all(left[at] == right[other] for at, other in found)


@relaxed
@given(entries, entries)
def test_swapping_the_sides_swaps_the_pairs(left: list[int], right: list[int]) -> None:
    assert pairs(right, left) == [(other, at) for at, other in pairs(left, right)]


@relaxed
@given(st.lists(st.integers(0, 60), max_size=60), st.lists(st.integers(0, 60), max_size=60))
def test_beyond_what_is_compared_exactly_it_is_still_an_order(left: list[int], right: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "CELLS", 20)
        found = pairs(left, right)
        assert pairs(right, left) == [(other, at) for at, other in found]
    assert rises(found)
    assert all(left[at] == right[other] for at, other in found)
    assert len(found) <= longest(left, right)


def test_entries_that_occur_once_anchor_long_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "CELLS", 20)
    left = [0, 0, 1, 0, 2, 0, 0, 3, 4]
    right = [9, 1, 8, 8, 2, 7, 3, 0, 5]
    assert {(2, 1), (4, 4), (7, 6)} <= set(pairs(left, right))


@pytest.mark.parametrize("kinds", [2, 50, 50_000])
def test_fifty_thousand_on_each_side_take_a_moment(kinds: int) -> None:
    dice = random.Random(7)
    left, right = ([dice.randrange(kinds) for _ in range(50_000)] for _ in "12")
    began = time.process_time()
    assert rises(pairs(left, right))
    assert time.process_time() - began < 5  # a table of all cells would take a quarter of an hour


@given(st.lists(st.text(max_size=3)), st.lists(st.text(max_size=3)))
def test_equal_texts_become_equal_numbers_in_the_order_of_texts(left: list[str], right: list[str]) -> None:
    numbers, others = interned(left, right)
    for text, number in zip(left, numbers, strict=True):
        for other_text, other in zip(right, others, strict=True):
            assert (text == other_text, text < other_text) == (number == other, number < other)
