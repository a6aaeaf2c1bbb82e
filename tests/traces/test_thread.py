"""traces.thread: turns in time order, retries kept with what they retry, nothing said is lost."""

import random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.traces.forests import relaxed, row, uid
from tests.traces.stories import at, attached, chat, said, stories
from traces.story import Bubble, Conversation, EventRow, Line, Story, Turn
from traces.thread import TURNS, converse, reaction


def turns(made: Conversation) -> list[Turn]:
    return [item for item in made.items if isinstance(item, Turn)]


def words(turn: Turn) -> list[str]:
    return [line.message.line if isinstance(line, Bubble) else f"({line.name})" for line in turn.lines]


SUPPORT = Story(
    messages=[
        said(1, 1, 0, "Where is my order 5521?"),
        said(2, 1, 2, "It left our warehouse yesterday.", "assistant"),
        said(3, 3, 60, "When will it arrive?"),
        said(4, 3, 62, "On Friday.", "assistant"),
        said(5, 5, 80, "On Friday before noon.", "assistant"),
    ],
    chats=[chat(1, 0), chat(3, 60), chat(5, 80, retries=3)],
    events=[EventRow(uid(6), "opened-tracking-page", at(78), {"seconds": 12, "nested": {"a": 1}})],
    feedback={uid(5): {"thumb": "up", "comment": "clear"}},
)


def test_a_retry_that_only_answers_anew_is_shown_with_the_question_it_answers() -> None:
    first, second = turns(converse(SUPPORT))
    assert words(first) == ["Where is my order 5521?", "It left our warehouse yesterday."]
    assert words(second) == ["When will it arrive?", "(opened-tracking-page)", "On Friday before noon."]
    assert (second.shown, len(second.variants), second.earlier, second.later) == (1, 2, uid(3), None)
    assert second.retry_after_ms == 18_000
    assert (second.title, second.thumb) == ("When will it arrive?", "up")


def test_the_first_telling_can_be_chosen_and_then_what_came_later_stands_behind_it() -> None:
    made = converse(SUPPORT, chosen=[uid(3)])
    second = turns(made)[1]
    assert words(second) == ["When will it arrive?", "On Friday."]
    assert (second.earlier, second.later, second.retry_after_ms) == (None, uid(5), None)
    event = made.items[-1]
    assert isinstance(event, Line)
    assert (event.kind, event.name) == ("event", "opened-tracking-page")
    assert event.details == (("seconds", "12"), ("nested", '{"a": 1}'))


def test_totals_cover_retries_and_feedback() -> None:
    totals = converse(SUPPORT).totals
    assert (totals.turns, totals.messages, totals.retries) == (2, 5, 1)
    assert (totals.thumbs_up, totals.thumbs_down) == (1, 0)
    assert totals.duration_ms == 80_000
    assert totals.answer_p95_ms == 2_000


def test_retries_of_retries_are_siblings_and_a_circle_of_them_cannot_hang() -> None:
    messages = [said(n, n, n) for n in range(1, 6)]
    chats = [chat(1, 1), chat(2, 2, 1), chat(3, 3, 2), chat(4, 4, 5), chat(5, 5, 4)]
    first, circle = turns(converse(Story(messages=messages, chats=chats)))
    assert [one.id for one in first.variants] == [uid(1), uid(2), uid(3)]
    assert [one.id for one in circle.variants] == [uid(4), uid(5)]


def test_figures_of_an_answer_come_from_the_runs_of_its_exchange() -> None:
    agent = row(10, type="agent", name="claims-agent", ms=4_000)
    call = row(11, 10, type="llm", name="gpt-4.1", input_tokens=50, output_tokens=7, status="error")
    elsewhere = row(12, type="llm", name="gpt-4o", ms=900)
    loose = row(13, type="chain", name="nightly", at_ms=90_000)
    runs = [attached(1, agent, call), attached(5, elsewhere), attached(None, loose)]
    story = Story(SUPPORT.messages, SUPPORT.chats, [], runs, {uid(11): {"thumbs": "down"}}, {uid(11): uid(1)})
    made = converse(story)
    first, second = turns(made)
    facts = first.variant.facts
    assert (facts.agent, facts.models, facts.traces) == ("claims-agent", ("gpt-4.1",), (uid(10),))
    assert (facts.latency_ms, facts.sums.tokens, facts.sums.errors) == (2_000, 57, 1)
    assert [one.thumb for one in facts.reactions] == ["down"]
    assert first.thumb == "down"
    assert not first.failed
    assert second.variant.facts.latency_ms == 900  # it has no question of its own: what its run took
    assert made.totals.sums.runs == 4
    assert [item.name for item in made.items if isinstance(item, Line)] == ["nightly"]


def test_runs_below_a_question_that_was_answered_again_belong_to_the_answer_they_made() -> None:
    once = row(10, type="agent", name="first-try", at_ms=60_500, ms=1_000)
    again = row(11, type="agent", name="second-try", at_ms=70_000, ms=9_000)
    story = Story(SUPPORT.messages, SUPPORT.chats, [], [attached(3, once), attached(3, again)])
    second = turns(converse(story))[1]
    assert [variant.facts.agent for variant in second.variants] == ["first-try", "second-try"]
    assert [variant.facts.traces for variant in second.variants] == [(uid(10),), (uid(11),)]


