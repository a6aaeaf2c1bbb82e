"""Traces of 50 000 runs in Chromium: wide, 5 000 levels deep, and mixed. The document stays small and answers."""

import re
from collections.abc import Iterator

import psycopg
import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, StorageState, expect

from bench.large import LEVELS, NEEDLE, SHAPES, Large, store
from tests.journeys.browsing import chromium, logged_in, signed_in, watched
from tests.journeys.conftest import Instance, new_project
from tests.supervisor.instances import Copy

RUNS = 50_000
MOST_ROWS = 2_000
BIG = 20_000_000
PATIENCE = 30_000
"""Milliseconds. These tests are about size: that the pages are quick, `make bench` measures on a machine at rest."""
ROWS = "document.querySelectorAll('li, tr, article, [role=row], [role=listitem]').length"

pytestmark = [pytest.mark.xdist_group("copy"), pytest.mark.browser]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        expect.set_options(timeout=PATIENCE)
        yield launched


@pytest.fixture(scope="module")
def session(browser: Browser, whole_copy: Copy) -> StorageState:
    return logged_in(browser, whole_copy)


@pytest.fixture(scope="module")
def traces() -> dict[str, Large]:
    """Return a trace of each shape."""
    return {shape: Large(shape, RUNS, big_bytes=BIG if shape == "wide" else 0) for shape in SHAPES}


@pytest.fixture(scope="module")
def instance(whole_copy: Copy, traces: dict[str, Large]) -> Instance:
    """Return a project that holds them."""
    made = new_project(whole_copy, "Large traces")
    made.send([{"type": "agent", "event": "start", "runId": "first", "name": "the first event"}])
    with psycopg.connect(whole_copy.database_url, autocommit=True) as database:
        store(database, made.project_id, *traces.values())
    return made


def address(instance: Instance, trace: Large, rest: str = "") -> str:
    return f"{instance.url}/p/{instance.project_id}/traces/{trace.trace_id}{rest}"


def bounded(page: Page) -> int:
    """Return how many rows the document holds, which must be few."""
    rows = int(page.evaluate(ROWS))
    assert rows < MOST_ROWS, f"{rows} rows at {page.url}"
    return rows


def runs(page: Page) -> Locator:
    """Return the rows of runs in the tree."""
    return page.locator("#tree a.line:not(.line-more)")


def opened(page: Page, link: Locator) -> None:
    """Open a list in the tree: by a request that puts rows there, or by another page where they would be too many."""
    href = link.get_attribute("href") or ""
    link.click()
    expect(page.locator("#tree [aria-busy]")).to_have_count(0)
    begins = href.partition("#")[2]
    expect(page.locator(f"[id='{begins}']")).to_be_attached()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_tree_is_walked_and_opened_and_stays_small(
    browser: Browser, session: StorageState, instance: Instance, traces: dict[str, Large], shape: str
) -> None:
    with watched(browser, storage_state=session, reduced_motion="reduce") as view:
        page, trace = view.page, traces[shape]
        view.context.set_default_timeout(PATIENCE)
        page.goto(address(instance, trace))
        expect(page.locator("#shown")).to_have_text(re.compile(r"of 50\s000 runs shown"))
        assert not view.audit()
        bounded(page)
        choose(page, runs(page).nth(5))

        for _ in range(8):
            links = page.locator("#tree a[data-next], #tree a.unfold")
            if not links.count():
                break
            before = runs(page).count()
            opened(page, links.last)
            bounded(page)
            assert runs(page).count() != before
        page.get_by_role("link", name="Expand all").click()
        expect(page.get_by_role("link", name="Expand all")).to_have_attribute("aria-current", "true")
        bounded(page)
        if shape == "deep":
            go_deeper(page)
        runs(page).first.focus()
        page.keyboard.press("End")
        expect(page.locator("#tree a.line").last).to_be_focused()
        page.get_by_role("link", name="Collapse all").click()
        expect(page.get_by_role("link", name="Collapse all")).to_have_attribute("aria-current", "true")
        expect(page.locator("#tree .level-2:visible")).to_have_count(0)


def choose(page: Page, run: Locator) -> None:
    """Choose a run by a click, and see its detail."""
    name = run.locator(".name").inner_text()
    run.click()
    expect(run).to_have_attribute("aria-current", "true")
    expect(page.locator("#detail h2").first).to_have_text(name)
    expect(page).to_have_url(re.compile(r"[?&]run="))


