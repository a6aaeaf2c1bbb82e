"""OpenAI's chat format: every line is one that OpenAI takes, and holds what was said."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs import bodies
from traces import thread_jsonl
from traces.thread_jsonl import HELD

PIXEL = "iVBORw0KGgo="
USER_BLOCKS = {"text", "image_url", "input_audio", "file"}
OTHER_BLOCKS = {"text", "refusal"}


def told(*messages: Any) -> list[dict[str, Any]]:
    """Return the messages of the line that these make; text is a user's, ("out", message) an answering one's."""
    sides = [one if isinstance(one, tuple) else ("in", one) for one in messages]
    read = ((side, bodies.whole_message(json.dumps(message))) for side, message in sides)
    text = b"".join(thread_jsonl.line(read)).decode()
    if not text:
        return []
    assert text.count("\n") == 1
    line = json.loads(text)
    assert list(line) == ["messages"]
    found: list[dict[str, Any]] = line["messages"]
    check(found)
    return found


def check(messages: list[dict[str, Any]]) -> None:
    """Assert that OpenAI's rules hold: roles, contents, and one result for each call right after it."""
    waiting: list[str] = []
    for at, message in enumerate(messages):
        if waiting:
            assert message["role"] == "tool"
            assert message["tool_call_id"] == waiting.pop(0)
            assert isinstance(message["content"], str)
            continue
        assert message["role"] in ("system", "user", "assistant")
        calls = message.get("tool_calls", [])
        assert message["content"] or (message["content"] is None and calls)
        if isinstance(message["content"], list):
            allowed = USER_BLOCKS if message["role"] == "user" else OTHER_BLOCKS
            kinds = [block["type"] for block in message["content"]]
            assert set(kinds) <= allowed
            assert "refusal" not in kinds or kinds == ["refusal"]
        waiting = [call["id"] for call in calls]
        assert len(set(waiting)) == len(waiting)
        assert all(isinstance(call["function"]["arguments"], str) for call in calls)
        if calls and at == len(messages) - 1:
            waiting = []
    assert not waiting


def calling(*ids: str, name: str = "find", **fields: Any) -> tuple[str, dict[str, Any]]:
    calls = [{"id": id, "type": "function", "function": {"name": name, "arguments": '{"a": 1.10}'}} for id in ids]
    return "out", {"role": "assistant", "content": None, "tool_calls": calls} | fields


def result(id: str, text: str = "found") -> tuple[str, dict[str, Any]]:
    return "out", {"role": "tool", "tool_call_id": id, "content": text}


def roles(messages: list[dict[str, Any]]) -> str:
    return " ".join(message["role"] for message in messages)


def test_a_plain_conversation() -> None:
    found = told(
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "Hé 🙂"},
        ("out", {"role": "assistant", "content": "Hallo"}),
    )
    assert found == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hé 🙂"},
        {"role": "assistant", "content": "Hallo"},
    ]


def test_calls_are_followed_by_their_results_in_order() -> None:
    found = told({"role": "user", "content": "go"}, calling("a", "b"), result("b", "two"), result("a", "one"))
    assert found[1] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": id, "type": "function", "function": {"name": "find", "arguments": '{"a":1.1}'}} for id in "ab"
        ],
    }
    assert [(one["tool_call_id"], one["content"]) for one in found[2:]] == [("a", "one"), ("b", "two")]


def test_a_late_result_is_moved_to_its_call() -> None:
    between = ("out", {"role": "assistant", "content": "one moment"})
    found = told(calling("a"), between, result("a", "late"), {"role": "user", "content": "ok"})
    assert roles(found) == "assistant tool assistant user"
    assert found[1]["content"] == "late"


def test_no_result_is_an_empty_one_but_at_the_end() -> None:
    assert told(calling("a"), {"role": "user", "content": "?"})[1]["content"] == ""
    assert roles(told({"role": "user", "content": "go"}, calling("a"))) == "user assistant"
    assert roles(told(calling("a", "b"), result("b"))) == "assistant tool tool"


def test_a_result_without_its_call_is_left_out() -> None:
    assert roles(told({"role": "user", "content": "go"}, result("x"), result(""))) == "user"
    far = [("out", {"role": "assistant", "content": str(number)}) for number in range(HELD)]
    assert "found" not in [one["content"] for one in told(calling("a"), *far, result("a"))]


def test_an_id_used_again_belongs_to_the_call_before_it() -> None:
    found = told(calling("call_1"), calling("call_1"), result("call_1"))
    assert [one.get("content") for one in found] == [None, "", None, "found"]


