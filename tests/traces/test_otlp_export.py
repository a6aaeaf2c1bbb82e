"""What an export of spans holds: OTLP's own encoding, and the same runs again when it is read by the intake's rules."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import make
from tests.traces.conftest import Site
from tests.traces.forests import relaxed
from tests.traces.otlp_reading import checked, run_of, value_of
from traces import otlp_export
from traces.otlp_export import LogLine, Rating, SpanSource, readable, resource, span
from traces.otlp_values import SpanIds, any_value, nanoseconds, plain, trace_id

NOBODY = UUID(int=1)
TRACE = UUID(int=7)
texts = st.text(st.characters(exclude_characters="\x00"), max_size=20)
numbers = st.one_of(
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([0, -1, 2**63, 2**63 - 1, -(2**63), 10**40]),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


def is_unicode(value: Any) -> bool:
    """Tell whether no text of it holds half a surrogate pair, which becomes U+FFFD on the way out."""
    return "\\ud" not in json.dumps(value) or plain(held := json.dumps(value, ensure_ascii=False)) == held


payloads = st.one_of(st.none(), json_values.map(json.dumps), texts, st.just("[" * 5_000 + "]" * 5_000))
counts = st.one_of(st.none(), st.integers(0, 2**31 - 1))
ids = st.uuids()


@st.composite
def sources(draw: st.DrawFn) -> SpanSource:
    """Any run at all, also such as only a broken client would send."""
    ended = draw(st.one_of(st.none(), st.integers(-(2**40), 2**52)))
    values = {
        "id": draw(ids),
        "trace_id": draw(ids),
        "parent_id": draw(st.one_of(st.none(), ids)),
        "is_top": draw(st.booleans()),
        "type": draw(st.sampled_from([*otlp_export.OPERATIONS, "span", "custom-event", "odd ✓"])),
        "name": draw(st.one_of(st.none(), texts)),
        "status": draw(st.sampled_from(["started", "success", "error"])),
        "started_us": draw(st.integers(-(2**40), 2**52)),
        "ended_us": ended,
        **{field: draw(payloads) for field in ("input", "output", "error", "params", "metadata")},
        **{f"{name}_tokens": draw(counts) for name in ("input", "cache_read", "cache_write", "output", "reasoning")},
        "estimated": draw(st.booleans()),
        "cost": draw(st.one_of(st.none(), st.decimals(0, 10**9, places=10))),
        "user_id": draw(st.one_of(st.none(), texts)),
        "user_props": draw(st.one_of(st.none(), st.dictionaries(texts, json_values, max_size=3))),
        "team_id": draw(st.one_of(st.none(), texts)),
        "thread_id": draw(st.one_of(st.none(), ids)),
        "tags": tuple(draw(st.lists(texts, max_size=3))),
        "feedback": draw(st.one_of(st.none(), st.dictionaries(texts.filter(bool), json_values, max_size=3))),
        "scores": tuple(
            draw(st.lists(st.builds(Rating, st.integers(0, 2**50), texts, json_values, texts), max_size=2))
        ),
        "logs": tuple(draw(st.lists(st.builds(LogLine, st.integers(0, 2**50), texts, texts, payloads), max_size=2))),
    }
    return SpanSource(**values)


def source(**values: Any) -> SpanSource:
    """Return a model call of 250 ms, beneath the root of its trace."""
    payloads: dict[str, Any] = {
        key: json.dumps(values.pop(key), ensure_ascii=False)
        for key in ("input", "output", "error", "params", "metadata")
        if key in values
    }
    usual: dict[str, Any] = {"id": UUID(int=8), "trace_id": TRACE, "parent_id": TRACE, "type": "llm", "name": "gpt-4o"}
    times: dict[str, Any] = {
        "status": "success",
        "started_us": 1_795_279_012_245_633,
        "ended_us": 1_795_279_012_495_633,
    }
    return SpanSource(**(usual | times | payloads | values))


def exported(*runs: SpanSource) -> list[dict[str, Any]]:
    """Return the runs' spans as a reader has them: written as JSON, read, checked."""
    made = [span(run, SpanIds(one.id for one in runs)) for run in runs]
    scopes = [{"scope": {"name": "x"}, "spans": made}]
    request = {"resourceSpans": [{"resource": resource("shop", NOBODY, TRACE), "scopeSpans": scopes}]}
    return checked(json.loads(json.dumps(request, allow_nan=False).encode()))


def read_back(run: SpanSource) -> dict[str, Any]:
    (told,) = exported(run)
    return run_of(told)


@relaxed
@given(sources())
def test_whatever_a_run_holds_its_span_is_valid(run: SpanSource) -> None:
    (told,) = exported(run)
    json.dumps(told, ensure_ascii=False).encode()  # no half surrogate pair is left
    again = run_of(told)
    assert again["type"] == (run.type if run.type in otlp_export.OPERATIONS else "span")
    assert again["name"] == (run.name or run.type)
    assert again["status"] == ("error" if run.status == "error" else "success")
    assert again["started_ns"] == max(run.started_us, 0) * 1000
    assert again["user"] == run.user_id
    if run.type in otlp_export.MODELS:
        figures = ("input", "output", "cache_read", "cache_write", "reasoning")
        assert list(again["tokens"].values()) == [getattr(run, f"{name}_tokens") for name in figures]


