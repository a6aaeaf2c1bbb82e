"""What a person does from the first start on, in Chromium: once as usual, once without JavaScript."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.journeys.browsing import chromium, log_in, logged_in, watched
from tests.journeys.conftest import Instance, new_project
from tests.supervisor.instances import Copy

PROGRAM = Path(__file__).with_name("python_program.py")
SDK_SECONDS = 60
pytestmark = [pytest.mark.xdist_group("copy"), pytest.mark.browser]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def session(browser: Browser, whole_copy: Copy) -> StorageState:
    return logged_in(browser, whole_copy)


def start_program(instance: Instance) -> "subprocess.Popen[bytes]":
    """Start the program with the real SDK, which sends within a few seconds."""
    return subprocess.Popen([sys.executable, str(PROGRAM)], env=os.environ | instance.environment)


def switch_project(page: Page, instance: Instance) -> None:
    """Choose a project as a person does."""
    menu = page.locator("details", has_text="Switch project")
    menu.locator("summary").click()
    menu.locator(f"a[href='/p/{instance.project_id}/']").click()


def heading(page: Page, text: str | re.Pattern[str]) -> None:
    """Expect the page's one heading."""
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def go(page: Page, name: str) -> None:
    """Follow a link of the navigation."""
    page.get_by_role("complementary", name="Navigation").get_by_role("link", name=name).click()


def test_from_the_first_start_to_a_thumb_on_a_message(browser: Browser, whole_copy: Copy) -> None:
    instance = new_project(whole_copy, "Browser journey")
    with watched(browser) as view:
        page = view.page
        log_in(page, whole_copy)
        switch_project(page, instance)
        heading(page, "Get started")
        expect(page.locator("#snippet")).to_contain_text(instance.public_key)
        expect(page.get_by_text("Waiting for your first event…")).to_be_visible()

        program = start_program(instance)
        expect(page.get_by_text("Your first event is here")).to_be_visible(timeout=SDK_SECONDS * 1000)
        assert program.wait(SDK_SECONDS) == 0
        page.get_by_role("link", name="Open the run").click()
        expect(page).to_have_url(re.compile("/runs/"))

        go(page, "Runs")
        page.get_by_role("navigation", name="Types of runs").get_by_role("link", name="Agents").click()
        page.locator(".runs-table").get_by_role("link", name="travel-agent").click()
        drawer = page.get_by_role("complementary", name="Run travel-agent")
        drawer.get_by_role("link", name="Open", exact=True).click()
        heading(page, "travel-agent")
        expect(page.get_by_role("main")).to_contain_text("Take the train at nine.")
        page.get_by_role("link", name="Open trace").click()
        walk_the_trace(page)

        page.locator(".facts").get_by_role("link", name="turn 1").click()
        expect(page).to_have_url(re.compile("/threads/"))
        expect(page.locator(".asked")).to_contain_text("How do I get to Porto?")
        give_a_thumb(page)


def walk_the_trace(page: Page) -> None:
    """Choose a node, go back, fold and unfold, by mouse and by keys."""
    whole = page.url
    detail = page.get_by_role("complementary", name="Selected run")
    tree = page.locator(".trace-tree")
    expect(detail.get_by_role("heading", level=2).first).to_have_text("travel-agent")
    tree.get_by_role("link", name="search_trains").click()
    expect(detail.get_by_role("heading", level=2).first).to_have_text("search_trains")
    expect(detail).to_contain_text("IC 523")
    expect(page).to_have_url(re.compile(r"[?&]run="))
    page.go_back()
    expect(page).to_have_url(whole)
    expect(detail.get_by_role("heading", level=2).first).to_have_text("travel-agent")

    call = tree.get_by_role("link", name="gpt-4o")
    expect(call).to_be_visible()
    tree.locator("summary").nth(1).click()
    expect(call).to_be_hidden()
    tree.get_by_role("link", name="plan_route").press("ArrowRight")
    expect(call).to_be_visible()
    page.get_by_role("link", name="Collapse all").click()
    expect(call).to_be_hidden()
    page.get_by_role("link", name="Expand all").click()
    expect(call).to_be_visible()


def give_a_thumb(page: Page) -> None:
    """Turn the thumb that the program gave, and find it after a reload."""
    good, bad = page.locator(".answered, .facts-line").get_by_role("button", name=re.compile("(Good|Bad) answer")).all()
    expect(good).to_have_attribute("aria-pressed", "true")
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(bad).to_have_attribute("aria-pressed", "true")
    expect(good).to_have_attribute("aria-pressed", "false")


