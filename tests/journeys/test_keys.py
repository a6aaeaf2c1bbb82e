"""Walking by keys alone: rows, traces of a list, hits of a search, and the sheet that says which keys there are."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.journeys.accessibility import violations
from tests.journeys.browsing import chromium, logged_in, watched
from tests.journeys.conftest import Instance, new_project
from tests.journeys.events import made_id, run_events
from tests.supervisor.instances import Copy

pytestmark = [pytest.mark.xdist_group("copy"), pytest.mark.browser]
LEVELS = 6


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def session(browser: Browser, whole_copy: Copy) -> StorageState:
    return logged_in(browser, whole_copy)


@pytest.fixture(scope="module")
def walked(whole_copy: Copy) -> Instance:
    """Make four traces, the newest first, two of them of one name; the second holds a needle six levels down."""
    instance = new_project(whole_copy, "Keys")
    events = []
    for number, name in enumerate(("booker", "planner", "booker", "planner")):
        events += run_events("agent", name, f"keys {number}", 60 + 60 * number)
    above = "keys 1"
    for level in range(LEVELS):
        events += run_events("chain", f"level {level}", f"keys level {level}", 119 - level, parent=above)
        above = f"keys level {level}"
    events += run_events(
        "tool", "look_up", "keys deep", 110, parent=above, input={"text": "no NEEDLE “in” the haystack"}
    )
    events += run_events("tool", "needle_case", "keys shallow", 109, parent="keys 1")
    instance.send(events)
    instance.wait_for_runs(len(events) // 2)
    return instance


def address(instance: Instance, path: str) -> str:
    return f"{instance.url}/p/{instance.project_id}/{path}"


def trace(instance: Instance, number: int) -> re.Pattern[str]:
    """Return the addresses of a trace, whatever is open in it."""
    return re.compile(f"/traces/{made_id(f'keys {number}')}")


def focused(page: Page) -> str:
    """Return what has the focus in words."""
    return str(page.evaluate("document.activeElement.name || document.activeElement.textContent.trim()"))


def test_traces_are_walked_in_the_order_of_their_list(
    browser: Browser, session: StorageState, walked: Instance
) -> None:
    with watched(browser, storage_state=session) as view:
        page = view.page
        page.goto(address(walked, "traces?name=planner"))
        page.keyboard.press("j")
        assert focused(page) == "planner"
        page.keyboard.press("Enter")
        expect(page).to_have_url(trace(walked, 1))
        expect(page.get_by_label("No trace before this one in the list")).to_be_visible()
        page.keyboard.press("]")
        expect(page).to_have_url(trace(walked, 3))
        expect(page.get_by_label("No trace after this one in the list")).to_be_visible()
        page.reload()
        page.keyboard.press("[")
        expect(page).to_have_url(trace(walked, 1))


def test_hits_are_walked_from_the_search_box(browser: Browser, session: StorageState, walked: Instance) -> None:
    with watched(browser, storage_state=session) as view:
        page = view.page
        detail, count = page.locator("#detail h2").first, page.locator("#find-count")
        page.goto(address(walked, f"traces/{made_id('keys 1')}"))
        expect(page.locator(".tree-body").get_by_text("look_up")).to_be_hidden()
        page.keyboard.press("/")
        assert focused(page) == "find"
        page.keyboard.type("needle")
        page.keyboard.press("Enter")
        expect(count).to_have_text("2")
        assert focused(page) == "find"
        page.keyboard.press("Enter")
        expect(count).to_have_text("1 of 2")
        expect(detail).to_have_text("look_up")
        expect(page.locator(".tree-body").get_by_text("look_up")).to_be_visible()
        expect(page).to_have_url(re.compile(f"find=needle.*run={made_id('keys deep')}"))
        page.get_by_label("Search names").focus()
        page.keyboard.press("Enter")
        expect(count).to_have_text("2 of 2")
        expect(detail).to_have_text("needle_case")
        expect(page).to_have_url(re.compile(f"run={made_id('keys shallow')}"))
        page.keyboard.press("Shift+Enter")
        expect(detail).to_have_text("look_up")
        marked = "[...CSS.highlights.get('found') ?? []].map(range => range.toString())"
        page.wait_for_function(f"{marked}.includes('NEEDLE')")
        page.reload()
        expect(count).to_have_text("1 of 2")
        page.keyboard.press("/")
        page.keyboard.press("Escape")
        expect(page.locator("[data-hits]")).to_have_count(0)
        expect(page).not_to_have_url(re.compile("find="))


def test_hits_are_links_without_javascript(browser: Browser, session: StorageState, walked: Instance) -> None:
    with watched(browser, storage_state=session, java_script_enabled=False) as view:
        page = view.page
        page.goto(address(walked, f"traces/{made_id('keys 1')}"))
        page.get_by_label("Search names").fill("“in”")
        page.get_by_label("Search names").press("Enter")
        page.get_by_role("link", name=re.compile("look_up.*“in”")).click()
        expect(page.locator("#detail h2").first).to_have_text("look_up")
        expect(page.locator(".tree-body").get_by_text("look_up")).to_be_visible()
        page.get_by_role("link", name="level 5").first.click()
        expect(page.locator("#detail h2").first).to_have_text("level 5")
        page.get_by_role("link", name="Next trace of the list").click()
        expect(page).to_have_url(trace(walked, 2))


def test_a_run_leads_to_its_parent_and_its_siblings(browser: Browser, session: StorageState, walked: Instance) -> None:
    with watched(browser, storage_state=session) as view:
        page = view.page
        heading = page.locator("#detail h2").first
        page.goto(address(walked, f"traces/{made_id('keys 1')}?run={made_id('keys shallow')}"))
        expect(page.get_by_label("Runs around this one")).to_contain_text("2 of 2")
        page.get_by_role("link", name="Previous sibling").click()
        expect(heading).to_have_text("level 0")
        expect(page).to_have_url(re.compile(f"run={made_id('keys level 0')}"))
        page.get_by_label("Runs around this one").get_by_role("link", name="planner").click()
        expect(heading).to_have_text("planner")


@pytest.mark.parametrize("path", ["overview", "runs", "traces", "threads", "users", "settings", "trace"])
def test_every_page_lists_its_keys(browser: Browser, session: StorageState, walked: Instance, path: str) -> None:
    with watched(browser, storage_state=session) as view:
        page = view.page
        page.goto(address(walked, f"traces/{made_id('keys 1')}" if path == "trace" else path))
        sheet = page.get_by_role("dialog", name="Keys on this page")
        expect(sheet).to_be_hidden()
        page.keyboard.press("?")
        expect(sheet).to_be_visible()
        expect(sheet.get_by_role("heading", name="The tree")).to_have_count(1 if path == "trace" else 0)
        assert not view.audit()
        assert not violations(page)
        page.keyboard.press("Escape")
        expect(sheet).to_be_hidden()
        page.get_by_role("button", name="keys").click()
        expect(sheet).to_be_visible()


def test_the_sheet_needs_no_javascript(browser: Browser, session: StorageState, walked: Instance) -> None:
    with watched(browser, storage_state=session, java_script_enabled=False) as view:
        view.page.goto(address(walked, "runs"))
        view.page.get_by_role("button", name="keys").click()
        expect(view.page.get_by_role("dialog", name="Keys on this page")).to_be_visible()


def test_keys_are_letters_while_somebody_types_and_can_be_turned_off(
    browser: Browser, session: StorageState, walked: Instance
) -> None:
    with watched(browser, storage_state=session) as view:
        page = view.page
        page.goto(address(walked, "traces"))
        sheet = page.get_by_role("dialog", name="Keys on this page")
        page.keyboard.press("/")
        page.keyboard.type("gr?[]jk")
        assert page.locator(".topbar [type=search]").input_value() == "gr?[]jk"
        expect(sheet).to_be_hidden()
        page.get_by_role("button", name="keys").click()
        sheet.get_by_label("Single keys do this").uncheck()
        page.keyboard.press("Escape")
        for key in "?gr":
            page.keyboard.press(key)
        expect(sheet).to_be_hidden()
        page.reload()
        page.keyboard.press("?")
        expect(sheet).to_be_hidden()
        page.get_by_role("button", name="keys").click()
        sheet.get_by_label("Single keys do this").check()
        page.keyboard.press("Escape")
        page.keyboard.press("g")
        page.keyboard.press("r")
        expect(page).to_have_url(re.compile("/runs"))
