"""traces.alive, and the answer an open page gets: nothing while nothing changed, the same page where something did."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from runs.models import Run
from tests import make
from tests.traces.conftest import Site
from tests.traces.forests import START, row, uid
from traces import alive
from traces.alive import QUICK, SETTLING, SLOW
from traces.columns import RunRow
from traces.tree import grow

SECOND = timedelta(seconds=1)


def every(rows: list[RunRow], quiet: timedelta) -> int:
    """Return how often the page of a trace asks that has been quiet for so long."""
    forest = grow(uid(0), rows)
    return alive.pulse(forest, forest.ended_at + quiet).every


def test_a_page_asks_as_long_as_more_may_come_and_less_and_less() -> None:
    running, over = [row(0, ms=None)], [row(0)]
    orphan = [row(0), row(1, 99)]
    for rows in (running, orphan):
        assert [every(rows, quiet) for quiet in (SECOND, QUICK[0], SLOW[0])] == [QUICK[1], SLOW[1], 0]
    assert [every(over, quiet) for quiet in (SECOND, SETTLING)] == [QUICK[1], 0]


def test_a_run_that_never_ended_is_doubted_at_last() -> None:
    forest = grow(uid(0), [row(0, ms=None)])
    late = alive.pulse(forest, START + SLOW[0])
    assert (late.is_quiet, late.is_live, late.live_us(START)) == (True, False, None)
    early = alive.pulse(forest, START + SECOND)
    assert (early.is_quiet, early.is_live) == (False, True)
    assert early.live_us(START) == forest.start_us
    received = alive.pulse(forest, START + SLOW[0], START + SLOW[0] - SECOND)
    assert received.is_live
    assert not alive.pulse(grow(uid(0), [row(0)]), START + SLOW[0]).is_quiet


def test_a_token_holds_while_nothing_changed_and_its_time_is_not_up() -> None:
    pulse = alive.pulse(grow(uid(0), [row(0, ms=None)]), START + SECOND)
    token = pulse.token("3.5")
    assert alive.is_current(token, "3.5", START + SECOND)
    assert not alive.is_current(token, "3.6", START + SECOND)
    assert not alive.is_current(token, "3.5", START + QUICK[0] + SECOND)
    settled = alive.pulse(grow(uid(0), [row(0)]), START + SLOW[0])
    assert alive.is_current(settled.token("1.1"), "1.1", START + timedelta(days=9_000))
    for odd in ("", "~", "3.5", "3.5~x", "3.5~²"):
        assert not alive.is_current(odd, "3.5", START)


@pytest.mark.django_db(transaction=True)
def test_any_change_of_any_run_changes_the_state(site: Site, agent: Run) -> None:
    def state() -> str | None:
        return alive.state(site.project.pk, agent.id)

    seen = [state(), state()]
    assert seen[0] == seen[1]
    tool = Run.objects.get(name="fetch_tariff")
    Run.objects.filter(id=tool.id).update(output_tokens=1)
    seen.append(state())
    made = make.child(agent, site.project)
    seen.append(state())
    Run.objects.filter(id=made.id).delete()
    seen.append(state())
    Run.objects.filter(id=tool.id).update(output_tokens=2)
    seen.append(state())
    assert all(before != after for before, after in pairwise(seen[1:]))
    assert alive.state(site.project.pk, make.run_id("nothing")) is None
    assert alive.state(site.project.pk + 1, agent.id) is None


@pytest.fixture
def live(site: Site) -> Run:
    """Return a trace that goes on: an agent and a tool have begun, a call is over."""
    root = make.run(site.project, "agent", name="live-agent", status="started", started_at=timezone.now() - 9 * SECOND)
    make.child(root, site.project, "tool", name="crawl", status="started")
    make.child(root, site.project, "llm", name="gpt-4.1")
    return root


def ask(site: Site, root: Run, person: str = "member", query: str = "", **data: str) -> "tuple[int, str]":
    """Return status and text of the answer that an open page gets."""
    answer = site.client(person).post(site.url(f"traces/{root.id}/alive{query}"), data, headers={"HX-Request": "true"})
    return answer.status_code, answer.content.decode()


def token(page: str) -> str:
    return page.partition('data-token="')[2].partition('"')[0]


def test_an_open_page_asks_and_gets_nothing_until_something_came(site: Site, live: Run) -> None:
    page = site.get(f"traces/{live.id}")
    assert f"/traces/{live.id}/alive?" in page
    assert 'hx-trigger="every 3s"' in page
    status, first = ask(site, live, token=token(page), rows=f"{live.id}.")
    assert status == 200
    assert ask(site, live, token=token(first), rows=f"{live.id}.") == (204, "")
    make.child(live, site.project, "tool", name="came late")
    status, grown = ask(site, live, token=token(first), rows=f"{live.id}. nonsense 7.bcl")
    assert status == 200
    assert "came late" in grown
    assert ask(site, live, token=token(grown))[0] == 204


def test_a_page_stops_asking_when_its_trace_is_over_or_quiet(site: Site, live: Run) -> None:
    Run.objects.filter(trace_id=live.id).update(
        status="success", received_at=timezone.now() - timedelta(hours=2), ended_at=timezone.now() - timedelta(hours=2)
    )
    Run.objects.filter(trace_id=live.id).update(started_at=timezone.now() - timedelta(hours=3))
    assert "data-token" not in site.get(f"traces/{live.id}")
    Run.objects.filter(id=live.id).update(status="started", ended_at=None)
    page = site.get(f"traces/{live.id}")
    assert "not running any more?" in page
    assert "data-token" not in page


def test_a_page_whose_trace_became_part_of_another_is_led_there(site: Site, live: Run) -> None:
    above = make.run(site.project, "agent", name="above")
    Run.objects.filter(trace_id=live.id).update(trace_id=above.id)
    answer = site.client().post(site.url(f"traces/{live.id}/alive"), headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == site.url(f"traces/{above.id}?run={live.id}")


def test_only_people_who_may_read_the_trace_may_ask(site: Site, live: Run) -> None:
    assert {person: ask(site, live, person)[0] for person in ("owner", "viewer", "stranger", "billing")} == {
        "owner": 200,
        "viewer": 200,
        "stranger": 404,
        "billing": 403,
    }
    assert ask(site, live, "anonymous")[0] in (204, 302)
    assert site.client().get(site.url(f"traces/{live.id}/alive")).status_code in (404, 405)
    gone = make.run(site.project, "agent")
    Run.objects.filter(id=gone.id).delete()
    assert ask(site, gone)[0] == 404
