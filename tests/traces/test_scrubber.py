"""traces.scrubber: the scale keeps the order of time, silences are shortened, marks lead to moments."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import relaxed, row, uid
from tests.traces.stories import at, attached, chat, said, stories
from traces.player import timeline
from traces.scrubber import APART, SLOTS, Scale, Track, fraction, silences, track
from traces.story import EventRow, Story

MINUTE, HOUR = 60_000, 3_600_000
HEAD = 3
STORY = Story(
    messages=[
        said(1, 1, 0),
        said(2, 1, 5, role="assistant"),
        said(3, 3, 60),
        said(4, 3, 66, role="assistant"),
        said(5, 5, 90, role="assistant"),
        said(6, 6, 7_290),
        said(7, 6, 7_296, role="assistant"),
        said(9, 9, 7_340),
    ],
    chats=[chat(1, 0), chat(3, 60), chat(5, 90, retries=3), chat(6, 7_290)],
    events=[EventRow(uid(8), "opened", at(70))],
    runs=[attached(6, row(20, type="agent", at_ms=7_291_000, ms=4_000, status="error"))],
    feedback={uid(7): {"thumb": "up"}},
    given_at={uid(7): {"thumb": at(7_300)}},
)


def drawn(position: int = HEAD, story: Story = STORY) -> Track:
    moments = timeline(story)
    assert moments
    return track(moments, position)


def test_a_long_silence_is_short_and_dotted() -> None:
    made = drawn()
    (silence,) = [line for line in made.lines if line.is_silence]
    assert 5 < silence.width < 7
    assert [(label.turn, label.silence_ms) for label in made.labels] == [(2, None), (None, 2 * HOUR)]


def test_the_line_is_whole_and_played_up_to_the_head() -> None:
    made = drawn()
    assert made.lines[0].x == 0
    assert made.lines[-1].end == 100
    for before, after in pairwise(made.lines):
        assert before.end == after.x
        assert before.is_played or not after.is_played
    assert max(line.end for line in made.lines if line.is_played) == made.head
    assert not any(line.is_played for line in drawn(0).lines)


def test_marks_say_what_happened_and_lead_there() -> None:
    made = drawn()
    assert sorted(glyph.shape for glyph in made.glyphs) == ["bad", "event", "retry", "up"]
    assert made.glyphs[-1].shape == "bad"  # drawn last: nothing covers it
    words = " · ".join(slot.words for slot in made.wide)
    for told in ("Turn 2: event", "Turn 2: retry", "Turn 3:", "error", "thumbs up"):
        assert told in words
    assert {slot.turn for slot in made.narrow} == {2, 3}


def test_what_lies_in_one_place_is_one_mark_and_leads_to_the_gravest() -> None:
    many = Story(
        [said(n, 1, 60 * n) for n in range(21)],
        events=[EventRow(uid(100 + n), "seen", at(599 + n / 100)) for n in range(50)],
        feedback={uid(1): {"thumb": "down"}},
        given_at={uid(1): {"thumb": at(598)}},
    )
    made = drawn(0, many)
    assert [glyph.shape for glyph in made.glyphs] == ["bad"]
    (slot,) = made.wide
    assert slot.words == "Turn 1: thumbs down, 50 events"


@pytest.mark.parametrize(
    ("gaps", "silent"),
    [
        ([], []),
        ([HOUR * 24], []),  # nothing to compare it with
        ([2_000, 3_000, 2 * HOUR, 4_000], [2]),
        ([120_000] * 9, []),  # an even pace is no silence
        ([4_000, 70_000] * 20, []),  # somebody who thinks before asking
        ([2_000, 3_000, 90_000, 2_000], [2]),
        ([2_000, 24 * HOUR] * 30, list(range(1, 60, 2))),
        ([2_000, 3_000, 50_000], []),  # less than a minute
    ],
)
def test_silences(gaps: list[int], silent: list[int]) -> None:
    assert sorted(silences(gaps)) == silent


@given(st.lists(st.integers(1, 10**10), max_size=60))
def test_the_scale_keeps_the_order_of_time_and_finds_every_moment_again(gaps: list[int]) -> None:
    instants = [0]
    for gap in gaps:
        instants.append(instants[-1] + gap)
    scale = Scale(instants)
    assert scale.places[0] == 0
    assert all(before <= after for before, after in pairwise(scale.places))
    assert not gaps or scale.places[-1] == pytest.approx(100)
    for position, place in enumerate(scale.places):
        assert scale.places[scale.nearest(place)] == pytest.approx(scale.places[position])
    assert (scale.nearest(-1), scale.places[scale.nearest(101)]) == (0, scale.places[-1])


@relaxed
@given(stories(), st.data())
def test_any_story_can_be_drawn_at_any_moment(story: Story, data: st.DataObject) -> None:
    moments = timeline(story)
    assert moments
    made = track(moments, data.draw(st.integers(0, moments.end)))
    for count, slots in zip(SLOTS, (made.wide, made.narrow), strict=True):
        assert len(slots) <= count
        assert all(before.end <= after.x + 0.01 for before, after in pairwise(slots))
        assert {slot.at for slot in slots} <= set(moments.instants)
    assert all(0 <= glyph.x <= 100 for glyph in made.glyphs)
    assert all(after.x - before.x >= APART for before, after in pairwise(made.labels))


@pytest.mark.parametrize(("text", "place"), [("0", 0), ("1000", 100), ("437", 43.7), ("-1", None), (None, None)])
def test_a_place_is_read_from_the_address(text: str | None, place: float | None) -> None:
    assert fraction(text) == place
