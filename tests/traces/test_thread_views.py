"""The thread pages through the front door."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from runs.models import Feedback
from tests import make
from tests.traces.conftest import Site, Talk

HTMX = {"HX-Request": "true"}


@pytest.mark.parametrize("person", ["owner", "member", "viewer"])
def test_people_of_the_workspace_read_threads(site: Site, talk: Talk, person: str) -> None:
    assert "Where is my order 5521?" in site.get("threads", person)
    assert "On Friday before noon." in site.get(f"threads/{talk.thread.id}", person)


@pytest.mark.parametrize("path", ["threads", "threads/{}"])
def test_strangers_and_the_unknown_see_nothing(site: Site, talk: Talk, path: str) -> None:
    address = site.url(path.format(talk.thread.id))
    assert site.client("stranger").get(address).status_code == 404
    assert site.client("billing").get(address).status_code == 403
    answer = site.client("anonymous").get(address)
    assert answer.status_code == 302
    assert "/login" in answer["Location"]


def test_a_thread_of_another_project_is_not_there(site: Site, talk: Talk) -> None:
    other = make.project(site.people, name="Other")
    assert site.client().get(f"/p/{other.public_id}/threads/{talk.thread.id}").status_code == 404


def test_the_list_tells_what_each_thread_is_about(site: Site, talk: Talk) -> None:
    make.feedback(site.project, talk.messages[1].id, "thumbs", "down")
    page = site.get("threads")
    row = page[page.index("Where is my order") :]
    row = row[: row.index("</tr>")]
    assert re.findall(r'<td class="num[^"]*">([^<]+)</td>', row)[:2] == ["2", "5"]  # turns, messages
    assert "Inès Moreau" in row
    assert "thumbs down" in row
    assert "$0.0012" in row


def test_the_list_is_filtered_by_the_address(site: Site, talk: Talk) -> None:
    make.feedback(site.project, talk.messages[4].id, "thumb", "up")
    other = make.run(site.project, "thread", id="other", user_id="pavel")
    make.message(site.project, other.id, "Something else, élan vital")
    for query, there in {
        "": {"order", "else"},
        "user=ines": {"order"},
        "user=pavel": {"else"},
        "tag=support": {"order"},
        "feedback=up": {"order"},
        "feedback=none": {"else"},
        "feedback=down": set(),
        "q=before noon": {"order"},
        "q=ÉLAN": {"else"},
        "range=1h": {"else"},
    }.items():
        table = site.get(f"threads?{query}", **HTMX)
        words = {"order": "Where is my order", "else": "Something else"}
        assert {name for name, text in words.items() if text in table} == there, query


def test_the_list_is_sorted_by_last_activity_and_pages_by_keyset(site: Site) -> None:
    now = timezone.now()
    for number in range(60):
        ended = now - timedelta(minutes=number)
        thread = make.run(site.project, "thread", started_at=now - timedelta(hours=9), ended_at=ended)
        make.message(site.project, thread.id, f"thread-{number:02}")
    first = site.get("threads")
    older = re.search(r'rel="next" href="\?([^"]+)"', first)
    assert older
    second = site.get(f"threads?{older[1].replace('&amp;', '&')}")
    names = [re.findall(r">(thread-\d\d)</a>", page) for page in (first, second)]
    assert names[0] + names[1] == [f"thread-{number:02}" for number in range(60)]
    assert "damaged" in site.get("threads?cursor=nonsense")


def test_list_and_thread_cost_the_same_number_of_queries_whatever_they_hold(
    site: Site, talk: Talk, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = site.client()
    for _ in range(2):
        for path, budget in (("threads", 20), (f"threads/{talk.thread.id}", 26)):
            with django_assert_max_num_queries(budget):
                client.get(site.url(path))
        for number in range(20):
            thread = make.run(site.project, "thread", user_id=f"user-{number}")
            make.message(site.project, thread.id, "hello")
            make.child(talk.agent, site.project, "tool")
            make.message(site.project, talk.thread.id, "and then?", chat_id=uuid4())


def test_an_answer_says_what_it_took_and_leads_to_its_trace(site: Site, talk: Talk) -> None:
    page = site.get(f"threads/{talk.thread.id}")
    first = page[page.index('id="turn-1"') : page.index('id="turn-2"')]
    assert "order-agent" in first
    assert "gpt-4.1" in first
    assert "4.0" in first
    assert "120 tokens" in first
    assert f"/traces/{talk.agent.id}" in first
    assert "<strong>yesterday</strong>" in first


def test_beside_the_conversation_stands_who_it_is_and_what_was_sent_along(site: Site, talk: Talk) -> None:
    talk.thread.metadata = {"channel": "web", "nested": {"a": 1}}
    talk.thread.save(update_fields=["metadata"])
    about = site.get(f"threads/{talk.thread.id}")
    about = about[about.index("who-pane") :]
    for words in ("Inès Moreau", "Flex", "channel", "web", "1 key", "support", str(talk.thread.id)):
        assert words in about


def test_retries_are_siblings_behind_links(site: Site, talk: Talk) -> None:
    page = site.get(f"threads/{talk.thread.id}")
    assert "2/2" in page
    assert "On Friday." not in page
    link = re.search(rf'href="(\?turn=2&amp;retry={talk.chats[1].id}#turn-2)"', page)
    assert link
    other = site.get(f"threads/{talk.thread.id}?retry={talk.chats[1].id}")
    assert "1/2" in other
    assert "On Friday." in other
    assert "On Friday before noon." not in other
    assert "opened-tracking-page" in other
    assert page.index("When will it arrive?") < page.index("opened-tracking-page", page.index('id="turn-2"'))


def test_every_id_leads_to_the_conversation(site: Site, talk: Talk) -> None:
    client = site.client()
    thread = site.url(f"threads/{talk.thread.id}")
    to_chat = f"{thread}?retry={talk.chats[1].id}#chat-{talk.chats[1].id}"
    assert client.get(site.url(f"threads/{talk.messages[3].id}"))["Location"] == to_chat
    assert client.get(site.url(f"threads/{talk.chats[1].id}"))["Location"] == to_chat
    assert client.get(site.url(f"threads/{str(talk.thread.id).upper()}"))["Location"] == thread
    loose = make.run(site.project, "agent")
    assert client.get(site.url(f"threads/{loose.id}"))["Location"] == site.url(f"traces/{loose.id}")
    assert client.get(site.url("threads/no-such-thing")).status_code == 404


def test_feedback_is_given_and_taken_back_with_plain_forms(site: Site, talk: Talk) -> None:
    message = talk.messages[1]
    address = site.url(f"threads/{talk.thread.id}/messages/{message.id}/feedback")
    client = site.client()
    answer = client.post(address, {"thumb": "up", "query": "turn=1"})
    assert answer["Location"] == site.url(f"threads/{talk.thread.id}?turn=1#message-{message.id}")
    client.post(address, {"comment": "clear <b>"})
    page = site.get(f"threads/{talk.thread.id}")
    assert "clear &lt;b&gt;" in page
    assert page.count('class="thumb thumb-up"') == 1
    client.post(address, {"thumb": ""})
    client.post(address, {"comment": " "})
    assert 'class="thumb thumb-up"' not in site.get(f"threads/{talk.thread.id}")
    kept = Feedback.objects.filter(run_id=message.id).values_list("key", "value")
    assert dict(kept) == {"thumb": None, "comment": None}


def test_the_two_spellings_of_a_thumb_are_one(site: Site, talk: Talk) -> None:
    message = talk.messages[1]
    make.feedback(site.project, message.id, "thumbs", "down")
    address = site.url(f"threads/{talk.thread.id}/messages/{message.id}/feedback")
    part = site.client().post(address, {"thumb": "up"}, headers=HTMX).content.decode()
    assert part.count('aria-pressed="true"') == 1
    assert 'class="thumb thumb-up"' in part
    assert "<html" not in part


def test_feedback_needs_the_right_and_a_message_of_the_thread(site: Site, talk: Talk) -> None:
    def post(person: str, message: object) -> int:
        address = site.url(f"threads/{talk.thread.id}/messages/{message}/feedback")
        return site.client(person).post(address, {"thumb": "up"}).status_code

    assert post("viewer", talk.messages[1].id) == 403
    assert post("stranger", talk.messages[1].id) == 404
    assert post("anonymous", talk.messages[1].id) == 302
    assert post("member", uuid4()) == 404
    assert not Feedback.objects.exists()
    assert "feedback-form" not in site.get(f"threads/{talk.thread.id}", "viewer")
    get = site.client().get(site.url(f"threads/{talk.thread.id}/messages/{talk.messages[1].id}/feedback"))
    assert get.status_code == 405


def test_what_strangers_write_stays_text(site: Site) -> None:
    thread = make.run(site.project, "thread", tags=["<i>tag</i>"], user_id="<u>me</u>")
    evil = (
        "<script>alert(1)</script> <img src=x onerror=alert(1)> ![p](https://evil.example/p.png) "
        "[a](javascript:alert(1)) [b](/logout) [c](//evil.example) [d](data:text/html,x) <https://ok.example/?a=1&b=2> "
        '[e](https://ok.example "t\\" onclick=x") \n\n<style>*{}</style>\n\n`<b>code</b>`'
    )
    make.message(site.project, thread.id, evil)
    make.message(site.project, thread.id, evil, side="out")
    call = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": evil, "arguments": evil}}]}
    make.message(site.project, thread.id, call, side="out")
    image = {"type": "image_url", "image_url": {"url": evil}}
    make.message(site.project, thread.id, {"role": evil, "content": [image]})
    page = site.get(f"threads/{thread.id}")
    body = page[page.index('id="content"') :]
    assert "<script" not in body
    assert "<img" not in body
    assert "<style" not in body
    tags = re.sub(r'"[^"]*"', '""', body)
    assert not re.search(r"<[a-z][^>]*\s(on\w+|style)=", tags)
    assert "javascript:" not in re.sub(r">[^<]*<", "><", body)
    assert 'href="/logout"' not in body[: body.index("who-pane")]
    assert 'href="//' not in body
    outside = re.findall(r'<a [^>]*href="https://[^>]*>', body)
    assert outside
    assert all("nofollow" in link and "noopener" in link for link in outside)
    assert "<i>tag" not in site.get("threads")


def test_messages_without_text_are_shown(site: Site) -> None:
    thread = make.run(site.project, "thread")
    make.message(site.project, thread.id, {"role": "user", "content": None})
    make.message(site.project, thread.id, {"role": "user", "content": [{"type": "odd", "x": 1}]})
    calls = [{"id": "c", "function": {"name": "look", "arguments": "{}"}}]
    call = {"role": "assistant", "content": "", "toolCalls": calls}
    make.message(site.project, thread.id, call, side="out")
    page = site.get(f"threads/{thread.id}")
    assert "no text" in page
    assert ">look<" in page
    assert "no result" in page
    assert "Not answered" in page


def test_an_empty_thread_and_an_empty_list_say_so(site: Site) -> None:
    thread = make.run(site.project, "thread")
    assert "Nothing has been said yet" in site.get(f"threads/{thread.id}")
    empty = make.project(site.people, name="Empty")
    page = site.client().get(f"/p/{empty.public_id}/threads").content.decode()
    assert "No threads yet" in page


def test_a_long_thread_is_read_in_pages(site: Site) -> None:
    thread = make.run(site.project, "thread")
    began = timezone.now() - timedelta(hours=5)
    for number in range(120):
        make.message(site.project, thread.id, f"question {number + 1}.", at=began + timedelta(seconds=number))
    last = site.get(f"threads/{thread.id}")
    assert 'id="turn-120"' in last
    assert 'id="turn-100"' not in last
    assert "100 earlier turns" in last
    assert 'href="?turn=7#turn-7"' in last  # the contents lead everywhere
    assert 'id="turn-7"' in site.get(f"threads/{thread.id}?turn=7")
