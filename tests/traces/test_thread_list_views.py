"""The thread list and its filter groups through the front door."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from runs.models import StaleThread
from tests import make
from tests.traces.conftest import Site, Talk
from traces import thread_summaries
from traces.thread_list import ThreadSort
from traces.thread_summaries import MARKS


def summarise(site: Site, *talks: Talk) -> None:
    MARKS.add(site.project.pk, [talk.thread.id for talk in talks])
    thread_summaries.recompute_stale()


def row_of(page: str, words: str) -> str:
    """Return the row of the table in which these words stand."""
    rows: list[str] = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    return next(row for row in rows if words in row)


@pytest.mark.parametrize("path", ["threads", "threads/facets"])
def test_only_people_of_the_workspace_see_it(site: Site, talk: Talk, path: str) -> None:
    for person in ("owner", "member", "viewer"):
        assert site.client(person).get(site.url(path)).status_code == 200
    assert site.client("stranger").get(site.url(path)).status_code == 404
    assert site.client("billing").get(site.url(path)).status_code == 403
    answer = site.client("anonymous").get(site.url(path))
    assert answer.status_code == 302
    assert "/login" in answer["Location"]


def test_a_row_says_everything_of_a_thread_worker_or_not(site: Site, talk: Talk) -> None:
    make.feedback(site.project, talk.messages[1].id, "thumbs", "down")
    make.feedback(site.project, talk.messages[4].id, "comment", "better")
    for made in (False, True):
        if made:
            summarise(site, talk)
        row = row_of(site.get("threads"), "Where is my order 5521?")
        assert [
            text.strip().replace("\xa0", " ") for text in re.findall(r'<td class="num[^"]*">([^<]+)</td>', row)
        ] == [*("2", "5", "1 m 30 s", "120", "$0.0012")]
        for words in (
            "Inès Moreau",
            "IM",
            "support",
            "thumbs down",
            "comments",
            "Thumbs down: A thumbs-down was given",
        ):
            assert words in row
        assert "Retried: An answer was tried again once, in turn 2." in row


def test_signals_filter_and_are_counted(site: Site, talk: Talk) -> None:
    quiet = make.run(site.project, "thread")
    make.message(site.project, quiet.id, "Hello there", side="out")
    MARKS.add(site.project.pk, [quiet.id])
    summarise(site, talk)
    page = site.get("threads?signal=retried&facets=1")
    assert "Where is my order" in page
    assert "Retried" in page
    assert re.search(
        r'class="chip-key">signal</span><span class="chip-key">is</span><span class="chip-value">retried<', page
    )
    assert str(quiet.id) not in page
    assert str(quiet.id) in site.get("threads")
    group = site.get("threads/facets")
    assert re.search(r'title="Retried">.*?<span class="count">1</span>', group, re.DOTALL)
    assert "signal=retried" in group


def test_every_column_can_be_sorted_by_and_every_filter_stays_in_the_address(site: Site, talk: Talk) -> None:
    summarise(site, talk)
    page = site.get("threads?team=&signal=retried&exchanges=%3E1")
    links = re.findall(r'<th scope="col"[^>]*><a href="([^"]+)"', page)
    assert len(links) == len(ThreadSort.orders)
    for link in links:
        address = link.replace("&amp;", "&")
        for pair in ("team=", "signal=retried", "exchanges=%3E1"):
            assert pair in address
        assert "Where is my order" in site.get(f"threads{address}")
    assert 'aria-sort="ascending"' in site.get("threads?sort=first")
    assert 'aria-sort="descending"' in site.get("threads")


def test_words_and_limits_become_an_address(site: Site, talk: Talk) -> None:
    client = site.client()
    typed = client.get(site.url("threads"), {"add": "signal:reasked turns:>2 has:error started:>=2026-11-01 refund"})
    assert typed.status_code == 302
    assert typed["Location"].partition("?")[2] == (
        "signal=reasked&signal=failed&exchanges=%3E2&started=%3E%3D2026-11-01&q=refund"
    )
    limited = client.get(site.url("threads"), {"messages_min": "3", "cost_max": "1.5", "tokens_min": ""})
    assert limited["Location"].partition("?")[2] == "messages=%3E%3D3&cost=%3C%3D1.5"
    page = site.get("threads?signal=maybe")
    assert "can’t be “maybe”" in page
    assert "damaged" in site.get("threads?cursor=nonsense&sort=-cost")


def test_a_list_by_totals_says_how_far_they_are_behind(site: Site, talk: Talk) -> None:
    summarise(site, talk)
    MARKS.add(site.project.pk, [talk.thread.id])
    StaleThread.objects.update(marked_at=timezone.now() - timedelta(seconds=20))
    assert "s behind" in site.get("threads?sort=-cost")
    assert "s behind" in site.get("threads?signal=retried")
    assert "as far as is known" in site.get("threads?signal=slow")
    assert "s behind" not in site.get("threads")
    thread_summaries.recompute_stale()
    assert "s behind" not in site.get("threads?sort=-cost")


def test_without_scripts_the_groups_are_a_link_away(site: Site, talk: Talk) -> None:
    summarise(site, talk)
    page = site.get("threads?user=ines")
    link = re.search(r'href="(\?user=ines&amp;facets=1)">Show values with counts', page)
    assert link
    page = site.get(f"threads{link[1].replace('&amp;', '&')}")
    assert 'aria-label="Signals"' in page
    assert "hx-trigger" not in page[page.index('id="filters"') : page.index("filters", page.index('id="filters"') + 20)]


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("😀" * 300, "😀" * 119 + "…"),
        ("أين طلبي؟", "أين طلبي؟"),
        ("", "no words from a person"),
        ([{"type": "tool_use", "id": "a", "name": "lookup_order", "input": {}}], "lookup_order"),
    ],
)
def test_odd_first_messages(site: Site, content: object, shown: str) -> None:
    tags = [f"<b>{number}" for number in range(60)]
    odd = make.run(site.project, "thread", user_id="<i>who", team_id="<u>team", organization_id="<s>org", tags=tags)
    make.message(site.project, odd.id, {"role": "user", "content": content})
    empty = make.run(site.project, "thread")
    page = site.get("threads")
    assert shown in page
    assert "+59" in page
    assert "nothing said yet" in row_of(page, str(empty.id))
    for raw in ("<script>alert", "<b>", "<i>who", "<u>team", "<s>org"):
        assert raw not in page


def test_the_conversation_shows_its_signals_and_leads_to_their_turns(site: Site, talk: Talk) -> None:
    page = site.get(f"threads/{talk.thread.id}")
    badges = page[page.index('aria-label="Signals"') :]
    badges = badges[: badges.index("</ul>")]
    assert 'href="?turn=2#turn-2"' in badges
    assert 'title="An answer was tried again once, in turn 2."' in badges
    assert 'id="turn-2"' in page
    quiet = make.run(site.project, "thread")
    assert 'aria-label="Signals"' not in site.get(f"threads/{quiet.id}")


def test_the_list_costs_the_same_number_of_queries_whatever_it_holds(
    site: Site, talk: Talk, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = site.client()
    for _ in range(2):
        for path, budget in (("threads", 18), ("threads?sort=-cost&signal=retried", 20), ("threads/facets", 18)):
            with django_assert_max_num_queries(budget):
                assert client.get(site.url(path)).status_code == 200
        for number in range(20):
            thread = make.run(site.project, "thread", user_id=f"user-{number}")
            make.message(site.project, thread.id, "hello")
            MARKS.add(site.project.pk, [thread.id])
