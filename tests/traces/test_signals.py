"""Signals of conversations: each rule by itself, what it must not flag, and that the order of arrival can't matter."""

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traces import signals
from traces.signals import Found, Outcome, Telling, alike, notice, tell, turns_of, words
from traces.story import AttachedRow, ChatRow, MessageRow, Story
from traces.thread import converse
from traces.tree import Sums

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


def id_of(number: int) -> UUID:
    return UUID(int=number)


def asked(number: int, *texts: str, answered: bool = True, of: int | None = None, ms: int | None = 1000) -> Telling:
    """Return the telling of that number, a minute after the one before; `of` is the one it retries."""
    return Telling(
        id=id_of(number),
        began=START + timedelta(minutes=number),
        sibling_of=None if of is None else id_of(of),
        asked=texts,
        answered=answered,
        duration_ms=ms if answered else None,
    )


def found(
    *tellings: Telling, outcomes: dict[int, Outcome] | None = None, disliked: tuple[int | None, ...] = ()
) -> set[Found]:
    ends = {id_of(number): outcome for number, outcome in (outcomes or {}).items()}
    given = [None if number is None else id_of(number) for number in disliked]
    return set(notice(turns_of(tellings), ends, given).signals)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Where is my order?", "where is my ORDER", True),
        ("Where is my order?", "Where is my order??? 🙏", True),
        ("Can I change the seat on my flight to Oslo", "Can I change the seat on the flight to Oslo", True),
        ("Where is order 5521?", "Where is order 5522?", False),
        ("Where is my order?", "Where is my refund?", False),
        ("yes", "yes", False),
        ("thank you", "thank you", False),
        ("", "", False),
        ("🙏🙏🙏", "🙏🙏🙏", False),
        ("我的订单在哪里", "我的订单在哪里?", True),
        ("我的订单在哪里", "怎么取消我的预订", False),
        ("注文はどこですか", "注文はどこですか。", True),
        ("내 주문은 어디에 있나요", "내 주문은 어디에 있나요??", True),
        ("أين طلبي من فضلك", "أين طلبي من فضلك؟", True),
        ("Où est ma commande ?", "OÙ EST MA COMMANDE", True),
        ("ｗｈｅｒｅ is my order", "where is my order", True),
        ("สินค้าของฉันอยู่ที่ไหน", "สินค้าของฉันอยู่ที่ไหนคะ", True),
    ],
)
def test_questions_are_alike_in_any_language(one: str, other: str, same: bool) -> None:
    assert alike(words(one), words(other)) is same
    assert alike(words(other), words(one)) is same


@given(st.text(), st.text())
def test_likeness_is_symmetric_and_true_of_itself(one: str, other: str) -> None:
    assert alike(words(one), words(other)) == alike(words(other), words(one))
    assert alike(words(one), words(one.upper())) in (len(words(one)) >= signals.FEWEST, False)
    assert alike(words(one), words(one)) == (len(words(one)) >= signals.FEWEST)


def test_only_a_beginning_is_compared() -> None:
    assert len(words("字" + "词句" * 1_000_000)) < signals.LONGEST


def test_a_quiet_conversation_has_no_signals() -> None:
    assert found(asked(1, "Where is my order?"), asked(2, "When does it come?")) == set()
    assert found() == set()
    assert notice([], {}).exchanges == 0


def test_asked_again_counts_from_the_turn_that_repeats() -> None:
    again = "Where is my order?"
    assert found(asked(1, "hello there you"), asked(2, again), asked(3, again), asked(4, again)) == {
        Found("reasked", 3, 2)
    }
    assert found(asked(1, again, again)) == {Found("reasked", 1, 1)}  # before anybody answered
    assert found(asked(1, again), asked(2, "Something else entirely"), asked(3, again)) == set()  # not consecutive


def test_a_retry_is_no_new_question() -> None:
    assert found(asked(1, "Where is my order?"), asked(2, "Where is my order?", of=1)) == {Found("retried", 1, 1)}
    assert found(asked(1, "hi"), asked(2, "ho"), asked(3, of=2), asked(4, of=3)) == {Found("retried", 2, 2)}


def test_an_error_is_told_of_its_turn_and_abandoned_only_at_the_end() -> None:
    failed = Outcome(failed=True, last_at=START, last_failed=True)
    recovered = Outcome(failed=True, last_at=START, last_failed=False)
    two = (asked(1, "a"), asked(2, "b"))
    assert found(*two, outcomes={1: failed}) == {Found("failed", 1, 1)}
    assert found(*two, outcomes={1: failed, 2: failed}) == {Found("failed", 1, 2), Found("abandoned", 2, 1)}
    assert found(*two, outcomes={2: recovered}) == {Found("failed", 2, 1)}
    later = Outcome(last_at=START + timedelta(seconds=9))
    retried = (asked(1, "a"), asked(2, of=1))
    assert found(*retried, outcomes={1: failed, 2: later}) == {Found("failed", 1, 1), Found("retried", 1, 1)}


