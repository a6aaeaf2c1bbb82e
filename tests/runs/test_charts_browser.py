"""Charts in a real browser under the real policy: drawn, nothing refused, and a click leads to the runs."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from runs import rollups
from runs.models import StaleHour
from tests import make
from tests.browser import ARGUMENTS, find_chromium

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium or Chrome on PATH, or CHROMIUM"),
]
REFUSED = (
    "window.refused = []; document.addEventListener('securitypolicyviolation',"
    " event => refused.push(event.violatedDirective + ' ' + event.blockedURI))"
)


def session_of(client: Client) -> str:
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def test_charts_are_drawn_within_the_policy_and_lead_to_their_runs(live_server: LiveServer) -> None:
    people = make.workspace_with_people()
    project = make.project(people)
    for hours in range(40):
        at = timezone.now() - timedelta(hours=hours * 3)
        make.run(project, name=f"model-{hours % 9}", started_at=at, cost=Decimal(1 + hours % 9), duration_ms=500)
        hour = at.replace(minute=0, second=0, microsecond=0)
        StaleHour.objects.create(project_id=project.pk, hour=hour, id=uuid4(), marked_at=timezone.now())
    rollups.recompute_stale()
    address = live_server.url + reverse("overview", args=[project.public_id])
    session = session_of(make.client_for(people.viewer))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
        context.add_init_script(REFUSED)
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length >= 4")
        assert page.evaluate("refused") == []
        _colours_are_of_the_theme(page)
        _table_says_the_same(page)
        _click_leads_to_the_runs(page)
        assert errors == []
        browser.close()


def _colours_are_of_the_theme(page: Page) -> None:
    bar = page.locator("#chart-cost .trace.bars").first.locator("path").first
    assert bar.evaluate("path => getComputedStyle(path).fill") == page.locator(".colour-chart-1").first.evaluate(
        "swatch => getComputedStyle(swatch).color"
    )


def _table_says_the_same(page: Page) -> None:
    cost = page.locator("section.chart").first
    assert not cost.locator("table").is_visible()
    cost.locator("summary").click()
    assert cost.locator("table").is_visible()
    columns = cost.locator("thead th").count()
    assert columns == 1 + page.evaluate("document.getElementById('chart-cost').data.length")
    cost.locator("summary").click()


def _click_leads_to_the_runs(page: Page) -> None:
    bars = page.locator("#chart-cost .trace.bars").first.locator(".point path")
    series = page.evaluate("document.getElementById('chart-cost').data[0].y")
    last = max(index for index, value in enumerate(series) if value)
    cell = page.locator("section.chart").first.locator("tbody tr").nth(len(series) - 1 - last).locator("td").first
    behind = cell.locator("a").get_attribute("href")
    place = bars.nth(last).bounding_box()
    assert place
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    page.wait_for_url("**/runs?**")
    assert behind is not None
    assert page.url.endswith(behind)
