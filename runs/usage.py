"""Token counts of every source in one convention (DESIGN.md rule 11). Pure: no Django.

`input` includes cached tokens and `output` includes reasoning, as OpenAI and OTLP count; sources that count otherwise
are recognised here, and only here.
"""

import enum
from collections.abc import Mapping
from typing import Any

import msgspec

COUNT_LIMIT = 2**31 - 1  # what Run's token columns hold


class Tokens(msgspec.Struct, frozen=True, gc=False):
    """Token counts by class. `input` includes cache reads and writes, `output` includes reasoning; None is unknown."""

    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None
    estimated: bool = False


class Convention(enum.Enum):
    """How a source counts; the value is the sentence shown under "Why this cost?"."""

    INCLUDES_CACHED = "The reported input count includes cached tokens."
    EXCLUDES_CACHED = "The reported input count leaves out cached tokens; they were added to it."
    STREAMED = "The SDK counted the chunks of a stream: an estimate of the output, and the input is not known."
    TOTAL_ONLY = "Only a total was reported; what is not output is counted as input."


NO_TOKENS = Tokens()

# Spellings of each class, over the SDKs, frameworks and providers' raw answers that reach us.
_SPELLINGS = {
    "input": "prompt promptTokens prompt_tokens input inputTokens input_tokens promptTokenCount prompt_token_count "
    "inputTokenCount input_token_count",
    "output": "completion completionTokens completion_tokens output outputTokens output_tokens candidatesTokenCount "
    "candidates_token_count generatedTokenCount generated_token_count",
    "cached": "promptCached prompt_cached cachedPrompt cached cachedTokens cached_tokens cachedInputTokens "
    "cached_input_tokens cachedContentTokenCount cached_content_token_count promptTokensCached prompt_tokens_cached",
    "cache_read": "cacheRead cache_read cacheReadTokens cache_read_tokens cacheReadInputTokens cache_read_input_tokens",
    "cache_write": "cacheWrite cache_write cacheWriteTokens cache_write_tokens cacheCreationInputTokens "
    "cache_creation_input_tokens cacheWriteInputTokens cache_write_input_tokens",
    "reasoning": "reasoning reasoningTokens reasoning_tokens thoughtsTokenCount thoughts_token_count",
    "total": "total totalTokens total_tokens totalTokenCount total_token_count",
}
_CLASS_OF = {spelling: name for name, words in _SPELLINGS.items() for spelling in words.split()}
_DETAILS = {
    "prompt_tokens_details": {"cached_tokens": "cached", "cache_creation_tokens": "cache_write"},
    "input_tokens_details": {"cached_tokens": "cached"},
    "inputTokenDetails": {"cacheReadTokens": "cache_read", "cacheWriteTokens": "cache_write"},
    "input_token_details": {"cache_read": "cache_read", "cache_creation": "cache_write"},
    "completion_tokens_details": {"reasoning_tokens": "reasoning"},
    "output_tokens_details": {"reasoning_tokens": "reasoning"},
    "outputTokenDetails": {"reasoningTokens": "reasoning"},
    "output_token_details": {"reasoning": "reasoning"},
}
# Anthropic's own spellings: beside them, "input" leaves cached tokens out (also in Gemini's thoughts, for output).
_ANTHROPIC_KEYS = ("cache_creation_input_tokens", "cache_read_input_tokens")
_METADATA_WRITE, _METADATA_READ = "cacheCreationInputTokens", "cacheReadInputTokens"
_GEMINI_THOUGHTS = ("thoughtsTokenCount", "thoughts_token_count")


def _count(value: Any) -> int | None:
    """Return a token count, or None for anything that is not one (negative, NaN, text, too large for the column)."""
    if type(value) is int:
        return value if 0 <= value <= COUNT_LIMIT else None
    if isinstance(value, str) and len(value) <= 20:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, float) and 0 <= value <= COUNT_LIMIT:  # false for NaN
        return round(value)
    return None


def _read(raw: Mapping[str, Any]) -> dict[str, int]:
    """Return the counts found in `raw` by class name, whatever their spelling; nested details included."""
    found: dict[str, int] = {}
    for key, value in raw.items():
        name = _CLASS_OF.get(key)
        if name is not None:
            count = _count(value)
            if count is not None:
                found.setdefault(name, count)
        elif key in _DETAILS and isinstance(value, Mapping):
            for spelling, inner in _DETAILS[key].items():
                count = _count(value.get(spelling))
                if count is not None:
                    found.setdefault(inner, count)
    return found


