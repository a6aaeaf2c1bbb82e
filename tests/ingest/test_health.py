"""The Ingest health page, as the people of a project, strangers and visitors see it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ingest import health_charts, queries
from ingest.models import Rejection
from ingest.pulse import pulse
from projects.models import Project
from runs.models import Run
from tests import make
from tests.ingest.conftest import Sender

RUN = "3b1b4d0e-0000-4000-8000-000000000001"
TOOL = {"type": "tool", "event": "start", "runId": "my-tool", "name": "<b>search</b>", "input": "q"}


@pytest.fixture
def people(sender: Sender) -> make.People:
    return make.people(sender.project)


def health(sender: Sender, query: str = "") -> str:
    return f"/p/{sender.project.public_id}/ingest{query}"


def page(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return str(response.content.decode())


def test_who_may_see_it(sender: Sender, people: make.People) -> None:
    sender.send(TOOL)
    one = f"/p/{sender.project.public_id}/ingest/{Rejection.objects.get().id}"
    for address in (health(sender), one):
        for person in (people.owner, people.member, people.viewer):
            assert make.client_for(person).get(address).status_code == 200
        assert make.client_for(people.billing).get(address).status_code == 403
        assert make.client_for(people.stranger).get(address).status_code == 404
        assert make.client_for(None).get(address).status_code == 302


def test_who_may_replay(sender: Sender, people: make.People) -> None:
    sender.send(TOOL)
    Project.objects.update(accept_standalone_tools=True)
    rejection = Rejection.objects.get().id
    for address in (health(sender, f"/{rejection}/replay"), health(sender, "/replay")):
        for person, status in ((people.viewer, 403), (people.billing, 403), (people.stranger, 404), (None, 302)):
            assert make.client_for(person).post(address, {"reason": "standalone-tool"}).status_code == status
        assert make.client_for(people.owner).get(address).status_code == 405
    assert not Run.objects.exists()
    answer = make.client_for(people.member).post(
        health(sender, f"/{rejection}/replay"), {"next": "//elsewhere.example"}
    )
    assert answer.status_code == 302
    assert "elsewhere" not in answer["Location"]
    assert Run.objects.count() == 1


def test_another_projects_event_is_not_there(sender: Sender, people: make.People) -> None:
    sender.send(TOOL)
    rejection = Rejection.objects.get().id
    own = make.project(Project.objects.get(pk=sender.project.pk).workspace)
    assert make.client_for(people.owner).get(f"/p/{own.public_id}/ingest/{rejection}").status_code == 404


def test_an_untroubled_project_says_so(sender: Sender, people: make.People) -> None:
    html = page(make.client_for(people.viewer), health(sender))
    assert "Every event that arrived is stored" in html
    assert "none yet" in html
    assert "Accept them, flagged" not in html


def test_reasons_are_counted_and_raw_events_opened(sender: Sender, people: make.People) -> None:
    sender.send(TOOL, {"event": "explode", "runId": "x"}, {"event": "explode", "runId": "y"})
    client = make.client_for(people.owner)
    html = page(client, health(sender))
    assert "Tool outside an agent or a chain" in html
    assert "Unknown event name" in html
    assert "<svg" in html
    assert "<b>search" not in html
    narrowed = page(client, health(sender, "?reason=unknown-event"))
    assert narrowed.count('class="badge badge-warn">held') == 2
    opened = page(client, health(sender, f"/{Rejection.objects.get(code='standalone-tool').id}"))
    assert "tool runs are tracked as part of an agent or a chain; this one names no parentRunId" in opened
    assert "&lt;b&gt;search&lt;/b&gt;" in opened
    assert "<b>search" not in opened


def test_a_huge_event_is_listed_without_its_text_and_shown_in_part(sender: Sender, people: make.People) -> None:
    sender.send(TOOL | {"input": "x" * 300_000})
    client = make.client_for(people.viewer)
    assert len(page(client, health(sender))) < 100_000
    opened = page(client, health(sender, f"/{Rejection.objects.get().id}"))
    assert "more characters are not shown here" in opened
    assert len(opened) < 300_000


def test_the_switch_and_replaying_a_reason(sender: Sender, people: make.People) -> None:
    sender.send(TOOL, {"type": "tool", "event": "end", "runId": "my-tool", "output": "a"})
    owner = make.client_for(people.owner)
    still = owner.post(health(sender, "/replay"), {"reason": "standalone-tool"}, follow=True)
    assert "2 are still refused" in still.content.decode()
    switch = re.search(
        r'action="([^"]+)"[^>]*>(?:(?!</form>).)*Accept them, flagged', page(owner, health(sender)), re.S
    )
    assert switch is not None
    owner.post(switch[1], {"on": "1", "next": health(sender)})
    done = owner.post(health(sender, "/replay"), {"reason": "standalone-tool"}, follow=True)
    assert "2 of 2 events are stored now" in done.content.decode()
    assert Run.objects.get().status == "success"
    assert "replayed" in page(owner, health(sender))


@pytest.mark.parametrize("form", ["my-run", "38333a2f-90ef-4178-ace7-f35451a5e52c"])
def test_where_is_my_event(sender: Sender, people: make.People, form: str) -> None:
    client = make.client_for(people.member)
    sent = "custom-id" if form != "my-run" else form
    sender.send({"type": "llm", "event": "start", "runId": sent, "name": "gpt-4o"}, {"event": "explode", "runId": sent})
    html = page(client, health(sender, f"?id={form}"))
    assert "is stored" in html
    assert "gpt-4o" in html
    assert "has arrived" in page(client, health(sender, "?id=never-sent"))
    held_only = page(client, health(sender, "?id=custom-id" if sent == "custom-id" else "?id=my-run"))
    assert "It is held" in held_only


def test_keys_show_their_pulse_and_clock(sender: Sender, people: make.People) -> None:
    now = timezone.now()
    sender.send({"type": "llm", "event": "start", "runId": RUN, "timestamp": (now - timedelta(minutes=10)).isoformat()})
    pulse.flush()
    html = page(make.client_for(people.viewer), health(sender))
    assert "10 minutes behind" in html
    assert "never" in html
    (public, private) = queries.key_health(sender.project, timezone.now())
    assert (public.accepted, sum(public.minutes), private.last_event_at) == (1, 1, None)


@pytest.mark.parametrize(
    ("skew_ms", "words"),
    [
        (0, "in step"),
        (1_900, "in step"),
        (-1_900, "in step"),
        (5_000, "5 seconds behind"),
        (-5_000, "5 seconds ahead"),
        (60_000, "1 minute behind"),
        (-3 * 3_600_000, "3 hours ahead"),
        (86_400_000 * 400, "400 days behind"),
    ],
)
def test_clocks_are_compared_in_words(skew_ms: int, words: str) -> None:
    assert queries.KeyHealth("k", "public", "", revoked=False, skew_ms=skew_ms).skew_words == words


def test_a_poll_renders_only_the_pulse(sender: Sender, people: make.People) -> None:
    response = make.client_for(people.viewer).get(health(sender), headers={"HX-Request": "true"})
    html = response.content.decode()
    assert 'id="pulse"' in html
    assert "<html" not in html
    assert "HX-Request" in response["Vary"]


def test_a_damaged_page_address_is_400(sender: Sender, people: make.People) -> None:
    assert make.client_for(people.viewer).get(health(sender, "?cursor=x")).status_code == 400


def test_the_page_costs_few_queries_however_much_is_held(
    sender: Sender, people: make.People, django_assert_max_num_queries: Any
) -> None:
    sender.send(*({"event": "explode", "runId": str(number)} for number in range(120)))
    client = make.client_for(people.viewer)
    with django_assert_max_num_queries(11):
        page(client, health(sender))
    with django_assert_max_num_queries(15):
        page(client, health(sender, "?id=1"))


def test_bars_stack_up_to_the_highest_day() -> None:
    days = [timezone.now().date()] * 2
    first, second = health_charts.stacked(days, [[1, 2], [0, 1], [0, 0], [1, 1], [0, 4]], 100, 50)
    assert (first.events, second.events) == (2, 8)
    assert [rect.series for rect in second.rects] == [1, 2, 0]
    assert second.rects[-1].y == 0
    assert sum(rect.height for rect in second.rects) == 50
    assert health_charts.spark([0, 0], 10, 10) == []
