"""What a call costs in US dollars, and why (DESIGN.md rule 12). Pure: no Django.

Prices are the offline table of `genai-prices`, imported at first use (it takes half a second). The table's own
calculation takes 0.3 ms a call, too slow for ingest: here its rows are turned into plain rates once per model, and
tests/runs/test_pricing.py holds the two to the same result for every row of the table.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from runs.usage import Tokens, convention, normalise_usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

__all__ = ["Explanation", "Line", "Priced", "Tokens", "cost", "explain", "normalise_usage", "warm"]

MILLION = Decimal(1_000_000)
QUANTUM = Decimal("1E-10")  # what Run.cost holds
NAME_LIMIT = 200  # no model is named longer; bounds what a hostile name can cost
# Whose price stands for a name that several providers sell, where the client did not say which one it called.
OWNERS = ("openai", "anthropic", "google", "mistral", "cohere", "x-ai", "deepseek", "perplexity", "voyageai")
BEDROCK_VENDORS = ("anthropic.", "amazon.", "meta.", "cohere.", "mistral.", "ai21.", "deepseek.", "openai.", "qwen.")
BEDROCK_REGIONS = ("us.", "eu.", "apac.", "global.", "us-gov.", "jp.", "au.", "ca.")


class Priced(NamedTuple):
    """A cost in USD and the price that made it; both None where no price is known (never 0 for unknown)."""

    amount: Decimal | None
    ref: str | None


class Line(NamedTuple):
    """One class of an explained cost: tokens × USD per million tokens."""

    label: str
    tokens: int
    per_million: Decimal
    amount: Decimal


class Explanation(NamedTuple):
    """Why a run costs what it costs: the lines add up to `total` but for its rounding to 10 decimals."""

    lines: list[Line]
    total: Decimal | None
    ref: str | None
    convention: str | None
    warnings: list[str]


UNKNOWN = Priced(None, None)


class Rates(NamedTuple):
    """USD per token of each class, and per call, below one threshold of input tokens."""

    plain: Decimal
    cache_read: Decimal
    cache_write: Decimal
    output: Decimal
    reasoning: Decimal
    call: Decimal


class Row(NamedTuple):
    """One row of the price table: its rates below each threshold of total input tokens, ascending."""

    thresholds: tuple[int, ...]
    rates: tuple[Rates, ...]
    ref: str

    def at(self, input_tokens: int) -> Rates:
        """Return the rates of a call with that much input: crossing a threshold reprices the whole call."""
        return self.rates[bisect_left(self.thresholds, input_tokens)] if self.thresholds else self.rates[0]


class Model:
    """A model of the price table with its rows, built when first asked for: prices have dates and times of day."""

    def __init__(self, provider: "Provider", info: "ModelInfo", version: str) -> None:
        self._info = info
        self._ref = f"genai-prices {version}: {provider.id}/{info.id}"
        self._rows: dict[int, Row | None] = {}

    def row(self, at: datetime) -> Row | None:
        """Return the price row valid at that time, or None where the model is not priced by token."""
        prices = self._info.get_prices(at)
        key = id(prices)  # rows of the bundled table live as long as the process
        if key not in self._rows:
            self._rows[key] = _row(prices, self._ref)
        return self._rows[key]


def _row(prices: "ModelPrice", ref: str) -> Row | None:
    """Return the row's rates; a class without a price of its own is billed as the class it is part of."""
    if prices.input_mtok is None and prices.output_mtok is None and prices.requests_kcount is None:
        return None
    columns = (
        prices.input_mtok,
        _first(prices.cache_read_mtok, prices.input_mtok),
        _first(prices.cache_write_mtok, prices.input_mtok),
        prices.output_mtok,
        _first(prices.output_reasoning_mtok, prices.output_mtok),
    )
    thresholds = sorted({start for price in columns for start in _starts(price)})
    call = _rate(prices.requests_kcount, 0) / 1000
    rates = tuple(
        Rates._make([*(_rate(price, above) / MILLION for price in columns), call])
        for above in [0, *(start + 1 for start in thresholds)]
    )
    return Row(tuple(thresholds), rates, ref)


def _first(price: "Decimal | TieredPrices | None", fallback: "Decimal | TieredPrices | None") -> Any:
    return fallback if price is None else price


def _starts(price: "Decimal | TieredPrices | None") -> Iterator[int]:
    if price is not None and not isinstance(price, Decimal):
        yield from (tier.start for tier in price.tiers)


def _rate(price: "Decimal | TieredPrices | None", input_tokens: int) -> Decimal:
    """Return the price per unit for a call with that much input; a class that is not priced costs nothing."""
    if price is None or isinstance(price, Decimal):
        return price or Decimal(0)
    passed = [tier.price for tier in price.tiers if input_tokens > tier.start]
    return passed[-1] if passed else price.base


@lru_cache(maxsize=4096)
def _model(model: str, provider: str | None) -> Model | None:
    """Return the model a client names, or None; the cache bounds what a flood of made-up names can hold."""
    from genai_prices import __version__
    from genai_prices.data_snapshot import find_provider_by_id, get_snapshot

    if len(model) > NAME_LIMIT:
        return None
    providers = get_snapshot().providers
    for provider_ref, name in _readings(model.strip().lower(), provider):
        for candidate in [find_provider_by_id(providers, provider_ref)] if provider_ref else _sellers(providers, name):
            info = candidate.find_model(name, all_providers=providers) if candidate else None
            if candidate and info:
                return Model(candidate, info, __version__)
    return None


