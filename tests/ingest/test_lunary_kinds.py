"""Conversations, feedback and log lines, in every way that clients tell them (lunary-protocol.md §2.6)."""

import json
from typing import Any

import pytest

from ingest.events import Kind
from runs.ids import run_id
from tests.ingest.events import RUN, batch, message


@pytest.mark.parametrize(
    ("role", "side"),
    [
        ("user", "in"),
        ("system", "in"),
        ("human", "in"),
        ("developer", "in"),
        ("assistant", "out"),
        ("tool", "out"),
        ("ai", "out"),
        ("bot", "out"),
        ("AIMessageChunk", "out"),
        ("function", "out"),
    ],
)
def test_roles_say_which_half_of_the_exchange(role: str, side: str) -> None:
    made = message(message={"role": role, "content": "Hi"})
    assert (made.side, made.role, made.body) == (side, role, json.dumps({"role": role, "content": "Hi"}))
    assert (made.message_id, made.thread_id) == (run_id("m-1"), run_id("t-1"))


@pytest.mark.parametrize(
    ("said", "retry"),
    [
        ({"is_retry": True}, True),
        ({"isRetry": True}, True),
        ({"isRetry": False}, False),
        ({}, False),
        ({"is_retry": None}, False),
    ],
)
def test_retries_are_spelt_two_ways(said: dict[str, Any], retry: bool) -> None:
    assert message(message={"role": "assistant", "content": "x", **said}).is_retry is retry


def test_a_message_keeps_what_was_said_beside_it() -> None:
    made = message(
        message={"role": "user", "text": "Hi", "tags": ["t"], "extra": {"page": 1}},
        threadTags=["web"],
        threadMetadata={"plan": "pro"},
        userId="u",
    )
    assert (made.tags, made.thread_tags, made.user_id) == (("t",), ("web",), "u")
    assert (made.metadata, made.thread_metadata) == ('{"page": 1}', '{"plan": "pro"}')


def test_a_plain_text_message_is_the_users() -> None:
    assert message(message="Hi").body == '{"role":"user","content":"Hi"}'


def test_legacy_exchanges_share_the_questions_id() -> None:
    made = batch(
        {"type": "thread", "event": "start", "runId": "t", "tags": ["web"], "userId": "u"},
        {"type": "chat", "event": "start", "runId": "q", "parentRunId": "t", "input": "Hi", "extra": {"page": 1}},
        {"type": "chat", "event": "end", "runId": "q", "output": "Hello"},
    )
    question, answer = made.messages
    assert (made.threads[0].thread_id, made.threads[0].tags, made.threads[0].user_id) == (run_id("t"), ("web",), "u")
    assert (question.side, question.thread_id, question.metadata) == ("in", run_id("t"), '{"page": 1}')
    assert (answer.side, answer.thread_id, answer.body) == ("out", None, '{"role":"assistant","content":"Hello"}')
    assert question.message_id == answer.message_id == run_id("q")
    assert made.runs == []


def test_a_custom_event_stands_in_its_thread() -> None:
    made = batch(
        {
            "type": "thread",
            "event": "custom-event",
            "name": "clicked",
            "runId": "e",
            "parentRunId": "t",
            "metadata": {"chars": 24},
            "threadTags": ["web"],
            "threadMetadata": {"plan": "pro"},
            "userId": "u",
        }
    )
    event, thread = made.runs[0], made.threads[0]
    assert (event.kind, event.type, event.name, event.parent_id) == (
        Kind.CUSTOM,
        "custom-event",
        "clicked",
        run_id("t"),
    )
    assert event.metadata == '{"chars": 24}'
    assert (thread.thread_id, thread.tags, thread.metadata) == (run_id("t"), ("web",), '{"plan": "pro"}')


def test_feedback_is_called_extra_in_old_sdks_and_null_removes() -> None:
    made = batch(
        {
            "type": None,
            "event": "feedback",
            "runId": RUN,
            "feedback": {"thumb": None},
            "extra": {"thumb": "up", "emoji": "x"},
        }
    )
    assert made.feedback[0].values == {"thumb": None, "emoji": "x"}


def test_log_lines_belong_to_their_parent() -> None:
    made = batch(
        {"type": "log", "event": "warn", "parentRunId": RUN, "message": "1 file skipped", "extra": {"n": 1}},
        {"type": "log", "event": "error", "parentRunId": RUN, "message": {"code": 7}},
        {"type": "log", "event": "info", "level": "debug", "parentRunId": RUN, "message": None},
    )
    assert [(log.run_id, log.level, log.message, log.extra) for log in made.logs] == [
        (RUN, "warn", "1 file skipped", '{"n": 1}'),
        (RUN, "error", '{"code": 7}', None),
        (RUN, "debug", "", None),
    ]


@pytest.mark.parametrize(
    ("runtime", "held"), [("lunary-js", {"m-1", "t-1"}), (None, {"m-1", "t-1"}), ("lunary-py", set())]
)
def test_ids_that_people_hold_are_noted_as_sent(runtime: str | None, held: set[str]) -> None:
    chat = {"type": "thread", "event": "chat", "runId": "m-1", "parentRunId": "t-1", "message": {"role": "user"}}
    feedback = {"event": "feedback", "runId": "m-1", "feedback": {"thumb": "up"}}
    assert batch(chat | {"runtime": runtime}, feedback | {"runtime": runtime}).held_ids == held


def test_the_id_that_the_python_sdk_leaves_in_a_message_is_held() -> None:
    chat = {"type": "thread", "event": "chat", "runId": RUN, "parentRunId": run_id("t"), "runtime": "lunary-py"}
    assert batch(chat | {"message": {"id": "m-1", "role": "user"}}).held_ids == {"m-1"}
    assert batch(chat | {"message": {"id": 7, "role": "user"}}).held_ids == set()
