"""Reading filters from an address, without a database."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runs import api_filters
from runs.api_filters import FilterError, Leaf, parse


def leaves(query: str) -> list[tuple[Any, ...]]:
    return [(leaf.id, *leaf.params) for leaf in parse(query).leaves]


def encode_twice(text: str) -> str:
    return quote(quote(text, safe="").replace(".", "%2E"), safe="")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("type=llm&tags=a,b", [("type", ("llm",)), ("tag", ("a", "b"))]),
        ("models=gpt-4o", [("name", ("gpt-4o",))]),
        ("models=gpt-4.1,o1", [("name", ("gpt-4.1", "o1"))]),
        ("models=gpt-4%2E1", [("name", ("gpt-4.1",))]),
        ("models=gpt-4%252E1%2Cdeepseek%252Fr1", [("name", ("gpt-4.1", "deepseek/r1"))]),
        ("model=a&model=b&model=a", [("name", ("a", "b"))]),
        ("user=Smith,+J.&user=", [("user", ("Smith, J.", ""))]),
        ("users=&tags=", []),
        ("tokens=total.gt.100", [("tokens", "total", "gt", Decimal(100))]),
        ("duration=gt.5", [("duration", "gt", Decimal(5))]),
        ("duration=gte.0.25", [("duration", "gte", Decimal("0.25"))]),
        ("cost=gt.0%2E1", [("cost", "gt", Decimal("0.1"))]),
        ("cost=gt.0.1", [("cost", "gt", Decimal("0.1"))]),
        ("cost=%3E0.1", [("page", "cost", ">0.1")]),
        ("cost_min=0.1", [("page", "cost_min", "0.1")]),
        ("tokens=%3E5k", [("page", "tokens", ">5k")]),
        ("date=gt.2025-01-01T00%3A00%3A00%2E000Z", [("date", "gt", datetime(2025, 1, 1, tzinfo=UTC))]),
        ("date=gt.2025-01-01T00:00:00.000Z", [("date", "gt", datetime(2025, 1, 1, tzinfo=UTC))]),
        (
            "from=2025-01-01&to=1735776000000",
            [("date", "gte", datetime(2025, 1, 1, tzinfo=UTC)), ("date", "lt", datetime(2025, 1, 2, tzinfo=UTC))],
        ),
        ("metadata=key.value", [("metadata", "key", "value")]),
        ("metadata=a%2Eb.value.with.dots", [("metadata", "a.b", "value.with.dots")]),
        ("metadata.a.b=value", [("metadata", "a.b", "value")]),
        ("user-props=plan.%7B%22type%22%3A%22null%22%7D", [("user-props", "plan", None)]),
        ("feedback=%257B%2522thumb%2522%253A%2522up%2522%257D", [("feedback", (("thumb", "up"),))]),
        ("feedback=%7B%22thumb%22%3A%22up%22%7D", [("feedback", (("thumb", "up"),))]),
        ("feedback=%257B%2522thumb%2522%253Anull%257D", [("feedback", (("thumb", None),))]),
        ("feedback=up,down", [("feedback", (("thumb", "up"), ("thumb", "down")))]),
        ("users=12", [("user", ("12",))]),
        ("users=ana%2540example%252Ecom", [("user", ("ana@example.com",))]),
        ("search=hello+world", [("search", "hello world")]),
        ("string=any.contains.false.a.b", [("string", "any", "contains", False, "a.b")]),
        ("length=input.gt.10", [("length", "input", "gt", Decimal(10))]),
        ("messages=gte.3", [("messages", "gte", Decimal(3))]),
        ("limit=5&page=1&tags=", []),
    ],
)
def test_reads(query: str, expected: list[Any]) -> None:
    assert leaves(query) == expected


def test_or_comes_first_and_controls_stay_apart() -> None:
    found = parse("OR&models=a&tags=b&limit=5&cursor=x%2By")
    assert found.any_of
    assert {leaf.id for leaf in found.leaves} == {"name", "tag"}
    assert found.controls == {"limit": "5", "cursor": "x+y"}


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("typ=llm", "there is no filter 'typ'"),
        ("topics=input.a", "needs an evaluator"),
        ("tokens=total.gt", "total, prompt or completion"),
        ("cost=gt.NaN", "is not a number"),
        ("cost=gt.1e999999", "is not a number"),
        ("date=gt.yesterday", "is not a time"),
        ("date=eq.2025-01-01", "is not one of"),
        ("feedback=sideways", "is neither"),
        ("feedback=%5B1%5D", "is neither"),
        ("metadata=key", "key.value"),
        ("tags=,", "it is empty"),
        ("tags=" + ",".join(map(str, range(300))), "at most 200"),
    ],
)
def test_refuses_and_says_what_would_do(query: str, says: str) -> None:
    with pytest.raises(FilterError, match=says):
        parse(query)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1)


@given(st.lists(texts, min_size=1, max_size=4, unique=True))
@example(["a.b,c", "%41", "50%"])
def test_values_survive_being_encoded_twice(values: list[str]) -> None:
    query = f"tags={quote(','.join(quote(value, safe='') for value in values), safe='')}"
    assert leaves(query) == [("tag", tuple(values))]


@given(key=texts, value=texts.filter(lambda text: not text.startswith("{")))
def test_dots_survive_as_percent_2e(key: str, value: str) -> None:
    raw_key, raw_value = (quote(text, safe="").replace(".", "%2E") for text in (key, value))
    assert leaves(f"metadata={raw_key}.{raw_value}") == [("metadata", key, value)]


@given(st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), texts))
def test_typed_values_keep_their_type(value: Any) -> None:
    typed = json.dumps({"type": "null" if value is None else "string", "value": value})
    assert leaves(f"metadata=key.{encode_twice(typed)}") == [("metadata", "key", value)]


NAMES = [*api_filters.FILTERS, *api_filters.PAGE_NAMES, *api_filters.CONTROLS, *api_filters.EVALUATORS, "metadata.x"]
rubbish = st.text(st.sampled_from("ab.,%2E&=+{}[]\"'\x00é\\:-019 totalgtup"), max_size=30)


@given(st.lists(st.tuples(st.sampled_from(NAMES), rubbish | st.text(max_size=10)), max_size=4), st.booleans())
def test_any_text_is_read_or_refused(pairs: list[tuple[str, str]], either: bool) -> None:
    query = "&".join(f"{name}={value}" for name, value in pairs)
    try:
        parse(f"OR&{query}" if either else query)
    except FilterError:
        return


def test_leaf_is_a_plain_value() -> None:
    assert Leaf("search", ("a",)) == parse("search=a").leaves[0]