def _readings(name: str, provider: str | None) -> Iterator[tuple[str | None, str]]:
    """Yield what a name may mean, best first: with the provider said beside or before it (`azure/…`)."""
    if provider and len(provider) <= NAME_LIMIT:
        yield provider, name
    parts = name.split("/", 4)
    tails = ["/".join(parts[start:]) for start in range(len(parts))]
    for head, tail in zip(parts, tails[1:], strict=False):
        yield head, tail
    for tail in tails:
        bare = next((tail[len(region) :] for region in BEDROCK_REGIONS if tail.startswith(region)), tail)
        if bare.startswith(BEDROCK_VENDORS):
            yield "aws", tail
    for tail in tails:
        yield None, tail


def _sellers(providers: "list[Provider]", name: str) -> "list[Provider]":
    """Return who may be meant where no provider is named: the one that claims such names, then the model's maker.

    A host of open models is never guessed: the same name costs something else at each, and nothing at home.
    """
    claimed = [p for p in providers if p.model_match is not None and p.model_match.is_match(name)]
    makers = sorted((p for p in providers if p.id in OWNERS), key=lambda p: OWNERS.index(p.id))
    return claimed[:1] + [p for p in makers if any(m.is_match(name) for m in p.models)]


def warm() -> None:
    """Load the price table now rather than in the first request that needs it."""
    _model("gpt-4o", None)


def _priced_row(model: str | None, provider: str | None, at: datetime | None, tokens: Tokens) -> Row | None:
    """Return the row that prices this call, or None: no model, no tokens, or no price."""
    if not model or not (tokens.input or tokens.output):
        return None
    found = _model(model, provider)
    return None if found is None else found.row(at or datetime.now(UTC))


def cost(model: str | None, provider: str | None, at: datetime | None, tokens: Tokens) -> Priced:
    """Return what a call at that time costs by the built-in table; `provider` None infers it from the model's name.

    Where only one of input and output is known, what is known is priced; such usage is marked as an estimate.
    """
    row = _priced_row(model, provider, at, tokens)
    if row is None:
        return UNKNOWN
    return Priced(amount(row, tokens), row.ref)


def amount(row: Row, tokens: Tokens) -> Decimal:
    """Return tokens × rates in USD, rounded to what Run.cost holds."""
    given, output = tokens.input or 0, tokens.output or 0
    read, write, reasoning = tokens.cache_read or 0, tokens.cache_write or 0, tokens.reasoning or 0
    rates = row.at(given)
    total = rates.plain * (given - read - write) + rates.output * (output - reasoning) + rates.call
    if read or write:
        total += rates.cache_read * read + rates.cache_write * write
    if reasoning:
        total += rates.reasoning * reasoning
    return total.quantize(QUANTUM)


def explain(
    model: str | None,
    provider: str | None,
    at: datetime | None,
    tokens: Tokens,
    *,
    raw: Mapping[str, Any] | None = None,
    runtime: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Explanation:
    """Return how `cost` arrives at its amount; with the usage as sent (`raw`), also how that was read."""
    read_as = convention(raw, runtime=runtime, model=model, metadata=metadata) if raw else None
    said = read_as.value if read_as else None
    row = _priced_row(model, provider, at, tokens)
    warnings = list(_warnings(model, tokens, priced=row is not None))
    if row is None:
        return Explanation([], None, None, said, warnings)
    rates = row.at(tokens.input or 0)
    reasoning, write, read = tokens.reasoning or 0, tokens.cache_write or 0, tokens.cache_read or 0
    classes = [
        ("Input", (tokens.input or 0) - read - write, rates.plain),
        ("Cache read", read, rates.cache_read),
        ("Cache write", write, rates.cache_write),
        ("Output", (tokens.output or 0) - reasoning, rates.output),
        ("Reasoning", reasoning, rates.reasoning),
    ]
    lines = [Line(label, count, (rate * MILLION).normalize(), rate * count) for label, count, rate in classes if count]
    if rates.call:
        lines.append(Line("Call", 1, (rates.call * MILLION).normalize(), rates.call))
    passed = bisect_left(row.thresholds, tokens.input or 0)
    if passed:
        warnings.append(f"The input is above {row.thresholds[passed - 1]} tokens, where the higher price applies.")
    return Explanation(lines, amount(row, tokens), row.ref, said, warnings)


def _warnings(model: str | None, tokens: Tokens, *, priced: bool) -> Iterator[str]:
    """Yield what a reader of the cost must know about its exactness."""
    if tokens.estimated:
        yield "The token counts are an estimate, and so is the cost."
    if tokens.input is None and tokens.output is not None:
        yield "The input tokens were not reported: the cost covers the output only."
    if not (tokens.input or tokens.output):
        yield "No tokens were reported, so the cost is unknown."
    elif not priced:
        yield f"No price is known for {model}, so the cost is unknown." if model else "The run names no model."
