"""What the cards say: what is new to a call, which run executed which call, and that no body makes it raise."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runs.test_bodies import VALUES
from tests.traces.forests import relaxed, row, rows, uid
from traces.columns import RunRow
from traces.transcript import Page, level
from traces.transcript_telling import MOST_SAID, Story, Told, tell
from traces.transcript_words import LINE, LONG, SHORT, Body, Text
from traces.tree import grow

SYSTEM = {"role": "system", "content": "You are Halden Air’s claims assistant."}
ASKED = {"role": "user", "content": "Can I get the fare back?"}


def text(value: Any) -> Text | None:
    return None if value is None else Text(json.dumps(value), len(json.dumps(value)))


def body(given: Any = None, made: Any = None, error: Any = None) -> Body:
    return Body(text(given), text(made), text(error))


def told(found: list[RunRow], bodies: dict[int, Body], start: int | None = None) -> Story:
    page: Page = level(grow(uid(0), found)).page(None if start is None else uid(start))
    return tell(page, {uid(number): one for number, one in bodies.items()})


def trace(*types: str, **root: Any) -> list[RunRow]:
    """Return an agent with runs beneath it, one millisecond after the other; "tool:search" is a tool of that name."""
    found = [row(0, type="agent", **root)]
    for number, words in enumerate(types, start=1):
        kind, _, name = words.partition(":")
        found.append(row(number, 0, number, type=kind, name=name or f"run {number}"))
    return found


def said(one: Told) -> list[str]:
    return [part.text for message in one.said for part in message.parts]


def answered(one: Told) -> list[str]:
    return [part.text for part in one.answer]


def test_a_call_tells_only_what_is_new_to_it() -> None:
    first = {"role": "assistant", "content": "Which booking?"}
    history = [SYSTEM, ASKED, first, {"role": "user", "content": "K7QX2M"}]
    story = told(
        trace("llm", "llm", "llm"),
        {
            0: body("Can I get the fare back?", "Yes, all of it."),
            1: body([SYSTEM, ASKED], first),
            2: body(history, {"role": "assistant", "content": "One moment."}),
            3: body([SYSTEM, *history[1:]], {"role": "assistant", "content": "Yes, all of it."}),
        },
    )
    assert [message.line for message in story.opening] == ["Can I get the fare back?"]
    one, two, three = story.told
    assert [message.line for message in one.instructions] == [SYSTEM["content"]]
    assert (said(one), answered(one)) == ([], ["Which booking?"])
    assert (two.instructions, said(two), answered(two)) == ((), ["K7QX2M"], ["One moment."])
    assert (said(three), answered(three)) == ([], ["Yes, all of it."])
    assert story.closing == ()  # the last call has said it


def test_two_conversations_that_alternate_are_told_apart() -> None:
    classify = {"role": "system", "content": "Classify."}
    more = {"role": "user", "content": "yes"}
    story = told(
        trace("llm", "llm", "llm", "llm"),
        {
            1: body([SYSTEM, ASKED], {"role": "assistant", "content": "Sure?"}),
            2: body([classify, ASKED], {"role": "assistant", "content": "refund"}),
            3: body([SYSTEM, ASKED, {"role": "assistant", "content": "Sure?"}, more], "Done"),
            4: body([classify, more], {"role": "assistant", "content": "consent"}),
        },
    )
    assert said(story.told[2]) == ["yes"]
    assert [len(one.instructions) for one in story.told] == [1, 1, 0, 0]


def test_what_somebody_says_twice_is_told_twice() -> None:
    yes = {"role": "user", "content": "yes"}
    sure = {"role": "assistant", "content": "Sure?"}
    story = told(trace("llm", "llm"), {1: body([ASKED, yes], sure), 2: body([ASKED, yes, sure, yes], "Done")})
    assert said(story.told[1]) == ["yes"]


OPENAI = (
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "find_flights", "arguments": '{"from": "HEL"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "AY 1331 08:00"},
)
ANTHROPIC = (
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "A flight, then."},
            {"type": "tool_use", "id": "c1", "name": "find_flights", "input": {"from": "HEL"}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "AY 1331 08:00"}]},
)
LANGCHAIN = (
    {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", "AIMessage"],
        "kwargs": {"content": "", "tool_calls": [{"id": "c1", "name": "find_flights", "args": {"from": "HEL"}}]},
    },
    {"type": "tool", "tool_call_id": "c1", "content": "AY 1331 08:00"},
)


@pytest.mark.parametrize("shape", [OPENAI, ANTHROPIC, LANGCHAIN], ids=["openai", "anthropic", "langchain"])
def test_a_call_is_told_with_the_run_that_executed_it(shape: tuple[Any, Any]) -> None:
    call, result = shape
    story = told(
        trace("llm", "tool:findFlights", "llm"),
        {
            1: body([ASKED], call),
            2: body(None, "AY 1331 08:00"),
            3: body([ASKED, call, result], "It leaves at 8."),
        },
    )
    model, tool, last = story.told
    assert model.names_asked == ["find_flights"]
    assert model.without_a_run == []
    assert tool.call
    assert tool.given
    assert "HEL" in tool.given.text  # the run has no input of its own
    assert tool.lines == ('{"from": "HEL"}', "AY 1331 08:00")
    assert (said(last), answered(last)) == ([], ["It leaves at 8."])


@pytest.mark.parametrize("shape", [OPENAI, ANTHROPIC, LANGCHAIN], ids=["openai", "anthropic", "langchain"])
def test_a_call_that_no_run_executed_has_the_result_that_came_back(shape: tuple[Any, Any]) -> None:
    call, result = shape
    story = told(trace("llm", "llm"), {1: body([ASKED], call), 2: body([ASKED, call, result], "At 8.")})
    (asked,) = story.told[0].without_a_run
    assert asked.part.name == "find_flights"
    assert [part.text for part in asked.result] == ["AY 1331 08:00"]
    assert said(story.told[1]) == []


def test_a_run_that_says_nothing_has_the_result_that_its_call_came_back_with() -> None:
    call, result = OPENAI
    _, tool, _ = told(
        trace("llm", "tool:find_flights", "llm"), {1: body([ASKED], call), 3: body([ASKED, call, result], "At 8.")}
    ).told
    assert tool.result is None
    assert tool.came_back
    assert tool.came_back.text == "AY 1331 08:00"


def test_thinking_is_kept_apart_and_does_not_make_a_message_new() -> None:
    call, _ = ANTHROPIC
    story = told(trace("llm", "llm"), {1: body([ASKED], call), 2: body([ASKED, call], "Go on")})
    assert [(part.kind, part.text) for part in story.told[0].answer] == [("thinking", "A flight, then.")]
    without = {"role": "assistant", "content": call["content"][1:]}
    story = told(trace("llm", "llm"), {1: body([ASKED], call), 2: body([ASKED, without], "Go on")})
    assert said(story.told[1]) == []


def test_calls_of_one_tool_are_matched_in_order_and_by_the_id_of_the_result() -> None:
    calls = [{"id": f"c{n}", "type": "function", "function": {"name": "look", "arguments": str(n)}} for n in (1, 2, 3)]
    story = told(
        trace("llm", "tool:look", "tool:look", "tool:look"),
        {
            1: body([ASKED], {"role": "assistant", "tool_calls": calls}),
            2: body(1, {"content": "third", "type": "tool", "tool_call_id": "c3"}),
            3: body(1, "first"),
            4: body(1, "second"),
        },
    )
    assert [one.call.ref for one in story.told[1:] if one.call] == ["c3", "c1", "c2"]


def test_what_the_top_answered_is_told_where_nobody_has_said_it() -> None:
    found = trace("llm")
    story = told(found, {0: body({"question": "why?"}, {"score": 42}), 1: body([ASKED], "Because.")})
    assert [message.line for message in story.opening] == ["why?"]
    assert [part.text for message in story.closing for part in message.parts] == ['{"score": 42}']
    graph = {"messages": [ASKED, {"role": "assistant", "content": "Because."}, {"role": "user", "content": "Thanks"}]}
    story = told(found, {0: body({"messages": ASKED}, graph), 1: body([ASKED], "Because.")})
    assert [message.line for message in story.opening] == [ASKED["content"]]
    assert [message.line for message in story.closing] == ["Thanks"]


def test_objects_say_their_words_and_what_is_beside_them() -> None:
    asked = {"message": ASKED["content"], "channel": "web"}
    story = told(trace("llm"), {0: body(asked, {"answer": "Yes.", "sources": 3}), 1: body([ASKED], "Yes.")})
    assert [(one.role, one.line) for one in story.opening] == [
        ("user", ASKED["content"]),
        ("data", '{"channel": "web"}'),
    ]
    assert said(story.told[0]) == []  # the agent was told the same
    assert [(one.role, one.line) for one in story.closing] == [("data", '{"sources": 3}')]


def test_answers_that_are_json_are_told_as_such() -> None:
    (one,) = told(trace("llm"), {1: body([ASKED], '{"intent":"refund"}')}).told
    assert [(part.kind, part.text) for part in one.answer] == [("json", '{"intent": "refund"}')]
    (one,) = told(trace("llm"), {1: body([ASKED], "[1] says so")}).told
    assert [part.kind for part in one.answer] == ["text"]


def test_a_failed_top_says_why_on_the_last_page() -> None:
    story = told(trace("llm", status="error"), {0: body("x", error={"message": "file is empty", "stack": "…"})})
    assert story.failure
    assert story.failure.message == "file is empty"


def test_an_error_without_a_word_is_said_to_be_one() -> None:
    found = [*trace("llm"), row(2, 0, 9, type="tool", status="error"), row(3, 0, 9, type="llm", status="error")]
    story = told(found, {3: body([ASKED], error="401 Incorrect API key")})
    words = [one.failure.message if one.failure else "" for one in story.told]
    assert words == ["", "the client sent no message with this error", "401 Incorrect API key"]


def test_long_histories_are_folded_and_bounded() -> None:
    history = [{"role": "user" if n % 2 else "assistant", "content": f"line {n}"} for n in range(100)]
    (one,) = told(trace("llm"), {1: body([SYSTEM, *history], "ok")}).told
    assert said(one) == ["line 98", "line 99"]
    assert len(one.before) == MOST_SAID - 2
    assert one.left_out == 100 - MOST_SAID


def test_long_texts_are_cut_and_say_by_how_much() -> None:
    long = "x" * (LONG + 500)
    (model, tool) = told(
        trace("llm", "tool:dump"),
        {1: body([{"role": "user", "content": long}], long), 2: body({"q": 1}, "y" * (SHORT + 7))},
    ).told
    assert [part.cut for message in model.said for part in message.parts] == [500]
    assert [(len(part.text), part.cut) for part in model.answer] == [(LONG, 500)]
    assert tool.result
    assert (len(tool.result.text), tool.result.cut) == (SHORT, 7)
    assert all(len(line) <= LINE for line in tool.lines)


def test_what_was_not_read_whole_is_told_by_its_beginning() -> None:
    begun = Text('"one\\ntwo\\u00e', size=20_000_000, cut=True)
    found = trace("llm", "tool:dump")
    model, tool = told(found, {1: Body(begun, begun), 2: Body(None, begun)}).told
    assert model.unread == 20_000_000
    assert answered(model) == ["one\ntwo"]
    assert tool.result
    assert tool.result.text == "one\ntwo"
    assert tool.result.cut == 20_000_000 - 7
    assert tool.lines == ("", "one two")


def test_a_search_tells_what_it_found() -> None:
    found = [{"pageContent": "Replacement transport.", "metadata": {"title": "Duty of care", "score": 0.84}}]
    (one,) = told(trace("retriever:policy"), {1: body("train", found)}).told
    assert [(document.title, document.score) for document in one.documents] == [("Duty of care", "0.84")]
    assert one.lines == ("train", "1 document: Duty of care")


def test_an_event_tells_its_metadata() -> None:
    (one,) = told(trace("custom-event:approved"), {1: Body(metadata='{"by": "duty-manager", "amount": 412.6}')}).told
    assert one.details == (("by", "duty-manager"), ("amount", "412.6"))


def test_the_second_page_knows_what_the_first_one_told() -> None:
    many = ["llm"] * 90
    history = [SYSTEM, ASKED]
    bodies = {}
    for number in range(1, 91):
        made = {"role": "assistant", "content": f"answer {number}"}
        bodies[number] = body(list(history), made)
        history += [made, {"role": "user", "content": f"question {number}"}]
    story = told(trace(*many), bodies, start=41)
    assert said(story.told[0]) == ["question 40"]
    assert not any(one.instructions for one in story.told)


def test_paths_are_announced_once() -> None:
    found = [row(0, type="agent"), row(1, 0, 1, type="chain", name="plan")]
    found += [row(n, 1, n, type="llm") for n in (2, 3)] + [row(4, 0, 4, type="llm")]
    assert [one.enters for one in told(found, {}).told] == [True, False, False]


TEXTS = st.one_of(
    st.none(),
    VALUES.map(lambda value: Text(json.dumps(value), 9)),
    st.builds(Text, st.text(max_size=40), st.integers(0, 10**9), st.booleans()),
    st.lists(VALUES.map(lambda value: {"role": "user", "content": value}), max_size=4).map(text),
)
BODIES = st.builds(Body, TEXTS, TEXTS, TEXTS, st.one_of(st.none(), VALUES.map(json.dumps)))


@relaxed
@given(rows(most=12), st.lists(BODIES, min_size=12, max_size=12))
def test_no_body_makes_it_raise_and_each_card_is_told_once(found: list[RunRow], bodies: list[Body]) -> None:
    by_id: dict[UUID, Body] = {uid(number): one for number, one in enumerate(bodies)}
    page = level(grow(uid(0), found)).page()
    story = tell(page, by_id)
    assert [one.card.id for one in story.told] == [card.id for card in page.cards]
    executed = [asked.told for one in story.told for asked in one.asked if asked.told]
    assert len({id(one) for one in executed}) == len(executed)
    for one in story.told:
        assert all(len(part.text) <= LONG for message in one.said for part in message.parts)
        assert all(len(line) <= LINE for line in one.lines)
