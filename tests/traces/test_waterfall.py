"""traces.waterfall: bars stay on the drawing and can be seen; ticks are few and round."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import START, relaxed
from traces.waterfall import MOST_TICKS, SHORTEST, WIDTH, Scale

MS = timedelta(milliseconds=1)
moments = st.integers(-10_000, 10_000_000)


@relaxed
@given(st.integers(0, 10_000_000), moments, st.one_of(st.none(), moments))
def test_a_bar_is_visible_and_on_the_drawing(length: int, start: int, end: int | None) -> None:
    bar = Scale.over(START, START + length * MS).bar(START + start * MS, None if end is None else START + end * MS)
    assert bar.x >= 0
    assert bar.width >= SHORTEST
    assert bar.x + bar.width <= WIDTH + 0.02


def test_a_bar_lies_where_its_run_lies_in_time() -> None:
    scale = Scale.over(START, START + 1000 * MS)
    assert (scale.bar(START + 250 * MS, START + 750 * MS).x, scale.bar(START, START + 500 * MS).width) == (85, 170)
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
