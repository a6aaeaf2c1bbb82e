"""Every page in Chromium, wide and narrow, light and dark: nothing refused, nothing nameless, nothing cut off.

axe-core has nothing to complain of either.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, StorageState, expect

from tests.journeys.accessibility import COLOUR_RULES, violations
from tests.journeys.browsing import DESK, PHONE, Scheme, Watched, chromium, logged_in, watched
from tests.journeys.conftest import MANY_TAGS, TURNS, Instance, new_project
from tests.journeys.events import made_id
from tests.supervisor.instances import Copy

pytestmark = [pytest.mark.xdist_group("copy"), pytest.mark.browser]

PAGES = {
    "overview": "overview",
    **{f"runs of type {kind}": f"runs?type={kind}" for kind in ("llm", "tool", "retriever", "chain", "agent", "all")},
    "runs, filtered": "runs?type=all&status=error&user=user-4",
    "runs, nothing fits": "runs?name=nowhere",
    "runs, a filter that is none": "runs?cost_min=cheap",
    "runs, peek": f"runs?peek={made_id('9')}",
    "run": f"runs/{made_id('9')}",
    "run, raw": f"runs/{made_id('1')}?tab=raw",
    "traces": "traces",
    "trace": f"traces/{made_id('agent')}",
    "trace, a run of it": f"traces/{made_id('agent')}?run={made_id('tool')}",
    "trace, hits": f"traces/{made_id('agent')}?find=o&run={made_id('tool')}",
    "trace, hits alone": f"traces/{made_id('agent')}/find?find=o",
    "trace, expanded": f"traces/{made_id('agent')}?expand=all",
    "trace, only errors": f"traces/{made_id('agent')}?only=errors",
    "trace, transcript": f"traces/{made_id('agent')}/transcript",
    "trace, findings": f"traces/{made_id('agent')}/findings",
    "trace, public links": f"traces/{made_id('agent')}/share",
    "trace, what to compare with": f"traces/{made_id('agent')}/compare-with",
    "traces compared": f"traces/compare?a={made_id('agent')}&b={made_id('agent again')}",
    "traces to compare": "traces/compare",
    "traces, filtered": "traces?has=error&tool=lookup",
    "traces without a root": "traces?root=missing",
    "public links": "traces/shares",
    "threads": "threads",
    "thread, long": f"threads/{made_id('long thread')}",
    "thread": f"threads/{made_id('thread of many')}",
    "users": "users",
    "user": "users/user-1",
    "teams": "teams",
    "organizations": "organizations",
    "ingest health": "ingest",
    "connect": "connect",
    "settings": "settings",
    "keys": "keys",
}
STATES: tuple[tuple[tuple[int, int], Scheme], ...] = (
    (DESK, "light"),
    (DESK, "dark"),
    (PHONE, "dark"),
    (PHONE, "light"),
)
REFUSED = "Failed to load resource"
"""What the console says of the page itself when its status is 400 or more."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def session(browser: Browser, whole_copy: Copy) -> StorageState:
    return logged_in(browser, whole_copy)


@pytest.fixture(scope="module")
def view(browser: Browser, session: StorageState) -> Watched:
    return Watched(browser, storage_state=session, reduced_motion="reduce")


def check(view: Watched, url: str, status: int = 200) -> None:
    """Open a page, see it in each state, and complain of everything at once: `problem: where it was first seen`."""
    view.show(*STATES[0])
    answer = view.page.goto(url)
    assert answer
    assert answer.status == status
    settled(view)
    found: dict[str, str] = {}
    for size, scheme in STATES:
        view.show(size, scheme)
        # A theme changes colours and nothing else, so the other rules are asked once for each width.
        rules = None if scheme == "light" else COLOUR_RULES
        for problem in [*view.audit(), *violations(view.page, rules)]:
            found.setdefault(problem, f"{size[0]} {scheme}")
    view.problems.clear()
    assert {problem: where for problem, where in found.items() if status == 200 or REFUSED not in problem} == {}


def settled(view: Watched) -> None:
    """Wait until charts are drawn, and what loads by itself is there."""
    expect(view.page.locator("[data-chart]:not(.js-plotly-plot), [hx-trigger=load]:empty")).to_have_count(0)


@pytest.mark.parametrize("name", PAGES)
def test_page_of_a_project(view: Watched, many_runs: Instance, name: str) -> None:
    check(view, f"{many_runs.url}/p/{many_runs.project_id}/{PAGES[name]}")


