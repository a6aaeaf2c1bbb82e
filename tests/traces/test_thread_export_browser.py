"""The export page in a real browser: threads are counted while they arrive, and without scripts it is a plain link."""

import json
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests import make
from tests.journeys.accessibility import violations
from tests.journeys.browsing import DESK, PHONE, Scheme, Watched, chromium
from tests.traces.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STATES: tuple[tuple[tuple[int, int], Scheme], ...] = ((DESK, "light"), (PHONE, "dark"))
THREADS = 40


@pytest.fixture
def site() -> Site:
    """Return a project with THREADS conversations, one more in which nothing was said, and one of somebody else."""
    cache.clear()
    people = make.workspace_with_people()
    site = Site(make.project(people), people)
    for number in range(THREADS + 2):
        user = "omar" if number == THREADS + 1 else "ines"
        run = make.run(site.project, "thread", id=f"t{number}", user_id=user)
        if number != THREADS:
            make.message(site.project, run.id, f"question {number}")
    return site


def downloaded(page: Page, to: Path) -> list[str]:
    """Click the download and return the first words of every line that was saved."""
    with page.expect_download() as download:
        page.get_by_role("link", name="Download JSONL").click()
    assert download.value.suggested_filename.startswith("concierge-threads-")
    download.value.save_as(to)
    return [json.loads(line)["messages"][0]["content"] for line in to.read_text().splitlines()]


@pytest.mark.parametrize("scripts", [True, False])
def test_a_filtered_list_is_saved(site: Site, live_server: LiveServer, tmp_path: Path, scripts: bool) -> None:
    session = make.client_for(site.people.viewer).cookies[settings.SESSION_COOKIE_NAME].value
    with chromium() as browser:
        view = Watched(browser, java_script_enabled=scripts)
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}
        view.context.add_cookies([cookie])  # type: ignore[list-item]
        page = view.page
        page.goto(live_server.url + site.url("threads?range=7d&user=ines"))
        page.get_by_role("link", name="Export these threads").click()
        expect(page.locator("#export-title")).to_contain_text(f"{THREADS + 1} threads, about")
        expect(page.locator("main")).to_contain_text("end user is ines")
        assert sorted(downloaded(page, tmp_path / "saved")) == sorted(f"question {n}" for n in range(THREADS))
        if scripts:
            said = page.locator("[data-export-said]")
            expect(said).to_contain_text(f"Saved {THREADS} of {THREADS + 1} threads")
            expect(said).to_contain_text("1 had no messages")
            for size, scheme in STATES:
                view.show(size, scheme)
                assert view.audit() == []
                assert violations(page) == []
            page.route("**/export.jsonl*", lambda route: route.abort())
            page.get_by_role("link", name="Download JSONL").click()
            expect(said).to_contain_text("The download broke off")
            view.problems.clear()  # the console tells of the broken download
        assert view.problems == []
