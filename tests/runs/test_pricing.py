"""Costs: documented examples, equality with the price table's own calculation, and invariants."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, StartDateConstraint
from hypothesis import given, settings
from hypothesis import strategies as st

from runs import pricing
from runs.pricing import Tokens, cost, explain
from runs.usage import normalise_usage

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)

# (what, model, provider, tokens, dollars): the figures are worked out by hand from the providers' price pages.
GOLDEN: list[tuple[str, str, str | None, Tokens, str]] = [
    ("OpenAI: 1000 in at 2.50, 500 out at 10", "gpt-4o", None, Tokens(1000, None, None, 500), "0.0075"),
    ("OpenAI: 800 of the input cached at 1.25", "gpt-4o", None, Tokens(1000, 800, None, 500), "0.0065"),
    ("OpenAI: a dated name", "gpt-4o-2024-08-06", None, Tokens(1000, 800, None, 500), "0.0065"),
    (
        "Anthropic: 100 at 3, 800 read at 0.30, 100 written at 3.75, 500 at 15",
        "claude-sonnet-4-5",
        None,
        Tokens(1000, 800, 100, 500),
        "0.008415",
    ),
    ("Google: above 200k all of it at 2.50 and 15", "gemini-2.5-pro", None, Tokens(250_000, 0, 0, 500), "0.6325"),
    ("Google: at exactly 200k still 1.25 and 10", "gemini-2.5-pro", None, Tokens(200_000, 0, 0, 500), "0.255"),
    ("OpenAI embedding: 0.02", "text-embedding-3-small", None, Tokens(1000), "0.00002"),
    ("Mistral large", "mistral-large-latest", None, Tokens(1000, None, None, 500), "0.005"),
    ("Groq, said by its prefix", "groq/llama-3.3-70b-versatile", None, Tokens(1000, None, None, 500), "0.000985"),
]


@pytest.mark.parametrize(
    ("model", "provider", "tokens", "dollars"), [case[1:] for case in GOLDEN], ids=[case[0] for case in GOLDEN]
)
def test_a_call_costs_what_the_price_page_says(model: str, provider: str | None, tokens: Tokens, dollars: str) -> None:
    assert cost(model, provider, AT, tokens).amount == Decimal(dollars)


@pytest.mark.parametrize(
    ("model", "provider", "price"),
    [
        ("openai/gpt-4o", None, "openai/gpt-4o"),
        ("azure/gpt-4o", None, "azure/gpt-4o"),
        ("openrouter/openai/gpt-4o", None, "openrouter/openai/gpt-4o"),
        ("GPT-4o", None, "openai/gpt-4o"),
        ("gpt-5-2025-08-07", None, "openai/gpt-5"),
        ("models/gemini-2.5-pro", None, "google/gemini-2.5-pro"),
        ("publishers/google/models/gemini-2.5-pro", None, "google/gemini-2.5-pro"),
        ("gemini-2.5-pro", "vertexai", "google/gemini-2.5-pro"),
        ("gpt-4o", "az.ai.openai", "openai/gpt-4o"),
        ("gpt-4o", "some-proxy", "openai/gpt-4o"),
        ("ft:gpt-4o-mini-2024-07-18:acme::x", None, "openai/ft:gpt-4o-mini"),
        ("claude-3-5-sonnet@20240620", None, "anthropic/claude-3-5-sonnet"),
        (
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            None,
            "aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
    ],
)
def test_a_model_is_found_by_the_names_people_use(model: str, provider: str | None, price: str) -> None:
    ref = cost(model, provider, AT, Tokens(10, None, None, 1)).ref
    assert ref is not None
    assert ref.endswith(f": {price}")


@pytest.mark.parametrize(
    "model", [None, "", "/", "a/", "my-own-model", "llama-3.1-8b-instruct", "gpt-4o" * 100, "*" * 150]
)
def test_an_unknown_model_has_an_unknown_cost(model: str | None) -> None:
    assert cost(model, None, AT, Tokens(1000, None, None, 500)) == (None, None)


def test_no_tokens_mean_an_unknown_cost() -> None:
    assert cost("gpt-4o", None, AT, Tokens()).amount is None
    assert cost("gpt-4o", None, AT, Tokens(0, 0, 0, 0)).amount is None


def test_the_price_of_the_runs_own_day_applies() -> None:
    dated = next(
        (provider, model, entry.constraint.start_date, rows.prices, entry.prices)
        for provider in get_snapshot().providers
        if provider.id == "openai"
        for model in provider.models
        if not isinstance(model.prices, ModelPrice) and len(model.prices) == 2
        for rows, entry in [(model.prices[0], model.prices[1])]
        if isinstance(entry.constraint, StartDateConstraint)
    )
    provider, model, start, before, after = dated
    name = model.id
    tokens = Tokens(1_000_000)

    def priced(day: date) -> Decimal | None:
        return cost(name, provider.id, datetime(day.year, day.month, day.day, tzinfo=UTC), tokens).amount

    assert priced(date.fromordinal(start.toordinal() - 1)) == before.calc_price(Usage(input_tokens=1_000_000))[
        "total_price"
    ].quantize(pricing.QUANTUM)
    assert priced(start) == after.calc_price(Usage(input_tokens=1_000_000))["total_price"].quantize(pricing.QUANTUM)


MODELS = [(provider, model) for provider in get_snapshot().providers for model in provider.models]
counts = st.integers(0, 400_000)


@settings(max_examples=400)
@given(
    entry=st.sampled_from(MODELS),
    plain=counts,
    read=counts,
    write=counts,
    output=counts,
    at=st.integers(0, 3 * 365 * 24).map(lambda hours: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hours)),
)
def test_every_row_of_the_table_gives_what_the_table_itself_calculates(
    entry: tuple[object, object], plain: int, read: int, write: int, output: int, at: datetime
) -> None:
    provider, info = entry
    row = pricing.Model(provider, info, "x").row(at)  # type: ignore[arg-type]
    tokens = Tokens(plain + read + write, read, write, output)
    if row is None or not (tokens.input or tokens.output):
        return
    usage = Usage(input_tokens=tokens.input, cache_read_tokens=read, cache_write_tokens=write, output_tokens=output)
    expected = info.get_prices(at).calc_price(usage)["total_price"]  # type: ignore[attr-defined]
    assert pricing.amount(row, tokens) == expected.quantize(pricing.QUANTUM)


def test_an_explanation_adds_up_and_names_its_source() -> None:
    raw = {"prompt": 100, "completion": 500, "promptCached": 900}
    metadata = {"cacheReadInputTokens": 800, "cacheCreationInputTokens": 100}
    tokens = normalise_usage(raw, runtime="lunary-py", model="claude-sonnet-4-5", metadata=metadata)
    why = explain("claude-sonnet-4-5", None, AT, tokens, raw=raw, runtime="lunary-py", metadata=metadata)
    assert [(line.label, line.tokens, str(line.per_million)) for line in why.lines] == [
        ("Input", 100, "3"),
        ("Cache read", 800, "0.3"),
        ("Cache write", 100, "3.75"),
        ("Output", 500, "15"),
    ]
    assert sum(line.amount for line in why.lines) == why.total == Decimal("0.008415")
    assert why.ref is not None
    assert why.ref.endswith("anthropic/claude-sonnet-4-5")
    assert why.convention is not None
    assert "leaves out cached" in why.convention
    assert why.warnings == []


def test_an_explanation_says_what_is_doubtful() -> None:
    streamed = explain("gpt-4o", None, AT, Tokens(None, None, None, 7, estimated=True), raw={"completion": 7})
    assert "estimate" in streamed.warnings[0]
    assert "output only" in streamed.warnings[1]
    assert "No price is known for my-model" in explain("my-model", None, AT, Tokens(5, None, None, 5)).warnings[0]
    assert explain("gpt-4o", None, AT, Tokens()).total is None
    assert "above 200000 tokens" in explain("gemini-2.5-pro", None, AT, Tokens(250_000)).warnings[0]


@given(plain=counts, read=counts, write=counts, output=counts, reasoning=counts)
def test_a_cost_is_never_negative_and_grows_with_output(
    plain: int, read: int, write: int, output: int, reasoning: int
) -> None:
    tokens = Tokens(plain + read + write, read, write, output + reasoning, reasoning)
    more = Tokens(plain + read + write, read, write, output + reasoning + 1, reasoning)
    first, second = cost("gpt-4o", None, AT, tokens).amount, cost("gpt-4o", None, AT, more).amount
    assert second is not None
    assert Decimal(0) <= (first or Decimal(0)) < second
