"""The page of one trace in Chromium: it grows while it is read, keys walk it, it stays bounded and needs no script."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, StorageState, expect

from tests.journeys.browsing import PHONE, chromium, logged_in, watched
from tests.journeys.conftest import Instance, new_project
from tests.journeys.events import made_id, run_events
from tests.supervisor.instances import Copy

pytestmark = [pytest.mark.xdist_group("copy"), pytest.mark.browser]

MOST = 2_000
"""Rows that a document may hold (issue 3)."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def session(browser: Browser, whole_copy: Copy) -> StorageState:
    return logged_in(browser, whole_copy)


@pytest.fixture(scope="module")
def instance(whole_copy: Copy) -> Instance:
    return new_project(whole_copy, "Trace page")


def started(kind: str, name: str, key: str, ago: float = 0, parent: str | None = None) -> dict[str, Any]:
    """Return the start alone of a run: it goes on."""
    return run_events(kind, name, key, ago, parent=parent)[0]


def ended(key: str) -> dict[str, Any]:
    """Return the end of a run, just now."""
    return {"type": "agent", "event": "end", "runId": made_id(key), "timestamp": datetime.now(UTC).isoformat()}


def row(page: Page, name: str) -> Locator:
    return page.locator("#tree .node > a.line", has=page.get_by_text(name, exact=True))


def address(instance: Instance, key: str, query: str = "") -> str:
    return f"{instance.url}/p/{instance.project_id}/traces/{made_id(key)}{query}"


def test_a_trace_grows_without_moving_what_is_read(browser: Browser, session: StorageState, instance: Instance) -> None:
    events = [started("agent", "grower", "grower", 30), started("chain", "folded chain", "folded", 28, "grower")]
    events += run_events("tool", "inside the fold", "inside", 28, parent="folded")
    for number in range(40):
        events += run_events("tool", f"step {number}", f"step {number}", 25 - number / 5, parent="grower", took=0.1)
    instance.send(events)
    with watched(browser, storage_state=session) as view:
        page = view.page
        page.goto(address(instance, "grower"))
        row(page, "folded chain").press("ArrowLeft")
        expect(row(page, "inside the fold")).to_be_hidden()
        row(page, "step 30").click()
        expect(page.locator("#detail h2")).to_have_text("step 30")
        before = row(page, "step 30").bounding_box()
        instance.send(
            [
                *run_events("tool", "came first", "came first", 29, parent="grower"),
                *run_events("tool", "came late", "came late", 0.6, parent="grower"),
                *run_events("tool", "also inside", "also inside", 0.6, parent="folded"),
            ]
        )
        expect(row(page, "came first")).to_have_count(1)
        expect(row(page, "came late")).to_have_count(1)
        expect(row(page, "also inside")).to_be_hidden()
        after = row(page, "step 30").bounding_box()
        assert before
        assert after
        assert abs(before["y"] - after["y"]) < 2
        expect(row(page, "step 30")).to_be_focused()
        expect(row(page, "step 30")).to_have_attribute("aria-current", "true")
        expect(page.locator("#trace-facts")).to_contain_text("45")
        clock = row(page, "grower").locator("[data-elapsed]")
        told = clock.inner_text()
        expect(clock).not_to_have_text(told)
        instance.send([ended("folded"), ended("grower")])
        expect(page.locator("#trace-state")).to_contain_text("Success")
        expect(page.locator("#tree .is-running")).to_have_count(0)


def test_orphans_move_to_their_place_when_the_parent_arrives(
    browser: Browser, session: StorageState, instance: Instance
) -> None:
    instance.send(run_events("tool", "early bird", "early bird", 3, parent="late parent"))
    with watched(browser, storage_state=session) as view:
        page = view.page
        page.goto(address(instance, "late parent"))
        expect(page.locator("#part-orphans")).to_contain_text("early bird")
        instance.send(run_events("agent", "late parent", "late parent", 4, took=3))
        expect(page.locator("#part-tree")).to_contain_text("early bird")
        expect(page.locator("#part-orphans")).to_have_count(0)
        expect(page.locator("#trace-state")).to_contain_text("Success")


