"""The replay of a thread through the front door: each moment is an address."""

import re
from datetime import datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from runs.models import Feedback
from tests import make
from tests.traces.conftest import Site, Talk
from traces.player import milliseconds

HTMX = {"HX-Request": "true", "HX-Target": "replay"}


def moment(talk: Talk, seconds: float) -> int:
    began: datetime = talk.thread.started_at
    return milliseconds(began + timedelta(seconds=seconds))


def at(site: Site, talk: Talk, when: object, more: str = "", person: str = "member", **headers: str) -> str:
    return site.get(f"threads/{talk.thread.id}?at={when}{more}", person, **headers)


def link(page: str, name: str) -> str:
    """Return where a button of the player leads."""
    found = re.search(rf'data-step="{name}" href="([^"]+)"', page)
    assert found, name
    return found[1].replace("&amp;", "&").split("#")[0].removeprefix("?at=")


@pytest.mark.parametrize("person", ["owner", "member", "viewer"])
def test_people_of_the_workspace_replay_threads(site: Site, talk: Talk, person: str) -> None:
    page = at(site, talk, moment(talk, 61), person=person)
    assert "When will it arrive?" in page
    assert "On Friday" not in page
    assert "Not answered yet at this moment of the replay" in page
    assert "turn 2 of 2" in page


def test_strangers_and_the_unknown_replay_nothing(site: Site, talk: Talk) -> None:
    for query in ("at=0", "seek=500"):
        address = site.url(f"threads/{talk.thread.id}?{query}")
        assert site.client("stranger").get(address).status_code == 404
        assert site.client("billing").get(address).status_code == 403
        answer = site.client("anonymous").get(address)
        assert answer.status_code == 302
        assert "/login" in answer["Location"]


def test_the_player_leads_through_the_turns_with_plain_links(site: Site, talk: Talk) -> None:
    whole = site.get(f"threads/{talk.thread.id}")
    assert 'href="?at=0"' in whole
    assert 'id="player"' not in whole
    first = at(site, talk, 0)
    assert "turn 1 of 2" in first
    assert "It left our warehouse" not in first
    second = at(site, talk, link(first, "ArrowRight"))
    assert "yesterday" in second
    assert "On Friday" not in second
    last = at(site, talk, link(second, "ArrowRight"))
    assert "On Friday before noon." in last
    assert "2/2" in last
    assert 'data-step="ArrowRight"' not in last
    assert "data-after" not in last
    assert link(last, "ArrowLeft") == link(first, "ArrowRight")
    assert link(last, "Home") == link(second, "Home") == link(second, "ArrowLeft")
    assert link(first, "End") == link(second, "End")


@pytest.mark.parametrize(
    ("when", "shown"), [("1", "turn 1 of 2"), ("99999999999999", "On Friday before noon."), ("0", "turn 1 of 2")]
)
def test_times_before_and_after_everything_are_the_first_and_the_last_moment(
    site: Site, talk: Talk, when: str, shown: str
) -> None:
    assert shown in at(site, talk, when)


@pytest.mark.parametrize("when", ["", "yesterday", "-1", "1e9", "9" * 40, "%00", "٣"])
def test_what_is_no_time_shows_the_whole_thread(site: Site, talk: Talk, when: str) -> None:
    page = at(site, talk, when)
    assert 'id="player"' not in page
    assert "On Friday before noon." in page


def test_retries_and_feedback_are_not_there_before_their_time(site: Site, talk: Talk) -> None:
    answer = talk.messages[3]
    make.feedback(site.project, answer.id, "thumb", "down")
    make.feedback(site.project, answer.id, "comment", "which Friday?")
    Feedback.objects.update(at=talk.thread.started_at + timedelta(seconds=70))
    answered = at(site, talk, moment(talk, 62))
    assert "On Friday." in answered
    assert "which Friday?" not in answered
    assert "retries-count" not in answered
    judged = at(site, talk, moment(talk, 70))
    assert "which Friday?" in judged
    assert "opened-tracking-page" not in judged
    retried = at(site, talk, moment(talk, 85))
    assert "2/2" in retried
    assert "which Friday?" not in retried
    other = at(site, talk, moment(talk, 85), f"&retry={talk.chats[1].id}")
    assert "which Friday?" in other
    assert "1/2" in other
    assert f"retry={talk.chats[1].id}" in link(other, "Home")
    early = at(site, talk, moment(talk, 62), f"&retry={talk.chats[2].id}")
    assert "On Friday." in early
    assert "before noon" not in early


