"""Runs through the data API: what is told of them, exactly as it was sent."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from projects import keys
from projects.models import Project
from runs import ids
from runs.models import Alias, Run, RunBody, RunFlag, Score, Side
from tests import make
from tests.api.conftest import Script

AT = datetime(2026, 11, 21, 10, 0, 0, 123000, tzinfo=UTC)
LUNARY_KEYS = {
    *("id", "projectId", "isPublic", "feedback", "parentFeedback", "feedbacks", "type", "name", "createdAt", "endedAt"),
    *("duration", "templateVersionId", "templateSlug", "cost", "tokens", "toxicity", "tags", "input", "output"),
    *("error", "status", "siblingRunId", "params", "metadata", "user", "traceId", "scores"),
}
OWN_KEYS = {
    *(
        "parentRunId",
        "threadId",
        "teamId",
        "organizationId",
        "receivedAt",
        "estimated",
        "url",
        "repeatOf",
        "durationMs",
    ),
}


@pytest.fixture
def talk(project: Project) -> dict[str, Any]:
    """Make a thread of one exchange, with the trace that answered it."""
    thread = make.run(project, "thread", name=None, user_id="ines", started_at=AT)
    chat = make.run(
        project,
        "chat",
        name=None,
        id="question",
        parent_id=thread.id,
        thread_id=thread.id,
        chat_id=make.run_id("question"),
    )
    question = make.message(project, thread.id, "Where is it?", id=chat.id, chat_id=chat.id, at=AT)
    answer = make.message(project, thread.id, "On its way.", Side.OUT, id=make.run_id("answer"), chat_id=chat.id, at=AT)
    agent = make.run(project, "agent", parent_id=answer.id, chat_id=chat.id, thread_id=thread.id, id="agent")
    Run.objects.filter(id=agent.id).update(trace_id=agent.id)
    agent.refresh_from_db()
    llm = make.child(agent, project)
    return {"thread": thread, "chat": chat, "question": question, "answer": answer, "agent": agent, "llm": llm}


def test_a_run_has_lunarys_keys_and_ours(project: Project, script: Script) -> None:
    run = make.run(
        project,
        started_at=AT,
        duration_ms=1234,
        tags=["a"],
        user_id="ines",
        team_id="t",
        organization_id="o",
        template_id="4711",
        cache_read_tokens=40,
        cache_write_tokens=10,
        reasoning_tokens=5,
        cost=Decimal("0.0012000000"),
        flags=RunFlag.START | RunFlag.ESTIMATED,
    )
    make.end_user(project, "ines", plan="pro")
    told = script.json(f"/v1/runs/{run.id}")
    assert set(told) == LUNARY_KEYS | OWN_KEYS | {"logs"}
    assert told["createdAt"] == "2026-11-21T10:00:00.123Z"
    assert told["endedAt"] == "2026-11-21T10:00:01.357Z"
    assert (told["duration"], told["durationMs"]) == ("00:00:01.234", 1234)
    assert told["templateVersionId"] == 4711
    assert told["tokens"] == {
        "prompt": 100,
        "cachedPrompt": 40,
        "cacheWrite": 10,
        "completion": 20,
        "reasoning": 5,
        "total": 120,
    }
    assert told["user"]["externalId"] == "ines"
    assert told["user"]["props"] == {"plan": "pro"}
    assert (told["teamId"], told["organizationId"], told["estimated"]) == ("t", "o", True)
    assert told["projectId"] == str(project.public_id)
    assert told["url"] == f"http://testserver/p/{project.public_id}/runs/{run.id}"
    assert told["feedback"] is None
    assert told["logs"] == []


def test_payloads_are_told_byte_for_byte(project: Project, script: Script) -> None:
    run = make.run(project)
    RunBody.objects.create(
        project_id=project.pk,
        run_id=run.id,
        input='{"z": 1.0, "a":1e3,  "tool_calls":[], "toolCalls":"\\u00e9"}',
        output='"plain \\/ text"',
        params='{"Temperature":0.20}',
        metadata={"0:1": '{"b":1.50,"a":"x"}', "1:2": '{"a" : "y"}'},
    )
    body = script.get(f"/v1/runs/{run.id}").content.decode()
    assert '"input":{"z": 1.0, "a":1e3,  "tool_calls":[], "toolCalls":"\\u00e9"}' in body
    assert '"output":"plain \\/ text"' in body
    assert '"params":{"Temperature":0.20}' in body
    assert '"metadata":{"b":1.50,"a":"y"}' in body
    assert '"error":null' in body
    assert body.count('"cost":0.0012') == 1


@pytest.mark.parametrize(("kind", "value"), [("text", "tpl-1"), ("leading zero", "007"), ("none", None)])
def test_a_template_that_is_no_number_stays_as_sent(
    project: Project, script: Script, kind: str, value: str | None
) -> None:
    run = make.run(project, template_id=value)
    assert script.json(f"/v1/runs/{run.id}")["templateVersionId"] == value


def test_unknown_stays_unknown(project: Project, script: Script) -> None:
    run = make.run(project, status="started", cost=None)
    told = script.json(f"/v1/runs/{run.id}")
    assert [told[key] for key in ("cost", "endedAt", "duration", "user", "input", "tags")] == [None] * 6
    assert set(told["tokens"].values()) == {None}


def test_logs_are_on_the_single_run_only(project: Project, script: Script) -> None:
    run = make.run(project)
    make.log(run, "3 files found", "warn", {"b": 1, "a": 2})
    told = script.json(f"/v1/runs/{run.id}")
    assert [(line["level"], line["message"], line["extra"]) for line in told["logs"]] == [
        ("warn", "3 files found", {"b": 1, "a": 2})
    ]
    assert "logs" not in script.json("/v1/runs")["data"][0]


def test_every_form_of_an_id_leads_to_the_run(project: Project, script: Script) -> None:
    held = "thr-1/a b"
    stored = make.run(project, id=UUID(ids.run_id(held)))
    hashed = [ids.sdk_hash(held, key) for key in keys.hashing_texts(project.pk)]
    Alias.objects.create(project_id=project.pk, alias=hashed[0], canonical=stored.id)
    for form in ("thr-1%2Fa%20b", str(stored.id), str(stored.id).upper(), hashed[0]):
        assert script.json(f"/v1/runs/{form}")["id"] == str(stored.id)


def test_a_message_leads_to_its_chat(script: Script, talk: dict[str, Any]) -> None:
    told = script.json(f"/v1/runs/{talk['answer'].id}")
    assert told["id"] == str(talk["chat"].id)
    assert told["type"] == "chat"
    assert told["parentRunId"] == told["threadId"] == str(talk["thread"].id)
    assert told["input"] == [{"role": "user", "content": "Where is it?"}]
    assert told["output"] == [{"role": "assistant", "content": "On its way."}]
    assert told["messagesCount"] == 2
    assert script.json(f"/v1/runs/{talk['agent'].id}")["parentRunId"] == str(talk["answer"].id)


def test_a_thread_tells_how_it_began(script: Script, talk: dict[str, Any]) -> None:
    told = script.json(f"/v1/runs/{talk['thread'].id}")
    assert told["messagesCount"] == 2
    assert told["firstMessage"]["content"] == "Where is it?"
    assert told["url"].endswith(f"/threads/{talk['thread'].id}")


def test_feedback_is_shown_below_and_filtered_by(project: Project, script: Script, talk: dict[str, Any]) -> None:
    make.feedback(project, talk["answer"].id, "thumb", "up")
    make.feedback(project, talk["agent"].id, "comment", "slow")
    chat, agent, llm = (script.json(f"/v1/runs/{talk[name].id}") for name in ("chat", "agent", "llm"))
    assert chat["feedback"] == {"thumb": "up"}
    assert chat["feedbacks"] == [{"thumb": "up"}]
    assert (agent["feedback"], agent["parentFeedback"]) == ({"comment": "slow"}, {"thumb": "up"})
    assert (llm["feedback"], llm["parentFeedback"]) == (None, {"thumb": "up", "comment": "slow"})
    make.run(project, "tool")
    up = script.ids("/v1/runs?type=all&feedback=up")
    assert set(up) == {str(talk[name].id) for name in ("chat", "agent", "llm", "thread")}
    assert script.ids("/v1/runs?feedback=%257B%2522comment%2522%253A%2522slow%2522%257D&type=llm") == [
        str(talk["llm"].id)
    ]


def test_feedback_taken_back_is_gone(project: Project, script: Script) -> None:
    run = make.run(project)
    make.feedback(project, run.id, "thumb", None)
    assert script.json(f"/v1/runs/{run.id}")["feedback"] is None
    assert script.ids("/v1/runs?feedback=none") == [str(run.id)]


def test_scores_are_told(project: Project, script: Script) -> None:
    run = make.run(project)
    Score.objects.create(project_id=project.pk, run_id=run.id, label="exact", value=True, comment="yes", at=AT)
    assert script.json(f"/v1/runs/{run.id}")["scores"] == [{"label": "exact", "value": True, "comment": "yes"}]


def test_related_is_the_whole_sub_tree_in_order(project: Project, script: Script, talk: dict[str, Any]) -> None:
    span = make.child(talk["llm"], project, "span", name="POST /v1/chat")
    told = script.json(f"/v1/runs/{talk['agent'].id}/related")
    assert {each["id"] for each in told} == {str(each.id) for each in (talk["agent"], talk["llm"], span)}
    assert told == sorted(told, key=lambda each: each["createdAt"])
    of_thread = script.json(f"/v1/runs/{talk['thread'].id}/related")
    assert len(of_thread) == 5


def test_a_circle_of_parents_ends(project: Project, script: Script) -> None:
    one = make.run(project, "chain", id="one", parent_id=make.run_id("two"))
    make.run(project, "chain", id="two", parent_id=one.id)
    assert len(script.json(f"/v1/runs/{one.id}/related")) == 2


def test_a_single_run_takes_few_statements(
    project: Project, script: Script, talk: dict[str, Any], django_assert_max_num_queries: Any
) -> None:
    script.get(f"/v1/runs/{talk['llm'].id}")
    with django_assert_max_num_queries(10):
        script.get(f"/v1/runs/{talk['llm'].id}")


def test_a_list_takes_as_many_statements_as_one_run(
    project: Project, script: Script, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        run = make.run(project, user_id=f"user-{number}")
        make.body(run, "in", "out")
        make.feedback(project, run.id)
    script.get("/v1/runs")
    with django_assert_max_num_queries(9):
        assert len(script.json("/v1/runs?limit=30")["data"]) == 30