def test_a_page_follows_its_runs_into_the_trace_they_turn_out_to_be_in(
    browser: Browser, session: StorageState, instance: Instance
) -> None:
    instance.send(run_events("tool", "lost", "lost", 3, parent="middle"))
    with watched(browser, storage_state=session) as view:
        view.page.goto(address(instance, "middle"))
        expect(view.page.locator("#part-orphans")).to_contain_text("lost")
        instance.send(
            [*run_events("agent", "top", "top", 5), *run_events("chain", "middle", "middle", 4, parent="top")]
        )
        view.page.wait_for_url(f"**/traces/{made_id('top')}?run={made_id('middle')}")
        expect(row(view.page, "lost")).to_be_visible()


@pytest.fixture(scope="module")
def small(instance: Instance) -> Instance:
    """Add a trace with a waiting time of half a minute, an error, a plain list and a chain."""
    events = run_events("agent", "small", "small", 60, took=50)
    events += run_events("chain", "plan", "plan", 60, parent="small", took=2)
    events += run_events("llm", "gpt-4o", "call", 60, parent="plan", took=1)
    events += run_events("tool", "broken", "broken", 59, parent="plan", error={"message": "no"})
    events += run_events("tool", "after the wait", "waited", 20, parent="small", took=10)
    instance.send(events)
    return instance


def test_keys_walk_fold_and_open(browser: Browser, session: StorageState, small: Instance) -> None:
    with watched(browser, storage_state=session) as view:
        page = view.page
        page.goto(address(small, "small"))
        page.keyboard.press("ArrowDown")
        expect(row(page, "small")).to_be_focused()
        for key, name in (("j", "plan"), ("ArrowDown", "gpt-4o"), ("k", "plan"), ("End", "after the wait")):
            page.keyboard.press(key)
            expect(row(page, name)).to_be_focused()
        for key, name in (("Home", "small"), ("ArrowRight", "plan"), ("ArrowRight", "gpt-4o"), ("ArrowLeft", "plan")):
            page.keyboard.press(key)
            expect(row(page, name)).to_be_focused()
        page.keyboard.press("ArrowLeft")
        expect(row(page, "broken")).to_be_hidden()
        page.keyboard.press("ArrowRight")
        expect(row(page, "broken")).to_be_visible()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.locator("#detail")).to_be_focused()
        expect(page.locator("#detail h2")).to_have_text("gpt-4o")
        page.keyboard.press("Escape")
        expect(row(page, "gpt-4o")).to_be_focused()
        share = page.locator("[name=share]")
        share.fill("1")
        share.press("ArrowDown")
        expect(share).to_be_focused()


def test_without_scripts_filters_gaps_and_lists_are_links(
    browser: Browser, session: StorageState, small: Instance
) -> None:
    with watched(browser, storage_state=session, java_script_enabled=False) as view:
        page = view.page
        page.goto(address(small, "small"))
        page.get_by_role("link", name="compress").click()
        expect(page.locator(".axis")).to_contain_text("idle")
        expect(page.locator("#tree .fall line").first).to_be_attached()
        page.get_by_role("link", name="Errors 1").click()
        expect(page.locator("#tree .node")).to_have_count(3)
        expect(page.locator("#shown")).to_have_text("1 of 5 runs matches")
        assert "gaps=compress" in page.url
        page.locator("[name=share]").fill("30")
        page.get_by_role("link", name="Time", exact=True).click()
        page.locator("[name=share]").fill("15")
        page.get_by_role("button", name="of time").click()
        expect(page.locator("#tree .node")).to_have_count(2)
        page.get_by_role("link", name="All", exact=True).click()
        page.get_by_role("link", name="Collapse all").click()
        expect(row(page, "gpt-4o")).to_be_hidden()


