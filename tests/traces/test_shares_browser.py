"""Sharing in a real browser, with scripts and without: links are copied, made, opened and revoked."""

from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from runs.models import Run
from tests import make
from tests.journeys.accessibility import violations
from tests.journeys.browsing import DESK, PHONE, Scheme, Watched, chromium
from tests.traces.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STATES: tuple[tuple[tuple[int, int], Scheme], ...] = (
    (DESK, "light"),
    (DESK, "dark"),
    (PHONE, "light"),
    (PHONE, "dark"),
)


@pytest.fixture
def trace() -> tuple[Site, Run]:
    cache.clear()
    people = make.workspace_with_people()
    site = Site(make.project(people), people)
    make.end_user(site.project, "ines-4711", name="Inès Moreau")
    root = make.run(site.project, "agent", name="claims-agent", user_id="ines-4711")
    call = make.child(root, site.project, name="gpt-4.1", user_id="ines-4711")
    make.body(call, [{"role": "user", "content": "I am Inès Moreau"}], {"role": "assistant", "content": "Hello"})
    make.child(root, site.project, "tool", name="lookup", status="error")
    return site, root


def entered(browser: Browser, server: LiveServer, session: str, **options: Any) -> Watched:
    """Return a browser with that session; it is made before the browser starts, whose loop keeps the ORM out."""
    view = Watched(browser, **options)
    view.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": server.url}])
    return view


def session_of(client: Client) -> str:
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def look(view: Watched) -> None:
    """Fail on what a person would not forgive, in both sizes and themes."""
    for size, scheme in STATES:
        view.show(size, scheme)
        assert view.audit() == [], (size, scheme)
        assert violations(view.page) == [], (size, scheme)
    view.show(*STATES[0])


def test_a_link_is_made_opened_and_revoked(trace: tuple[Site, Run], live_server: LiveServer) -> None:
    site, root = trace
    address = live_server.url + site.url(f"traces/{root.id}")
    session = session_of(make.client_for(site.people.member))
    with chromium() as browser:
        view = entered(browser, live_server, session)
        view.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=live_server.url)
        page = view.page
        page.goto(address)
        page.locator("a.line", has_text="gpt-4.1").click()
        expect(page.locator("#detail h2")).to_have_text("gpt-4.1")
        for opened, link in (
            (None, "#detail [data-copy-link]"),
            (".share-menu summary", ".share-menu [data-copy-link]"),
        ):
            if opened:
                page.click(opened)
            page.click(link)
            expect(page.locator("#live")).to_have_text("Copied")
            assert page.evaluate("navigator.clipboard.readText()") == page.url
            assert "?run=" in page.url
        page.get_by_role("button", name="Public link…").click()
        page.get_by_label("Show inputs and outputs").wait_for()
        expect(page.locator("#share-title")).to_be_focused()
        look(view)
        page.get_by_role("button", name="Make public link").click()
        shared = page.get_by_label("Public link", exact=True).and_(page.locator("input"))
        public = shared.input_value()
        look(view)
        page.locator(".share-address .copy").click()
        expect(page.locator(".share-address .copy span")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == public

        guest = Watched(browser)
        guest.page.goto(public)
        guest.page.locator("a.line", has_text="gpt-4.1").click()
        expect(guest.page.locator("#detail")).to_contain_text("I am [redacted]")
        look(guest)
        assert "Inès" not in guest.page.content()

        page.get_by_role("button", name="Revoke").click()
        expect(page.locator(".share-link")).to_have_count(0)
        page.keyboard.press("Escape")
        expect(page.locator("#share-dialog")).to_be_hidden()
        assert view.problems == []
        guest.page.goto(public)
        expect(guest.page.locator("main")).to_contain_text("leads nowhere")


def test_everything_works_without_scripts(trace: tuple[Site, Run], live_server: LiveServer) -> None:
    site, root = trace
    address = live_server.url + site.url(f"traces/{root.id}")
    session = session_of(make.client_for(site.people.member))
    with chromium() as browser:
        view = entered(browser, live_server, session, java_script_enabled=False)
        page = view.page
        page.goto(address)
        page.click(".share-menu summary")
        page.get_by_role("button", name="Public link…").click()
        page.get_by_role("link", name="Open the public links of this trace").click()
        page.get_by_label("Show end users, teams and organizations").check()
        page.get_by_role("button", name="Make public link").click()
        expect(page.locator(".share-facts")).to_contain_text("people shown")
        public = page.locator(".share-address input").input_value()
        guest = Watched(browser, java_script_enabled=False).page
        guest.goto(public)
        guest.locator("a.line", has_text="gpt-4.1").click()
        expect(guest.locator("#detail")).to_contain_text("I am Inès Moreau")
        page.get_by_role("link", name="All public links of this project").click()
        page.locator("tr", has_text="claims-agent").get_by_role("button", name="Revoke").click()
        page.locator(".dialog").get_by_role("button", name="Revoke").click()
        expect(page.locator("main")).to_contain_text("No public links")
        guest.reload()
        expect(guest.locator("main")).to_contain_text("leads nowhere")


def test_the_pages_have_nothing_to_complain_of(trace: tuple[Site, Run], live_server: LiveServer) -> None:
    site, root = trace
    client = make.client_for(site.people.member)
    client.post(site.url(f"traces/{root.id}/share"), {"bodies": "1"})
    empty = make.run(site.project, "agent", name="nobody's")
    other = make.project(site.people, name="Other")
    paths = [site.url(f"traces/{root.id}/share"), site.url(f"traces/{empty.id}/share"), site.url("traces/shares")]
    with chromium() as browser:
        view = entered(browser, live_server, session_of(client))
        for path in [*paths, f"/p/{other.public_id}/traces/shares"]:
            view.page.goto(live_server.url + path)
            look(view)
