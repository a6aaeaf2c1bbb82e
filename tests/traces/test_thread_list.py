"""Filters and orders of the thread list against a recount in Python, paged there and back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from django.http import QueryDict
from django.utils import timezone

from projects.models import Project
from runs import rollups
from runs.models import Message, Run
from tests import make
from traces import signals, thread_list, thread_signals, thread_summaries
from traces.filters import ThreadFilters
from traces.models import ThreadSummary
from traces.thread_list import ThreadLine

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
THREADS = 120  # more than two pages


def filters(query: str) -> ThreadFilters:
    return ThreadFilters.parse(QueryDict(f"range=all&{query}"))


@pytest.fixture
def project() -> Project:
    """Return a project with random threads, many of them equal in what the list is sorted by."""
    project, chance = make.project(), Random(11)
    for number in range(THREADS):
        began = START + timedelta(minutes=number // 3)
        thread = make.run(
            project,
            "thread",
            started_at=began,
            duration_ms=chance.choice([0, 60_000, 3_600_000]),
            user_id=chance.choice([None, "ann", "ben"]),
            team_id=chance.choice([None, "desk"]),
            organization_id=chance.choice([None, "Halden"]),
            tags=chance.choice([None, [], ["web"], ["web", "vip"]]),
        )
        for turn in range(chance.randrange(4)):
            _turn(project, thread, began + timedelta(minutes=turn), chance)
    thread_summaries.MARKS.add(project.pk, list(Run.objects.filter(type="thread").values_list("id", flat=True)))
    thread_summaries.recompute_stale()
    return project


def _turn(project: Project, thread: Run, at: datetime, chance: Random) -> None:
    inside = {"thread_id": thread.id, "parent_id": thread.id}
    chat = make.run(project, "chat", started_at=at, duration_ms=chance.choice([500, 900, 40_000]), **inside)
    text = chance.choice(["Where is my order?", "Where is my order?", "Thanks", "¿Dónde está?", ""])
    make.message(project, thread.id, text, at=at, chat_id=chat.id)
    if chance.random() < 0.8:
        later = at + timedelta(milliseconds=500)
        answer = make.message(project, thread.id, "There.", side="out", at=later, chat_id=chat.id)
        if chance.random() < 0.4:
            make.feedback(project, answer.id, chance.choice(["thumb", "thumbs"]), chance.choice(["up", "down"]))
    if chance.random() < 0.3:
        again = make.run(project, "chat", sibling_of=chat.id, started_at=at + timedelta(seconds=9), **inside)
        make.message(project, thread.id, "Here.", side="out", at=at + timedelta(seconds=9), chat_id=again.id)
    root = make.run(project, "agent", status=chance.choice(["success", "success", "error"]), started_at=at)
    Run.objects.filter(id=root.id).update(thread_id=thread.id, chat_id=chat.id)
    root.refresh_from_db()
    make.child(root, project, "llm", cost=chance.choice([None, Decimal("0.5")]), input_tokens=chance.choice([10, 5000]))


def walk(project: Project, asked: ThreadFilters) -> list[ThreadLine]:
    """Return the whole list, page by page, having looked that the way back is the same."""
    pages = [thread_list.threads(project.pk, asked, None)]
    while pages[-1].older:
        pages.append(thread_list.threads(project.pk, asked, pages[-1].older))
    for page, after in pairwise(pages):
        assert after.newer
        back = thread_list.threads(project.pk, asked, after.newer)
        assert [line.id for line in back.rows] == [line.id for line in page.rows]
    return [line for page in pages for line in page.rows]


def texts_of(row: ThreadSummary) -> list[str]:
    return [message.body for message in Message.objects.filter(thread_id=row.thread_id)]


EXPECTED: dict[str, Callable[[ThreadSummary], Any]] = {
    "": lambda row: True,
    "exchanges=0": lambda row: row.exchanges == 0,
    "turns=%3E1": lambda row: row.exchanges > 1,
    "messages=2..4": lambda row: 2 <= row.messages <= 4,
    "retries=%3E0": lambda row: row.retries > 0,
    "duration=%3E%3D1m": lambda row: row.duration_ms >= 60_000,
    "tokens=%3C5k": lambda row: row.tokens < 5_000,
    "cost=unknown": lambda row: row.cost is None,
    "cost=%3E0.5": lambda row: (row.cost or 0) > Decimal("0.5"),
    "first=where": lambda row: "where" in row.first.lower(),
    "first=order&first=where": lambda row: "Where is my order" in row.first,
    "started=%3E%3D2026-11-20T12:20&started=%3C2026-11-20T12:30": lambda row: (
        START + timedelta(minutes=20) <= row.started_at < START + timedelta(minutes=30)
    ),
    "started=%3E2026-11-20": lambda row: False,
    "started=%3C%3D2026-11-20": lambda row: True,
    "user=ann&user=": lambda row: row.user_id in ("ann", None),
    "team=desk&organization=Halden": lambda row: row.team_id and row.organization_id,
    "tag=vip": lambda row: "vip" in (row.tags or []),
    "feedback=down": lambda row: row.thumbs_down,
    "feedback=none": lambda row: not (row.thumbs_up or row.thumbs_down),
    "q=dónde": lambda row: any("Dónde" in text for text in texts_of(row)),
    "q=dónde&exchanges=%3E1&user=ben": lambda row: (
        row.exchanges > 1 and row.user_id == "ben" and any("Dónde" in text for text in texts_of(row))
    ),
    "signal=reasked": lambda row: "reasked" in row.signals,
    "signal=failed&signal=retried": lambda row: {"failed", "retried"} & set(row.signals),
    "signal=unanswered": lambda row: "unanswered" in row.signals,
    "signal=abandoned&turns=3": lambda row: "abandoned" in row.signals and row.exchanges == 3,
    "signal=disliked": lambda row: row.thumbs_down,
    "signal=slow": lambda row: False,  # too few exchanges are known to the rollups
    "feedback=down&signal=reasked&team=desk": lambda row: (
        row.thumbs_down and "reasked" in row.signals and row.team_id == "desk"
    ),
}
SORTS: dict[str, Callable[[ThreadSummary], Any]] = {
    "time": lambda row: row.ended_at,
    "first": lambda row: row.first,
    "signals": lambda row: len(row.signals),
    "exchanges": lambda row: row.exchanges,
    "messages": lambda row: row.messages,
    "user": lambda row: row.user_id,
    "team": lambda row: row.team_id,
    "organization": lambda row: row.organization_id,
    "tags": lambda row: ", ".join(row.tags or []) or None,
    "started": lambda row: row.started_at,
    "duration": lambda row: row.duration_ms,
    "tokens": lambda row: row.tokens,
    "cost": lambda row: row.cost,
    "feedback": lambda row: row.thumbs_down * 1_000_000 - row.thumbs_up,
}


def test_filters_let_through_what_a_recount_does(project: Project) -> None:
    rows = list(ThreadSummary.objects.filter(project_id=project.pk))
    assert len(rows) == THREADS
    for query, expected in EXPECTED.items():
        asked = filters(query)
        assert not asked.problems, query
        wanted = {row.thread_id for row in rows if expected(row)}
        found = [line.id for line in walk(project, asked)]
        assert set(found) == wanted, query
        assert len(found) == len(wanted), query
        assert set(asked.summaries(project.pk).values_list("thread_id", flat=True)) == wanted, query


@pytest.mark.parametrize("query", ["", "messages=%3E1"])
def test_the_list_is_sorted_by_each_column_rows_without_it_last(project: Project, query: str) -> None:
    listed = sum(row.messages > 1 or not query for row in ThreadSummary.objects.all())
    for key, sort in [(key, sign + key) for key in SORTS for sign in ("", "-")]:
        lines = walk(project, filters(f"sort={sort}&{query}"))
        keys = [SORTS[key](line.summary) for line in lines]
        known = [one for one in keys if one is not None]
        assert keys == known + [None] * (len(keys) - len(known)), sort
        if key != "first":  # the database's order of letters is not Python's
            assert known == sorted(known, reverse=sort.startswith("-")), sort
        assert len({line.id for line in lines}) == len(lines) == listed


def test_problems_are_said_and_what_runs_alone_have_is_left_out() -> None:
    asked = filters("signal=nonsense&started=yesterday&name=x&status=error&exchanges=many&tokens=unknown")
    assert not asked.keys
    assert {problem.key for problem in asked.problems} == {
        *("signal", "started", "name", "status", "exchanges", "tokens")
    }


def test_typed_words_become_filters() -> None:
    asked = ThreadFilters.parse(QueryDict("signal=reasked&exchanges=%3E5&first=refund"))
    assert [(chip.label, chip.verb, chip.value) for chip in asked.chips] == [
        ("signal", "is", "asked again"),
        ("turns", "", "> 5"),
        ("first message", "contains", "“refund”"),
    ]


def test_groups_count_what_a_list_would_hold(project: Project) -> None:
    for query in ("", "team=desk", "signal=reasked&user=ann", "feedback=up&turns=%3E1"):
        for group in thread_list.groups(project.pk, filters(query)):
            for value in group.values:
                if value.chosen or value.runs is None:
                    continue
                others = "&".join(pair for pair in query.split("&") if pair and not pair.startswith(f"{group.key}="))
                held = walk(project, filters(f"{others}&{group.key}={value.value}"))
                assert len(held) == value.runs, (query, group.key, value.value)
    keys = [group.key for group in thread_list.groups(project.pk, filters(""))]
    assert keys == ["signal", "organization", "team", "tag", "feedback"]


def test_two_projects_never_mix(project: Project) -> None:
    other = make.project()
    asked = filters("sort=-messages")
    assert thread_list.threads(other.pk, asked, None).rows == []
    assert all(value.runs is None for group in thread_list.groups(other.pk, asked) for value in group.values)
    one = ThreadSummary.objects.filter(project_id=project.pk).first()
    assert one
    assert thread_signals.of_thread(other.pk, one.thread_id) == ()


def test_slow_is_above_the_projects_own_95th_percentile(project: Project) -> None:
    other = make.project()
    now = timezone.now()
    for number in range(thread_signals.ENOUGH):
        thread = make.run(other, "thread", started_at=now - timedelta(hours=3))
        long = 60_000 if number == 0 else 1_000
        inside = {"thread_id": thread.id, "parent_id": thread.id, "started_at": thread.started_at}
        chat = make.run(other, "chat", duration_ms=long, **inside)
        make.message(other, thread.id, "Where is it now?", chat_id=chat.id)
        make.message(other, thread.id, "Here.", side="out", chat_id=chat.id)
        thread_summaries.MARKS.add(other.pk, [thread.id])
        if number == thread_signals.ENOUGH - 2:
            make.stale(chat)
            rollups.recompute_stale()
            assert thread_signals.bar(other.pk) is None  # one too few
    make.stale(chat)
    rollups.recompute_stale()
    thread_summaries.recompute_stale()
    limit = thread_signals.bar(other.pk)
    assert limit
    assert 1_000 <= limit <= 1_041  # the bin's upper end
    (line,) = walk(other, filters("signal=slow"))
    assert line.summary.slowest_ms == 60_000
    assert [signal.kind for signal in line.signals] == ["slow"]
    assert "60.0 s" in line.signals[0].sentence
    (group,) = (one for one in thread_list.groups(other.pk, filters("")) if one.key == "signal")
    assert [(value.value, value.runs) for value in group.values] == [("slow", 1)]


def test_a_live_conversation_is_not_unanswered_yet(project: Project) -> None:
    other, now = make.project(), timezone.now()
    ids = {}
    for minutes in (1, 11):
        at = now - timedelta(minutes=minutes)
        thread = make.run(other, "thread", started_at=at, duration_ms=0)
        make.message(other, thread.id, "Is anybody there?", at=at)
        ids[minutes] = thread.id
    thread_summaries.MARKS.add(other.pk, list(ids.values()))
    thread_summaries.recompute_stale()
    assert [line.id for line in walk(other, filters("signal=unanswered"))] == [ids[11]]
    told = {line.id: [signal.kind for signal in line.signals] for line in walk(other, filters(""))}
    assert told == {ids[1]: [], ids[11]: [signals.UNANSWERED]}


def test_rows_are_exact_while_the_order_waits_for_the_worker(project: Project) -> None:
    row = ThreadSummary.objects.order_by("-messages").first()
    assert row
    make.message(project, row.thread_id, "one more", at=START)
    thread_summaries.MARKS.add(project.pk, [row.thread_id])
    line = next(line for line in walk(project, filters("sort=-messages")) if line.id == row.thread_id)
    assert line.summary.messages == row.messages + 1
    Run.objects.filter(id=row.thread_id).delete()
    assert row.thread_id not in [line.id for line in walk(project, filters("sort=-messages"))]


def test_a_large_conversation_does_not_wait_for_a_recount(project: Project) -> None:
    row = ThreadSummary.objects.filter(project_id=project.pk, signals__len=0, slowest_ms=None).first()
    assert row
    signs = {"signals": ["retried"], "signal_turns": [1], "signal_times": [1]}
    for messages, kinds in ((thread_signals.LARGE, ["retried"]), (thread_signals.LARGE - 1, [])):
        ThreadSummary.objects.filter(thread_id=row.thread_id).update(messages=messages, **signs)
        thread_summaries.MARKS.add(project.pk, [row.thread_id])
        assert [signal.kind for signal in thread_signals.of_thread(project.pk, row.thread_id)] == kinds
