"""Chat messages as parts: what they become, and that they become messages again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traces.otlp_reading import said
from traces.otlp_messages import messages

words = st.text(max_size=20)
calls = st.lists(
    st.builds(
        lambda ref, name, given: {"id": ref, "type": "function", "function": {"name": name, "arguments": given}},
        words,
        words,
        st.one_of(words, st.just('{"city": "Paris"}')),
    ),
    min_size=1,
    max_size=3,
)
plain_messages = st.one_of(
    st.builds(lambda role, text: {"role": role, "content": text}, st.sampled_from(["system", "user"]), words),
    st.builds(lambda text, made: {"role": "assistant", "content": text, "tool_calls": made}, words, calls),
    st.builds(lambda made: {"role": "assistant", "tool_calls": made}, calls),
    st.builds(lambda ref, text: {"role": "tool", "tool_call_id": ref, "content": text}, words, words),
    st.builds(lambda text, name: {"role": "user", "content": text, "name": name, "x": [1]}, words, words),
)


@given(st.lists(plain_messages, min_size=1, max_size=5))
def test_messages_come_back_as_they_were(given: list[Any]) -> None:
    parts = messages(given)
    assert parts is not None
    assert [one for message in parts for one in said(message)] == given


def test_one_message_is_a_list_of_one() -> None:
    assert messages({"role": "ai", "content": "yes"}) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "yes"}]}
    ]


def test_blocks_of_other_makers_become_the_conventions_parts() -> None:
    told = messages(
        [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "text", "text": "Let me look.", "citations": []},
                    {"type": "tool_use", "id": "t1", "name": "look", "input": {"q": 1}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "found"}, "and?"]},
        ]
    )
    assert told is not None
    assert told[0]["parts"] == [
        {"type": "reasoning", "content": "hm", "signature": "s"},
        {"type": "text", "content": "Let me look.", "citations": []},
        {"type": "tool_call", "id": "t1", "name": "look", "arguments": {"q": 1}},
    ]
    assert told[1]["parts"] == [
        {"type": "tool_call_response", "id": "t1", "response": "found"},
        {"type": "text", "content": "and?"},
    ]


def test_both_spellings_thoughts_and_old_calls_are_read() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    part = {"type": "tool_call", "id": "c", "name": "f", "arguments": "{}"}
    assert messages({"role": "assistant", "content": None, "toolCalls": [call]}) == [
        {"role": "assistant", "parts": [part]}
    ]
    assert messages({"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}) == [
        {"role": "assistant", "parts": [{"type": "tool_call", "name": "f", "arguments": "{}"}]}
    ]
    (told,) = messages({"role": "model", "content": "a", "reasoning_content": "b"}) or [{}]
    assert [one["type"] for one in told["parts"]] == ["reasoning", "text"]
    assert messages({"role": "function", "toolCallId": "c", "content": "7"}) == [
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "7"}]}
    ]


def test_pictures_and_files_stay_as_their_makers_write_them() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    assert messages([{"role": "user", "content": [picture]}]) == [{"role": "user", "parts": [picture]}]


@pytest.mark.parametrize(
    "value",
    [
        *(None, 1, "hi", [], {}, [1], [{"role": 1, "content": "x"}], [{"role": "user"}], {"content": "x"}),
        [{"role": "user", "content": 5}],
        [{"role": "user", "content": {"text": "x"}}],
        [{"role": "user", "content": [{"text": "x"}]}],
        [{"role": "assistant", "tool_calls": "none"}],
        [{"role": "user", "content": "a"}, {"kwargs": {}}],
    ],
)
def test_anything_else_is_no_chat(value: Any) -> None:
    assert messages(value) is None
