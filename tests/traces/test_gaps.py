"""traces.gaps: idle is when nothing at the bottom of the tree was active."""

from itertools import pairwise

from hypothesis import given

from tests.traces.forests import START, relaxed, row, rows, uid
from traces.columns import RunRow
from traces.gaps import SHARE, Gap, idle_gaps
from traces.tree import Forest, grow

START_US = int(START.timestamp() * 1_000_000)


def gap(begin_ms: int, end_ms: int) -> Gap:
    return Gap(START_US + begin_ms * 1000, START_US + end_ms * 1000)


def test_waiting_ancestors_are_no_activity() -> None:
    forest = grow(uid(0), [row(0, ms=1000), row(1, 0, 0, 900), row(2, 1, 0, 100), row(3, 1, 700, 200)])
    assert idle_gaps(forest) == (gap(100, 700),)
    assert idle_gaps(forest)[0].duration_ms == 600


def test_gaps_are_found_before_the_first_and_behind_the_last_activity() -> None:
    assert idle_gaps(grow(uid(0), [row(0, ms=1000), row(1, 0, 300, 100)])) == (gap(0, 300), gap(400, 1000))
    assert idle_gaps(grow(uid(0), [row(0, ms=1000), row(1, 0, 200, 700)])) == ()


def test_a_moment_ends_a_gap_and_what_goes_on_is_active() -> None:
    event = row(1, 0, 500, 0, type="custom-event")
    assert idle_gaps(grow(uid(0), [row(0, ms=1000), event])) == (gap(0, 500), gap(500, 1000))
    running = grow(uid(0), [row(0, ms=None), row(1, 0, 100, None)])
    assert idle_gaps(running, START_US + 900_000) == ()
    assert idle_gaps(grow(uid(0), [row(0, ms=None), row(1, 0, 0, 100)]), START_US + 900_000) == (gap(100, 900),)


def test_a_trace_without_extent_has_no_gaps() -> None:
    assert idle_gaps(grow(uid(0), [row(0, ms=0)])) == ()
    assert idle_gaps(grow(uid(0), [row(0, ms=1), row(1, 0, 0, 0)])) == ()


def test_a_gap_is_found_among_many_runs() -> None:
    busy = [row(n, 0, at_ms=n if n < 5_000 else 10_000 + n, ms=3) for n in range(1, 10_000)]
    assert idle_gaps(grow(uid(0), [row(0, ms=20_002), *busy])) == (gap(5_002, 15_000),)


@relaxed
@given(rows())
def test_gaps_are_long_apart_and_empty(given_rows: list[RunRow]) -> None:
    forest = grow(uid(0), given_rows)
    found = idle_gaps(forest)
    assert len(found) <= 4
    length = forest.end_us - forest.start_us
    assert all(one.end_us - one.start_us > length * SHARE for one in found)
    assert all(before.end_us <= after.start_us for before, after in pairwise(found))
    for start, end in _leaves(forest):
        assert all(end <= one.start_us or start >= one.end_us for one in found)
    assert bool(found) == _is_any(forest)


def _leaves(forest: Forest) -> list[tuple[int, int]]:
    """Return start and end of all runs without children."""
    found = []
    for node in forest:
        if node.size == 1:
            end = forest.end_us if node.status == "started" else node.start_us
            found.append((node.start_us, max(node.start_us, end if node.end_us is None else node.end_us)))
    return found


def _is_any(forest: Forest) -> bool:
    """Tell by trying every end of an activity whether a gap begins there."""
    leaves = _leaves(forest)
    least = max((forest.end_us - forest.start_us) * SHARE, 1_000)
    for at in [forest.start_us, *(end for _, end in leaves)]:
        if any(start < at < end or start <= at < end for start, end in leaves):
            continue
        if min([start for start, _ in leaves if start > at], default=forest.end_us) - at > least:
            return True
    return False
