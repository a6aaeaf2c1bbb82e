"""Periods: the same hours as run lists of the same range, cut into the reader's days."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from runs import spans
from runs.periods import LENGTHS, Period

NOW = datetime(2026, 11, 21, 14, 37, 12, tzinfo=UTC)


@pytest.mark.parametrize("name", LENGTHS)
def test_a_period_begins_where_the_run_list_of_that_range_does(name: str) -> None:
    assert Period.named(name, NOW).since == spans.relative(name, NOW).since


@pytest.mark.parametrize("name", [None, "", "8d", "all", "<script>"])
def test_an_unknown_name_is_the_default(name: str | None) -> None:
    assert Period.named(name, NOW).preset == "7d"


def test_days_are_the_readers_own() -> None:
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        steps = list(Period.named("7d", NOW).steps())
    assert [str(step.at.date()) for step in steps] == [f"2026-11-{day}" for day in range(14, 22)]
    assert steps[0].since == datetime(2026, 11, 14, 14, tzinfo=UTC)
    assert steps[1].since == datetime(2026, 11, 14, 15, tzinfo=UTC)
    assert steps[-1].until is None


def test_days_are_utc_where_the_readers_do_not_begin_at_a_full_hour() -> None:
    with timezone.override(ZoneInfo("Asia/Kolkata")):
        assert Period.named("7d", NOW).zone_name == "UTC"


@given(
    now=st.datetimes(timezones=st.just(UTC)).filter(lambda at: 1971 < at.year < 2100),
    name=st.sampled_from(list(LENGTHS)),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]),
)
def test_steps_follow_each_other_and_cover_the_period(now: datetime, name: str, zone: str) -> None:
    with timezone.override(ZoneInfo(zone)):
        period = Period.named(name, now)
        steps = list(period.steps())
    assert steps[0].since == period.since
    assert steps[-1].until is None
    assert steps[-1].since <= now
    for step, following in pairwise(steps):
        assert step.until == following.since == following.at
        assert timedelta(0) < following.since - step.since <= timedelta(hours=25)