def test_unanswered_is_the_last_question_of_a_person() -> None:
    assert found(asked(1, "a", answered=False), asked(2, "b")) == set()
    assert found(asked(1, "a"), asked(2, "b", answered=False)) == {Found("unanswered", 2, 1)}
    assert found(asked(1, answered=False)) == set()  # nobody asked: instructions alone, or a run
    assert Found("unanswered", 1, 1) in found(asked(1, "a"), asked(2, of=1, answered=False))


def test_thumbs_down_name_their_turn_or_the_thread() -> None:
    assert found(asked(1, "a"), asked(2, "b"), disliked=(2, 2)) == {Found("disliked", 2, 2)}
    assert found(asked(1, "a"), disliked=(None,)) == {Found("disliked", 0, 1)}
    assert found(asked(1, "a"), disliked=(None, 99, 1)) == {Found("disliked", 1, 3)}


def test_the_slowest_exchange_is_the_first_of_the_longest() -> None:
    noticed = notice(turns_of([asked(1, ms=5), asked(2, ms=900), asked(3, ms=900), asked(4, answered=False)]), {})
    assert (noticed.slowest_ms, noticed.slowest_turn) == (900, 2)


def test_what_needs_the_clock_is_told_by_the_clock() -> None:
    kept = [Found("abandoned", 2), Found("unanswered", 2), Found("retried", 1)]
    at = START + signals.PATIENCE

    def kinds(now: datetime, slowest: int | None = None, p95: float | None = None) -> list[str]:
        return [one.kind for one in tell(kept, slowest, 2, START, now, p95)]

    assert kinds(at - timedelta(seconds=1)) == ["retried"]
    assert kinds(at) == ["abandoned", "unanswered", "retried"]
    assert kinds(at, 900, 1000.0) == kinds(at, 900) == kinds(at, None, 1.0) == ["abandoned", "unanswered", "retried"]
    assert kinds(at, 1001, 1000.0) == ["abandoned", "unanswered", "retried", "slow"]


def test_every_signal_is_explained_in_a_sentence_with_its_turn() -> None:
    kept = [Found(kind, 7, times) for kind in signals.LABELS if kind != "slow" for times in (1, 2, 12)]
    told = tell(kept, 41_000, 7, START, START + timedelta(days=1), 12_300.0)
    assert {one.kind for one in told} == set(signals.LABELS)
    for one in told:
        assert "turn 7" in one.sentence
        assert one.sentence.endswith(".")
        assert one.label == signals.LABELS[one.kind]
    (slow,) = (one for one in told if one.kind == "slow")
    assert "41.0 s" in slow.sentence
    assert "12.3 s" in slow.sentence
    assert "on the thread" in tell([Found("disliked")], None, 0, START, START, None)[0].sentence


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Return a conversation in any order: messages with and without an exchange, retries of retries, runs alone."""
    chats = draw(st.lists(st.integers(1, 8), unique=True, max_size=6))
    at = st.integers(0, 20).map(lambda step: START + timedelta(seconds=step))
    messages = draw(
        st.lists(
            st.builds(
                lambda id, side, chat, at: MessageRow(
                    id_of(id), side, id_of(chat) if chat else None, at, "user", '{"role":"user","content":"hi"}'
                ),
                st.integers(100, 104),
                st.sampled_from(["in", "out"]),
                st.sampled_from([0, *chats]),
                at,
            ),
            max_size=8,
            unique_by=lambda row: (row.id, row.side),
        )
    )
    return Story(
        messages=messages,
        chats=[ChatRow(id_of(chat), draw(at), draw(st.none() | st.sampled_from(chats).map(id_of))) for chat in chats],
        runs=[
            AttachedRow(
                draw(st.none() | st.sampled_from(chats).map(id_of)) if chats else None, id_of(200 + n), draw(at), Sums()
            )
            for n in range(draw(st.integers(0, 4)))
        ],
    )


def told_by(story: Story) -> list[Telling]:
    """Return the tellings that a summary is made of; `traces.thread_facts` reads them from the database."""
    sibling_of = {chat.id: chat.sibling_of for chat in story.chats}
    said: dict[UUID, list[MessageRow]] = {}
    for row in story.messages:
        said.setdefault(row.chat_id or row.id, []).append(row)
    begun: dict[UUID, datetime] = {}
    for one in story.runs:
        if one.chat_id:
            begun[one.chat_id] = min(one.started_at, begun.get(one.chat_id, one.started_at))
    return signals.tellings({id: min(row.at for row in rows) for id, rows in said.items()}, begun, sibling_of)


@given(stories(), st.randoms())
def test_turns_are_numbered_like_the_page_of_the_conversation(story: Story, chance: Random) -> None:
    known = told_by(story)
    chance.shuffle(known)
    mine = [[telling.id for telling in turn] for turn in turns_of(known)]
    assert mine == [[variant.id for variant in turn.variants] for turn in converse(story).turns]