@relaxed
@given(json_values.filter(is_unicode), st.sampled_from(["tool", "retriever", "embed", "span", "llm", "agent"]))
def test_payloads_that_are_no_messages_come_back_the_same(value: Any, type: str) -> None:
    again = read_back(source(type=type, input=value, output=value))
    expected = json.loads(json.dumps(value))
    for said in (again["input"], again["output"]):
        assert json.dumps(said) == json.dumps(expected)  # as text, for NaN is not equal to itself


@pytest.mark.parametrize("text", ["hello", "", " ", "12", "null", '{"a": 1}', '"quoted"', "Ünï 🙂", "[not json"])
def test_texts_stay_texts_even_where_they_look_like_something_else(text: str) -> None:
    again = read_back(source(type="tool", input=text, output=text))
    assert again["input"] == again["output"] == text


def test_a_text_by_itself_has_no_quotes() -> None:
    assert readable('"hello"') == "hello"
    assert readable('"12"') == '"12"'
    assert readable('{"a": 1}') == '{"a": 1}'
    assert readable("not json") == "not json"


def test_parents_root_and_ids() -> None:
    root = source(id=TRACE, parent_id=UUID(int=99), type="agent", name="claims")  # its parent is a chat
    child = source()
    orphan = source(id=UUID(int=10), parent_id=UUID(int=11))
    made = exported(root, child, orphan)
    assert {one["traceId"] for one in made} == {TRACE.hex}
    assert "parentSpanId" not in made[0]
    assert made[1]["parentSpanId"] == made[0]["spanId"]
    assert made[2]["parentSpanId"] not in {one["spanId"] for one in made}
    found = {pair["key"]: value_of(pair["value"]) for pair in made[2]["attributes"]}
    assert found["lunary.run.id"] == str(UUID(int=10))
    assert found["lunary.run.parent_id"] == str(UUID(int=11))


@given(st.sets(ids, min_size=1, max_size=50))
def test_span_ids_depend_on_the_trace_alone(runs: set[UUID]) -> None:
    one, other = SpanIds(sorted(runs)), SpanIds(sorted(runs, reverse=True))
    assert {run: one.of(run) for run in runs} == {run: other.of(run) for run in runs}
    assert len({one.of(run) for run in runs}) == len(runs)


def test_runs_whose_digests_meet_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traces.otlp_values._digest", lambda run, salt=0: bytes([1 + run.int % 2, salt] * 4))
    runs = [UUID(int=number) for number in range(6)]
    made = SpanIds(runs)
    assert len({made.of(run) for run in runs}) == 6
    backwards = SpanIds(reversed(runs))
    assert [made.of(run) for run in runs] == [backwards.of(run) for run in runs]


def test_no_id_is_all_zeros() -> None:
    assert int(trace_id(UUID(int=0)), 16)
    assert nanoseconds(-5) == "0"


