"""Downloads of conversations: complete, of one moment, streamed in little memory, and for their own people only."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.http import StreamingHttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from projects import keys
from projects.models import KeyKind
from runs.models import Message, Run
from tests import make
from tests.traces.conftest import Site, Talk
from traces import thread_export
from traces.export import CHUNK_BYTES, CHUNK_RUNS
from traces.thread_export import THREADS

FILES = ("export.md", "export.json", "export.jsonl")


def streamed(response: Any) -> bytes:
    assert response.status_code == 200
    assert isinstance(response, StreamingHttpResponse)
    return b"".join(response)


def downloaded(site: Site, path: str) -> str:
    return streamed(site.client().get(site.url(f"threads/{path}"))).decode()


def lines(text: str) -> list[list[dict[str, Any]]]:
    return [json.loads(line)["messages"] for line in text.splitlines()]


def said(site: Site, path: str) -> list[str]:
    return [message["content"] for line in lines(downloaded(site, path)) for message in line]


def talkative(site: Site, messages: int, text: str = "word", thread: str = "long") -> Run:
    """Return a thread of questions and answers."""
    began = timezone.now() - timedelta(hours=3)
    run = make.run(site.project, "thread", id=thread, started_at=began)
    chats = [uuid4() for _ in range(messages // 2)]
    Message.objects.bulk_create(
        Message(
            project_id=site.project.pk,
            id=uuid4(),
            side=side,
            thread_id=run.id,
            chat_id=chat,
            at=began + timedelta(milliseconds=100 * number + 10 * (side == "out")),
            role=role,
            body=json.dumps({"role": role, "content": f"{text} {number}"}),
        )
        for number, chat in enumerate(chats)
        for side, role in (("in", "user"), ("out", "assistant"))
    )
    return run


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("person", ["owner", "member", "viewer"])
def test_people_of_the_workspace_may_download_one(site: Site, talk: Talk, file: str, person: str) -> None:
    response = site.client(person).get(site.url(f"threads/{talk.thread.id}/{file}"))
    assert b"Where is my order 5521?" in streamed(response)
    assert response["Cache-Control"] == "no-store"
    day = f"{talk.thread.started_at:%Y-%m-%d}"
    name = f"where-is-my-order-5521-{day}-{talk.thread.id.hex[:8]}{file.removeprefix('export')}"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'


@pytest.mark.parametrize("file", FILES)
def test_strangers_and_the_unknown_may_not(site: Site, talk: Talk, file: str) -> None:
    address = site.url(f"threads/{talk.thread.id}/{file}")
    assert site.client("stranger").get(address).status_code == 404
    assert site.client("billing").get(address).status_code == 403
    assert "/login" in site.client("anonymous").get(address)["Location"]
    other = make.project(site.people, name="Other")
    assert site.client().get(f"/p/{other.public_id}/threads/{talk.thread.id}/{file}").status_code == 404
    for id in (uuid4(), talk.agent.id):
        assert site.client().get(site.url(f"threads/{id}/{file}")).status_code == 404


@pytest.mark.parametrize("page", ["threads/export", "threads/export.jsonl"])
def test_lists_are_for_the_workspace_only(site: Site, talk: Talk, page: str) -> None:
    for person in ("owner", "member", "viewer"):
        assert site.client(person).get(site.url(page)).status_code == 200
    assert site.client("stranger").get(site.url(page)).status_code == 404
    assert site.client("billing").get(site.url(page)).status_code == 403
    assert "/login" in site.client("anonymous").get(site.url(page))["Location"]


def test_a_list_holds_nothing_of_other_projects(site: Site, talk: Talk) -> None:
    other = make.project(site.people, name="Other")
    thread = make.run(other, "thread")
    make.message(other, thread.id, "theirs")
    assert "theirs" not in downloaded(site, "export.jsonl?range=all")


def test_json_is_what_the_data_api_answers(site: Site, talk: Talk) -> None:
    """Byte for byte: what a script learned of one it knows of the other."""
    project = site.project
    odd = '{"role":"assistant", "content":  [{"z": 1.10, "a": "\\u00e9\\/"}], "toolCalls": [{"id": "a", "n": 1e2}]}'
    Message.objects.filter(id=talk.messages[1].id).update(body=odd)
    make.feedback(project, talk.messages[3].id, "thumb", "down")
    make.feedback(project, talk.messages[4].id, "comment", "better")
    event = Run.objects.get(type="custom-event")
    make.body(event, metadata={"b": 1, "a": 2})
    empty = make.run(project, "thread", id="empty")
    _, key = keys.create(project, KeyKind.PRIVATE, "a script")
    for thread in (talk.thread, empty):
        answer = site.client("anonymous").get(f"/v1/threads/{thread.id}", headers={"Authorization": f"Bearer {key}"})
        assert downloaded(site, f"{thread.id}/export.json") == answer.content.decode()
    assert '[{"z": 1.10, "a": "\\u00e9\\/"}]' in downloaded(site, f"{talk.thread.id}/export.json")


def test_markdown_tells_the_whole_conversation(site: Site, talk: Talk) -> None:
    make.feedback(site.project, talk.messages[1].id, "thumb", "up")
    text = downloaded(site, f"{talk.thread.id}/export.md")
    assert text.startswith("# Where is my order 5521?\n\n- Thread: ")
    for words in (
        "- End user: Inès Moreau (ines)\n",
        "- Length: 2 turns, 5 messages, 1 retry\n",
        "- Tags: support\n",
        f"/threads/{talk.thread.id}\n",
        "### Answer 2 of 2 · retry\n\n**assistant**",
        "```text\nOn Friday before noon.\n```",
        "Answered by: order-agent · gpt-4.1 · 4.0 s · 120 tokens · $0.0012 · trace <http",
        "*Event: opened-tracking-page · ",
        "Feedback: thumbs up\n",
    ):
        assert words in text
    assert text.index("On Friday.") < text.index("opened-tracking-page") < text.index("On Friday before noon.")


def test_jsonl_tells_the_last_answer_or_the_chosen_one(site: Site, talk: Talk) -> None:
    path = f"{talk.thread.id}/export.jsonl"
    (line,) = lines(downloaded(site, path))
    assert [message["role"] for message in line] == ["user", "assistant"] * 2
    assert line[-1]["content"] == "On Friday before noon."
    assert said(site, f"{path}?retry={talk.chats[1].id}")[-2:] == ["When will it arrive?", "On Friday."]
    assert said(site, f"{path}?retry=nonsense&retry={uuid4()}")[-1] == "On Friday before noon."


def test_a_thread_without_messages_has_no_line(site: Site, talk: Talk) -> None:
    empty = make.run(site.project, "thread", id="empty")
    assert downloaded(site, f"{empty.id}/export.jsonl") == ""
    assert len(lines(downloaded(site, "export.jsonl?range=all"))) == 1
    assert "# Thread\n" in downloaded(site, f"{empty.id}/export.md")


def test_a_list_follows_its_filters_and_its_order(site: Site, talk: Talk) -> None:
    now = timezone.now()
    for number in range(3):
        ended = now - timedelta(minutes=number)
        run = make.run(site.project, "thread", id=f"t{number}", started_at=ended - timedelta(hours=1))
        Run.objects.filter(id=run.id).update(ended_at=ended, user_id=f"user{number % 2}")
        make.message(site.project, run.id, f"question {number}")
    assert said(site, "export.jsonl?user=user0") == ["question 0", "question 2"]
    assert said(site, "export.jsonl?q=question+1") == ["question 1"]
    assert said(site, "export.jsonl?user=nobody") == []
    assert [one for one in said(site, "export.jsonl") if "question" in one] == [f"question {n}" for n in range(3)]


def test_every_thread_of_a_long_list_is_there_once(site: Site) -> None:
    ended = timezone.now() - timedelta(minutes=5)
    for number in range(THREADS + 3):
        run = make.run(site.project, "thread", id=f"t{number}", started_at=ended, duration_ms=0)
        make.message(site.project, run.id, str(number))
    assert sorted(said(site, "export.jsonl"), key=int) == [str(number) for number in range(THREADS + 3)]


@pytest.mark.parametrize(
    "path", ["{thread}/export.md", "{thread}/export.json", "{thread}/export.jsonl", "export.jsonl"]
)
def test_ten_thousand_messages_are_read_and_written_in_parts(
    site: Site, django_assert_max_num_queries: Any, path: str
) -> None:
    run = talkative(site, 10_000)
    client = site.client()
    with django_assert_max_num_queries(60):
        response: Any = client.get(site.url(f"threads/{path.format(thread=run.id)}"))
        sizes = [len(part) for part in response]
    assert len(sizes) > 10
    assert max(sizes) < CHUNK_RUNS * 1000
    assert sum(sizes) > 10_000 * 30


def test_bodies_are_read_as_they_are_written(site: Site) -> None:
    """Few bodies are in memory at once, also of one thread that is a single line."""
    run = talkative(site, 40, text="x" * (CHUNK_BYTES // 4))
    parts = thread_export.as_jsonl(site.project.pk, [run.id])
    with CaptureQueriesContext(connection) as first:
        part = next(parts)
    assert len(part) < CHUNK_BYTES
    read = [query for query in first.captured_queries if '"runs_message"."body"' in query["sql"].split(" FROM ")[0]]
    assert len(read) <= 2
    assert sum(len(part) for part in parts) > 9 * CHUNK_BYTES


@pytest.mark.parametrize("text", ["```\n````", "<script>alert(1)</script>", "\u202eשלום", "🙂", "x" * 50_000, 'a\\"b'])
@pytest.mark.parametrize("file", FILES)
def test_hostile_texts_are_told_whole(site: Site, text: str, file: str) -> None:
    run = make.run(site.project, "thread", id="odd", user_id=text[:60], tags=[text[:60]])
    make.message(site.project, run.id, text, user_id=text[:60])
    found = downloaded(site, f"{run.id}/{file}")
    if file == "export.jsonl":
        assert lines(found) == [[{"role": "user", "content": text}]]
    elif file == "export.json":
        assert json.loads(found)["messages"][0]["content"] == text
    else:
        assert f"text\n{text}\n```" in found


def test_the_export_page_says_how_many_and_how_large(site: Site, talk: Talk) -> None:
    page = site.get("threads/export?range=all&user=ines")
    assert "1 thread<" in page
    assert "about 2" in page
    assert f'href="{site.url("threads/export.jsonl")}?range=all&amp;user=ines"' in page
    assert 'data-total="1"' in page
    assert "No threads to export" in site.get("threads/export?user=nobody")


def test_the_export_page_costs_few_queries(site: Site, talk: Talk, django_assert_max_num_queries: Any) -> None:
    client = site.client()
    client.get(site.url("threads/export"))
    with django_assert_max_num_queries(20):
        client.get(site.url("threads/export"))


def test_a_list_that_can_not_be_counted_in_time_is_still_exported(
    site: Site, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    talkative(site, 6_000)
    monkeypatch.setattr("traces.listing.FIGURE_SECONDS", 0.001)
    page = site.get("threads/export?range=all&q=found+nowhere")
    assert "Counting them takes too long" in page
    assert f'href="{site.url("threads/export.jsonl")}?range=all&amp;q=found+nowhere" download>' in page


def test_pages_link_to_their_exports(site: Site, talk: Talk) -> None:
    page = site.get(f"threads/{talk.thread.id}?retry={talk.chats[1].id}")
    for name in FILES:
        assert site.url(f"threads/{talk.thread.id}/{name}") in page
    assert f"export.jsonl?retry={talk.chats[1].id}" in page
    assert f"{site.url('threads/export')}?range=all" in site.get("threads?range=all")
