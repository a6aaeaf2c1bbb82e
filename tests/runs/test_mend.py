"""Beginnings of JSON text, cut anywhere."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.mend import mend

words = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ['"', "\\", "\\\\", '\\"', "\n", "é", "😀", ","]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
containers = st.lists(values, max_size=4) | st.dictionaries(words, values, max_size=4)


def begins(part: Any, whole: Any) -> bool:
    """Tell whether `part` is `whole` without its end: fewer entries, the last of them perhaps cut itself."""
    if isinstance(part, str) and isinstance(whole, str):
        return whole.startswith(part)
    if isinstance(part, list) and isinstance(whole, list):
        kept = list(zip(part, whole, strict=False))
    elif isinstance(part, dict) and isinstance(whole, dict):
        if list(part) != list(whole)[: len(part)]:
            return False
        kept = list(zip(part.values(), whole.values(), strict=False))
    else:
        return bool(part == whole)
    return len(part) <= len(whole) and all(a == b for a, b in kept[:-1]) and all(begins(a, b) for a, b in kept[-1:])


@given(containers, st.booleans(), st.integers(1, 400))
def test_a_beginning_reads_as_the_beginning_of_the_value(value: Any, ascii: bool, length: int) -> None:
    text = json.dumps(value, ensure_ascii=ascii)
    read = json.loads(mend(text[:length]))
    assert begins(read, value)
    json.dumps(read, ensure_ascii=False).encode()  # no half of a character that no page could be made of


@given(values, st.booleans())
def test_whole_json_stays_as_it_is(value: Any, ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii)
    assert mend(text) == text


@pytest.mark.parametrize(
    ("beginning", "read"),
    [
        ('[{"role": "user", "content": "Where is my b', [{"role": "user", "content": "Where is my b"}]),
        ('[{"role": "user", "cont', [{"role": "user"}]),
        ('{"a": 1, "b": 23', {"a": 1}),
        ('{"a": 1, "b"', {"a": 1}),
        ('{"a": 1, "b":', {"a": 1}),
        ('{"a": [1, 2], ', {"a": [1, 2]}),
        ('"quoth: \\', "quoth: "),
        ('"quoth: \\\\', "quoth: \\"),
        ('"caf\\u00', "caf"),
        ('"so \\ud83d', "so "),
        ('"so \\ud83d\\ude', "so "),
        ('"so \\ud83d\\ude00', "so 😀"),
        ('"so \\\\ud83d', "so \\ud83d"),
    ],
)
def test_what_was_cut_is_left_out_and_text_is_kept(beginning: str, read: Any) -> None:
    assert json.loads(mend(beginning)) == read


@pytest.mark.parametrize("text", ["", "plain words", "]]]", '"done" and more', "\\", "1234", '{"a" "b" }}'])
def test_what_is_no_json_does_no_harm(text: str) -> None:
    assert isinstance(mend(text), str)
