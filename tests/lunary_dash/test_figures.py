"""Figures as people read them."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from lunary_dash.templatetags import figures


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, "—"), (0, "0 ms"), (999, "999 ms"), (1000, "1.0 s"), (9_140, "9.1 s"), (59_949, "59.9 s"),
        (59_950, "1 m 0 s"), (252_400, "4 m 12 s"), (3_599_600, "1 h 0 m"), (8_640_000, "2 h 24 m"),
        (273_600_000, "3 d 4 h"), (-1_500, "-1.5 s"), ("x", "—"),
    ],
)  # fmt: skip
def test_durations(milliseconds: object, text: str) -> None:
    assert plain(figures.duration(milliseconds)) == text


@pytest.mark.parametrize(
    ("dollars", "short", "exact"),
    [
        (None, "unknown", "unknown"), (Decimal(0), "$0", "$0.000000"), (Decimal("0.0000001"), "<$0.0001", "$0.0000001"),
        (Decimal("0.00006"), "$0.0001", "$0.000060"), (Decimal("0.0195"), "$0.0195", "$0.019500"),
        (Decimal("412.87"), "$412.87", "$412.870000"), (Decimal("1799.114"), "$1 799.11", "$1 799.114000"),
        (Decimal("-2.5"), "-$2.50", "-$2.500000"), (float("nan"), "unknown", "unknown"),
    ],
)  # fmt: skip
def test_money(dollars: object, short: str, exact: str) -> None:
    assert plain(figures.money(dollars)) == short
    assert plain(figures.money_exact(dollars)) == exact


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "—"), (9_804, "9 804"), (12_400, "12.4 k"), (124_000, "124 k"), (999_960, "1 M"), (999_999, "1 M"),
     (182_400_000, "182.4 M"), (1_200_000_000, "1.2 bn")],
)  # fmt: skip
def test_compact_numbers(number: object, text: str) -> None:
    assert plain(figures.compact(number)) == text


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_a_count_keeps_every_digit(number: int) -> None:
    assert int(plain(figures.count(number)).replace(" ", "")) == number


@given(st.integers(min_value=0, max_value=10**13))
def test_a_duration_always_names_its_units(milliseconds: int) -> None:
    assert plain(figures.duration(milliseconds))[-1] in "smh"


def test_a_percentage_has_one_decimal() -> None:
    assert plain(figures.percent(Decimal("0.018"))) == "1.8 %"
    assert figures.percent(None) == "—"


@pytest.mark.parametrize(
    ("age", "words"),
    [(timedelta(0), "just now"), (timedelta(seconds=8), "8 s ago"), (timedelta(minutes=5), "5 min ago"),
     (timedelta(hours=3), "3 h ago"), (timedelta(days=4), "4 d ago")],
)  # fmt: skip
def test_an_age(age: timedelta, words: str) -> None:
    assert f">{words}</time>" in plain(str(figures.ago(timezone.now() - age)))


def test_times_are_shown_in_the_zone_in_force_and_carry_the_full_moment() -> None:
    moment = timezone.now().replace(year=2020, month=11, day=5, hour=23, minute=5, second=7, microsecond=418_000)
    with timezone.override("Europe/Oslo"):
        assert ">6 Nov 2020 00:05</time>" in figures.clock(moment)
        assert ">6 Nov 2020, 00:05:07.418</time>" in figures.moment(moment)
        assert figures.day(moment) == "6 Nov 2020"
        assert 'datetime="2020-11-06T00:05:07.418000+01:00"' in figures.clock(moment)
    assert figures.clock(None) == figures.moment(None) == figures.ago(None) == figures.day(None) == "—"


def test_a_time_of_today_is_only_a_time() -> None:
    now = timezone.localtime()
    assert f">{now:%H:%M:%S}</time>" in figures.clock(now)
