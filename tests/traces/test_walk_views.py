"""Walking from trace to trace in the order of a list."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs.models import Run
from tests import make
from tests.traces.conftest import Site
from traces import walk_views

FAILED = "list=" + quote("status=error", safe="")


@pytest.fixture
def traces(site: Site) -> list[Run]:
    """Return five traces, the newest first; every other one failed."""
    now = timezone.now()
    return [
        make.run(
            site.project,
            "agent",
            name=f"agent-{number}",
            status="error" if number % 2 == 0 else "success",
            started_at=now - timedelta(minutes=number + 1),
        )
        for number in range(5)
    ]


def beside(site: Site, trace: Run, query: str = "") -> str:
    return site.get(f"traces/{trace.id}/neighbours?{query}", **{"HX-Request": "true"})


def test_neighbours_are_those_of_the_list(site: Site, traces: list[Run]) -> None:
    links = beside(site, traces[2])
    assert f'href="{site.url(f"traces/{traces[1].id}")}" rel="prev"' in links
    assert f'href="{site.url(f"traces/{traces[3].id}")}" rel="next"' in links
    failed = beside(site, traces[2], FAILED)
    assert f'href="{site.url(f"traces/{traces[0].id}")}?{FAILED.replace("=", "=", 1)}" rel="prev"' in failed
    assert f'href="{site.url(f"traces/{traces[4].id}")}?{FAILED}" rel="next"' in failed


def test_at_the_ends_there_is_no_link(site: Site, traces: list[Run]) -> None:
    first, last = beside(site, traces[0]), beside(site, traces[-1])
    assert 'rel="prev"' not in first
    assert "No trace before this one in the list" in first
    assert 'rel="next"' not in last
    assert "No trace after this one in the list" in last


def test_a_view_is_kept(site: Site, traces: list[Run]) -> None:
    assert f'href="{site.url(f"traces/{traces[1].id}/transcript")}" rel="prev"' in beside(
        site, traces[2], "view=transcript"
    )
    assert f'href="{site.url(f"traces/{traces[1].id}")}" rel="prev"' in beside(site, traces[2], "view=run_delete")


def test_the_list_gives_its_filters_to_its_rows_and_every_link_keeps_them(site: Site, traces: list[Run]) -> None:
    row = f'href="{site.url(f"traces/{traces[2].id}")}?list=status%3Derror'
    assert row in site.get("traces?status=error")
    page = site.get(f"traces/{traces[2].id}?{FAILED}")
    assert f"neighbours?view=tree&amp;{FAILED}" in page
    assert f'href="{site.url(f"traces/{traces[2].id}/neighbour/next")}?view=tree&amp;{FAILED}" rel="next"' in page
    assert f"?{FAILED}&amp;run=" in page


def test_without_javascript_a_link_leads_on(site: Site, traces: list[Run]) -> None:
    client = site.client()
    led = client.get(site.url(f"traces/{traces[2].id}/neighbour/next?{FAILED}"))
    assert led["Location"] == f"{site.url(f'traces/{traces[4].id}')}?{FAILED}"
    at_the_end = client.get(site.url(f"traces/{traces[4].id}/neighbour/next?{FAILED}"), follow=True)
    assert "This is the last trace of the list." in at_the_end.content.decode()
    assert client.get(site.url(f"traces/{traces[4].id}/neighbour/sideways")).status_code == 404


def test_a_search_that_takes_too_long_leaves_the_links_that_work(
    site: Site, traces: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    make.body(traces[1], "x" * 3_000_000)
    monkeypatch.setattr(walk_views, "SECONDS", 0.001)
    links = beside(site, traces[2], "list=" + quote("q=nowhere to be found"))
    assert f"traces/{traces[2].id}/neighbour/next" in links


def test_a_damaged_list_is_the_whole_list(site: Site, traces: list[Run]) -> None:
    for query in ("list=%26%26%00", "list=cursor%3Dx", "list=range%3Dnever", "list=" + "a" * 5000):
        assert f"traces/{traces[1].id}" in beside(site, traces[2], query)


def test_neighbours_are_found_by_few_questions(site: Site, traces: list[Run]) -> None:
    client = site.client()
    client.get(site.url("traces"))
    with CaptureQueriesContext(connection) as asked:
        client.get(site.url(f"traces/{traces[2].id}/neighbours"), headers={"HX-Request": "true"})
    assert len(asked) <= 12


def test_neighbours_are_for_those_who_may_read_the_project(site: Site, traces: list[Run]) -> None:
    for path in ("neighbours", "neighbour/next"):
        address = site.url(f"traces/{traces[2].id}/{path}")
        for person in ("owner", "member", "viewer"):
            assert site.client(person).get(address).status_code in (200, 302)
        assert site.client("billing").get(address).status_code == 403
        assert site.client("stranger").get(address).status_code == 404
        assert site.client("anonymous").get(address)["Location"].startswith("/login")
