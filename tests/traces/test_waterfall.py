"""traces.waterfall: bars stay on the drawing and can be seen; ticks are few and round; no moment gets lost in a gap."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import relaxed
from traces.gaps import Gap
from traces.waterfall import MOST_TICKS, SHORTEST, WIDTH, Scale

START = 1_763_648_287_000_000  # epoch µs
MS = 1_000
SECOND = 1_000 * MS
MINUTE = 60 * SECOND
moments = st.integers(-10_000 * MS, 10_000_000 * MS)


@st.composite
def scales(draw: st.DrawFn) -> Scale:
    """Draw a trace cut at random into what was active and up to four gaps, some without anything between them."""
    cuts = draw(st.lists(st.integers(0, 3_600 * SECOND), min_size=2, max_size=10, unique=True))
    cuts = sorted(cuts)[: len(cuts) // 2 * 2]
    gaps = tuple(Gap(START + begin, START + end) for begin, end in list(pairwise(cuts))[::2])[:4]
    last = max([START + cuts[-1], *(gap.end_us for gap in gaps)]) + draw(st.integers(0, 60 * SECOND))
    return Scale.over(START, last, gaps)


@relaxed
@given(st.integers(0, 10_000_000), moments, st.one_of(st.none(), moments))
def test_a_bar_is_visible_and_on_the_drawing(length: int, start: int, end: int | None) -> None:
    bar = Scale.over(START, START + length * MS).bar(START + start, None if end is None else START + end)
    assert bar.x >= 0
    assert bar.width >= SHORTEST
    assert bar.x + bar.width <= WIDTH + 0.02


def test_a_bar_lies_where_its_run_lies_in_time() -> None:
    scale = Scale.over(START, START + SECOND)
    assert scale.bar(START + 250 * MS, START + 750 * MS).x == 85
    assert scale.bar(START, START + 500 * MS).width == 170
    assert scale.bar(START + 500 * MS, None).width == 170
    assert scale.bar(START + 250 * MS, START + 750 * MS).end == 255
    assert scale.offset_ms(START + 250 * MS) == 250


@relaxed
@given(st.integers(0, 40 * 86_400_000))
def test_ticks_begin_at_the_start_and_are_few(length: int) -> None:
    ticks = Scale.over(START, START + length * MS).ticks()
    assert ticks[0].label == "0"
    assert 1 <= len(ticks) <= MOST_TICKS + 1
    assert all(0 <= tick.percent < 95 and tick.label for tick in ticks)
    assert len({tick.label for tick in ticks}) == len(ticks)


def test_ticks_read_like_times() -> None:
    def labels(ms: int) -> list[str]:
        return [tick.label for tick in Scale.over(START, START + ms * MS).ticks()]

    assert labels(90) == ["0", "20 ms", "40 ms", "60 ms", "80 ms"]
    assert labels(9_000) == ["0", "2 s", "4 s", "6 s", "8 s"]
    assert labels(252_400) == ["0", "1:00", "2:00", "3:00"]
    assert labels(2_400) == ["0", "500 ms", "1 s", "1.5 s", "2 s"]
    assert labels(5 * 3_600_000) == ["0", "1:00:00", "2:00:00", "3:00:00", "4:00:00"]
    assert labels(9 * 86_400_000) == ["0", "2 d", "4 d", "6 d", "8 d"]


@relaxed
@given(scales(), st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_compressing_gaps_keeps_the_order_of_moments_and_loses_none(scale: Scale, shares: list[float]) -> None:
    length = scale.end_us - scale.start_us
    at = sorted(scale.start_us + round(share * length) for share in shares)
    xs = [scale.x(moment) for moment in at]
    assert xs == sorted(xs)
    assert all(0 <= x <= WIDTH for x in xs)
    for moment, x in zip(at, xs, strict=True):
        assert abs(scale.x(scale.at(x)) - x) < 1e-6
        per_us = max((b - a) / (y - x) for (a, b), (x, y) in _pieces(scale))
        assert abs(scale.at(x) - moment) <= 1 + per_us * 1e-9


def _pieces(scale: Scale) -> list[tuple[tuple[int, int], tuple[float, float]]]:
    """Return the pieces of a scale that have an extent."""
    pieces = zip(pairwise(scale.times), pairwise(scale.xs), strict=True)
    return [(times, xs) for times, xs in pieces if xs[1] - xs[0] > 1e-9]


@relaxed
@given(scales())
def test_labels_are_true_and_stand_clear_of_gaps_and_of_each_other(scale: Scale) -> None:
    ticks = scale.ticks()
    assert ticks[0].label == "0"
    assert all(after.x - before.x >= 30 for before, after in pairwise(ticks))
    assert all(not column.x < tick.x < column.end for tick in ticks[1:] for column in scale.columns)
    assert len({tick.label for tick in ticks}) == len(ticks)


@relaxed
@given(scales(), st.floats(0, 1), st.floats(0, 1))
def test_a_bar_over_gaps_is_its_parts_and_its_crossings(scale: Scale, one: float, other: float) -> None:
    length = scale.end_us - scale.start_us
    begin, end = sorted((one, other))
    bar = scale.bar(scale.start_us + round(begin * length), scale.start_us + round(end * length))
    if bar.crossings:
        pieces = sorted((*bar.parts, *bar.crossings), key=lambda piece: piece.x)
        assert abs(sum(piece.width for piece in pieces) - bar.width) < 0.6
        assert all(before.end <= after.x + 0.03 for before, after in pairwise(pieces))


def test_a_long_wait_takes_a_narrow_column_and_the_rest_gets_the_room() -> None:
    gap = Gap(START + 60 * SECOND, START + 216 * SECOND)
    scale = Scale.over(START, START + 252 * SECOND, (gap,))
    assert [(column.x, column.width) for column in scale.columns] == [(185.0, 44.0)]
    assert [tick.label for tick in scale.ticks()] == ["0", "20 s", "40 s", "4:00"]
    whole = scale.bar(START, START + 252 * SECOND)
    assert [(part.x, part.end) for part in whole.parts] == [(0, 185), (229, 340)]
    assert [(wait.x, wait.end) for wait in whole.crossings] == [(185, 229)]
    assert scale.bar(START, START + 30 * SECOND).crossings == ()
    fine = Scale.over(START, START + MINUTE + 600 * MS, (Gap(START + 100 * MS, START + MINUTE),))
    assert [tick.label for tick in fine.ticks()][-1] == "1:00.4"
