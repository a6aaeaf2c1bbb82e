"""Searching inside a trace, through the front door."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.models import Run
from tests import make
from tests.traces.conftest import Site
from traces import find, find_queries, find_views
from traces.find import Hit
from traces.hits import hits

EVIL = "<script>alert('x')</script>"


@contextmanager
def at_most(number: int) -> Iterator[None]:
    with CaptureQueriesContext(connection) as asked:
        yield
    assert len(asked) <= number, [query["sql"][:120] for query in asked]


@pytest.fixture
def trace(site: Site) -> Run:
    """Return the root of a trace in whose payloads a needle lies three times, once six levels down."""
    root = make.run(site.project, "agent", name="desk", id="desk")
    shallow = make.child(root, site.project, "llm", name="gpt-4.1", id="shallow")
    make.body(shallow, [{"role": "user", "content": "a needle, please"}], "found one")
    above = root
    for level in range(6):
        above = make.child(above, site.project, "chain", name=f"level-{level}", id=f"level-{level}")
    deep = make.child(above, site.project, "tool", name="needle_case", id="deep", status="error")
    make.body(deep, error={"message": f"no NEEDLE here {EVIL}"})
    return root


def hit(position: int) -> Hit:
    return Hit(position, UUID(int=position + 1), "tool", "tool", "success", ("output",))


# The list of hits ----------------------------------------------------------------------------------------------------


def test_hits_are_shown_around_the_selected_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "PAGE", 2)
    found = [hit(position) for position in (3, 5, 8, 9, 12)]
    page = hits(found, 9)
    assert [line.number for line in page.shown] == [3, 4]
    assert (page.current, page.count, page.left) == (4, 5, 1)
    assert (page.previous, page.next, page.before, page.after) == (found[2], found[4], found[1], found[4])
    assert page.earlier == found[0]


def test_beside_a_run_that_is_no_hit_are_those_around_it() -> None:
    found = [hit(position) for position in (3, 5, 8)]
    between = hits(found, 6)
    assert (between.current, between.previous, between.next) == (None, found[1], found[2])
    assert (hits(found, 9).previous, hits(found, 9).next) == (found[2], None)
    assert (hits(found, None).previous, hits(found, None).next) == (None, found[0])
    empty = hits([], 4)
    assert (empty.shown, empty.count, empty.previous, empty.next, empty.left) == ([], 0, None, None, 0)


def test_a_list_begins_where_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "PAGE", 2)
    found = [hit(position) for position in (3, 5, 8, 9, 12)]
    assert [line.number for line in hits(found, 3, found[2].id).shown] == [3, 4]
    assert [line.number for line in hits(found, 3, UUID(int=99)).shown] == [1, 2]


# Pages ---------------------------------------------------------------------------------------------------------------


def test_the_page_of_a_trace_shows_the_hits_and_keeps_the_search(site: Site, trace: Run) -> None:
    page = site.get(f"traces/{trace.id}?find=needle")
    assert "<strong>" in page
    assert "with “<bdi>needle</bdi>”" in page
    assert "a <mark>needle</mark>, please" in page
    assert "<mark>needle</mark>_case" in page
    assert EVIL not in page
    deep = make.run_id("deep")
    assert f"?find=needle&amp;run={deep}" in page
    selected = site.get(f"traces/{trace.id}?find=needle&run={deep}")
    assert "<span data-hit-number>2 of </span>2" in selected
    assert f'href="?find=needle&amp;run={make.run_id("level-5")}"' in selected, "its ancestors are open"
    assert f'run={make.run_id("shallow")}" data-hit-step="-1"' in selected
    assert 'aria-disabled="true" data-hit-step="1"' in selected
    assert "data-hits" not in site.get(f"traces/{trace.id}")


def test_what_is_not_there_is_said(site: Site, trace: Run) -> None:
    assert "Nothing found" in site.get(f"traces/{trace.id}?find=haystack")
    assert "Nothing is searched for yet" in site.get(f"traces/{trace.id}/find?find=%20")


def test_hits_of_a_large_trace_come_after_its_page(site: Site, trace: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_views, "AT_ONCE", 3)
    page = site.get(f"traces/{trace.id}?find=needle")
    address = site.url(f"traces/{trace.id}/find?find=needle")
    assert f'hx-get="{address}"' in page
    assert f'href="{address}"' in page, "without JavaScript it is a link"
    assert "<mark>" not in page
    fragment = site.get(f"traces/{trace.id}/find?find=needle", **{"HX-Request": "true"})
    assert fragment.strip().startswith("<section")
    assert "a <mark>needle</mark>, please" in fragment
    assert 'id="find-count" hx-swap-oob="true"' in fragment
    alone = site.get(f"traces/{trace.id}/find?find=needle")
    assert "<html" in alone
    assert f'href="{site.url(f"traces/{trace.id}")}?find=needle&amp;run={make.run_id("deep")}"' in alone


def test_more_hits_than_a_page_holds_are_turned_and_more_than_a_search_goes_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "MOST", 4)
    monkeypatch.setattr(find, "PAGE", 2)
    root = make.run(site.project, "agent")
    runs = [make.child(root, site.project, "tool", name="needle", id=UUID(int=100 + number)) for number in range(6)]
    page = site.get(f"traces/{root.id}?find=needle")
    assert "the first 4+" in page
    assert f"&amp;hits={runs[2].id}" in page
    second = site.get(f"traces/{root.id}/find?find=needle&hits={runs[2].id}")
    assert second.count('class="hit"') == 2
    assert f"since={runs[3].id}" in second
    rest = site.get(f"traces/{root.id}?find=needle&since={runs[3].id}")
    assert rest.count('class="hit"') == 2
    assert "from the beginning" in rest.lower()


def test_a_slow_search_says_how_far_it_came(site: Site, trace: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_queries, "FIRST_BATCH", 2)
    monkeypatch.setattr(find_views, "search", partial(find_queries.search, seconds=0))
    page = site.get(f"traces/{trace.id}?find=needle")
    assert "Looked through 2 of 9 runs" in page
    assert f"since={make.run_id('shallow')}" in page
    assert "a <mark>needle</mark>, please" in page


def test_a_search_asks_little(site: Site, trace: Run) -> None:
    client = site.client()
    client.get(site.url("traces"))
    with at_most(11):
        client.get(site.url(f"traces/{trace.id}/find?find=needle"), headers={"HX-Request": "true"})


@pytest.mark.parametrize("text", ["%", "_", "\\", "'", '"', "{0}", "%(ids)s", "😀", "\u202e", "x" * 5000, "%00", EVIL])
def test_any_text_may_be_searched_for(site: Site, trace: Run, text: str) -> None:
    response = site.client().get(site.url(f"traces/{trace.id}"), {"find": text})
    assert response.status_code == 200
    assert EVIL not in response.content.decode()


def test_a_search_is_for_those_who_may_read_the_project(site: Site, trace: Run) -> None:
    address = site.url(f"traces/{trace.id}/find?find=needle")
    for person in ("owner", "member", "viewer"):
        assert site.client(person).get(address).status_code == 200
    assert site.client("billing").get(address).status_code == 403
    assert site.client("stranger").get(address).status_code == 404
    assert site.client("anonymous").get(address)["Location"].startswith("/login")
    elsewhere = make.run(make.project(site.people, "Other"), "agent")
    assert site.client().get(site.url(f"traces/{elsewhere.id}/find?find=a")).status_code == 404
