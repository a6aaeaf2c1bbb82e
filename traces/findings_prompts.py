"""How much of a prompt was sent before. Pure: no Django.

Providers cache the beginning of a prompt, byte for byte. So the texts of inputs are compared as they were sent: what
two of them begin with alike is about the share of the prompt that a cache could have answered for.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from runs import pricing
from runs.usage import Tokens
from traces.findings import PREFIX, Fact

NEAR: Final = 3
"""Earlier calls of the same agent and model that a prompt is compared with."""
WARM: Final = timedelta(minutes=10)
"""How long after a call a provider may be expected to still have its prompt."""
BYTES_A_TOKEN: Final = 4
"""Estimate for a call that reported no input tokens."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A model call's input. `text` may be only its beginning; `size` is all of it, in bytes."""

    position: int
    at: datetime
    text: str
    size: int
    model: str | None
    tokens: Tokens
    price_ref: str | None = None  # which price made the call's cost: names the provider


def facts(prompts: Iterable[Prompt]) -> Iterator[tuple[int, Fact]]:
    """Yield for each call of one model by one agent, given by start, what it sent again. Holds NEAR texts at a time."""
    before: deque[Prompt] = deque(maxlen=NEAR)
    for prompt in prompts:
        again = _again(prompt, before)
        if again >= PREFIX:
            yield prompt.position, Fact(prompt.size, again=again, saving=_saving(prompt, again))
        else:
            yield prompt.position, Fact(prompt.size)
        before.append(prompt)


def alike(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _again(prompt: Prompt, before: Iterable[Prompt]) -> int:
    """Return the tokens that were sent before while a cache would still have had them, and were not read from one."""
    near = [one for one in before if prompt.at - one.at <= WARM]
    most = max((alike(prompt.text, one.text) for one in near), default=0)
    if not most or not prompt.size:
        return 0
    share = min(len(prompt.text[:most].encode()) / prompt.size, 1.0)
    tokens = prompt.tokens.input if prompt.tokens.input is not None else prompt.size // BYTES_A_TOKEN
    return max(int(tokens * share) - (prompt.tokens.cache_read or 0), 0)


def _saving(prompt: Prompt, again: int) -> Decimal | None:
    """Return what reading so many tokens from the cache would have saved; None where no cheaper price is known."""
    tokens = prompt.tokens
    given, read, write = tokens.input, tokens.cache_read or 0, tokens.cache_write or 0
    if given is None:
        return None
    cached = Tokens(
        input=given,
        cache_read=min(read + again, given),
        cache_write=min(write, max(given - read - again, 0)),
        output=tokens.output,
        reasoning=tokens.reasoning,
    )
    provider = _provider(prompt.price_ref)
    paid, cheaper = (pricing.cost(prompt.model, provider, prompt.at, one).amount for one in (tokens, cached))
    return paid - cheaper if paid is not None and cheaper is not None and paid > cheaper else None


def _provider(price_ref: str | None) -> str | None:
    """Return the provider of a price: anthropic of "genai-prices 0.2.3: anthropic/claude-sonnet-4-5"."""
    head, _, _ = (price_ref or "").rpartition(": ")[2].partition("/")
    return head or None
