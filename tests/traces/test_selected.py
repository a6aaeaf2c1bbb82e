"""The selected run of a trace: its place among its siblings, and that nothing reads the tree for it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.models import Run
from tests import make
from tests.traces.conftest import Site
from traces.selected import Beside, beside, selected

START = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)


@pytest.fixture
def siblings(site: Site) -> list[Run]:
    """Return the children of an agent in the order of the tree: two start at the same time."""
    root = make.run(site.project, "agent", id="root", started_at=START)
    starts = (0, 1, 1, 2, 3_600_000_000)
    made = [
        make.child(root, site.project, "tool", id=f"child {number}", started_at=START + timedelta(microseconds=start))
        for number, start in enumerate(starts)
    ]
    make.child(made[0], site.project, "tool", name="grandchild")
    return sorted(made, key=lambda run: (run.started_at, run.id))


def test_siblings_are_in_the_order_of_the_tree(siblings: list[Run]) -> None:
    ids = [None, *(run.id for run in siblings), None]
    for number, run in enumerate(siblings, 1):
        assert beside(run) == Beside(number, 5, ids[number - 1], ids[number + 1])


def test_a_root_and_an_only_child_have_none(site: Site) -> None:
    root = make.run(site.project, "agent")
    assert beside(root) is None
    assert beside(make.child(root, site.project)) is None


def test_another_project_or_trace_is_not_beside(site: Site, siblings: list[Run]) -> None:
    other = make.project(site.people, "Other")
    make.run(other, "tool", parent_id=make.run_id("root"), trace_id=make.run_id("root"), started_at=START)
    make.run(site.project, "tool", parent_id=make.run_id("root"), trace_id=make.run_id("else"), started_at=START)
    found = beside(siblings[0])
    assert found is not None
    assert (found.number, found.count) == (1, 5)


def test_the_detail_links_to_what_is_around_it(site: Site, siblings: list[Run]) -> None:
    trace, run = make.run_id("root"), siblings[2]
    make.body(run, "q", "a", params={"temperature": 0.2}, metadata={"lang": "nl", "deep": {"a": 1}})
    page = site.get(f"traces/{trace}?list=x&run={run.id}", **{"HX-Request": "true", "HX-Target": "detail"})
    assert "3 of 5" in page
    for one in (trace, siblings[1].id, siblings[3].id):
        assert f'href="?list=x&amp;run={one}"' in page
    assert f'href="{site.url(f"runs/{run.id}")}"' in page
    assert "temperature 0.2" in page
    about = site.get(f"traces/{trace}?run={run.id}&tab=metadata")
    assert "lang" in about
    assert "step 0" not in about
    assert "1 of 5" not in site.get(f"traces/{trace}")


def test_the_detail_never_reads_the_tree(site: Site, siblings: list[Run]) -> None:
    client = site.client()
    address = site.url(f"traces/{make.run_id('root')}?run={siblings[2].id}")
    client.get(address)
    with CaptureQueriesContext(connection) as asked:
        client.get(address, headers={"HX-Request": "true", "HX-Target": "detail"})
    assert len(asked) <= 14
    assert not [query["sql"] for query in asked if "string_agg" in query["sql"] or '"steps"' in query["sql"]]


def test_an_unknown_run_is_none(site: Site) -> None:
    assert selected(site.project, make.run_id("nobody")) is None
    gone = site.client().get(
        site.url(f"traces/{make.run_id('t')}?run={make.run_id('nobody')}"),
        headers={"HX-Request": "true", "HX-Target": "detail"},
    )
    assert gone.status_code == 404
