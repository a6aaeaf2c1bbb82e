"""Generated events are the same for a seed, have the shape of the SDKs', and keep the rules they promise."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from bench.people import PEOPLE, TEAMS
from bench.sdk import Event
from bench.workload import BATCH, DEMO_RUNS, bench_batches, demo, plan, run_ids

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def month() -> list[Event]:
    return list(demo(NOW))


def _parents(events: list[Event]) -> dict[str, str | None]:
    return {event["runId"]: event.get("parentRunId") for event in events if event["event"] == "start"}


def _when(event: Event) -> datetime:
    at = event["timestamp"]
    if isinstance(at, str):
        return datetime.fromisoformat(at)
    return datetime.fromtimestamp(at / 1_000, UTC)


def test_same_seed_same_events_other_seed_other_events() -> None:
    first = list(islice(demo(NOW, seed=5, runs=300), 400))
    assert first == list(islice(demo(NOW, seed=5, runs=300), 400))
    assert first != list(islice(demo(NOW, seed=6, runs=300), 400))


def test_another_day_moves_times_but_no_id() -> None:
    later = demo(NOW + timedelta(days=3), runs=300)
    assert {event.get("runId") for event in later} == {event.get("runId") for event in demo(NOW, runs=300)}


def test_the_month_is_as_large_and_as_varied_as_promised(month: list[Event]) -> None:
    assert DEMO_RUNS >= 20_000
    kinds = Counter(event["type"] for event in month if event["event"] == "start")
    assert sum(kinds.values()) > 18_000
    assert set(kinds) == {"llm", "agent", "chain", "tool", "retriever", "embed"}
    names = Counter(event["event"] for event in month)
    assert min(names["feedback"], names["error"], names["custom-event"]) > 80
    assert names["chat"] > 3_000
    assert sum(bool(event.get("message", {}).get("is_retry")) for event in month if event["event"] == "chat") > 20


def test_people_teams_and_organizations(month: list[Event]) -> None:
    assert len(PEOPLE) == len({person.id for person in PEOPLE}) == len({person.email for person in PEOPLE}) == 120
    assert len(TEAMS) == 9
    assert len({team.organization for team in TEAMS}) == 3
    assert {event["userId"] for event in month if event.get("userId")} == {person.id for person in PEOPLE}
    props = {event["userId"]: event["userProps"] for event in month if event.get("userId")}
    assert all(prop["name"] and "@" in prop["email"] for prop in props.values())
    places = {(event["metadata"] or {}).get("teamId") for event in month if event.get("metadata")}
    assert {team.id for team in TEAMS} <= places


def test_planned_runs_are_the_rows_that_the_events_make(month: list[Event]) -> None:
    threads = {event["parentRunId"] for event in month if event["type"] == "thread"}
    exchanges = sum(
        event["message"]["role"] == "user" or bool(event["message"].get("is_retry") or event["message"].get("isRetry"))
        for event in month
        if event["event"] == "chat"
    )
    customs = sum(event["event"] == "custom-event" for event in month)
    made = len(set(run_ids(month))) + len(threads) + exchanges + customs
    assert made == sum(session.play(NOW).runs for session in plan(DEMO_RUNS, 1))
    assert DEMO_RUNS <= made < DEMO_RUNS + 500


def test_run_ids_are_unique_and_every_tool_has_a_parent(month: list[Event]) -> None:
    starts = [event for event in month if event["event"] == "start"]
    assert len({event["runId"] for event in starts}) == len(starts)
    known = _parents(month).keys() | {event["runId"] for event in month if event["event"] == "chat"}
    assert all(event["parentRunId"] in known for event in starts if event["type"] == "tool")
    assert all(event["parentRunId"] in known for event in starts if event.get("parentRunId"))


def test_trees_reach_from_two_to_twelve_levels(month: list[Event]) -> None:
    parents = _parents(month)

    def depth(run_id: str) -> int:
        parent = parents[run_id]
        return 1 + (depth(parent) if parent in parents else 0)

    deepest = Counter(depth(run_id) for run_id in parents)
    assert max(deepest) == 12
    assert set(deepest) == set(range(1, 13))


def test_time_lies_within_the_month_and_follows_the_week(month: list[Event]) -> None:
    times = [_when(event) for event in month]
    assert max(times) <= NOW
    assert min(times) >= NOW - timedelta(days=30, hours=1)
    reviews = [_when(event) for event in month if event["event"] == "start" and event["name"] == "code-reviewer"]
    weekend = sum(at.weekday() >= 5 for at in reviews)
    assert weekend < len(reviews) / 7


def test_every_run_ends_once_and_not_before_it_started(month: list[Event]) -> None:
    started = {event["runId"]: _when(event) for event in month if event["event"] == "start"}
    ended = [event for event in month if event["event"] in {"end", "error"}]
    assert len(ended) == len(started)
    assert all(_when(event) >= started[event["runId"]] for event in ended)


def test_events_look_like_each_sdk(month: list[Event]) -> None:
    by_runtime: dict[str, list[Event]] = {}
    for event in month:
        by_runtime.setdefault(event["runtime"], []).append(event)
    assert set(by_runtime) == {"lunary-py", "langchain-py", "lunary-js"}
    assert all(len(event) == 22 and isinstance(event["timestamp"], str) for event in by_runtime["lunary-py"])
    assert all(None not in event.values() or event["type"] is None for event in by_runtime["lunary-js"])
    assert all(isinstance(event["timestamp"], int) for event in by_runtime["lunary-js"])


def test_llm_texts_are_about_a_kilobyte_and_in_many_scripts(month: list[Event]) -> None:
    calls = [event for event in month if event["type"] == "llm"]
    text = sum(len(json.dumps(event.get("input") or event.get("output"), ensure_ascii=False)) for event in calls)
    assert 800 < text / (len(calls) / 2) < 1_400
    everything = json.dumps(calls, ensure_ascii=False)
    assert all(sign in everything for sign in ("ありがとう", "您好", "교환", "الحقيبة"[:2], "ü", "📦"))
    assert "{" + "item" not in everything


def test_bench_batches_are_full_unique_and_cover_the_runs() -> None:
    batches = list(bench_batches(1_000, seed=9))
    assert {len(batch) for batch in batches} == {BATCH}
    events = [event for batch in batches for event in batch]
    starts = [event["runId"] for event in events if event["event"] == "start"]
    assert len(starts) == len(set(starts))
    assert len(set(run_ids(events))) >= 1_000
    assert not {event["type"] for event in events} & {"thread"}
    together = sum(
        len({e["runId"] for e in batch if e["event"] == "start"} & {e["runId"] for e in batch if e["event"] == "end"})
        for batch in batches
    )
    assert 0.75 < together / len(starts) < 0.98
    assert not set(starts) & set(run_ids(event for batch in bench_batches(500, seed=10) for event in batch))
