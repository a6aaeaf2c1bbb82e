"""A conversation replayed in Chromium: by keys, by itself, by its track, and with plain links where no script runs."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.journeys.accessibility import violations
from tests.journeys.browsing import DESK, PHONE, Scheme, chromium, logged_in, watched
from tests.journeys.conftest import Instance, new_project
from tests.journeys.events import made_id, run_events, said
from tests.supervisor.instances import Copy

pytestmark = [pytest.mark.xdist_group("copy"), pytest.mark.browser]

THREAD = "a thread to replay"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def session(browser: Browser, whole_copy: Copy) -> StorageState:
    return logged_in(browser, whole_copy)


@pytest.fixture(scope="module")
def replayed(whole_copy: Copy) -> Instance:
    """Make a thread of four turns, two hours of silence inside; one run failed, one answer was liked."""
    instance = new_project(whole_copy, "Replays")
    events = []
    for turn, ago in enumerate((8000, 7990, 700, 600)):
        events.append(said("user", f"Question {turn + 1}?", f"replay q{turn}", THREAD, ago))
        events.append(said("assistant", f"Answer {turn + 1}.", f"replay a{turn}", THREAD, ago - 2))
    failed = {"message": "no such booking"}
    events += run_events("agent", "claims-agent", "replay agent", 7989.5, parent="replay q1", error=failed)
    events.append({"type": "chat", "event": "feedback", "runId": made_id("replay a2"), "feedback": {"thumb": "up"}})
    assert all(answer["success"] for answer in instance.send(events))
    return instance


def address(instance: Instance, query: str = "") -> str:
    return f"{instance.url}/p/{instance.project_id}/threads/{made_id(THREAD)}{query}"


def in_turn(page: Page, number: int) -> None:
    """Wait until the replay is in a turn: everywhere it says so."""
    expect(page.locator(".player-where")).to_contain_text(f"turn {number} of 4")
    expect(page.get_by_role("navigation", name="Turns").locator("[aria-current=true]")).to_contain_text(
        f"Question {number}?"
    )
    expect(page.locator(".turn-now")).to_have_id(f"turn-{number}")


def test_turns_are_walked_with_keys_and_the_address_follows(
    browser: Browser, session: StorageState, replayed: Instance
) -> None:
    with watched(browser, storage_state=session) as view:
        page = view.page
        page.goto(address(replayed))
        page.get_by_role("link", name="Replay").click()
        in_turn(page, 1)
        expect(page.get_by_text("Answer 1.")).to_have_count(0)
        page.evaluate("document.documentElement.dataset.same = 'page'")
        page.keyboard.press("ArrowRight")
        in_turn(page, 2)
        expect(page.get_by_text("Answer 1.")).to_be_visible()
        expect(page.get_by_text("Not answered yet")).to_be_visible()
        expect(page.locator("#live")).to_contain_text("turn 2 of 4")
        expect(page).to_have_url(re.compile(r"\?at=\d{13}#turn-2$"))
        for _ in range(2):  # faster than they arrive
            page.keyboard.press("ArrowRight")
        in_turn(page, 4)
        page.keyboard.press("ArrowLeft")
        in_turn(page, 3)
        page.keyboard.press("Home")
        in_turn(page, 1)
        page.keyboard.press("End")
        expect(page.get_by_text("Answer 4.")).to_be_visible()
        page.go_back()
        in_turn(page, 1)
        page.go_forward()
        expect(page.get_by_text("Answer 4.")).to_be_visible()
        assert page.evaluate("document.documentElement.dataset.same") == "page", "no step loads the page anew"
        page.reload()
        expect(page.get_by_text("Answer 4.")).to_be_visible()
        page.get_by_role("link", name="Leave the replay").click()
        expect(page.locator("#player")).to_have_count(0)


def test_it_plays_by_itself_until_the_end_or_somebody_acts(
    browser: Browser, session: StorageState, replayed: Instance
) -> None:
    with watched(browser, storage_state=session, reduced_motion="reduce") as view:
        page = view.page
        button = page.locator("[data-play]")
        page.goto(address(replayed, "?at=0"))
        page.get_by_role("link", name="×16").click()
        expect(page).to_have_url(re.compile("speed=16"))
        page.keyboard.press("Space")
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(button).to_have_accessible_name("Pause")
        expect(page.get_by_text("Answer 4.")).to_be_visible()
        expect(button).to_have_attribute("aria-pressed", "false")
        expect(page).to_have_url(re.compile("at=.*speed=16"))
        page.get_by_role("link", name="×1 as fast as it was", exact=True).click()
        expect(page).not_to_have_url(re.compile("speed"))
        button.click()  # at the end: from the beginning
        in_turn(page, 1)
        expect(button).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("ArrowRight")
        expect(button).to_have_attribute("aria-pressed", "false")
        in_turn(page, 2)


def test_keys_are_letters_to_those_who_type(browser: Browser, session: StorageState, replayed: Instance) -> None:
    with watched(browser, storage_state=session) as view:
        page = view.page
        page.goto(address(replayed, "?at=0"))
        page.keyboard.press("?")
        sheet = page.get_by_role("dialog", name="Keys on this page")
        expect(sheet.get_by_role("heading", name="The replay")).to_be_visible()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
        expect(sheet).to_be_hidden()
        in_turn(page, 1)


def test_the_track_is_pressed_and_its_marks_are_links(
    browser: Browser, session: StorageState, replayed: Instance
) -> None:
    with watched(browser, storage_state=session) as view:
        page = view.page
        page.goto(address(replayed, "?at=0"))
        box = page.locator(".track").bounding_box()
        assert box
        page.mouse.click(box["x"] + box["width"] - 2, box["y"] + 34)
        expect(page).not_to_have_url(re.compile("at=0|seek"))
        expect(page.get_by_text("Answer 4.")).to_be_visible()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 34)
        page.mouse.down()
        page.mouse.move(box["x"] + 1, box["y"] + 34)
        page.mouse.up()
        in_turn(page, 1)
        page.get_by_role("link", name="Turn 2: error").click()
        in_turn(page, 2)
        expect(page.locator("#turn-2")).to_contain_text("claims-agent")


def test_it_needs_no_javascript(browser: Browser, session: StorageState, replayed: Instance) -> None:
    with watched(browser, storage_state=session, java_script_enabled=False) as view:
        page = view.page
        page.goto(address(replayed))
        page.get_by_role("link", name="Replay").click()
        in_turn(page, 1)
        expect(page.locator("[data-play]")).to_be_hidden()
        page.get_by_role("link", name="Next turn").click()
        in_turn(page, 2)
        page.get_by_role("link", name="Turn 2: error").click()
        expect(page.get_by_text("Answer 2.")).to_be_visible()
        page.get_by_role("link", name="Next turn").click()
        in_turn(page, 3)
        page.get_by_role("link", name="Last moment").click()
        expect(page.get_by_text("Answer 4.")).to_be_visible()
        page.get_by_role("link", name="First moment").click()
        in_turn(page, 1)
        assert not view.problems


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE])
def test_a_moment_is_there_for_everybody(
    browser: Browser, session: StorageState, replayed: Instance, size: tuple[int, int], scheme: Scheme
) -> None:
    with watched(browser, size, storage_state=session, reduced_motion="reduce", color_scheme=scheme) as view:
        page = view.page
        page.goto(address(replayed, "?at=0"))
        page.get_by_role("link", name="Next turn").click()
        expect(page.locator(".player-where")).to_contain_text("turn 2 of 4")
        expect(page.locator("#turn-2")).to_be_in_viewport()
        assert not view.audit()
        assert not violations(page)
