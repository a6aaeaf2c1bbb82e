"""Every page in Chromium, wide and narrow, light and dark: nothing refused, nothing nameless, nothing cut off.

axe-core has nothing to complain of either.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, StorageState, expect

from tests.journeys.accessibility import COLOUR_RULES, violations
from tests.journeys.browsing import DESK, PHONE, Scheme, Watched, chromium, logged_in, watched
from tests.journeys.conftest import Instance, new_project
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
    "threads": "threads",
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