def test_the_run_list_filters_sorts_pages_and_peeks(
    browser: Browser, session: StorageState, many_runs: Instance
) -> None:
    with watched(browser, storage_state=session) as view:
        page = view.page
        page.goto(f"{many_runs.url}/p/{many_runs.project_id}/runs")
        expect(page.locator(".runs-table tbody tr")).to_have_count(50)

        page.locator("#filters").get_by_role("link", name=re.compile("^Error")).click()
        expect(page).to_have_url(re.compile("status=error"))
        chip = page.locator(".chip")
        expect(chip).to_contain_text("error")
        expect(page.locator(".runs-table tbody tr")).to_have_count(7)
        chip.get_by_role("link").click()
        expect(chip).to_have_count(0)
        expect(page).not_to_have_url(re.compile("status="))

        page.keyboard.press("/")
        page.keyboard.type("model:gpt-4.1*")
        page.keyboard.press("Enter")
        expect(chip).to_contain_text("gpt-4.1*")
        expect(page.locator(".runs-table tbody tr")).to_have_count(35)
        page.go_back()

        page.get_by_role("columnheader", name="Duration").get_by_role("link").click()
        expect(page.get_by_role("columnheader", name="Duration")).to_have_attribute("aria-sort", "descending")
        expect(page.locator(".runs-table tbody tr").first).to_contain_text("1 m 10 s")

        go(page, "Runs")
        newest = page.locator(".runs-table tbody tr a").first.get_attribute("href")
        page.get_by_role("link", name="Older").click()
        expect(page.locator(".runs-table tbody tr")).to_have_count(20)
        page.get_by_role("link", name="Newer").click()
        expect(page.locator(".runs-table tbody tr a").first).to_have_attribute("href", newest or "")
        peek(page)


def peek(page: Page) -> None:
    """Open the drawer on a row, walk with j and k, close with Escape: the address follows, the focus returns."""
    rows = page.locator(".runs-table tbody tr")
    drawer = page.locator("#drawer .drawer")
    rows.nth(1).get_by_role("link").click()
    expect(drawer).to_be_focused()
    expect(drawer).to_contain_text("question 1")
    expect(page).to_have_url(re.compile("peek="))
    page.keyboard.press("j")
    expect(drawer).to_contain_text("question 2")
    expect(rows.nth(2)).to_have_attribute("aria-current", "true")
    page.keyboard.press("k")
    expect(drawer).to_contain_text("question 1")
    page.reload()
    expect(drawer).to_contain_text("question 1")
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(page).not_to_have_url(re.compile("peek="))
    expect(rows.nth(1).get_by_role("link")).to_be_focused()


def test_the_theme_stays_and_logging_out_ends_it(browser: Browser, whole_copy: Copy) -> None:
    with watched(browser, color_scheme="light") as view:
        page = view.page
        log_in(page, whole_copy)
        with page.expect_response("**/theme"):
            page.get_by_role("button", name="Dark theme").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.reload()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.locator("summary", has_text="Account of").click()
        with page.expect_response("**/theme"):
            page.get_by_role("button", name="Auto").click()
        page.get_by_role("button", name="Log out").click()
        heading(page, "Log in")
        page.goto(f"{whole_copy.url}/p/{whole_copy.connection['project_id']}/runs")
        heading(page, "Log in")


def test_the_same_way_without_javascript(browser: Browser, whole_copy: Copy) -> None:
    instance = new_project(whole_copy, "Without JavaScript")
    with watched(browser, java_script_enabled=False) as view:
        page = view.page
        log_in(page, whole_copy)
        switch_project(page, instance)
        heading(page, "Get started")
        expect(page.locator("#snippet")).to_contain_text(instance.public_key)
        assert start_program(instance).wait(SDK_SECONDS) == 0
        page.reload()
        heading(page, "Overview")

        go(page, "Runs")
        page.get_by_role("navigation", name="Types of runs").get_by_role("link", name="Agents").click()
        page.locator(".runs-table").get_by_role("link", name="travel-agent").click()
        heading(page, "travel-agent")
        page.get_by_role("link", name="Open trace").click()
        tree = page.locator(".trace-tree")
        detail = page.get_by_role("complementary", name="Selected run")
        tree.get_by_role("link", name="search_trains").click()
        expect(page).to_have_url(re.compile(r"[?&]run="))
        expect(detail.get_by_role("heading", level=2).first).to_have_text("search_trains")
        page.go_back()
        expect(detail.get_by_role("heading", level=2).first).to_have_text("travel-agent")
        tree.locator("summary").nth(1).click()
        expect(tree.get_by_role("link", name="gpt-4o")).to_be_hidden()

        page.locator(".facts").get_by_role("link", name="turn 1").click()
        give_a_thumb(page)
        go(page, "Runs")
        page.get_by_label("Add a filter or search text").fill("status:success")
        page.get_by_label("Add a filter or search text").press("Enter")
        expect(page.locator(".chip")).to_contain_text("success")
        expect(page.locator(".runs-table tbody tr")).to_have_count(1)
        page.locator(".chip").get_by_role("link").click()
        expect(page.locator(".chip")).to_have_count(0)
        page.get_by_role("button", name="Dark theme").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.locator("summary", has_text="Account of").click()
        page.get_by_role("button", name="Auto").click()
        page.locator("summary", has_text="Account of").click()
        page.get_by_role("button", name="Log out").click()
        heading(page, "Log in")