def go_deeper(page: Page) -> None:
    """Begin the tree further down, again and again, and come back."""
    for _ in range(3):
        deeper = page.locator("#tree a.line-deeper").first
        expect(deeper).to_contain_text("more levels")
        deeper.click()
        expect(page.get_by_role("navigation", name="Levels above")).to_be_visible()
        bounded(page)
    page.get_by_role("navigation", name="Levels above").get_by_role("link").first.click()
    expect(runs(page).first).to_be_visible()


def test_the_deepest_run_is_shown_in_its_place(
    browser: Browser, session: StorageState, instance: Instance, traces: dict[str, Large]
) -> None:
    deepest = traces["deep"].ids[LEVELS - 1]
    with watched(browser, storage_state=session) as view:
        view.context.set_default_timeout(PATIENCE)
        view.page.goto(address(instance, traces["deep"], f"?run={deepest}"))
        expect(view.page.locator(f"[id='n-{deepest}'] > a.line")).to_have_attribute("aria-current", "true")
        bounded(view.page)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_view_is_bounded_and_usable(
    browser: Browser, session: StorageState, instance: Instance, traces: dict[str, Large], shape: str
) -> None:
    with watched(browser, storage_state=session, reduced_motion="reduce") as view:
        page, trace = view.page, traces[shape]
        view.context.set_default_timeout(PATIENCE)
        other = traces["mixed" if shape == "wide" else "wide"].trace_id
        for rest in (
            *("/transcript", "/findings", f"/find?find={NEEDLE}", "/share", "/compare-with"),
            *("?only=errors", "?only=llm&expand=all", "?expand=all", f"/../compare?a={trace.trace_id}&b={other}"),
        ):
            answer = page.goto(address(instance, trace, rest))
            assert answer
            assert answer.status == 200, rest
            bounded(page)
            assert view.audit() == [], rest


@pytest.mark.parametrize("shape", SHAPES)
def test_without_javascript_everything_is_a_link(
    browser: Browser, session: StorageState, instance: Instance, traces: dict[str, Large], shape: str
) -> None:
    with watched(browser, storage_state=session, java_script_enabled=False) as view:
        page, trace = view.page, traces[shape]
        view.context.set_default_timeout(PATIENCE)
        page.goto(address(instance, trace))
        choose(page, runs(page).nth(5))
        small(page)
        for _ in range(3):
            link = page.locator("#tree a[data-next], #tree a.unfold, #tree a.line-deeper").last
            href = link.get_attribute("href") or ""
            link.click()
            expect(page).to_have_url(re.compile(re.escape(href.partition("#")[0].split("&")[-1].lstrip("?"))))
            page.wait_for_load_state()  # the last link is only known then
            small(page)
        page.get_by_role("searchbox").fill(NEEDLE)
        page.get_by_role("searchbox").press("Enter")
        page.get_by_role("link", name="Show the hits on a page of their own").click()
        hits = page.locator(".hit-list a")
        expect(hits.first).to_contain_text(NEEDLE)
        small(page)
        hits.first.click()
        expect(page.locator("#detail")).to_contain_text(NEEDLE)
        page.get_by_role("navigation", name="Views of this trace").get_by_role("link", name="Transcript").click()
        expect(page.get_by_role("main")).to_contain_text(trace.name)
        small(page)


def small(page: Page) -> None:
    """Count rows without running anything in the page."""
    assert 0 < page.locator("li, tr, article").count() < MOST_ROWS


def test_twenty_megabytes_show_their_beginning(
    browser: Browser, session: StorageState, instance: Instance, traces: dict[str, Large]
) -> None:
    trace = traces["wide"]
    with watched(browser, storage_state=session) as view:
        page = view.page
        view.context.set_default_timeout(PATIENCE)
        page.goto(address(instance, trace))
        page.locator(f"[id='n-{trace.ids[1]}'] > a.line").click()
        detail = page.locator("#detail")
        raw = detail.get_by_role("link", name="Open raw")
        expect(raw).to_be_visible()
        expect(detail.get_by_role("link", name="Download")).to_be_visible()
        assert 10_000 < len(detail.inner_text()) < 200_000
        whole = f"{instance.url}{raw.get_attribute('href')}"
    with signed_in(instance.copy) as person:
        assert received(person, whole) > BIG * 0.99


def received(person: requests.Session, url: str) -> int:
    """Return how many bytes an address answers with."""
    with person.get(url, stream=True, timeout=60) as answer:
        assert answer.status_code == 200
        return sum(len(part) for part in answer.iter_content(1 << 20))
