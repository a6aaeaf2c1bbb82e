"""Known people are found in every form a payload may hold them in, and nothing else suffers more than it must."""

import json
import unicodedata
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import relaxed
from traces.redaction import MARK, MOST, PEOPLE, Redactor, known_values

INES = Redactor(
    known_values(
        ["ines-4711", None],
        [{"name": "Inès Moreau", "email": "ines.moreau@example.org", "plan": "Flex", "seat": 7_654_321, "vip": True}],
    )
)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Hello ines-4711!", f"Hello {MARK}!"),
        ("INES-4711", MARK),
        ("Dear Inès, dear Ms Moreau", f"Dear {MARK}, dear Ms {MARK}"),
        ("mail ines.moreau@example.org today", f"mail {MARK} today"),
        ("ines.moreau wrote", f"{MARK} wrote"),
        (f"?q={quote('Inès Moreau')}&x", f"?q={MARK}&x"),
        ("?mail=ines.moreau%40example.org", f"?mail={MARK}"),
        (unicodedata.normalize("NFD", "Inès Moreau"), MARK),
        ("In\\u00e8s Moreau", MARK),
        ("on the Flex plan", f"on the {MARK} plan"),
        ("flexible, reflex", "flexible, reflex"),
        ("user_flex_x", f"user_{MARK}_x"),
        ("seat 7654321.", f"seat {MARK}."),
        ("id ines-4711x in a word", f"id {MARK}x in a word"),
        ("True story", "True story"),
        ("", ""),
    ],
)
def test_values_are_blackened_where_they_stand(text: str, left: str) -> None:
    assert INES.text(text) == left


def test_payloads_stay_json_and_are_taken_apart_before_they_are_searched() -> None:
    arguments = json.dumps({"to": "Inès Moreau", "n": 7})  # escaped: In\u00e8s
    sent = {"call": arguments, "Flex": [7_654_321, 12, True, None], "text": "see ines-4711"}
    left = json.loads(INES.payload(json.dumps(sent)))
    assert json.loads(left["call"]) == {"to": MARK, "n": 7}
    assert left[MARK] == [MARK, 12, True, None]
    assert left["text"] == f"see {MARK}"
    assert INES.payload("not json, ines-4711") == f"not json, {MARK}"
    assert INES.payload("[" * 9_000 + "ines-4711").endswith(MARK)


def test_text_that_is_json_stays_as_it_was_where_nothing_is_found() -> None:
    sent = json.dumps({"arguments": '{"a":  1,\n"b": [ ]}'})
    assert json.loads(INES.payload(sent)) == json.loads(sent)


def test_keys_that_name_people_tell_nothing_known_or_not() -> None:
    metadata = json.dumps(
        {"userId": "unknown", "team_id": 5, "user": {"a": "b"}, "E-Mail": "x@y", "kind": "b", "org": ""}
    )
    assert json.loads(Redactor().payload(metadata, PEOPLE)) == {
        "userId": MARK,
        "team_id": MARK,
        "user": MARK,
        "E-Mail": MARK,
        "kind": "b",
        "org": "",
    }
    body = json.dumps({"role": "user", "user": "hello", "userId": "unknown"})
    assert json.loads(Redactor().payload(body)) == {"role": "user", "user": "hello", "userId": MARK}


def test_values_of_one_or_two_characters_stay() -> None:
    assert known_values(["u1"], [{"lang": "en", "age": 42, "size": 123}]) == {"123"}


def test_ids_that_are_uuids_are_known_in_both_spellings() -> None:
    known = Redactor(known_values(["0B0DE7C0-0000-4000-8000-00000000AB12"], []))
    assert known.text("a 0b0de7c0000040008000 b") == "a 0b0de7c0000040008000 b"
    assert known.text("0b0de7c0000040008000" + "00000000ab12") == MARK


def test_long_values_are_looked_for_piece_by_piece() -> None:
    bio = " ".join(f"chapter {number} of a life" for number in range(100))
    known = Redactor(known_values([], [{"bio": bio}]))
    assert set(known.text(bio).replace(MARK, "")) == set()
    assert known.longest < 500


def test_the_longest_of_two_values_is_blackened_and_case_folds_without_moving_letters() -> None:
    known = Redactor(known_values(["ines", "ines-4711", "ΟΔΟΣ"], []))
    assert known.text("İİİ ines-4711 İ ines İ οδος Οδοσ!") == f"İİİ {MARK} İ {MARK} İ {MARK} {MARK}!"


def test_too_many_people_blacken_everything() -> None:
    many = Redactor(known_values((f"user-{number}" for number in range(MOST + 1)), []))
    assert many.blind
    assert many.text("anything") == MARK
    assert many.text("") == ""
    assert many.payload('{"a": 1}') == json.dumps(MARK)


values = st.text(st.characters(categories=["L", "N"]), min_size=6, max_size=12)
around = st.text(st.characters(codec="utf-8"), max_size=10)


@relaxed
@given(st.lists(values, min_size=1, max_size=4), around, around, st.integers(0, 3), st.booleans())
def test_no_value_is_left_in_json_in_json_in_json(
    known: list[str], before: str, after: str, depth: int, ascii: bool
) -> None:
    redactor = Redactor(known_values(known, []))
    sent: Any = [f"{before}{value}{after}" for value in known]
    for _ in range(depth):
        sent = {"inner": json.dumps(sent, ensure_ascii=ascii)}
    left: Any = json.loads(redactor.payload(json.dumps(sent, ensure_ascii=ascii)))
    for _ in range(depth):
        left = json.loads(left["inner"])
    for value in known:
        assert not any(value in one for one in left)


@relaxed
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), around), lambda inner: st.lists(inner), max_leaves=8
    )
)
def test_where_nobody_is_known_a_payload_says_the_same(value: Any) -> None:
    assert json.loads(Redactor().payload(json.dumps(value))) == json.loads(json.dumps(value))
