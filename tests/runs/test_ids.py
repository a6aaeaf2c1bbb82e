"""Every id form that clients send or people hold (rules 1 and 2)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs import ids

KEY = "259d2d94-9446-478a-ae04-484de705b522"
UUID_SHAPE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def test_text_is_hashed_as_lunarys_server_does_it() -> None:
    assert ids.run_id("custom-id") == "38333a2f-90ef-4178-ace7-f35451a5e52c"


def test_text_is_hashed_as_lunarys_python_sdk_does_it() -> None:
    assert ids.sdk_hash("custom-id", KEY) == "febdf397-b3a3-dacb-e3ee-7b3304171944"


@pytest.mark.parametrize(
    "version_bits", ["00000000-0000-0000-0000-000000000000", "febdf397-b3a3-dacb-e3ee-7b3304171944"]
)
def test_a_uuid_of_any_version_is_kept(version_bits: str) -> None:
    assert ids.run_id(version_bits) == version_bits
    assert ids.run_id(version_bits.upper()) == version_bits


@pytest.mark.parametrize("value", [None, "", 7, 1.5, True, [], {}, b"custom-id"])
def test_what_is_not_text_has_no_id(value: object) -> None:
    assert ids.run_id(value) is None


def test_36_characters_that_are_no_uuid_are_hashed() -> None:
    hashed = ids.run_id("x" * 36)
    assert hashed is not None
    assert UUID_SHAPE.fullmatch(hashed)
    assert hashed != "x" * 36


def test_a_trailing_newline_is_not_a_uuid() -> None:
    assert ids.run_id(KEY[:-1] + "\n") not in (KEY, KEY[:-1] + "\n")


@given(st.text(min_size=1) | st.sampled_from(["\ud800", "a\udfffb"]))
def test_any_text_becomes_a_uuid_and_stays_it(text: str) -> None:
    first = ids.run_id(text)
    assert first is not None
    assert UUID_SHAPE.fullmatch(first)
    assert ids.run_id(first) == first


def test_forms_lists_each_form_once() -> None:
    assert ids.forms("custom-id", [KEY, KEY]) == [
        "38333a2f-90ef-4178-ace7-f35451a5e52c",
        "febdf397-b3a3-dacb-e3ee-7b3304171944",
    ]
    assert ids.forms("", [KEY]) == []