def test_a_tools_answer_is_folded_into_its_call_and_an_unknown_one_is_shown() -> None:
    call = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": '{"id": 5521}'}}],
    }
    story = Story(
        messages=[
            said(1, 1, 0),
            said(2, 1, 1, call, "assistant"),
            said(3, 1, 2, {"role": "tool", "tool_call_id": "c1", "content": "left"}, "tool"),
            said(4, 1, 3, {"role": "tool", "tool_call_id": "c9", "content": "lost"}, "tool"),
        ]
    )
    (turn,) = turns(converse(story))
    bubbles = [line for line in turn.lines if isinstance(line, Bubble)]
    assert [bubble.row.id for bubble in bubbles] == [uid(1), uid(2), uid(4)]
    (part,) = bubbles[1].message.parts
    assert (part.name, [answer.text for answer in part.result]) == ("lookup", ["left"])
    told = converse(Story(story.messages, feedback={uid(3): {"thumb": "down"}}))
    assert len(turns(told)[0].lines) == 4  # a tool message that somebody judged keeps its place


@pytest.mark.parametrize(
    ("seconds", "heard"),
    [
        (29 * 60, []),
        (31 * 60, ["31 min later"]),
        (2.5 * 3600, ["2 h later"]),
        (47 * 3600, ["47 h later"]),
        (75 * 3600, ["3 days later"]),
    ],
)
def test_long_silences_are_said(seconds: float, heard: list[str]) -> None:
    made = converse(Story([said(1, 1, 0), said(2, 2, seconds)]))
    assert [item.name for item in made.items if isinstance(item, Line)] == heard
    assert [turn.silence for turn in made.turns] == ["", *(heard or [""])]


def test_a_long_thread_comes_in_pages_of_turns_and_every_event_is_on_exactly_one() -> None:
    count = 2 * TURNS + 30
    messages = [said(n, n, n * 10, f"question {n}") for n in range(1, count + 1)]
    events = [EventRow(uid(5_000 + n), f"event {n}", at(n * 10 + 5)) for n in range(count + 1)]
    story = Story(messages, events=events)
    last = converse(story)
    assert (last.first, last.last, len(last.turns)) == (2 * TURNS + 1, count, count)
    shown: list[str] = []
    for number in (1, TURNS + 1, 2 * TURNS + 5):
        made = converse(story, around=number)
        assert number in [turn.number for turn in turns(made)]
        shown += [item.name for item in made.items if isinstance(item, Line)]
    assert shown == [f"event {n}" for n in range(count + 1)]
    assert converse(story, around=9_999).first == last.first
    assert converse(Story([])).items == []


def test_a_turn_is_named_by_what_the_person_said_and_by_a_tool_where_nobody_spoke() -> None:
    silent = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "lookup", "arguments": "{}"}}]}
    story = Story(
        [
            said(1, 1, 0, "You are helpful", "system"),
            said(2, 1, 1, "Hi\nthere"),
            said(3, 3, 2, silent, "assistant"),
            said(4, 4, 3, None),
        ]
    )
    assert [turn.title for turn in converse(story).turns] == ["Hi there", "lookup", ""]


def test_feedback_is_read_in_both_spellings() -> None:
    assert reaction({"thumbs": "down", "comment": "slow"}).thumb == "down"
    assert not reaction({"thumb": None, "comment": None})
    odd = reaction({"thumb": "sideways", "stars": 3, "comment": {"a": 1}})
    assert (odd.thumb, odd.other) == ("", (("stars", "3"), ("thumb", '"sideways"')))
    assert odd.comment.startswith("{")


@relaxed
@given(stories(), st.randoms(use_true_random=False))
def test_nothing_said_is_lost_and_order_does_not_matter(story: Story, chance: random.Random) -> None:
    every = [variant.id for turn in converse(story).turns for variant in turn.variants]
    assert len(every) == len(set(every))
    seen: set[UUID] = set()
    for one in every:
        made = converse(story, chosen=[one])
        seen |= {line.row.id for turn in turns(made) for line in turn.lines if isinstance(line, Bubble)}
        every_line = [line for turn in turns(made) for line in turn.lines] + list(made.items)
        told = [line.id for line in every_line if isinstance(line, Line) and line.kind == "event"]
        assert sorted(filter(None, told)) == [event.id for event in story.events]
        assert [turn.number for turn in made.turns] == list(range(1, len(made.turns) + 1))
    assert seen == {message.id for message in story.messages}

    def mixed(rows: list[Any]) -> list[Any]:
        return chance.sample(rows, len(rows))

    shuffled = structs.replace(
        story,
        messages=mixed(story.messages),
        chats=mixed(story.chats),
        events=mixed(story.events),
        runs=mixed(story.runs),
    )
    assert repr(converse(shuffled)) == repr(converse(story))
