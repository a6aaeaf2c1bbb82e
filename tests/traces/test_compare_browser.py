"""Comparing in a real browser, with scripts and without: from a trace, from the list, pair by pair and page by page."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from runs.models import Run
from tests import make
from tests.journeys.accessibility import violations
from tests.journeys.browsing import DESK, PHONE, Scheme, Watched, chromium
from tests.traces.conftest import Site, summarise
from traces.compare_rows import PAGE, ROWS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STATES: tuple[tuple[tuple[int, int], Scheme], ...] = (
    (DESK, "light"),
    (DESK, "dark"),
    (PHONE, "light"),
    (PHONE, "dark"),
)
LINES = "tr[class^=diff-]"
LONG = "Quote the tariff's clause where it applies to the traveller.\n" * 400


@pytest.fixture
def two() -> tuple[Site, Run, Run]:
    """Return two traces of an agent: another model, a changed prompt, a tool more, and twelve steps that are alike."""
    cache.clear()
    people = make.workspace_with_people()
    site = Site(make.project(people), people)
    began = timezone.now() - timedelta(hours=5)
    left = _trace(site, began, "gpt-4.1", "Be brief.")
    right = _trace(site, began + timedelta(hours=1), "gpt-5-mini", "Be kind.")
    make.child(right, site.project, "tool", name="check_stock", started_at=right.started_at + timedelta(seconds=9))
    summarise(site.project)
    return site, left, right


def _trace(site: Site, at: datetime, model: str, rule: str) -> Run:
    root = make.run(site.project, "agent", name="order-agent", started_at=at)
    for number in range(12):
        make.child(root, site.project, "tool", name="step", started_at=at + timedelta(milliseconds=number))
    call = make.child(root, site.project, "llm", name=model, cost=Decimal("0.25"), started_at=at + timedelta(seconds=1))
    chat = [{"role": "system", "content": f"{LONG}{rule}\n{LONG}"}, {"role": "user", "content": "متى يصل طلبي؟ 🙂"}]
    make.body(call, chat, {"role": "assistant", "content": "Soon."}, params={"model": model})
    make.run(site.project, "tool", name="lost", parent_id=make.run_id(f"{root.id}"), trace_id=root.id, started_at=at)
    return root


def entered(browser: Browser, server: LiveServer, session: str, **options: Any) -> Watched:
    """Return a browser with that session; it is made before the browser starts, whose loop keeps the ORM out."""
    view = Watched(browser, **options)
    view.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": server.url}])
    return view


def session_of(site: Site) -> str:
    return site.client().cookies[settings.SESSION_COOKIE_NAME].value


def look(view: Watched) -> None:
    """Fail on what a person would not forgive, in both sizes and themes."""
    for size, scheme in STATES:
        view.show(size, scheme)
        assert view.audit() == [], (size, scheme)
        assert violations(view.page) == [], (size, scheme)
    view.show(*STATES[0])


def test_from_a_trace_to_the_words_that_changed(two: tuple[Site, Run, Run], live_server: LiveServer) -> None:
    site, left, right = two
    session = session_of(site)
    with chromium() as browser:
        view = entered(browser, live_server, session)
        page = view.page
        page.goto(live_server.url + site.url(f"traces/{right.id}"))
        page.locator("summary", has_text="Compare").click()
        page.get_by_role("link", name="The previous order-agent").click()
        page.wait_for_url(f"**/traces/compare?a={left.id}&b={right.id}")
        look(view)
        page.get_by_role("link", name="Only differences").click()
        expect(page.locator(LINES)).to_have_count(4)
        page.get_by_role("link", name="gpt-5-mini").click()
        pair = page.locator(".compare-drawer")
        expect(pair.locator("del").filter(has_text="brief")).to_be_visible()
        expect(pair.locator("ins").filter(has_text="kind")).to_be_visible()
        expect(page.locator("tr[aria-current=true]")).to_contain_text("gpt-5-mini")
        assert "&pair=" in page.url
        look(view)
        pair.get_by_text("unchanged lines").first.click()
        address = page.url
        page.keyboard.press("j")
        expect(pair.locator("h2")).to_have_text("check_stock")
        page.keyboard.press("Escape")
        expect(pair).to_have_count(0)
        assert "&pair=" not in page.url
        page.goto(address)
        expect(pair.locator("ins").filter(has_text="kind")).to_be_visible()
        page.get_by_role("link", name="12 unchanged runs").click()
        expect(page.locator(LINES)).to_have_count(16)
        page.get_by_role("link", name="Swap sides").click()
        expect(page.locator("tr.diff-removed")).to_contain_text("check_stock")
        view.show(PHONE, "light")
        page.goto(live_server.url + site.url(f"traces/{right.id}"))
        page.get_by_role("link", name="Compare", exact=True).click()
        page.get_by_role("link", name="The previous order-agent").click()
        page.get_by_role("link", name="gpt-5-mini").click()
        expect(pair.locator("ins").filter(has_text="kind")).to_be_visible()
        assert view.problems == []


def test_everything_works_without_scripts(two: tuple[Site, Run, Run], live_server: LiveServer) -> None:
    site, left, right = two
    session = session_of(site)
    with chromium() as browser:
        page = entered(browser, live_server, session, java_script_enabled=False).page
        page.goto(live_server.url + site.url(f"traces/{left.id}"))
        page.locator("summary", has_text="Compare").click()
        page.get_by_role("link", name="Compare with…").click()
        page.get_by_label("Another, by id or address").fill(f"{live_server.url}{site.url(f'traces/{right.id}')}?run=x")
        page.get_by_role("button", name="Compare").click()
        page.wait_for_url(f"**/traces/compare?a={right.id}&b={left.id}")
        page.get_by_role("link", name="gpt-5-mini").click()
        expect(page.locator(".compare-drawer ins").filter(has_text="brief")).to_be_visible()
        page.locator(".compare-drawer").get_by_role("link", name="Close").click()
        expect(page.locator(".compare-drawer")).to_have_count(0)
        page.goto(live_server.url + site.url("traces"))
        for tick in page.locator("input[name=trace]").all():
            tick.check()
        page.locator("button[form=compare], #compare button").first.click()
        page.wait_for_url(f"**/traces/compare?a={left.id}&b={right.id}")


def test_a_page_never_grows_beyond_its_bound(two: tuple[Site, Run, Run], live_server: LiveServer) -> None:
    site, *_ = two
    roots = []
    for status in ("success", "error"):
        root = make.run(site.project, "agent", name="crawler")
        Run.objects.bulk_create(
            Run(
                project_id=site.project.pk,
                id=make.run_id(f"{root.id} {number}"),
                type="tool",
                name=f"fetch {number}",
                status=status,
                parent_id=root.id,
                trace_id=root.id,
                started_at=root.started_at + timedelta(milliseconds=number),
                received_at=root.started_at,
                flags=1,
            )
            for number in range(1_500)
        )
        roots.append(root.id)
    session = session_of(site)
    with chromium() as browser:
        view = entered(browser, live_server, session)
        page = view.page
        page.goto(live_server.url + site.url("traces/compare?a={}&b={}".format(*roots)))
        for shown in range(PAGE, ROWS, PAGE):
            expect(page.locator(LINES)).to_have_count(shown)
            page.get_by_role("link", name="next 200").click()
        expect(page.locator(LINES)).to_have_count(ROWS)
        assert "from=" not in page.url
        page.get_by_role("link", name="next 200").click()
        page.wait_for_url("**from=*")
        expect(page.locator(LINES)).to_have_count(PAGE)
        page.get_by_role("link", name="earlier lines").click()
        expect(page.locator(LINES).last).to_contain_text(f"fetch {ROWS - 2}")
        assert view.problems == []


def test_the_pages_have_nothing_to_complain_of(two: tuple[Site, Run, Run], live_server: LiveServer) -> None:
    site, left, right = two
    session = session_of(site)
    paths = [
        "traces/compare",
        f"traces/{right.id}/compare-with",
        f"traces/compare?a={left.id}&b={left.id}&show=differences",
        f"traces/compare?trace={left.id}&trace={right.id}&trace={left.id}",
    ]
    with chromium() as browser:
        view = entered(browser, live_server, session)
        for path in paths:
            view.page.goto(live_server.url + site.url(path))
            look(view)
