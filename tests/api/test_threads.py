"""Conversations through the data API: order, retries beside what they replace, events, feedback, figures."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from projects.models import Project
from runs.models import Message, Run, Side
from tests import make
from tests.api.conftest import Script

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)


def chat(project: Project, thread: Run, minute: int, said: list[tuple[str, Any]], **fields: Any) -> list[Message]:
    """Make an exchange; each message a second after the one before."""
    run = make.run(
        project,
        "chat",
        name=None,
        parent_id=thread.id,
        thread_id=thread.id,
        started_at=AT + timedelta(minutes=minute),
        **fields,
    )
    Run.objects.filter(id=run.id).update(chat_id=run.id)
    return [
        make.message(
            project,
            thread.id,
            content,
            side,
            at=run.started_at + timedelta(seconds=second),
            chat_id=run.id,
            id=run.id if second == 0 else None,
        )
        for second, (side, content) in enumerate(said)
    ]


@pytest.fixture
def thread(project: Project) -> Run:
    """Make an empty thread."""
    return make.run(
        project,
        "thread",
        name=None,
        started_at=AT,
        user_id="shopper-1",
        organization_id="org_9",
        tags=["support"],
        metadata={"organizationId": "org_9"},
    )


def test_a_conversation_is_told_in_order_with_its_retries(project: Project, script: Script, thread: Run) -> None:
    chat(project, thread, 0, [(Side.IN, "Where is order 5521?"), (Side.OUT, "It left yesterday.")])
    second = chat(project, thread, 1, [(Side.IN, "When will it arrive?"), (Side.OUT, "On Friday.")])
    retry = chat(project, thread, 2, [(Side.OUT, "On Friday before noon.")], sibling_of=second[0].chat_id)
    make.run(project, "custom-event", name="opened-page", parent_id=thread.id, thread_id=thread.id, metadata={"a": 1})
    make.feedback(project, retry[0].id, "thumb", "up")
    told = script.json(f"/v1/threads/{thread.id}")
    assert [(each["role"], each["content"]) for each in told["messages"]] == [
        ("user", "Where is order 5521?"),
        ("assistant", "It left yesterday."),
        ("user", "When will it arrive?"),
        ("assistant", "On Friday."),
    ]
    assert told["messages"][3]["chatId"] == str(second[0].chat_id)
    (sibling,) = told["messages"][3]["siblings"]
    assert (sibling["content"], sibling["feedback"]) == ("On Friday before noon.", {"thumb": "up"})
    assert all("siblings" not in each and "feedback" not in each for each in told["messages"][:3])
    assert [(each["name"], each["metadata"]) for each in told["customEvents"]] == [("opened-page", {"a": 1})]
    assert (told["user"]["externalId"], told["tags"], told["organizationId"]) == ("shopper-1", ["support"], "org_9")
    assert told["metadata"] == {"organizationId": "org_9"}
    assert told["messagesCount"] == 5
    assert told["feedbacks"] == [{"thumb": "up"}]


def test_a_retried_question_stands_beside_the_question(project: Project, script: Script, thread: Run) -> None:
    first = chat(project, thread, 0, [(Side.IN, "hi"), (Side.OUT, "yes?")])
    chat(project, thread, 1, [(Side.IN, "hi again"), (Side.OUT, "yes!")], sibling_of=first[0].chat_id)
    question, answer = script.json(f"/v1/threads/{thread.id}")["messages"]
    assert [each["content"] for each in question["siblings"]] == ["hi again"]
    assert [each["content"] for each in answer["siblings"]] == ["yes!"]


@pytest.mark.parametrize("key", ["tool_calls", "toolCalls"])
def test_contents_and_tool_calls_are_told_as_sent(project: Project, script: Script, thread: Run, key: str) -> None:
    calls = [{"id": "c1", "function": {"name": "look_up", "arguments": '{"a":1}'}}]
    blocks = [{"type": "text", "text": "Looking"}]
    chat(
        project,
        thread,
        0,
        [(Side.OUT, {"role": "assistant", "content": blocks, key: calls}), (Side.IN, {"text": "ok"})],
    )
    first, second = script.json(f"/v1/threads/{thread.id}")["messages"]
    assert (first["content"], first["toolCalls"]) == (blocks, calls)
    assert (second["content"], "toolCalls" in second) == ("ok", False)


def test_an_answer_with_its_questions_id_gets_the_feedback(project: Project, script: Script, thread: Run) -> None:
    (question,) = chat(project, thread, 0, [(Side.IN, "hi")])
    make.message(project, thread.id, "yes", Side.OUT, id=question.id, chat_id=question.chat_id, at=AT)
    make.feedback(project, question.id)
    told = script.json(f"/v1/threads/{thread.id}")["messages"]
    assert [each.get("feedback") for each in told] == [None, {"thumb": "up"}]


def test_a_message_and_a_run_beneath_lead_to_their_thread(project: Project, script: Script, thread: Run) -> None:
    (question,) = chat(project, thread, 0, [(Side.IN, "hi")])
    agent = make.run(project, "agent", parent_id=question.id, thread_id=thread.id, chat_id=question.chat_id)
    for held in (question.id, agent.id):
        assert script.json(f"/v1/threads/{held}")["id"] == str(thread.id)
    assert script.get(f"/v1/threads/{make.run(project).id}").status_code == 404


def test_the_list_has_figures_filters_and_cursors(project: Project, script: Script, thread: Run) -> None:
    (question,) = chat(project, thread, 0, [(Side.IN, "hi")])
    below: dict[str, Any] = {"parent_id": question.id, "thread_id": thread.id, "chat_id": question.chat_id}
    make.run(project, cost=Decimal("0.25"), **below)
    make.run(project, cost=Decimal("0.5"), **below)
    others = [make.run(project, "thread", started_at=AT - timedelta(hours=number + 1)) for number in range(3)]
    told = script.json("/v1/threads?total=1&limit=1")
    assert (told["total"], told["data"][0]["id"], told["data"][0]["cost"]) == (4, str(thread.id), 0.75)
    assert told["data"][0]["firstMessage"]["content"] == "hi"
    walked = [each["id"] for each in script.walk("/v1/threads?limit=2")]
    assert walked == [str(each.id) for each in (thread, *others)]
    assert [each["id"] for each in script.json("/v1/threads?tags=support")["data"]] == [str(thread.id)]
    assert [each["id"] for each in script.json("/v1/threads?user=shopper-1&search=HI")["data"]] == [str(thread.id)]
    assert script.json("/v1/threads?sortField=messagesCount&sortDirection=desc")["data"][0]["id"] == str(thread.id)


def test_the_list_takes_few_statements(project: Project, script: Script, django_assert_max_num_queries: Any) -> None:
    for number in range(10):
        each = make.run(project, "thread", user_id=f"user-{number}")
        chat(project, each, 0, [(Side.IN, "hi"), (Side.OUT, "yes")])
    script.get("/v1/threads")
    with django_assert_max_num_queries(13):
        assert len(script.json("/v1/threads")["data"]) == 10