@pytest.mark.parametrize("path", ["w/1/", "w/1/projects/new", "profile", "gallery"])
def test_page_outside_of_projects(view: Watched, whole_copy: Copy, path: str) -> None:
    check(view, f"{whole_copy.url}/{path}")


def test_log_in(browser: Browser, whole_copy: Copy) -> None:
    with watched(browser, reduced_motion="reduce") as view:
        check(view, f"{whole_copy.url}/login")


def test_the_first_steps_and_a_refused_event(view: Watched, whole_copy: Copy) -> None:
    instance = new_project(whole_copy, "Nothing yet")
    url = f"{whole_copy.url}/p/{instance.project_id}/"
    for language in ("curl", "javascript"):
        check(view, f"{url}?lang={language}")
    instance.send([{"type": "tool", "event": "start", "runId": "a", "name": "alone"}])
    check(view, url)
    for page in ("overview", "runs", "traces", "threads", "users"):
        check(view, url + page)
    view.page.goto(url + "ingest")
    view.page.locator("#held").get_by_role("link").first.click()
    check(view, view.page.url)


def test_what_is_not_there(view: Watched, many_runs: Instance, whole_copy: Copy) -> None:
    check(view, f"{many_runs.url}/p/{many_runs.project_id}/runs/nothing", status=404)
    check(view, f"{many_runs.url}/p/{many_runs.project_id}/traces/nothing", status=404)
    check(view, f"{whole_copy.url}/nowhere", status=404)


def test_what_is_not_allowed(view: Watched, whole_copy: Copy) -> None:
    url = f"{whole_copy.url}/theme"
    view.page.route(url, lambda route: route.continue_(method="POST"))
    check(view, url, status=403)
    view.page.unroute(url)


def test_charts_are_drawn(view: Watched, many_runs: Instance) -> None:
    view.page.goto(f"{many_runs.url}/p/{many_runs.project_id}/overview")
    charts = view.page.locator("[data-chart]")
    expect(charts.first).to_be_visible()
    for chart in charts.all():
        expect(chart.locator("svg .trace").first).to_be_attached()
    # Each colour is the theme's own: a transition would show a script the one before (see base.css).
    grid = charts.first.locator(".ygrid").first.evaluate("line => getComputedStyle(line).stroke")
    bars = charts.first.locator(".point path").first.evaluate("bar => getComputedStyle(bar).fill")
    assert grid != bars


def test_the_contents_of_a_long_thread_follow_the_reader(view: Watched, many_runs: Instance) -> None:
    page = view.page
    view.show(DESK, "light")
    page.goto(f"{many_runs.url}/p/{many_runs.project_id}/threads/{made_id('long thread')}")
    contents = page.get_by_role("navigation", name="Turns")
    current = contents.locator("[aria-current=true]")
    expect(current).to_contain_text("Question 101?")
    expect(current).to_be_in_viewport()
    page.locator("#turn-110").evaluate("turn => turn.scrollIntoView()")
    expect(current).to_contain_text("Question 110?")
    contents.get_by_role("link", name=f"{TURNS} Question").click()
    expect(current).to_contain_text(f"Question {TURNS}?")
    contents.get_by_text("100 earlier turns").click()
    contents.get_by_role("link", name="7 Question 7?", exact=True).click()
    expect(current).to_contain_text("Question 7?")
    expect(current).to_be_in_viewport()
    expect(page.locator("#turn-7")).to_be_in_viewport()


def test_many_tags_and_keys_open_on_request(view: Watched, many_runs: Instance) -> None:
    page = view.page
    view.show(PHONE, "light")
    page.goto(f"{many_runs.url}/p/{many_runs.project_id}/runs/{made_id('1')}")
    tags = page.locator(".run-tags a.badge:visible")
    expect(tags).to_have_count(12)
    page.get_by_text(f"and {len(MANY_TAGS) - 12} more").click()
    expect(tags).to_have_count(len(MANY_TAGS))
    page.get_by_text("and 5 more").click()
    expect(page.get_by_text("value 7")).to_be_visible()
    tabs = page.get_by_role("navigation", name="Parts of the run").locator("a.tab")
    assert len({round(tab["y"]) for each in tabs.all() if (tab := each.bounding_box())}) == 1, "tabs stay in one line"
