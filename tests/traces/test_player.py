"""traces.player: everything comes to be once, nothing before its time, and steps lead back."""

import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import relaxed, row, uid
from tests.traces.stories import at, attached, chat, said, stories
from traces.player import PAUSE, Timeline, instant, milliseconds, speed, timeline
from traces.story import EventRow, Story
from traces.thread import converse

SUPPORT = Story(
    messages=[
        said(1, 1, 0, "Where is my order 5521?"),
        said(2, 1, 2, "It left our warehouse yesterday.", "assistant"),
        said(3, 3, 60, "When will it arrive?"),
        said(4, 3, 62, "On Friday.", "assistant"),
        said(5, 5, 80, "On Friday before noon.", "assistant"),
    ],
    chats=[chat(1, 0), chat(3, 60), chat(5, 80, retries=3)],
    events=[EventRow(uid(6), "opened-tracking-page", at(78))],
    runs=[
        attached(1, row(10, type="agent", at_ms=500, ms=9_000)),
        attached(3, row(11, type="agent", at_ms=60_500, ms=900, status="error")),
        attached(None, row(12, type="chain", at_ms=90_000, ms=5_000)),
    ],
    feedback={uid(4): {"thumb": "down", "comment": "when?"}},
    given_at={uid(4): {"thumb": at(70), "comment": at(71)}},
)


def made(story: Story) -> Timeline:
    found = timeline(story)
    assert found
    return found


def when(seconds: float) -> int:
    return milliseconds(at(seconds))


def test_each_moment_says_what_came_to_be_and_in_which_turn() -> None:
    told = [(moment.at - when(0), moment.turn, *moment.kinds) for moment in made(SUPPORT).moments]
    assert told == [
        (0, 1, "message"),
        (2_000, 1, "message", "run"),  # what the agent took is told with its answer, though it went on
        (60_000, 2, "message"),
        (62_000, 2, "error", "message"),
        (70_000, 2, "down"),
        (71_000, 2, "feedback"),
        (78_000, 2, "event"),
        (80_000, 2, "retry"),
        (95_000, 2, "run"),
    ]


def test_only_what_existed_then_is_told() -> None:
    moments = made(SUPPORT)
    asked = moments.as_of(moments.position(when(61)))
    (first, second) = converse(asked).turns
    assert (first.variant.facts.agent, second.variant.answers, second.failed) == ("run 10", [], False)
    answered = moments.as_of(moments.position(when(63)))
    assert answered.feedback == {}
    assert converse(answered).turns[1].failed
    judged = moments.as_of(moments.position(when(70)))
    assert judged.feedback == {uid(4): {"thumb": "down"}}
    assert [len(turn.variants) for turn in converse(judged).turns] == [1, 1]
    assert [len(turn.variants) for turn in converse(moments.as_of(moments.end)).turns] == [1, 2]
    assert moments.answered == {uid(1), uid(3), uid(5)}


def test_turns_are_stepped_and_the_end_is_reached() -> None:
    moments = made(SUPPORT)
    assert moments.stops == [0, 2, 8]
    assert (moments.next_stop(0), moments.next_stop(1), moments.next_stop(2), moments.next_stop(8)) == (2, 2, 8, None)
    assert (moments.previous_stop(8), moments.previous_stop(3), moments.previous_stop(0)) == (2, 2, None)
    assert [moments.begun(position) for position in (0, 1, 2, 8)] == [1, 1, 2, 2]


def test_playing_keeps_the_pace_and_shortens_silences() -> None:
    moments = made(SUPPORT)
    assert [moments.wait(position) for position in (0, 1, 2, 8)] == [2_000, PAUSE, 2_000, None]


def test_a_moment_is_found_by_any_time() -> None:
    moments = made(SUPPORT)
    for seconds, position in ((-9, 0), (0, 0), (1.999, 0), (2, 1), (79, 6), (9_999, 8)):
        assert moments.position(when(seconds)) == position


