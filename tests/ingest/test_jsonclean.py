"""What clients send that is not quite JSON becomes JSON; everything else stays byte for byte (rule 7)."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import jsonclean

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from(["\ud800", "a\udfff", "\x00", "\\u0000", 'NaN, "NaN"', "1e999"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"[NaN, -Infinity,Infinity]", b'["NaN", "-Infinity","Infinity"]'),
        (b'["NaN", "a\\"NaN"]', b'["NaN", "a\\"NaN"]'),
        (rb'["a\u0000b"]', rb'["a\ufffdb"]'),
        (rb'["a\\u0000b"]', rb'["a\\u0000b"]'),
        (rb'["\ud83d\ude00"]', rb'["\ud83d\ude00"]'),
        (rb'["\ud83d!", "\uDE00"]', rb'["\ufffd!", "\ufffd"]'),
        (rb'["\ud83d\ud83d\ude00"]', rb'["\ufffd\ud83d\ude00"]'),
        (b"[1e999, -1E+400, 1e308, 1e5]", b'["1e999", "-1E+400", 1e308, 1e5]'),
        (b'{"b":  1.50, "a": 12345678901234567890123}', b'{"b":  1.50, "a": 12345678901234567890123}'),
    ],
)
def test_only_what_cannot_be_kept_is_replaced(sent: bytes, kept: bytes) -> None:
    assert jsonclean.clean(sent) == kept


@pytest.mark.parametrize(
    "sent", [b'\xef\xbb\xbf["a"]', b'["a\xff"]', b'["a\x00"]', rb'["\u0000"]', b"[" + b"7" * 9000 + b"]"]
)
def test_a_sound_body_is_utf8_json_that_postgresql_takes(sent: bytes) -> None:
    kept = jsonclean.sound(sent)
    assert "\x00" not in str(msgspec.json.decode(kept))


@given(VALUES)
def test_what_python_sends_can_be_read_and_stored(value: Any) -> None:
    sent = json.dumps(value).encode()
    kept = jsonclean.clean(jsonclean.sound(sent))
    msgspec.json.decode(kept)
    assert b"\\u0000" not in kept.replace(b"\\\\", b"")


@given(VALUES)
def test_clean_json_stays_byte_for_byte(value: Any) -> None:
    clean = jsonclean.clean(json.dumps(value).encode())
    assert jsonclean.clean(clean) == clean
    assert jsonclean.sound(clean) == clean


@given(st.binary(max_size=300))
def test_any_bytes_pass_without_a_fault(body: bytes) -> None:
    jsonclean.clean(body)
    jsonclean.sound(body)
    jsonclean.too_deep(body)
    jsonclean.children(body)


@given(st.lists(VALUES.map(json.dumps)), st.sampled_from(["", " ", "\n\t"]))
def test_children_are_the_parts_of_the_outermost_array(parts: list[str], space: str) -> None:
    text = "[" + f"{space},{space}".join(parts) + space + "]"
    assert jsonclean.children(text.encode()) == [part.encode() for part in parts]


def test_children_of_an_object_are_keys_and_values() -> None:
    assert jsonclean.children(b'{"a" : [1, {"b": 2}], "c": "},"} tail') == [b'"a"', b'[1, {"b": 2}]', b'"c"', b'"},"']


def test_depth_counts_nesting_and_not_brackets_in_text() -> None:
    limit = jsonclean.MAX_DEPTH
    assert not jsonclean.too_deep(b"[" * limit + b"]" * limit)
    assert jsonclean.too_deep(b"[" * (limit + 1) + b"]" * (limit + 1))
    assert not jsonclean.too_deep(b'["' + b"[" * 5000 + b'"]')
    assert not jsonclean.too_deep(b"[" + b",".join([b"[]"] * 5000) + b"]")


def test_a_hostile_text_takes_linear_time() -> None:
    body = b'["' + rb"\"" * 500_000
    assert jsonclean.clean(body) == body
    assert jsonclean.children(body) == []
