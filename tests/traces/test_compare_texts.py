"""Payloads of two runs as texts and tables that can be compared."""

import json
from typing import Any

import pytest

from traces.compare_texts import MOST_KEYS, MOST_VALUE, Entry, readable, table_diff, text_diff


def text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ({"pnr": "K7", "leg": 2}, '{\n  "pnr": "K7",\n  "leg": 2\n}'),
        ({"input": "wrapped"}, "wrapped"),
        (
            [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
            "System:\nBe brief.\n\nUser:\nHi",
        ),
        (
            [
                {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{"a": 1}'}}]},
                {"role": "tool", "tool_call_id": "1", "content": "found"},
            ],
            'Assistant:\n→ f\n{"a": 1}\n←\nfound',
        ),
        ([{"role": "ai", "content": [{"type": "thinking", "thinking": "hm"}]}], "Assistant:\n[thinking]\nhm"),
        (None, "null"),
    ],
)
def test_a_payload_is_written_as_people_read_it(value: Any, expected: str) -> None:
    assert readable(text(value)) == expected


def test_what_is_no_json_is_compared_as_it_is() -> None:
    assert readable("{broken") == "{broken"
    assert readable("[" * 100_000) == "[" * 100_000


def test_images_differ_by_their_bytes() -> None:
    def message(data: str) -> str:
        return text(
            [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}],
                }
            ]
        )

    assert "image/png" in readable(message("AAAA"))
    assert readable(message("AAAA")) != readable(message("AAAB"))
    assert len(readable(message("A" * 400_000))) < 200


def test_a_text_that_one_side_lacks_is_said_to_be_only_in_the_other() -> None:
    found = text_diff("output", "Output", None, text("hello"))
    assert found
    assert (found.words, found.same, [piece.kind for piece in found.pieces]) == ("only in B", False, ["added"])
    swapped = text_diff("output", "Output", text("hello"), None)
    assert swapped
    assert swapped.words == "only in A"
    assert text_diff("output", "Output", None, None) is None


def test_json_spelled_otherwise_is_the_same_text() -> None:
    found = text_diff("input", "Input", '{"a":1}', '{ "a" : 1 }')
    assert found
    assert found.same
    assert found.words == "the same"


def test_a_text_differs_where_a_word_does() -> None:
    found = text_diff("input", "Input", text("to Oslo"), text("to Nice"))
    assert found
    assert [(piece.kind, piece.text) for piece in found.pieces] == [
        ("common", "to "),
        ("removed", "Oslo"),
        ("added", "Nice"),
    ]


def test_tables_differ_key_by_key() -> None:
    left = text({"temperature": 0.2, "stop": ["x"], "deep": {"a": 1, "b": None}, "gone": "yes"})
    right = text({"temperature": 0.7, "stop": ["x"], "deep": {"a": 2, "b": None}, "new": True})
    found = table_diff("Params", left, right)
    assert found
    assert found.differing == (
        Entry("temperature", "0.2", "0.7"),
        Entry("deep.a", "1", "2"),
        Entry("gone", "yes", None),
        Entry("new", None, "true"),
    )
    assert found.same == (Entry("stop", '["x"]', '["x"]'),)
    assert found.size == 5


def test_tables_are_bounded() -> None:
    found = table_diff("Metadata", text({str(n): n for n in range(1_000)}), text({"long": "x" * 100_000}))
    assert found
    assert len(found.differing) == MOST_KEYS
    assert found.left_out == 1_001 - MOST_KEYS
    long = table_diff("Metadata", None, text({"long": "x" * 100_000}))
    assert long
    assert len(long.differing[0].right or "") < MOST_VALUE + 40


@pytest.mark.parametrize("value", ["{}", "null", None])
def test_no_keys_are_no_table(value: str | None) -> None:
    assert table_diff("Params", value, None) is None


def test_metadata_that_is_no_object_is_one_entry() -> None:
    found = table_diff("Metadata", "[1]", "{broken")
    assert found
    assert found.differing == (Entry("", "[1]", "{broken"),)