def _excludes_cached(raw: Mapping[str, Any], runtime: str | None, model: str | None, cached: int, given: int) -> bool:
    """Say whether the source's input count leaves its cached tokens out."""
    if cached > given:  # a part can't exceed its whole, so it is no part of it
        return True
    if any(key in raw for key in _ANTHROPIC_KEYS):
        return True
    return runtime == "lunary-py" and "claude" in (model or "").lower()


def _cache_split(counts: dict[str, int], metadata: Mapping[str, Any] | None) -> tuple[int | None, int | None, bool]:
    """Return cache reads, cache writes, and whether Lunary's Anthropic wrapper told them apart in the metadata."""
    if isinstance(metadata, Mapping) and (_METADATA_WRITE in metadata or _METADATA_READ in metadata):
        read, write = _count(metadata.get(_METADATA_READ)), _count(metadata.get(_METADATA_WRITE))
        if read is not None or write is not None:
            return read, write, True
    read = counts.get("cache_read")
    write = counts.get("cache_write")
    if read is None and "cached" in counts:
        read = counts["cached"]
    return read, write, False


def _convention(
    raw: Mapping[str, Any],
    counts: dict[str, int],
    runtime: str | None,
    model: str | None,
    metadata: Mapping[str, Any] | None,
) -> Convention | None:
    """Return how this usage counts; None where it reports nothing."""
    if "input" not in counts:
        if "total" in counts:
            return Convention.TOTAL_ONLY
        return Convention.STREAMED if "output" in counts else None
    read, write, from_wrapper = _cache_split(counts, metadata)
    cached = (read or 0) + (write or 0)
    if cached and (from_wrapper or _excludes_cached(raw, runtime, model, cached, counts["input"])):
        return Convention.EXCLUDES_CACHED
    return Convention.INCLUDES_CACHED


def normalise_usage(
    raw: Mapping[str, Any] | None,
    *,
    runtime: str | None = None,
    model: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    streamed: bool | None = None,
) -> Tokens:
    """Return the usage a client sent in our convention (rule 11); it never raises, whatever is in `raw`.

    `metadata` is the event's own: Lunary's Python wrapper of Anthropic tells cache reads and writes apart only there.
    An output count that comes without any input count is an estimate: Lunary's SDKs count a stream's chunks so.
    """
    if not raw or not isinstance(raw, Mapping):
        return NO_TOKENS
    given, output, cached = raw.get("prompt"), raw.get("completion"), raw.get("promptCached")
    if not cached and type(given) is int and type(output) is int and len(raw) <= 3:  # nearly all that SDKs send
        known = len(raw) == 2 + ("promptCached" in raw) and 0 < given <= COUNT_LIMIT and 0 <= output <= COUNT_LIMIT
        if known:
            return Tokens(given, cached, None, output)
    counts = _read(raw)
    if streamed and counts.get("input") == 0:
        del counts["input"]
    return _normalise(raw, counts, runtime, model, metadata)


def _normalise(
    raw: Mapping[str, Any],
    counts: dict[str, int],
    runtime: str | None,
    model: str | None,
    metadata: Mapping[str, Any] | None,
) -> Tokens:
    """Return the counts in our convention, each class no larger than what it is a part of."""
    convention = _convention(raw, counts, runtime, model, metadata)
    output, reasoning = _output(raw, counts)
    if convention is Convention.TOTAL_ONLY:
        known = max(counts["total"] - (output or 0), 0)
        return Tokens(known, None, None, output, reasoning, estimated=True)
    if convention is None or convention is Convention.STREAMED:
        return Tokens(None, None, None, output, reasoning, estimated=output is not None)
    read, write, _ = _cache_split(counts, metadata)
    total = counts["input"]
    if convention is Convention.EXCLUDES_CACHED:
        total = min(total + (read or 0) + (write or 0), COUNT_LIMIT)
    if read is not None:
        read = min(read, total)
    if write is not None:
        write = min(write, total - (read or 0))
    return Tokens(total, read, write, output, reasoning)


def _output(raw: Mapping[str, Any], counts: dict[str, int]) -> tuple[int | None, int | None]:
    """Return output including reasoning, and reasoning; Gemini reports its thoughts beside the answer."""
    output, reasoning = counts.get("output"), counts.get("reasoning")
    if output is not None and reasoning and (reasoning > output or any(key in raw for key in _GEMINI_THOUGHTS)):
        output = min(output + reasoning, COUNT_LIMIT)
    if reasoning is not None:
        reasoning = min(reasoning, output) if output is not None else None
    return output, reasoning


def convention(
    raw: Mapping[str, Any], *, runtime: str | None, model: str | None, metadata: Mapping[str, Any] | None
) -> Convention | None:
    """Return how usage as sent counts, for "Why this cost?"; None where it reports nothing."""
    return _convention(raw, _read(raw), runtime, model, metadata)
