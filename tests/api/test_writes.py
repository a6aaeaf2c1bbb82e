"""What the data API changes: feedback, tags, scores, deletions, and that the books stay right."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from projects.models import Project
from runs import deletion, ledger
from runs.models import (
    Alias,
    Deletion,
    Feedback,
    LedgerEntry,
    Message,
    Run,
    RunBody,
    RunFlag,
    RunLog,
    Score,
    Side,
    StaleHour,
)
from tests import make
from tests.api.conftest import Script


def body_of(response: Any) -> Any:
    return json.loads(response.content)


def test_feedback_merges_and_null_removes(project: Project, script: Script) -> None:
    run = make.run(project)
    path = f"/v1/runs/{run.id}/feedback"
    assert body_of(script.send("PATCH", path, {"thumb": "up"})) == {"thumb": "up"}
    assert body_of(script.send("PATCH", path, {"comment": "clear", "rating": 3})) == {
        "thumb": "up",
        "comment": "clear",
        "rating": 3,
    }
    assert body_of(script.send("PATCH", path, {"thumb": None})) == {"comment": "clear", "rating": 3}
    assert body_of(script.send("PATCH", path)) == {"comment": "clear", "rating": 3}
    assert script.json(path) == {"comment": "clear", "rating": 3}
    assert (
        body_of(
            script.client.generic("PATCH", path, "null", "application/json", headers={"x-api-key": script.key or ""})
        )
        is None
    )


def test_feedback_on_a_message_stays_on_it(project: Project, script: Script) -> None:
    thread = make.run(project, "thread")
    chat = make.run(project, "chat", parent_id=thread.id, thread_id=thread.id)
    make.message(project, thread.id, "hi", id=chat.id, chat_id=chat.id)
    answer = make.message(project, thread.id, "yes", Side.OUT, chat_id=chat.id)
    script.send("PATCH", f"/v1/runs/{answer.id}/feedback", {"thumb": "down"})
    assert Feedback.objects.get().run_id == answer.id
    script.send("PATCH", f"/v1/runs/{chat.id}/feedback", {"comment": "meh"})
    assert script.json(f"/v1/runs/{answer.id}/feedback") == {"thumb": "down"}
    assert script.json(f"/v1/runs/{chat.id}/feedback") == {"thumb": "down", "comment": "meh"}


@pytest.mark.parametrize(
    ("body", "status"),
    [(b'{"thumb":"sideways"}', 422), (b"[1]", 422), (b"{", 400), (b"\xff", 400), (b'{"thumb":NaN}', 400)],
)
def test_feedback_that_makes_no_sense_is_refused(project: Project, script: Script, body: bytes, status: int) -> None:
    run = make.run(project)
    response = script.client.generic(
        "PATCH", f"/v1/runs/{run.id}/feedback", body, "application/json", headers={"x-api-key": script.key or ""}
    )
    assert response.status_code == status
    assert body_of(response)["message"]
    assert not Feedback.objects.exists()


def test_a_form_is_no_json(project: Project, script: Script) -> None:
    path = f"/v1/runs/{make.run(project).id}/tags"
    form = "application/x-www-form-urlencoded"
    response = script.client.generic("PATCH", path, "tags=a", form, headers={"x-api-key": script.key or ""})
    assert response.status_code == 415


@pytest.mark.parametrize(("sent", "stored"), [(["b", "a", "b"], ["b", "a"]), ([], []), (None, None)])
def test_tags_are_replaced_for_good(
    project: Project, script: Script, sent: list[str] | None, stored: list[str] | None
) -> None:
    run = make.run(project, tags=["old"])
    assert script.send("PATCH", f"/v1/runs/{run.id}/tags", {"tags": sent}).status_code == 200
    run.refresh_from_db()
    assert run.tags == stored
    assert run.flags & RunFlag.TAGS_EDITED


@pytest.mark.parametrize("value", [0.5, 3, "good", True, False])
def test_a_score_keeps_its_type_and_the_last_one_counts(project: Project, script: Script, value: Any) -> None:
    run = make.run(project)
    path = f"/v1/runs/{run.id}/score"
    script.send("PATCH", path, {"label": "tone", "value": "first", "comment": "x"})
    assert script.send("PATCH", path, {"label": "tone", "value": value}).status_code == 200
    assert script.json(f"/v1/runs/{run.id}")["scores"] == [{"label": "tone", "value": value, "comment": None}]


@pytest.mark.parametrize(
    "body", [{"label": "tone"}, {"label": "", "value": 1}, {"label": "a", "value": {}}, {"value": 1}]
)
def test_a_score_without_sense_is_refused(project: Project, script: Script, body: Any) -> None:
    assert script.send("PATCH", f"/v1/runs/{make.run(project).id}/score", body).status_code == 422


@pytest.mark.parametrize("text", ["\x00", "a\ud800b", "x" * 100_000])
def test_odd_texts_are_stored_or_refused(project: Project, script: Script, text: str) -> None:
    run = make.run(project)
    bodies = {
        "feedback": {"comment": text, text[:50]: text},
        "tags": {"tags": [text]},
        "score": {"label": "a", "value": text, "comment": text},
    }
    for name, body in bodies.items():
        assert script.send("PATCH", f"/v1/runs/{run.id}/{name}", body).status_code in (200, 400, 422)


ODD_VALUES = [
    "9" * 400,
    "9" * 5000,
    "-1e400",
    "1e-400",
    "[" * 900 + "]" * 900,
    "[" * 9000 + "]" * 9000,
    '{"a":1,"a":2}',
    '"\\ud800"',
    '"\\ud83d\\ude00"',
]


@pytest.mark.parametrize("value", ODD_VALUES)
def test_odd_values_are_stored_or_refused(project: Project, script: Script, value: str) -> None:
    run = make.run(project)
    bodies = {"feedback": f'{{"comment":{value}}}', "score": f'{{"label":"a","value":{value}}}'}
    for name, body in bodies.items():
        path = f"/v1/runs/{run.id}/{name}"
        response = script.client.generic(
            "PATCH", path, body, "application/json", headers={"x-api-key": script.key or ""}
        )
        assert response.status_code in (200, 400, 422)
    for path in ("/v1/runs", f"/v1/runs/{run.id}", f"/v1/runs/{run.id}/feedback"):
        assert script.get(path).status_code == 200


def test_a_nul_becomes_the_replacement_character(project: Project, script: Script) -> None:
    run = make.run(project)
    script.send("PATCH", f"/v1/runs/{run.id}/feedback", {"comment": "a\x00b\\u0000"})
    assert script.json(f"/v1/runs/{run.id}/feedback") == {"comment": "a\ufffdb\\u0000"}


def count_all(project: Project) -> dict[str, int]:
    tables = (Run, RunBody, RunLog, Feedback, Score, Message, Alias)
    return {table.__name__: table.objects.filter(project_id=project.pk).count() for table in tables}


def enter(project: Project) -> None:
    """Book all runs of the project as ingest would have."""
    for run in Run.objects.filter(project_id=project.pk).exclude(type="span"):
        LedgerEntry.objects.create(
            project_id=project.pk, id=uuid4(), received_at=run.received_at, type=run.type, runs=1
        )


def test_deleting_takes_everything_beneath_and_nothing_else(project: Project, script: Script) -> None:
    kept = make.run(project)
    agent = make.run(project, "agent")
    chain = make.child(agent, project, "chain")
    llm = make.child(chain, project)
    make.child(llm, project, "span")
    make.body(llm, "in", "out")
    make.log(llm)
    make.feedback(project, llm.id)
    Score.objects.create(project_id=project.pk, run_id=llm.id, label="a", value=1, at=llm.started_at)
    Alias.objects.create(project_id=project.pk, alias=uuid4(), canonical=llm.id)
    enter(project)
    assert body_of(script.send("DELETE", f"/v1/runs/{agent.id}")) == {"deleted": 4}
    assert count_all(project) == {
        "Run": 1,
        "RunBody": 0,
        "RunLog": 0,
        "Feedback": 0,
        "Score": 0,
        "Message": 0,
        "Alias": 0,
    }
    assert Run.objects.get().id == kept.id
    assert dict(Deletion.objects.values_list("type", "runs")) == {"agent": 1, "chain": 1, "llm": 1}
    assert ledger.verify(project).holds
    assert StaleHour.objects.filter(project_id=project.pk).exists()
    assert script.send("DELETE", f"/v1/runs/{agent.id}").status_code == 404
    assert ledger.verify(project).holds


def test_deleting_a_chat_takes_its_messages_and_what_they_led_to(project: Project, script: Script) -> None:
    thread = make.run(project, "thread")
    chats = [make.run(project, "chat", parent_id=thread.id, thread_id=thread.id) for _ in range(2)]
    Run.objects.filter(id=chats[1].id).update(sibling_of=chats[0].id)
    messages = [make.message(project, thread.id, "hi", chat_id=chat.id, id=chat.id) for chat in chats]
    agent = make.run(project, "agent", parent_id=messages[0].id, thread_id=thread.id, chat_id=chats[0].id)
    make.feedback(project, messages[0].id)
    enter(project)
    assert body_of(script.send("DELETE", f"/v1/runs/{messages[0].id}")) == {"deleted": 2}
    assert not Run.objects.filter(id=agent.id).exists()
    assert Run.objects.get(id=chats[1].id).sibling_of is None
    assert Message.objects.get().id == messages[1].id
    assert not Feedback.objects.exists()
    assert body_of(script.send("DELETE", f"/v1/runs/{thread.id}")) == {"deleted": 2}
    assert count_all(project)["Message"] == 0
    assert ledger.verify(project).holds


@pytest.mark.django_db(transaction=True)
def test_deleting_at_the_same_time_counts_each_run_once() -> None:
    project = make.project()
    agent = make.run(project, "agent")
    chains = [make.child(agent, project, "chain") for _ in range(4)]
    for chain in chains:
        make.child(chain, project)
    enter(project)
    start = Barrier(5)

    def delete(run: Run) -> int:
        try:
            start.wait()
            return deletion.delete_run(project.pk, run.id)
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(delete, [agent, *chains])) == 9
    assert not Run.objects.filter(project_id=project.pk).exists()
    assert ledger.verify(project).holds
