"""Token counts: each source's convention (golden), and what holds for anything a client may send (hypothesis)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.usage import Convention, Tokens, convention, normalise_usage

GOLDEN: list[tuple[str, dict[str, Any], dict[str, Any], Tokens]] = [
    (
        "Lunary's Python wrapper of OpenAI includes cached tokens in prompt",
        {"prompt": 1000, "completion": 500, "promptCached": 800},
        {"runtime": "lunary-py", "model": "gpt-4o"},
        Tokens(1000, 800, None, 500),
    ),
    (
        "Lunary's JS SDK sends no cached count",
        {"completion": 7, "prompt": 11},
        {"runtime": "lunary-js", "model": "gpt-4o-mini"},
        Tokens(11, None, None, 7),
    ),
    (
        "Lunary's Python wrapper of Anthropic leaves cached tokens out and splits them in the metadata",
        {"prompt": 18, "completion": 9, "promptCached": 1500},
        {
            "runtime": "lunary-py",
            "model": "claude-sonnet-4-5",
            "metadata": {"cacheCreationInputTokens": 300, "cacheReadInputTokens": 1200},
        },
        Tokens(1518, 1200, 300, 9),
    ),
    (
        "the same wrapper where prompt is larger than what was cached",
        {"prompt": 5000, "completion": 9, "promptCached": 1500},
        {"runtime": "lunary-py", "model": "claude-sonnet-4-5", "metadata": {"cacheReadInputTokens": 1500}},
        Tokens(6500, 1500, None, 9),
    ),
    (
        "the same wrapper without its metadata is known by the model's name",
        {"prompt": 5000, "completion": 9, "promptCached": 1500},
        {"runtime": "lunary-py", "model": "claude-sonnet-4-5"},
        Tokens(6500, 1500, None, 9),
    ),
    (
        "LangChain reports Claude with cached tokens included",
        {"prompt": 5000, "completion": 9, "promptCached": 1500},
        {"runtime": "langchain-py", "model": "claude-sonnet-4-5"},
        Tokens(5000, 1500, None, 9),
    ),
    (
        "more cached than prompt can only mean that prompt leaves them out",
        {"prompt": 18, "completion": 9, "promptCached": 1500},
        {"runtime": "litellm", "model": "some-model"},
        Tokens(1518, 1500, None, 9),
    ),
    (
        "a stream's chunk count is an estimate (Python)",
        {"completion": 7, "prompt": None},
        {"runtime": "lunary-py", "model": "gpt-4o"},
        Tokens(None, None, None, 7, estimated=True),
    ),
    (
        "a stream's chunk count is an estimate (JS)",
        {"completion": 6},
        {"runtime": "lunary-js", "model": "gpt-4o"},
        Tokens(None, None, None, 6, estimated=True),
    ),
    (
        "a stream's chunk count is an estimate where the prompt is sent as 0",
        {"completion": 6, "prompt": 0},
        {"runtime": "lunary-js", "model": "gpt-4o", "streamed": True},
        Tokens(None, None, None, 6, estimated=True),
    ),
    (
        "OpenAI's own answer",
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920},
            "completion_tokens_details": {"reasoning_tokens": 256},
        },
        {"runtime": "litellm", "model": "o4-mini"},
        Tokens(2006, 1920, None, 300, 256),
    ),
    (
        "Anthropic's own answer",
        {
            "input_tokens": 50,
            "cache_creation_input_tokens": 248,
            "cache_read_input_tokens": 1800,
            "output_tokens": 503,
        },
        {"model": "claude-sonnet-4-5"},
        Tokens(2098, 1800, 248, 503),
    ),
    (
        "Gemini's own answer reports thoughts beside the answer",
        {
            "promptTokenCount": 100,
            "candidatesTokenCount": 40,
            "thoughtsTokenCount": 30,
            "cachedContentTokenCount": 60,
            "totalTokenCount": 170,
        },
        {"model": "gemini-2.5-pro"},
        Tokens(100, 60, None, 70, 30),
    ),
    (
        "watsonx's own answer",
        {"input_token_count": 31, "generated_token_count": 12},
        {"model": "granite-3-8b-instruct"},
        Tokens(31, None, None, 12),
    ),
    (
        "an embedding's total is its input",
        {"total_tokens": 64},
        {"model": "text-embedding-3-small"},
        Tokens(64, None, None, None, estimated=True),
    ),
    ("counts sent as text", {"prompt": "11", "completion": "7.0"}, {}, Tokens(11, None, None, 7)),
    ("nothing known", {"prompt": None, "completion": None, "promptCached": 0}, {}, Tokens()),
    ("nonsense", {"prompt": -5, "completion": float("nan"), "promptCached": True}, {}, Tokens()),
    ("text that is no count", {"prompt": "many", "completion": [1]}, {}, Tokens()),
    ("more than a count can be", {"prompt": 2**40, "completion": 7}, {}, Tokens(None, None, None, 7, estimated=True)),
]


@pytest.mark.parametrize(("raw", "context", "expected"), [case[1:] for case in GOLDEN], ids=[c[0] for c in GOLDEN])
def test_each_source_is_read_by_its_own_convention(
    raw: dict[str, Any], context: dict[str, Any], expected: Tokens
) -> None:
    assert normalise_usage(raw, **context) == expected


@pytest.mark.parametrize("raw", [None, {}, {"cost": 3}])
def test_no_usage_is_unknown_and_not_zero(raw: dict[str, Any] | None) -> None:
    assert normalise_usage(raw) == Tokens()


def test_the_convention_can_be_told() -> None:
    def read_as(raw: dict[str, Any]) -> Convention | None:
        return convention(raw, runtime=None, model=None, metadata=None)

    assert read_as({"prompt": 10, "completion": 2}) is Convention.INCLUDES_CACHED
    assert read_as({"input_tokens": 10, "cache_read_input_tokens": 5}) is Convention.EXCLUDES_CACHED
    assert read_as({"completion": 2}) is Convention.STREAMED
    assert read_as({"total": 12}) is Convention.TOTAL_ONLY
    assert read_as({"colour": "blue"}) is None


odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10**6),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.integers(0, 5000).map(str),
    st.lists(st.integers(), max_size=2),
)
keys = st.sampled_from(
    [
        "prompt",
        "completion",
        "promptCached",
        "total",
        "reasoning",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "promptTokenCount",
        "thoughtsTokenCount",
        "candidatesTokenCount",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cacheWrite",
        "x",
    ]
)
nested = st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens", "cache_read"]), odd, max_size=3)
usages = st.dictionaries(keys, odd, max_size=6).flatmap(
    lambda flat: st.builds(
        lambda more: {**flat, **more},
        st.dictionaries(st.sampled_from(["prompt_tokens_details", "output_tokens_details"]), nested, max_size=2),
    )
)


@given(
    raw=usages,
    runtime=st.sampled_from([None, "lunary-py", "lunary-js", "litellm"]),
    model=st.sampled_from([None, "gpt-4o", "claude-sonnet-4-5"]),
    metadata=st.one_of(
        st.none(),
        st.dictionaries(st.sampled_from(["cacheCreationInputTokens", "cacheReadInputTokens", "model"]), odd),
    ),
    streamed=st.sampled_from([None, True, False]),
)
def test_whatever_is_sent_no_class_is_negative_or_exceeds_what_it_is_part_of(
    raw: dict[str, Any], runtime: str | None, model: str | None, metadata: dict[str, Any] | None, streamed: bool | None
) -> None:
    tokens = normalise_usage(raw, runtime=runtime, model=model, metadata=metadata, streamed=streamed)
    counts = [tokens.input, tokens.cache_read, tokens.cache_write, tokens.output, tokens.reasoning]
    assert all(count is None or (type(count) is int and 0 <= count < 2**31) for count in counts)
    assert (tokens.cache_read or 0) + (tokens.cache_write or 0) <= (tokens.input or 0)
    assert (tokens.reasoning or 0) <= (tokens.output or 0)
