"""Whatever a client sends is shown as what it is, within bounds, and never raises."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs import bodies, jsontree, messages
from runs.messages import Part

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
FIELDS = (
    "role content type text parts tool_calls toolCalls function arguments name id metadata pageContent choices message "
    "messages image_url url source data input_audio format kwargs score input output stack audio refusal result"
)
KEYS = st.text(max_size=8) | st.sampled_from(FIELDS.split())
TYPES = "user assistant tool text tool_use tool_result image_url image input_audio thinking constructor human file"
WORDS = st.sampled_from(TYPES.split())
VALUES = st.recursive(
    LEAVES | WORDS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)


@settings(max_examples=400, deadline=None)
@given(VALUES, st.sampled_from(["llm", "retriever", "tool", "agent"]))
def test_any_json_is_shown(value: Any, run_type: str) -> None:
    text = json.dumps(value)
    shown = bodies.display(text, run_type)
    assert shown.size == len(text)
    assert (shown.kind == "absent") == (bodies.unwrap(value) is None)
    bodies.preview(text)
    bodies.failure(text)
    bodies.pairs(text)
    bodies.message(text)
    bodies.media(text, 0)


@given(st.text())
def test_text_that_is_not_json_is_shown_too(text: str) -> None:
    assert bodies.display(text).kind in ("text", "json", "absent", "messages")
    assert bodies.failure(text) is not None
    bodies.pairs(text)


@given(VALUES)
def test_every_opened_container_is_closed(value: Any) -> None:
    depth = 0
    for step in jsontree.steps(value):
        depth += {"open": 1, "close": -1}.get(step.kind, 0)
        assert depth >= 0
    assert depth == 0


def test_a_wide_tree_is_cut_and_closed() -> None:
    lines = jsontree.steps([[{"a": n, "b": [n]} for n in range(90)] for _ in range(90)])
    assert len(lines) < jsontree.MAX_STEPS + 30
    assert any(step.kind == "more" for step in lines)
    assert sum({"open": 1, "close": -1}.get(step.kind, 0) for step in lines) == 0


@pytest.mark.parametrize("text", ["[" * 50_000, "[" * 900 + "]" * 900, '{"a":' * 30_000])
def test_deep_nesting_is_shown_and_not_followed(text: str) -> None:
    assert bodies.display(text)
    assert bodies.message(text).parts


def test_an_embedding_is_one_line() -> None:
    (line,) = jsontree.steps([0.25] * 1536)
    assert line.text.endswith("1536 numbers]")


def test_a_large_payload_keeps_its_last_messages() -> None:
    chat = [{"role": "system", "content": "s" * 60_000}, {"role": "user", "content": "u" * 10_000}]
    shown = bodies.display(json.dumps(chat))
    assert shown.cut
    assert shown.messages[1].parts[0].text == "u" * 10_000
    assert shown.messages[0].parts[0].cut == 60_000 + 10_000 - bodies.SHOWN


def test_what_fits_is_not_called_cut() -> None:
    shown = bodies.display(json.dumps([{"role": "user", "content": "x" * bodies.SHOWN}]))
    assert not shown.cut
    assert shown.messages[0].parts[0].cut == 0


def parts(value: Any) -> list[Part]:
    """Return the parts of all messages of a payload."""
    return [part for message in messages.read(value) for part in message.parts]


@pytest.mark.parametrize("key", ["tool_calls", "toolCalls"])
def test_tool_calls_of_both_spellings_get_their_result_folded_in(key: str) -> None:
    chat = [
        {"role": "user", "content": "Flights?"},
        {
            "role": "assistant",
            "content": None,
            key: [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"from": "HEL"}'}}],
        },
        {"role": "tool", "content": "AY 1331", "tool_call_id": "c1"},
    ]
    found = messages.read(chat)
    assert [message.role for message in found] == ["user", "assistant"]
    (call,) = found[1].parts
    assert (call.kind, call.name, call.text) == ("call", "find", '{"from": "HEL"}')
    assert [part.text for part in call.result] == ["AY 1331"]


def test_anthropic_blocks_are_read() -> None:
    found = parts(
        [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm"},
                    {"type": "text", "text": "Let me see"},
                    {"type": "tool_use", "id": "t1", "name": "look", "input": {"q": 1}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "found"}]},
        ]
    )
    assert [part.kind for part in found] == ["thinking", "text", "call"]
    assert found[2].result[0].text == "found"


def test_a_python_repr_of_arguments_is_shown_as_it_came() -> None:
    (call,) = parts({"role": "ai", "content": "", "tool_calls": [{"name": "f", "args": "{'a': None}", "id": "x"}]})
    assert call.text == "{'a': None}"


@pytest.mark.parametrize(
    ("value", "role", "text"),
    [
        ({"role": "user", "text": "docs' curl examples"}, "user", "docs' curl examples"),
        ({"type": "human", "content": "langchain"}, "user", "langchain"),
        ({"type": "AIMessageChunk", "content": "chunk"}, "assistant", "chunk"),
        ({"lc": 1, "type": "constructor", "id": ["x", "HumanMessage"], "kwargs": {"content": "hi"}}, "user", "hi"),
        ({"role": "model", "parts": [{"text": "gemini"}]}, "assistant", "gemini"),
        ({"role": "user", "parts": [{"type": "text", "content": "otel"}]}, "user", "otel"),
        ({"choices": [{"index": 0, "message": {"role": "assistant", "content": "whole"}}]}, "assistant", "whole"),
        ([[{"role": "user", "content": "nested"}]], "user", "nested"),
        ({"role": "developer", "content": "rules"}, "developer", "rules"),
        ({"messages": [{"role": "bot", "content": "state"}]}, "assistant", "state"),
    ],
)
def test_each_clients_spelling_is_a_message(value: Any, role: str, text: str) -> None:
    (message,) = messages.read(value)
    assert (message.role, message.parts[0].text) == (role, text)


@pytest.mark.parametrize("link", ["javascript:alert(1)", "JAVASCRIPT:alert(1)", "file:///etc/passwd", "//evil.example"])
def test_only_web_addresses_become_links(link: str) -> None:
    (part,) = parts([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": link}}]}])
    assert part.url == ""
    assert part.text == link


def test_media_are_numbered_in_reading_order_and_found_again() -> None:
    chat = [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}}]},
    ]
    assert [part.number for part in parts(chat)] == [0, 1]
    found = bodies.media(json.dumps({"input": chat}), 1)
    assert found == messages.Media("audio/mp3", "BBBB")
    assert bodies.media(json.dumps(chat), 2) is None


def test_a_retrievers_output_is_documents() -> None:
    shown = bodies.display('[{"source": "sea.md", "score": 0.91}, "plain"]', "retriever")
    assert [(document.title, document.score) for document in shown.documents] == [
        ("sea.md", "0.91"),
        ("Document 2", ""),
    ]


def test_documents_are_known_elsewhere_by_their_own_spelling() -> None:
    shown = bodies.display('[{"pageContent": "Tides", "metadata": {"source": "sea.md"}}]', "tool")
    assert (shown.documents[0].title, shown.documents[0].text) == ("sea.md", "Tides")


@pytest.mark.parametrize(
    ("text", "message", "stack"),
    [
        ('{"message": "boom", "stack": "at x"}', "boom", "at x"),
        ('{"stack": "Traceback\\nKeyError: 1"}', "KeyError: 1", "Traceback\nKeyError: 1"),
        ("{}", "the client sent no message with this error", ""),
        ('"plain"', "plain", ""),
    ],
)
def test_an_error_is_read_in_every_form(text: str, message: str, stack: str) -> None:
    found = bodies.failure(text)
    assert found is not None
    assert (found.message, found.stack) == (message, stack)


def test_metadata_merges_by_key_and_keeps_values_as_sent() -> None:
    ranked = {
        "0.0000000000000005.aa": '{"a": 1.50, "b": {"x":  1}}',
        "1.0000000000000009.bb": '{"b": [1,  2]}',
        "1.0000000000000010.cc": '{"c": null}',
        "1.0000000000000001.dd": "not json",
    }
    assert bodies.metadata(ranked) == '{"a":1.50,"b":[1,  2],"c":null}'
    assert bodies.metadata(None) is None


def test_a_payload_that_a_rule_filtered_out_says_so() -> None:
    assert bodies.display('"__NOT_INGESTED__"').kind == "ignored"