def test_a_run_without_an_answer_shows_when_it_ends_and_alone_from_its_start() -> None:
    failed = attached(1, row(10, type="agent", at_ms=500, ms=4_000, status="error"))
    assert [one.at - when(0) for one in made(Story([said(1, 1, 0)], runs=[failed])).moments] == [0, 4_500]
    assert [one.at - when(0) for one in made(Story([], runs=[failed])).moments] == [500]
    early = attached(1, row(10, type="agent", at_ms=-900, ms=100))
    assert [one.at - when(0) for one in made(Story([said(1, 1, 0)], runs=[early])).moments] == [0]


def test_feedback_is_not_given_before_there_is_what_it_is_on() -> None:
    story = Story([said(1, 1, 50)], feedback={uid(1): {"thumb": "up"}}, given_at={uid(1): {"thumb": at(3)}})
    assert [(one.at - when(50), one.kinds) for one in made(story).moments] == [(0, ("message", "up"))]
    untimed = made(Story([said(1, 1, 50)], feedback={uid(1): {"thumb": "up"}}))
    assert untimed.moments[0].kinds == ("message", "up")


def test_feedback_on_a_run_belongs_to_its_exchange() -> None:
    story = Story(
        [said(1, 1, 0), said(2, 2, 60)],
        feedback={uid(30): {"thumb": "down"}},
        chat_of={uid(30): uid(1)},
        given_at={uid(30): {"thumb": at(90)}},
    )
    assert made(story).moments[-1].turn == 1


def test_nothing_has_no_moments_and_events_alone_have() -> None:
    assert timeline(Story([])) is None
    alone = made(Story([], events=[EventRow(uid(1), "opened", at(0))]))
    assert [(one.turn, one.kinds) for one in alone.moments] == [(0, ("event",))]
    assert alone.stops == [0]


@relaxed
@given(stories())
def test_what_is_told_only_grows_and_every_message_appears_at_one_moment(story: Story) -> None:
    moments = made(story)
    appeared: list[UUID] = []
    before = Story([])
    for position in range(len(moments.moments)):
        then = moments.as_of(position)
        assert set(map(id, before.messages)) <= set(map(id, then.messages))
        assert set(map(id, before.runs)) <= set(map(id, then.runs))
        assert len(before.feedback) <= len(then.feedback)
        appeared += [row.id for row in then.messages if row not in before.messages]
        before = then
    assert sorted(appeared) == sorted(row.id for row in story.messages)
    assert (before.messages, before.events, before.runs) == (story.messages, story.events, story.runs)
    assert before.feedback == story.feedback


@relaxed
@given(stories())
def test_turns_keep_their_numbers_while_they_come_to_be(story: Story) -> None:
    moments, whole = made(story), converse(story).turns
    for position, moment in enumerate(moments.moments):
        then = converse(moments.as_of(position)).turns
        assert [turn.variants[0].id for turn in then] == [turn.variants[0].id for turn in whole][: len(then)]
        assert len(then) == moments.begun(position)
        assert moment.turn <= len(then)


@relaxed
@given(stories())
def test_steps_lead_forward_and_back(story: Story) -> None:
    moments = made(story)
    walked = [0]
    while (step := moments.next_stop(walked[-1])) is not None:
        assert moments.previous_stop(step) == walked[-1]
        walked.append(step)
    assert walked == moments.stops
    assert walked[-1] == moments.end
    for position, moment in enumerate(moments.moments):
        assert moments.position(moment.at) == position
        wait = moments.wait(position)
        assert wait is None if position == moments.end else wait is not None and 0 < wait <= PAUSE


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("1795184301000", 1795184301000), ("-5", None), ("", None), (None, None), ("٣", None), ("9" * 15, None)],
)
def test_an_instant_is_read_from_the_address(text: str | None, value: int | None) -> None:
    assert instant(text) == value


@given(st.text())
def test_no_address_plays_at_a_speed_that_is_not_offered(text: str) -> None:
    assert speed(text) in (1, 4, 16)
    assert [speed(one) for one in ("4", "16", "2", None)] == [4, 16, 1, 1]


def test_ten_thousand_messages_take_less_than_a_second() -> None:
    messages = [said(n, n // 2 * 2, 30 * n, f"text {n}", "assistant" if n % 2 else "user") for n in range(10_000)]
    began = time.process_time()
    moments = made(Story(messages))
    assert len(moments.as_of(moments.end // 2).messages) == 5_000
    assert time.process_time() - began < 1