def test_marks_lead_to_what_they_mark(site: Site, talk: Talk) -> None:
    make.feedback(site.project, talk.messages[1].id, "thumb", "up")
    Feedback.objects.update(at=talk.thread.started_at + timedelta(seconds=9))
    page = at(site, talk, 0)
    slots = re.findall(r'data-go href="\?at=(\d+)#turn-(\d)" aria-label="([^"]+)"', page)
    assert (str(moment(talk, 9)), "1", "Turn 1: thumbs up") in slots
    assert any("retry" in words for _, _, words in slots)
    assert any("event" in words for _, _, words in slots)


def test_a_place_on_the_track_leads_to_the_nearest_moment(site: Site, talk: Talk) -> None:
    address = site.url(f"threads/{talk.thread.id}")
    for place, seconds in ((0, 0), (1000, 85), (700, 60)):
        answer = site.client().get(f"{address}?at=5&seek={place}&speed=4")
        assert answer["Location"].startswith(f"{address}?at={moment(talk, seconds)}&speed=4#turn-")
    assert site.client().get(f"{address}?seek=near the end").status_code == 200


def test_the_speed_is_kept_and_only_one_that_is_offered(site: Site, talk: Talk) -> None:
    fast = at(site, talk, 0, "&speed=16")
    assert "speed=16" in link(fast, "ArrowRight")
    assert 'data-speed="16"' in fast
    assert 'data-speed="1"' in at(site, talk, 0, "&speed=1000")


def test_nothing_can_be_given_in_a_replay(site: Site, talk: Talk) -> None:
    assert "feedback-form" in site.get(f"threads/{talk.thread.id}")
    assert "feedback-form" not in at(site, talk, moment(talk, 85))


def test_a_step_brings_the_replay_alone(site: Site, talk: Talk) -> None:
    part = at(site, talk, 0, **HTMX)
    assert part.lstrip().startswith('<div class="replay" id="replay">')
    assert part.rstrip().endswith("</div>")
    assert "<html" not in part


def test_the_player_moves_over_the_bounds_of_pages(site: Site, talk: Talk) -> None:
    for number in range(120):
        when = talk.thread.started_at + timedelta(seconds=100 + number)
        make.message(site.project, talk.thread.id, f"question {number:03}", at=when)
    before = at(site, talk, moment(talk, 197))  # the hundredth turn
    assert "question 097" in before
    assert "turn 100 of 122" in before
    after = at(site, talk, link(before, "ArrowRight"))
    assert "question 098" in after
    assert "question 097" not in after
    assert "turn 101 of 122" in after
    back = re.search(r'href="\?([^"]+)">100 earlier turns', after)
    assert back
    earlier = site.get(f"threads/{talk.thread.id}?{back[1].replace('&amp;', '&')}")
    assert "question 097" in earlier
    assert "turn 101 of 122" in earlier


def test_a_thread_of_which_nothing_was_said_has_no_replay(site: Site) -> None:
    empty = make.run(site.project, "thread", id="nothing said")
    page = site.get(f"threads/{empty.id}?at=0")
    assert "Nothing has been said yet" in page
    assert 'id="player"' not in page
    assert "Leave the replay" not in page
    assert 'href="?at=' not in page


def test_a_moment_costs_no_more_queries_than_the_whole(
    site: Site, talk: Talk, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = site.client()
    for _ in range(2):
        with django_assert_max_num_queries(25):
            client.get(site.url(f"threads/{talk.thread.id}?at={moment(talk, 70)}"))
        for _ in range(20):
            make.message(site.project, talk.thread.id, "and then?", at=talk.thread.started_at)
