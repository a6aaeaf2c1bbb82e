"""Lunary's events as they are really sent become the shapes that are stored (lunary-protocol.md §2.5 to §2.7)."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import lunary
from ingest.events import Kind, RunEvent
from ingest.lunary_event import Event
from runs.ids import run_id
from tests.ingest.events import AT, RECEIVED, RUN, SENT, batch, decoded
from tests.ingest.test_jsonclean import VALUES

CORPUS = Path(__file__).parent.parent / "corpus"
ENVELOPE_KEYS = [field.encode_name for field in msgspec.structs.fields(Event)]


def test_a_start_carries_its_payloads_byte_for_byte() -> None:
    body = (
        b'{"events":[{"event":"start","type":"llm","name":"models/gemini-2.5-pro","runId":"custom-id",'
        b'"parentRunId":"None","timestamp":1795277189684,"userId":42,"userProps":{"lang":"en"},"tags":"a",'
        b'"input":[ {"tool_call_id" : 1.50,"content":"\\u00e9"} ],"metadata":{"b":1,"a":{"c":null}},'
        b'"params":{"max_tokens":5},"templateVersionId":4711,"runtime":"lunary-js"}]}'
    )
    made = lunary.decode(body, RECEIVED).groups[None].batch
    assert made.runs == [
        RunEvent(
            kind=Kind.START,
            run_id="38333a2f-90ef-4178-ace7-f35451a5e52c",
            at=1_795_277_189_684_000,
            type="llm",
            name="gemini-2.5-pro",
            user_id="42",
            tags=("a",),
            metadata='{"b":1,"a":{"c":null}}',
            input='[ {"tool_call_id" : 1.50,"content":"\\u00e9"} ]',
            params='{"max_tokens":5}',
            template_id="4711",
            runtime="lunary-js",
        )
    ]
    assert [(user.user_id, user.props) for user in made.users] == [("42", {"lang": "en"})]


@pytest.mark.parametrize("style", ["camel", "snake", "kebab"])
def test_envelope_keys_come_in_any_spelling_and_payload_keys_stay(style: str) -> None:
    def spelled(key: str) -> str:
        words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in key).split()
        return key if style == "camel" else {"snake": "_", "kebab": "-"}[style].join(words)

    event = {
        "event": "end",
        "type": "llm",
        "runId": RUN,
        "parentRunId": "p",
        "timestamp": SENT,
        "userId": "u",
        "userProps": {"my_key": 1},
        "threadTags": ["x"],
        "tokensUsage": {"prompt": 3, "completion": 4},
        "output": {"tool_calls": [], "toolCalls": 1, "my-key": None},
        "templateId": "12",
    }
    made = batch({spelled(key): value for key, value in event.items()})
    end = made.runs[0]
    assert end.output == json.dumps(event["output"])
    assert (end.parent_id, end.user_id, end.template_id, end.at) == (run_id("p"), "u", "12", AT)
    assert end.usage is not None
    assert (end.usage.input, end.usage.output) == (3, 4)
    assert made.users[0].props == {"my_key": 1}


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "llm", "event": "stream", "runId": RUN}, "unknown-event"),
        ({"type": "llm", "runId": RUN}, "unknown-event"),
        ({"type": "llm", "event": "start"}, "no-run-id"),
        ({"type": "llm", "event": "start", "runId": ""}, "no-run-id"),
        ({"type": "llm", "event": "start", "runId": 7}, "no-run-id"),
        ({"type": "thread", "event": "chat", "runId": "m", "message": {}}, "message-without-thread"),
        ({"type": "thread", "event": "chat", "runId": "m", "parentRunId": "t"}, "no-message"),
        ({"type": "thread", "event": "chat", "runId": "m", "parentRunId": "t", "message": [1]}, "no-message"),
        ({"event": "feedback", "runId": RUN}, "no-feedback"),
        ({"event": "feedback", "runId": RUN, "feedback": "up"}, "no-feedback"),
        ({"type": "log", "event": "info", "message": "x"}, "log-without-run"),
        ([], "not-an-event"),
        ("x", "not-an-event"),
        (None, "not-an-event"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_raw_text(event: Any, code: str) -> None:
    made = decoded(event)
    (refusal,) = made.groups[None].batch.refusals
    assert refusal.code == code
    assert json.loads(refusal.event) == event
    assert made.results[0].success is False
    assert made.results[0].error == refusal.reason
    assert not lunary.standalone_tools(made.groups[None])


def test_lists_among_the_events_are_opened_and_each_event_is_answered() -> None:
    one, two, three = ({"type": "llm", "event": "start", "runId": name} for name in ("one", "two", "three"))
    made = decoded([one, [two]], [[three, "x"]], one)
    assert [(result.id, result.success) for result in made.results] == [
        ("one", True), ("two", True), ("three", True), (None, False), ("one", True)
    ]  # fmt: skip
    assert [event.run_id for event in made.groups[None].batch.runs] == [
        run_id(n) for n in ("one", "two", "three", "one")
    ]
    assert [refusal.event for refusal in made.groups[None].batch.refusals] == ['"x"']


@pytest.mark.parametrize("depth", [300, 900, 5000, 200_000])
def test_a_payload_that_nobody_could_read_again_is_refused_alone(depth: int) -> None:
    deep = f'{{"type":"llm","event":"start","runId":"deep","input":{"[" * depth}{"]" * depth}}}'
    shallow = '{"type":"llm","event":"start","runId":"shallow","input":' + "[" * 190 + "]" * 190 + "}"
    made = lunary.decode(f'{{"events":[{shallow},{deep},{shallow}]}}'.encode(), RECEIVED)
    assert [result.success for result in made.results] == [True, False, True]
    assert made.groups[None].batch.refusals[0].code == "too-deep"


def test_a_refused_tool_takes_all_its_events_with_it() -> None:
    tool = {"type": "tool", "event": "start", "runId": "t", "userId": "u"}
    made = decoded(
        {"type": "tool", "event": "end", "runId": "t"},
        tool,
        {"type": "llm", "event": "start", "runId": RUN, "parentRunId": "t"},
        {"type": "log", "event": "info", "parentRunId": "t", "message": "x"},
    )
    group = made.groups[None]
    assert lunary.standalone_tools(group) == {run_id("t")}
    kept = lunary.refuse_tools(made, group, lunary.standalone_tools(group))
    assert [event.run_id for event in kept.batch.runs] == [RUN]
    assert not kept.batch.users
    assert not kept.batch.logs
    assert [result.success for result in made.results] == [False, False, True, False]
    assert {refusal.code for refusal in kept.batch.refusals} == {"standalone-tool"}


def test_a_tool_that_names_its_parent_in_any_start_is_not_standalone() -> None:
    tool = {"type": "tool", "event": "start", "runId": "t"}
    assert not lunary.standalone_tools(decoded(tool, tool | {"parentRunId": "a"}).groups[None])


def test_events_are_grouped_by_the_project_their_key_leads_to() -> None:
    events = [
        {"type": "llm", "event": "start", "runId": str(number), "appId": app}
        for number, app in enumerate([None, "key-a", "key-b", "unknown"])
    ]
    route = {"key-a": "A", "key-b": "A"}.get
    made = lunary.decode(json.dumps(events).encode(), RECEIVED, route)
    assert {name: group.positions for name, group in made.groups.items()} == {None: [0, 3], "A": [1, 2]}
    assert [result.id for result in made.results] == ["0", "1", "2", "3"]


def recorded() -> list[Path]:
    return sorted(path for path in CORPUS.glob("lunary-*/*/0*.json"))


@pytest.mark.parametrize("path", recorded(), ids=lambda path: "/".join(path.parts[-3:]))
def test_recorded_traffic_takes_the_fast_path_and_nothing_is_refused(path: Path) -> None:
    made = lunary.decode(path.read_bytes(), RECEIVED)
    assert all(result.success for result in made.results)
    for raw in made.raws:
        assert msgspec.json.decode(raw, type=Event)
        for key in json.loads(bytes(raw)):
            assert key in ENVELOPE_KEYS


FIELDS = st.dictionaries(
    st.sampled_from([*ENVELOPE_KEYS, "run_id", "parent-run-id", "user_id", "nonsense"]), VALUES, max_size=8
)
LIKELY = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["start", "end", "error", "chat", "feedback", "update", "custom-event", "info"]),
        "type": st.sampled_from(["llm", "tool", "chat", "thread", "log", None]),
        "runId": st.sampled_from([RUN, "custom-id", None]),
        "parentRunId": st.sampled_from([RUN, "parent", "None", None]),
    }
)


def leaves(events: list[Any]) -> int:
    """Count what is no list with something in it."""
    return sum(leaves(event) if isinstance(event, list) and event else 1 for event in events)


@given(st.lists(st.builds(lambda likely, odd: likely | odd, LIKELY, FIELDS) | FIELDS | VALUES, max_size=6))
@settings(deadline=None, max_examples=60)
def test_any_events_are_answered_one_by_one_and_readable(events: list[Any]) -> None:
    made = lunary.decode(json.dumps({"events": events}).encode(), RECEIVED)
    assert len(made.results) == leaves(events)
    for group in made.groups.values():
        assert len([p for p in group.positions if not made.results[p].success]) == len(group.batch.refusals)
        for run in group.batch.runs:
            for text in (run.input, run.output, run.error, run.params, run.metadata, run.usage_text):
                if text is not None:
                    msgspec.json.decode(text)
                    assert "\x00" not in text
            assert run.at > 0
        for refused in ("38333a2f-90ef-4178-ace7-f35451a5e52c", RUN):
            lunary.refuse_tools(made, group, {refused})


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(deadline=None, max_examples=60)
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    with suppress(lunary.BadBody):
        lunary.decode(body, RECEIVED)