def test_a_model_call_has_the_conventions_words() -> None:
    run = source(
        input=[{"role": "user", "content": "How tall is K2?"}],
        output={"role": "assistant", "content": "8611 m"},
        params={"temperature": 0.5, "max_tokens": 100, "stream": True, "tools": [{"type": "function"}]},
        metadata={"provider": "openai", "finishReason": "stop", "responseModel": "gpt-4o-2024", "plan": {"seats": 3}},
        input_tokens=1200,
        cache_read_tokens=1000,
        output_tokens=5,
        cost=Decimal("0.00125"),
        user_id="ines",
        user_props={"name": "Inès"},
        thread_id=UUID(int=5),
        tags=("beta",),
        template_id="7",
    )
    (told,) = exported(run)
    found = {pair["key"]: value_of(pair["value"]) for pair in told["attributes"]}
    assert told["name"] == "chat gpt-4o"
    assert told["kind"] == 3
    assert told["startTimeUnixNano"] == "1795279012245633000"
    assert told["endTimeUnixNano"] == "1795279012495633000"
    assert told["status"] == {"code": 1}
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.provider.name": "openai",
        "gen_ai.response.model": "gpt-4o-2024",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.cache_read.input_tokens": 1000,
        "gen_ai.usage.cost": 0.00125,
        "lunary.metadata.plan": {"seats": 3},
    }
    assert {key: found[key] for key in expected} == expected
    assert json.loads(found["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "How tall is K2?"}]}
    ]
    again = run_of(told)
    assert again["input"] == [{"role": "user", "content": "How tall is K2?"}]
    assert again["output"] == [{"role": "assistant", "content": "8611 m"}]
    assert again["params"] == {"temperature": 0.5, "max_tokens": 100, "stream": True, "tools": [{"type": "function"}]}
    assert again["duration_ns"] == 250_000_000
    assert (again["user"], again["props"], again["thread"]) == ("ines", {"name": "Inès"}, str(UUID(int=5)))
    assert (again["tags"], again["template"], again["cost"]) == (["beta"], "7", 0.00125)


def test_what_is_no_model_call_reports_no_tokens() -> None:
    again = read_back(source(type="agent", name="claims", input_tokens=5, output_tokens=6))
    assert again["tokens"] == {}


def test_plain_spans_stay_plain() -> None:
    texts = {"input": [{"role": "user", "content": "x"}], "params": {"temperature": 1}, "metadata": {"provider": "p"}}
    (told,) = exported(source(type="span", name="POST /chat", **texts))
    again = run_of(told)
    assert (again["type"], again["name"]) == ("span", "POST /chat")
    assert not [pair for pair in told["attributes"] if pair["key"].startswith("gen_ai.")]


@pytest.mark.parametrize(
    ("error", "message", "stack"),
    [
        ({"message": "no quota", "stack": "at x\nat y"}, "no quota", "at x\nat y"),
        ({"message": "no quota"}, "no quota", None),
        ({"code": 503}, None, None),
        ("it broke", "it broke", None),
        ({"message": {"detail": 1}}, None, None),
        (None, "null", None),
    ],
)
def test_errors_are_a_status_and_an_exception(error: Any, message: str | None, stack: str | None) -> None:
    (told,) = exported(source(status="error", error=error))
    assert told["status"] == ({"code": 2, "message": message} if message else {"code": 2})
    assert run_of(told)["error"] == {"message": message, "stack": stack}
    (event,) = told["events"]
    known = {"message", "stack"}
    if isinstance(error, dict) and (set(error) - known or not isinstance(error["message"], str)):
        attributes = {pair["key"]: value_of(pair["value"]) for pair in event["attributes"]}
        assert json.loads(attributes["lunary.error"]) == error


def test_a_run_that_has_not_ended_says_so() -> None:
    (told,) = exported(source(status="started", ended_us=None))
    found = {pair["key"]: value_of(pair["value"]) for pair in told["attributes"]}
    assert "endTimeUnixNano" not in told
    assert found["lunary.run.status"] == "started"
    assert told["status"] == {"code": 0}


def test_logs_scores_and_feedback_are_events() -> None:
    run = source(
        logs=(LogLine(10, "info", "looked it up", '{"hits": 3}'),),
        scores=(Rating(20, "tone", 0.5, "calm"), Rating(21, "safe", value=True)),
        feedback={"thumb": "up"},
    )
    (told,) = exported(run)
    assert [event["name"] for event in told["events"]] == [
        "log",
        "gen_ai.evaluation.result",
        "gen_ai.evaluation.result",
        "lunary.feedback",
    ]
    assert told["events"][0]["timeUnixNano"] == "10000"
    told_of = [{pair["key"]: value_of(pair["value"]) for pair in event["attributes"]} for event in told["events"]]
    assert told_of[1] == {
        "gen_ai.evaluation.name": "tone",
        "gen_ai.evaluation.score.value": 0.5,
        "gen_ai.evaluation.explanation": "calm",
    }
    assert told_of[2]["gen_ai.evaluation.score.label"] == "true"
    assert told_of[3] == {"thumb": "up"}


def test_a_team_that_is_not_in_the_metadata_is_told_at_the_top_alone() -> None:
    top = read_back(source(is_top=True, team_id="desk", metadata={"a": 1}))
    below = read_back(source(is_top=False, team_id="desk", metadata={"a": 1}))
    own = read_back(source(is_top=True, team_id="desk", metadata={"team_id": "desk"}))
    assert [one["metadata"] for one in (top, below, own)] == [{"teamId": "desk", "a": 1}, {"a": 1}, {"team_id": "desk"}]


@given(json_values.filter(is_unicode))
def test_values_come_back_but_for_numbers_no_field_holds(value: Any) -> None:
    again = value_of(any_value(json.loads(json.dumps(value))))
    held = json.dumps(value)
    if "NaN" not in held and "Infinity" not in held and not any(len(word) > 18 for word in held.split()):
        assert again == json.loads(held)


def test_values_nested_beyond_reason_are_text_from_there_on() -> None:
    value: Any = "the bottom"
    for _ in range(40):
        value = [value]
    (told,) = exported(source(metadata={"deep": value}))
    assert "the bottom" in json.dumps(told)


def test_people_are_introduced_once(site: Site) -> None:
    root = make.run(site.project, "agent", name="root", user_id="ines", team_id="desk")
    make.child(root, site.project, user_id="ines", team_id="desk")
    answer = site.client().get(site.url(f"traces/{root.id}/otlp.json"))
    spans = checked(json.loads(answer.getvalue()))
    assert [run_of(one)["props"] is not None for one in spans].count(True) == 1
    assert [run_of(one)["user"] for one in spans] == ["ines", "ines"]
