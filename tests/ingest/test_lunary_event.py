"""One event's fields, in every form that clients send them (lunary-protocol.md §2.5)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.events import Kind
from ingest.lunary_event import micros
from tests.ingest.events import AT, RECEIVED, RUN, SENT, decoded, run


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (SENT, AT),
        ("2026-11-21T16:06:29.684069Z", AT),
        ("2026-11-21T17:06:29.684069+01:00", AT),
        ("2026-11-21T16:06:29.684069", AT),
        ("2026-11-21 16:06:29.684069", AT),
        (1_795_277_189, 1_795_277_189_000_000),
        (1_795_277_189.5, 1_795_277_189_500_000),
        (1_795_277_189_684, 1_795_277_189_684_000),
        (1_795_277_189_684_069, AT),
        (1_795_277_189_684_069_000, AT),
        ("1795277189684", 1_795_277_189_684_000),
        ("Sat, 21 Nov 2026 16:06:29 GMT", 1_795_277_189_000_000),
        ("Sat Nov 21 2026 16:06:29 GMT+0000 (Coordinated Universal Time)", 1_795_277_189_000_000),
        ("Sat Nov 21 2026 17:06:29 GMT+0100 (CET)", 1_795_277_189_000_000),
        ("Nov 21, 2026 16:06:29", 1_795_277_189_000_000),
        ("2026/11/21 16:06:29", 1_795_277_189_000_000),
        ("2026-11-21", 1_795_219_200_000_000),
        (None, RECEIVED),
        ("soon", RECEIVED),
        ("", RECEIVED),
        (0, RECEIVED),
        (-5, RECEIVED),
        (True, RECEIVED),
        ([], RECEIVED),
        ("0001-01-01T00:00:00Z", RECEIVED),
        ("9999-12-31T23:59:59Z", RECEIVED),
        (1e300, RECEIVED),
    ],
)
def test_times_in_any_form(sent: Any, expected: int) -> None:
    assert run(timestamp=sent).at == expected


def test_a_missing_time_is_when_it_was_received() -> None:
    made = decoded({"type": None, "event": "feedback", "runId": RUN, "feedback": {"thumb": "up"}})
    assert made.groups[None].batch.feedback[0].at == RECEIVED
    assert made.groups[None].newest_at is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"userId": "u"}, "u"),
        ({"userId": 7}, "7"),
        ({"userId": 7.0}, "7"),
        ({"userId": 12345678901234567890}, "12345678901234567890"),
        ({"userId": ""}, None),
        ({"userId": None}, None),
        ({"userId": True}, None),
        ({"userId": {"id": 1}}, None),
    ],
)
def test_users_in_any_form(fields: dict[str, Any], expected: str | None) -> None:
    assert run(**fields).user_id == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"tags": ["a", "b"]}, ("a", "b")),
        ({"tags": "a"}, ("a",)),
        ({"tags": ["a", 7, None, {}]}, ("a", "7")),
        ({"tags": []}, None),
        ({"tags": None}, None),
        ({"tags": {"a": 1}}, None),
        ({"metadata": {"tags": ["m"]}}, ("m",)),
        ({"metadata": {"tags": "m"}}, ("m",)),
        ({"tags": ["a"], "metadata": {"tags": ["m"]}}, ("a",)),
    ],
)
def test_tags_in_any_form(fields: dict[str, Any], expected: tuple[str, ...] | None) -> None:
    assert run(**fields).tags == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"templateVersionId": 3, "templateId": 4}, "3"),
        ({"templateId": "4"}, "4"),
        ({"metadata": {"templateVersionId": 5}}, "5"),
        ({"metadata": {"template_id": "6"}}, "6"),
        ({"templateId": {}}, None),
        ({}, None),
    ],
)
def test_template_ids_are_text(fields: dict[str, Any], expected: str | None) -> None:
    assert run(**fields).template_id == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"params": {"a": 1}, "extra": {"b": 2}}, '{"a": 1}'),
        ({"params": None, "extra": {"b": 2}}, '{"b": 2}'),
        ({"extra": {"b": 2}}, '{"b": 2}'),
        ({"params": {}}, "{}"),
        ({"params": "temperature=0"}, '"temperature=0"'),
        ({}, None),
    ],
)
def test_params_are_called_extra_in_old_sdks(fields: dict[str, Any], expected: str | None) -> None:
    assert run(**fields).params == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, None),
        (None, None),
        ({"a": 1}, '{"a": 1}'),
        ("x", '{"value":"x"}'),
        ([1], '{"value":[1]}'),
        (0, '{"value":0}'),
    ],
)
def test_metadata_is_an_object_that_says_something(sent: Any, expected: str | None) -> None:
    assert run(metadata=sent).metadata == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"message": "no", "stack": "Error: no"}, '{"message": "no", "stack": "Error: no"}'),
        ({"stack": "Traceback"}, '{"stack": "Traceback"}'),
        ({}, "{}"),
        ("timeout", '"timeout"'),
        (None, None),
    ],
)
def test_errors_in_any_form(sent: Any, expected: str | None) -> None:
    made = run(event="error", error=sent)
    assert (made.kind, made.error) == (Kind.ERROR, expected)


@pytest.mark.parametrize(("sent", "kept"), [(False, "false"), (0, "0"), ("", '""'), ([], "[]"), (None, None)])
def test_any_output_stays_what_it_is(sent: Any, kept: str | None) -> None:
    assert run(event="end", output=sent).output == kept


def test_an_end_that_carries_an_error_is_an_error() -> None:
    assert run(event="end", error={"message": "no"}).kind is Kind.ERROR
    assert run(event="end", error={}).kind is Kind.END


@pytest.mark.parametrize(
    ("sent", "kept"), [("gpt-4o", "gpt-4o"), ("models/x", "x"), (7, None), ("", None), (None, None)]
)
def test_names_are_text(sent: Any, kept: str | None) -> None:
    assert run(name=sent).name == kept


@pytest.mark.parametrize("parent", [None, "", "None", RUN, RUN.upper(), 7])
def test_what_is_no_parent(parent: Any) -> None:
    assert run(parentRunId=parent).parent_id is None


def test_long_names_are_cut_to_what_an_index_holds() -> None:
    made = run(name="n" * 9999, userId="u" * 9999, tags=["t" * 9999], type="x" * 9999)
    assert max(len(made.name or ""), len(made.user_id or ""), len((made.tags or ("",))[0]), len(made.type or "")) == 255


def test_streamed_usage_counts_chunks_and_is_an_estimate() -> None:
    made = run(event="end", tokensUsage={"completion": 7, "prompt": None})
    assert made.usage is not None
    assert (made.usage.input, made.usage.output, made.usage.estimated) == (None, 7, True)
    assert made.usage_text == '{"completion": 7, "prompt": null}'


def test_usage_of_the_anthropic_wrapper_leaves_cached_tokens_out() -> None:
    made = run(
        event="end",
        name="claude-sonnet-4-5",
        runtime="lunary-py",
        tokensUsage={"prompt": 18, "completion": 9, "promptCached": 1500},
        metadata={"messageId": "msg_1", "cacheCreationInputTokens": 300, "cacheReadInputTokens": 1200},
    )
    assert made.usage is not None
    assert (made.usage.input, made.usage.cache_read, made.usage.cache_write, made.usage.output) == (1518, 1200, 300, 9)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1)))  # noqa: DTZ001 - the zone follows
def test_every_microsecond_survives(moment: datetime) -> None:
    at = micros(moment.replace(tzinfo=UTC))
    assert at is not None
    assert datetime(1970, 1, 1) + timedelta(microseconds=at) == moment  # noqa: DTZ001