def test_on_a_phone_the_bar_is_below_the_name(browser: Browser, session: StorageState, small: Instance) -> None:
    with watched(browser, PHONE, storage_state=session, has_touch=True) as view:
        page = view.page
        page.goto(address(small, "small"))
        name = row(page, "plan").locator(".name").bounding_box()
        bar = row(page, "plan").locator(".fall").bounding_box()
        assert name
        assert bar
        assert bar["y"] > name["y"] + name["height"] - 4
        row(page, "gpt-4o").tap()
        expect(page.locator("#detail h2")).to_have_text("gpt-4o")
        page.locator("[data-close-detail]").tap()
        expect(page.locator("#detail")).to_be_hidden()
        assert view.audit() == []


def test_the_document_stays_bounded_however_often_more_is_asked_for(
    browser: Browser, session: StorageState, instance: Instance
) -> None:
    events = run_events("agent", "wide", "wide", 3600, took=3000)
    for number in range(2_400):
        start, end = run_events("tool", f"call {number}", f"call {number}", 3600 - number, parent="wide", took=0.5)
        events += [start | {"input": None}, end | {"output": None}]
    for batch in range(0, len(events), 1_000):
        instance.send(events[batch : batch + 1_000])
    with watched(browser, storage_state=session) as view:
        page = view.page
        page.goto(address(instance, "wide"))
        shown = page.locator("#tree .node > a.line:not(.line-more)")
        expect(shown).to_have_count(21)
        most, last = 0, 21
        while (more := page.locator("[data-next]")).count():
            more.click()
            if most + 400 < MOST - 50:
                expect(shown).to_have_count(last + 200)
            else:
                page.wait_for_url(re.compile("from="))
                break
            last = shown.count()
            most = max(most, page.locator("#tree .node").count())
            assert most < MOST
        assert most > 1_400
        expect(shown.first).to_be_visible()
        assert page.locator("#tree .node").count() < 900
        expect(page.get_by_text("earlier 200")).to_be_visible()


@pytest.fixture(scope="module")
def folded(instance: Instance) -> Instance:
    """Add a trace that is too large to be sent whole, with five levels at its beginning."""
    events = run_events("agent", "folded", "folded root", 3600, took=3000)
    for level, (name, above) in enumerate(
        (("one", "folded root"), ("two", "one"), ("three", "two"), ("four", "three"))
    ):
        events += run_events("chain", name, name, 3599 - level, parent=above)
    for number in range(420):
        events += run_events("tool", f"leaf {number}", f"leaf {number}", 3500 - number, parent="folded root")
    instance.send(events)
    return instance


def test_a_list_that_was_not_sent_comes_when_it_is_opened(
    browser: Browser, session: StorageState, folded: Instance
) -> None:
    with watched(browser, storage_state=session) as view:
        page = view.page
        page.goto(address(folded, "folded root"))
        expect(row(page, "four")).to_have_count(0)
        row(page, "three").press("ArrowRight")
        expect(row(page, "four")).to_be_visible()
        expect(row(page, "three")).to_be_focused()
        row(page, "three").press("ArrowLeft")
        expect(row(page, "four")).to_be_hidden()
        row(page, "three").press("ArrowRight")
        expect(row(page, "four")).to_be_visible()
        expect(page.locator("[data-shown]")).to_have_text("24")
        page.get_by_role("link", name="next 200").press("Enter")
        expect(row(page, "leaf 218")).to_have_count(1)
        expect(row(page, "leaf 19")).to_be_focused()
    with watched(browser, storage_state=session, java_script_enabled=False) as view:
        page = view.page
        page.goto(address(folded, "folded root"))
        page.locator("#tree .unfold").click()
        expect(row(page, "four")).to_be_visible()
        page.get_by_role("link", name="next 200").click()
        expect(row(page, "leaf 210")).to_have_count(1)
        expect(page.get_by_text("earlier")).to_be_visible()