@pytest.mark.parametrize("ids", [("", ""), ("a", "a"), ("", "call_1"), ("call_2", "")])
def test_calls_without_ids_of_their_own_get_some(ids: tuple[str, ...]) -> None:
    found = told(calling(*ids), result("", "one"), result("", "two"))
    assert [one["content"] for one in found[1:]] == ["one", "two"]


def test_results_of_old_functions_are_matched_by_name() -> None:
    old = ("out", {"role": "assistant", "content": "", "function_call": {"name": "my find", "arguments": "{}"}})
    found = told(old, ("out", {"role": "function", "name": "my find", "content": "42"}))
    assert found[0]["tool_calls"][0]["function"]["name"] == "my_find"
    assert found[1]["content"] == "42"


def test_anthropics_blocks() -> None:
    use = {"type": "tool_use", "id": "t1", "name": "find", "input": {"city": "Köln"}}
    answer = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "rain"}]}
    found = told(
        ("out", {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, use]}),
        {"role": "user", "content": [answer, {"type": "text", "text": "and now?"}]},
    )
    assert roles(found) == "assistant tool user"
    assert found[0]["tool_calls"][0]["function"]["arguments"] == '{"city":"Köln"}'
    assert (found[1]["content"], found[2]["content"]) == ("rain", "and now?")


def test_a_persons_media_are_kept_an_assistants_named() -> None:
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        {"type": "image_url", "image_url": {"url": "javascript:alert(1)"}},
    ]
    asked, answered = told({"role": "user", "content": parts}, ("out", {"role": "assistant", "content": parts[1:2]}))
    assert asked["content"][:4] == parts[:4]
    assert asked["content"][4] == {"type": "text", "text": "[image]\njavascript:alert(1)"}
    assert answered["content"] == "[image: https://example.com/a.png]"


def test_a_refusal_is_one_or_beside_words_text() -> None:
    alone, beside = told(
        ("out", {"role": "assistant", "content": None, "refusal": "No."}),
        ("out", {"role": "assistant", "content": "Sorry.", "refusal": "No."}),
    )
    assert alone["content"] == [{"type": "refusal", "refusal": "No."}]
    assert [block["text"] for block in beside["content"]] == ["Sorry.", "No."]


def test_nothing_said_is_no_line() -> None:
    assert told() == []
    assert told({"role": "user", "content": ""}, ("out", {"role": "assistant", "content": []}), result("x")) == []


def test_it_reads_no_further_than_it_must() -> None:
    """Memory stays small however long the conversation is."""
    read = []

    def messages() -> Any:
        for number in range(10_000):
            read.append(number)
            yield "in", bodies.whole_message(json.dumps({"role": "user", "content": "x" * 100}))

    parts = thread_jsonl.line(messages())
    next(parts)
    assert len(read) == 1


texts = st.text(st.characters(blacklist_characters="\x00", blacklist_categories=["Cs"]), min_size=1)
refs = st.sampled_from(["", "a", "b", "call_1", "call_2"])
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "text", "type", "id", "tool_calls", "function", "name", "refusal", "input"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
sent = st.one_of(
    odd,
    st.builds(lambda text, role: {"role": role, "content": text}, st.text(), st.text(max_size=3)),
    st.builds(lambda ids: calling(*ids)[1], st.lists(refs, min_size=1, max_size=3)),
    st.builds(lambda ref: result(ref)[1], refs),
    st.builds(
        lambda ref: {"role": "user", "content": [{"type": "tool_result", "tool_use_id": ref, "content": "x"}]}, refs
    ),
)


@given(st.lists(st.tuples(st.sampled_from(["in", "out"]), sent), max_size=12))
def test_every_line_is_valid_whatever_was_sent(messages: list[tuple[str, Any]]) -> None:
    told(*messages)


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), texts), min_size=1))
def test_texts_and_roles_are_those_that_were_said(said: list[tuple[str, str]]) -> None:
    found = told(*({"role": role, "content": text} for role, text in said))
    assert [(one["role"], one["content"]) for one in found] == said


@given(st.lists(st.tuples(texts, st.sampled_from(["here", "later"])), min_size=1, max_size=8))
def test_each_result_follows_its_call_wherever_it_was(results: list[tuple[str, str]]) -> None:
    ids = [f"id{number}" for number in range(len(results))]
    answers = [result(id, text) for id, (text, _) in zip(ids, results, strict=True)]
    here = [one for one, (_, place) in zip(answers, results, strict=True) if place == "here"]
    later = [one for one, (_, place) in zip(answers, results, strict=True) if place == "later"]
    found = told(calling(*ids), *here, ("out", {"role": "assistant", "content": "wait"}), *later)
    assert [one["content"] for one in found[1 : len(ids) + 1]] == [text for text, _ in results]
