"""The list of traces through the front door: what its rows say, filters and order, who may see it, what it costs."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from runs.models import Run, StaleTrace
from tests import make
from tests.traces.conftest import Site, summarise


def test_the_list_has_the_sums_of_each_trace(site: Site, agent: Run) -> None:
    make.run(site.project, "llm", name="a call of its own")
    page = site.get("traces")
    row = page[page.index("claims-agent") :]
    row = row[: row.index("</tr>")]
    assert "Inès Moreau" in row
    assert "1\u202f057" in row  # tokens, the plain span's left out
    assert "≥&nbsp;$0.2500" in row  # one call has no price
    assert '<span class="bad">1</span>' in row
    assert ">5</td>" in row
    assert "a call of its own" not in page
    assert "1 of 1 trace<" in page  # the volume above is of traces, not of their runs


def test_the_list_is_filtered_by_the_address(site: Site, agent: Run) -> None:
    quiet = make.run(site.project, "chain", name="quiet-chain")
    summarise(site.project)
    for query, there in {
        "type=agent": {"claims-agent"},
        "type=chain": {"quiet-chain"},
        "inside=error": {"claims-agent"},
        "user=ines": {"claims-agent"},
        "name=quiet*": {"quiet-chain"},
        "tag=nowhere": set(),
        "tool=fetch_tariff": {"claims-agent"},
        "tool=fetch_*": {"claims-agent"},
        "tool=other&tool=fetch_tariff": {"claims-agent"},
        "tool=fetch": set(),
        "model=granite&agent=claims-agent": {"claims-agent"},
        "agent=*": {"claims-agent"},
        "runs=>1": {"claims-agent"},
        "runs=<=1": {"quiet-chain"},
        "errors=0": {"quiet-chain"},
        "cost=>0.2": {"claims-agent"},
        "cost=unknown": {"quiet-chain"},
        "tokens=1k..2k": {"claims-agent"},
        "duration=1s": {"claims-agent", "quiet-chain"},
        "duration=>1s": set(),
    }.items():
        table = site.get(f"traces?{query}")
        assert {name for name in ("claims-agent", "quiet-chain") if f">{name}</a>" in table} == there, query
    assert str(quiet.id) in site.get("traces")


def test_typed_words_become_filters_in_the_address(site: Site, agent: Run) -> None:
    answer = site.client().get(site.url("traces?add=user:ines+status:success"))
    assert answer.status_code == 302
    assert answer["Location"].endswith("/traces?user=ines&status=success")


def test_forms_and_phrases_become_filters_in_the_address(site: Site) -> None:
    for typed, address in {
        "add=has:error+tool:search+model:gpt*": "inside=error&tool=search&model=gpt%2A",
        "contains_tool=look+up&contains_model=&cost_min=0.5&runs_max=": "cost=%3E%3D0.5&tool=look+up",
        "sort=-cost&errors_min=2": "errors=%3E%3D2&sort=-cost",
        "add=model:a&model=b": "model=b&model=a",
    }.items():
        answer = site.client().get(site.url(f"traces?{typed}"))
        assert answer["Location"].endswith(f"/traces?{address}"), typed


def test_chips_say_the_filters_in_words(site: Site) -> None:
    page = site.get("traces?inside=error&tool=search&tool=look*&model=gpt-4o&cost=>0.5&runs=>=20")
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    for words in (
        "has an error inside",
        "contains tool search or look*",
        "contains model gpt-4o",
        "cost &gt; 0.5 USD",
        "runs ≥ 20",
    ):
        assert words in text


def test_what_can_not_be_read_is_said(site: Site, agent: Run) -> None:
    page = site.get("traces?trace=x&runs=many&tool=&inside=everything&duration=unknown")
    assert "claims-agent" in page
    assert page.count("The list is shown without it.") == 5


def test_columns_sort_both_ways_and_say_so(site: Site, agent: Run) -> None:
    quiet = make.run(site.project, "chain", name="quiet-chain", status="error")
    summarise(site.project)
    for key in ("duration", "runs", "errors", "tokens", "cost"):
        for sort, direction in ((f"-{key}", "descending"), (key, "ascending")):
            page = site.get(f"traces?sort={sort}")
            heading = re.search(r'aria-sort="(\w+)"><a href="([^"]+)"', page)
            assert heading
            turned = key if sort.startswith("-") else f"-{key}"
            assert (heading[1], heading[2]) == (direction, f"?sort={turned}")
            assert page.count("aria-sort") == 1
            assert page.count(f'name="sort" value="{sort}"') == 3  # search, time range and filters keep the order
            assert f'href="?sort={sort}&amp;type=agent"' in page
            rows = re.findall(r">(claims-agent|quiet-chain)</a>", page)
            first = "claims-agent" if sort.startswith("-") else "quiet-chain"
            assert sorted(rows) == ["claims-agent", "quiet-chain"]
            if key in ("runs", "tokens"):
                assert rows[0] == first, sort
            if key == "cost":
                assert rows[-1] == "quiet-chain"  # what has no cost is last, whichever way
    assert str(quiet.id) in page


def test_a_list_by_totals_says_how_old_they_are(site: Site, agent: Run) -> None:
    StaleTrace.objects.create(
        project_id=site.project.pk, trace_id=agent.id, id=uuid4(), marked_at=timezone.now() - timedelta(seconds=40)
    )
    assert "s behind" not in site.get("traces")  # it asks the roots
    for query in ("sort=-cost", "runs=>1"):
        assert re.search(r"Totals are 4\d s behind", site.get(f"traces?{query}"))
    assert "always complete" in site.get("traces?sort=-cost")  # no worker has been here: nothing is summed up
    StaleTrace.objects.update(marked_at=timezone.now())
    assert "s behind" not in site.get("traces?sort=-cost")


def test_filter_groups_count_traces_and_suggest_names(site: Site, agent: Run) -> None:
    summarise(site.project)
    make.usage(site.project, "tool", "fetch_tariff", 3)
    make.usage(site.project, "llm", "gpt-4.1", 9)
    make.usage(make.project(), "llm", "of-others", 9)
    for path in ("traces/facets", "traces?facets=1"):
        page = site.get(path)
        assert '<option value="fetch_tariff">' in page
        assert '<option value="gpt-4.1">' in page
        assert "of-others" not in page
        assert 'aria-label="Status"' in page
        assert 'href="?inside=error' in page or 'href="?facets=1&amp;inside=error' in page or "inside=error" in page
    assert 'aria-current="true"' in site.get("traces/facets?inside=error")


def test_two_ticked_traces_are_compared_without_javascript(site: Site, agent: Run) -> None:
    page = site.get("traces")
    form = re.search(r'<form class="[^"]+" id="compare" method="get" action="([^"]+)">', page)
    assert form
    assert form[1] == site.url("traces/compare")
    assert f'<input type="checkbox" name="trace" value="{agent.id}" form="compare"' in page
    assert "Compare claims-agent" in page


def test_strangers_see_no_filter_groups(site: Site, agent: Run) -> None:
    address = site.url("traces/facets")
    assert site.client("owner").get(address).status_code == 200
    assert site.client("stranger").get(address).status_code == 404
    assert site.client("billing").get(address).status_code == 403
    assert site.client("anonymous").get(address).status_code == 302


@pytest.mark.parametrize("query", ["", "?sort=-cost&inside=error&tool=tool-*&user=ann", "?root=missing"])
def test_the_list_costs_the_same_number_of_queries_whatever_it_holds(
    site: Site, query: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = site.client()
    for size in (1, 40):
        for number in range(size):
            root = make.run(site.project, "agent", name=f"agent-{number}", user_id="ann")
            make.child(root, site.project, "tool", name=f"tool-{number}", status="error")
        summarise(site.project)
        with django_assert_max_num_queries(26):
            client.get(site.url(f"traces{query}"))


def test_the_list_pages_by_keyset_and_a_damaged_cursor_is_said(site: Site) -> None:
    now = timezone.now()
    for number in range(60):
        make.run(site.project, "agent", name=f"agent-{number:02}", started_at=now - timedelta(minutes=number))
    first = site.get("traces")
    older = re.search(r'rel="next" href="\?([^"]+)"', first)
    assert older
    second = site.get(f"traces?{older[1].replace('&amp;', '&')}")
    names = [re.findall(r">(agent-\d\d)</a>", page) for page in (first, second)]
    assert names[0] + names[1] == [f"agent-{number:02}" for number in range(60)]
    assert "damaged" in site.get("traces?cursor=nonsense")


def test_traces_without_a_root_are_found(site: Site) -> None:
    missing = uuid4()
    for number in range(3):
        make.run(site.project, "llm", name=f"call-{number}", parent_id=missing, trace_id=missing)
    assert str(missing) not in site.get("traces")
    page = site.get("traces?root=missing")
    assert str(missing) in page
    assert "$0.0036" in page
    tree = site.get(f"traces/{missing}")
    assert "Root not received yet" in tree
    assert "parent not received yet" in tree
    assert "call-2" in tree


def test_empty_lists_say_what_to_do(site: Site, agent: Run) -> None:
    assert "Every root has arrived" in site.get("traces?root=missing")
    assert "Drop this filter" in site.get("traces?user=nobody")
    empty = make.project(site.people, name="Empty")
    page = site.client().get(f"/p/{empty.public_id}/traces").content.decode()
    assert "No traces yet" in page
