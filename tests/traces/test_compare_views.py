"""Comparing two traces through the front door: who may, what it says, what it offers, what it costs."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from projects.models import Project
from runs.models import Run
from tests import make
from tests.traces.conftest import Site
from traces import compare
from traces.compare_rows import PAGE, ROWS

DRAWER = {"HX-Request": "true", "HX-Target": "drawer"}
PLAIN = {"HX-Request": "true"}


@dataclass(frozen=True)
class Two:
    """Two traces of one agent: the model was changed, a tool added, an input differs."""

    left: Run
    right: Run
    calls: tuple[Run, Run]
    looked_up: tuple[Run, Run]
    added: Run

    @property
    def query(self) -> str:
        return f"traces/compare?a={self.left.id}&b={self.right.id}"


def _trace(project: Project, at: timedelta, model: str, order: str, **fields: Any) -> tuple[Run, Run, Run]:
    started = timezone.now() - timedelta(days=1) + at
    root = make.run(project, "agent", name="order-agent", started_at=started, duration_ms=4_000, **fields)
    call = make.child(root, project, "llm", name=model, cost=Decimal("0.25" if model == "gpt-4.1" else "0.05"))
    make.body(call, [{"role": "user", "content": f"Where is my order {order}?"}], "It left.", params={"seed": model})
    tool = make.child(root, project, "tool", name="look_up", started_at=started + timedelta(seconds=1))
    make.body(tool, {"order": order}, {"state": "sent"})
    return root, call, tool


@pytest.fixture
def two(site: Site) -> Two:
    left, call, tool = _trace(site.project, timedelta(0), "gpt-4.1", "5521")
    right, other_call, other_tool = _trace(site.project, timedelta(hours=1), "gpt-5-mini", "5522")
    added = make.child(
        right, site.project, "tool", name="check_stock", started_at=right.started_at + timedelta(seconds=2)
    )
    return Two(left, right, (call, other_call), (tool, other_tool), added)


def row_of(page: str, name: str) -> str:
    """Return the line of the table on which a run's name is."""
    rows: list[str] = re.findall(r"<tr class=\"diff-.*?</tr>", page, re.DOTALL)
    return next(row for row in rows if f">{name}<" in row)


@pytest.mark.parametrize("person", ["owner", "member", "viewer"])
@pytest.mark.parametrize("path", ["traces/compare?a={a}&b={b}", "traces/{a}/compare-with", "traces/compare"])
def test_people_of_the_workspace_may_compare(site: Site, two: Two, person: str, path: str) -> None:
    assert "Compare" in site.get(path.format(a=two.left.id, b=two.right.id), person)


@pytest.mark.parametrize("path", ["traces/compare?a={a}&b={b}", "traces/{a}/compare-with", "traces/compare"])
def test_strangers_and_the_unknown_may_not(site: Site, two: Two, path: str) -> None:
    address = site.url(path.format(a=two.left.id, b=two.right.id))
    assert site.client("stranger").get(address).status_code == 404
    assert site.client("billing").get(address).status_code == 403
    answer = site.client("anonymous").get(address)
    assert answer.status_code == 302
    assert "/login" in answer["Location"]


def test_what_changed_is_said_run_by_run(site: Site, two: Two) -> None:
    page = site.get(two.query)
    call = row_of(page, "gpt-5-mini")
    assert '<tr class="diff-changed"' in call
    assert "<del>gpt-4.1</del>" in call
    assert "\u2212$0.2000" in call
    assert all(f">{text}</span>" in call.replace("</svg>", ">") for text in ("input", "params"))
    tool = row_of(page, "look_up")
    assert '<tr class="diff-changed"' in tool  # of the same size: only its text differs
    assert "input</span>" in tool
    assert "output</span>" not in tool
    added = row_of(page, "check_stock")
    assert '<tr class="diff-added"' in added
    assert "+1.0\u00a0s" in added
    assert "2 changed" in page
    assert "1 added" in page
    assert "1 unchanged" in page


def test_the_header_has_both_traces_and_the_change_of_each_figure(site: Site, two: Two) -> None:
    page = site.get(two.query)
    facts = page[page.index("compare-facts") : page.index("compare-tools")]
    assert re.search(r'metric-note good">\s*<span>\u2212\$0\.2000</span><span>\u221280\u00a0%', facts)
    assert "no change" in facts
    for trace in (two.left, two.right):
        assert f'href="{site.url(f"traces/{trace.id}")}"' in page
    assert f"?a={two.right.id}&amp;b={two.left.id}" in page


def test_a_pair_has_its_own_address_and_its_texts_word_by_word(site: Site, two: Two) -> None:
    pair = f"{two.query}&pair={two.calls[0].id}..{two.calls[1].id}"
    for page in (site.get(pair), site.get(pair, **DRAWER)):
        assert re.search(r"<del><span[^>]*>\[removed: </span>5521<span[^>]*>\]</span></del>", page)
        assert re.search(r"<ins><span[^>]*>\[added: </span>5522<span[^>]*>\]</span></ins>", page)
        assert "the same on both sides, show" in page
        assert '<del dir="auto">gpt-4.1</del>' in page
        assert f"{site.url(f'traces/{two.left.id}')}?run={two.calls[0].id}" in page
    assert "<html" not in site.get(pair, **DRAWER)
    chosen = row_of(site.get(pair), "gpt-5-mini")
    assert 'aria-current="true"' in chosen


def test_a_pair_may_be_named_by_one_of_its_runs(site: Site, two: Two) -> None:
    page = site.get(f"{two.query}&pair={two.looked_up[0].id}")
    assert f"?run={two.looked_up[1].id}" in page
    assert 'aria-current="true"' in row_of(page, "look_up")


def test_a_run_of_one_side_stands_alone(site: Site, two: Two) -> None:
    make.body(two.added, "how many?", "seven")
    page = site.get(f"{two.query}&pair=..{two.added.id}", **DRAWER)
    assert "only in B" in page
    assert 'diff-only-right" dir="auto">seven</div>' in page  # whole, as there is nothing to compare it with
    assert f"?run={two.added.id}" in page


@pytest.mark.parametrize("pair", ["{b}..{a}", "{a}..{other}", "..{a}", "{other}.."])
def test_a_pair_of_runs_that_are_not_in_their_traces_is_not_there(site: Site, two: Two, pair: str) -> None:
    other = make.run(site.project, "llm")
    named = pair.format(a=two.calls[0].id, b=two.calls[1].id, other=other.id)
    answer = site.client().get(site.url(f"{two.query}&pair={named}"), headers=DRAWER)
    assert answer.status_code == 404


def test_traces_of_two_projects_are_not_compared(site: Site, two: Two) -> None:
    other = make.project(site.people, name="Other")
    elsewhere, *_ = _trace(other, timedelta(0), "gpt-4.1", "1")
    for query in (f"a={two.left.id}&b={elsewhere.id}", f"trace={elsewhere.id}&trace={two.left.id}"):
        answer = site.client().get(site.url(f"traces/compare?{query}"))
        assert answer.status_code == 404
        page = answer.content.decode()
        assert f'<span class="mono">{elsewhere.id}</span>' in page
        assert "order-agent" in page  # the one that is known is kept, with what it may be compared with
    assert site.client().get(site.url(f"traces/{elsewhere.id}/compare-with")).status_code == 404


def test_ids_in_any_form_lead_to_the_traces(site: Site, two: Two) -> None:
    named = make.run(site.project, "agent", id="my own id", name="order-agent")
    inside = make.child(named, site.project, "tool")
    expected = site.url(f"traces/compare?a={two.left.id}&b={named.id}")
    for text in (
        str(inside.id),
        str(named.id).upper(),
        f"https://dash.example.com{site.url(f'traces/{inside.id}')}?run=x#y",
        f"http://dash.example.com/p/x/traces/{named.id}/transcript",
    ):
        answer = site.client().get(site.url(f"traces/compare?a={two.left.id}&b={quote(text)}"))
        assert answer.status_code == 302, text
        assert answer["Location"] == expected


def test_the_address_survives_the_way_to_its_traces(site: Site, two: Two) -> None:
    answer = site.client().get(site.url(f"traces/compare?a={two.calls[0].id}&b={two.right.id}&show=all"))
    assert answer["Location"] == site.url(f"traces/compare?a={two.left.id}&b={two.right.id}&show=all")


def test_two_ticks_lead_to_the_comparison_the_earlier_first(site: Site, two: Two) -> None:
    for first, second in ((two.left, two.right), (two.right, two.left)):
        answer = site.client().get(site.url(f"traces/compare?trace={first.id}&trace={second.id}"))
        assert answer.status_code == 302
        assert answer["Location"] == site.url(two.query)


@pytest.mark.parametrize(
    ("ticks", "said"),
    [(0, "Tick two in the"), (1, "Compare order-agent with"), (3, "3 traces were chosen")],
)
def test_other_than_two_ticks_are_told_what_to_do(site: Site, two: Two, ticks: int, said: str) -> None:
    chosen = [two.left.id, two.right.id, two.left.id][:ticks]
    page = site.get("traces/compare?" + "&".join(f"trace={id}" for id in chosen))
    assert said in page


def test_a_trace_compared_with_itself_says_so(site: Site, two: Two) -> None:
    page = site.get(f"traces/compare?a={two.left.id}&b={two.left.id}")
    assert "Both sides are the same trace" in page
    assert "Nothing differs" in page
    assert site.url(f"traces/{two.left.id}/compare-with") in page


def test_identical_traces_say_that_nothing_differs(site: Site, two: Two) -> None:
    twin, *_ = _trace(site.project, timedelta(hours=3), "gpt-4.1", "5521")
    page = site.get(f"traces/compare?a={two.left.id}&b={twin.id}")
    assert "Nothing differs" in page
    assert "Both sides are the same trace" not in page
    assert not re.search(r"\d (changed|added|removed)</span>", page)


def test_of_very_many_runs_texts_are_compared_only_where_opened(
    site: Site, two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "MOST_TEXTS", 2)
    page = site.get(two.query)
    assert "compared only where a run is opened" in page
    assert '<tr class="diff-same"' in row_of(page, "look_up")
    twin, *_ = _trace(site.project, timedelta(hours=3), "gpt-4.1", "9999")
    page = site.get(f"traces/compare?a={two.left.id}&b={twin.id}")
    assert "Nothing differs" in page
    assert "compared only where a run is opened" in page
    assert "inputs" not in page


def test_texts_too_large_to_compare_count_by_their_size(site: Site, two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "LARGEST_TEXT", 4)
    page = site.get(two.query)
    assert '<tr class="diff-same"' in row_of(page, "look_up")  # 5521 and 5522 are of one size
    assert "params</span>" in row_of(page, "gpt-5-mini")


def test_ugly_payloads_are_compared_and_escaped(site: Site) -> None:
    prompt = ("أين طلبي رقم 5521؟ 👩‍👧 <script>alert(1)</script> " + "x " * 200) * 60
    roots = []
    for change in ("5521", "99"):
        root = make.run(site.project, "agent", name="وكيل 🧾 <b>")
        call = make.child(root, site.project, "llm")
        make.body(call, prompt.replace("5521", change, 1), {"unclosed": "[" * 3_000}, metadata={"a<b>": change})
        roots.append((root, call))
    (left, call), (right, other) = roots
    assert len(prompt) > 26_000
    page = site.get(f"traces/compare?a={left.id}&b={right.id}&pair={call.id}..{other.id}")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "<b>" not in page
    assert "5521<span" in page
    assert "99<span" in page
    assert "unchanged characters" in page
    assert len(page) < 400_000


def test_runs_that_are_going_on_and_roots_that_are_missing_are_compared_too(site: Site, two: Two) -> None:
    root_id = make.run_id("not here yet")
    for name in ("look_up", "other"):
        make.run(site.project, "tool", name=name, parent_id=root_id, trace_id=root_id)
    page = site.get(f"traces/compare?a={two.left.id}&b={root_id}")
    assert "Root not received yet" in page
    assert 'aria-label="not received yet on one side"' in page
    assert "diff-changed" in row_of(page, "look_up") or "diff-same" in row_of(page, "look_up")
    running = make.run(site.project, "agent", name="order-agent", status="started")
    page = site.get(f"traces/compare?a={two.left.id}&b={running.id}")
    assert "not comparable" in page
    assert "running" in page


def test_orphans_stand_apart(site: Site) -> None:
    ids = []
    for number in (1, 2):
        root = make.run(site.project, "agent", name="order-agent")
        make.run(site.project, "tool", name="lost", parent_id=make.run_id(f"away {number}"), trace_id=root.id)
        ids.append(root.id)
    page = site.get("traces/compare?a={}&b={}".format(*ids))
    assert "parent not received yet" in page
    assert page.index("parent not received yet") < page.index(">lost<")


def test_large_traces_come_in_pages(site: Site) -> None:
    ids = [_wide(site, status) for status in ("success", "error")]
    query = "traces/compare?a={}&b={}".format(*ids)
    page = site.get(query)
    assert page.count('<tr class="diff-') == PAGE
    more = re.search(r'hx-get="(\?a=[^"]+loaded=200)"', page)
    assert more
    assert "next 200" in page
    part = site.get(f"traces/compare{more[1].replace('&amp;', '&')}", **PLAIN)
    assert part.count('<tr class="diff-') == PAGE
    assert "<html" not in part
    assert "loaded=400" in part
    begin = re.search(r"from=([0-9a-f-]+)", more[1])
    assert begin
    alone = site.get(f"{query}&from={begin[1]}")
    assert "earlier lines" in alone
    assert f"{PAGE} above" in alone
    full = site.get(f"{query}&from={begin[1]}&loaded={ROWS - PAGE}", **PLAIN)
    assert "next 200" in full
    assert "loaded=" not in full  # the page is full: the link opens a page of its own
    assert "40 unchanged runs" in site.get(
        "traces/compare?a={0}&b={0}&show=differences".format(_wide(site, "success", 40))
    )


def _wide(site: Site, status: str, count: int = 900) -> UUID:
    root = make.run(site.project, "agent", name="crawler")
    fields: dict[str, Any] = {"type": "tool", "status": status, "trace_id": root.id, "parent_id": root.id, "flags": 1}
    Run.objects.bulk_create(
        Run(
            project_id=site.project.pk,
            id=make.run_id(f"{root.id} {number}"),
            name=f"fetch {number}",
            started_at=root.started_at + timedelta(milliseconds=number),
            received_at=root.started_at,
            **fields,
        )
        for number in range(count)
    )
    return root.id


def test_the_previous_and_the_next_trace_of_the_agent_are_offered(site: Site, two: Two) -> None:
    third, *_ = _trace(site.project, timedelta(hours=2), "gpt-5-mini", "1", status="error")
    make.run(site.project, "agent", name="another-agent", started_at=two.right.started_at + timedelta(minutes=1))
    make.child(
        two.left, site.project, "agent", name="order-agent", started_at=two.right.started_at + timedelta(minutes=2)
    )
    compare_url = site.url("traces/compare")
    page = site.get(f"traces/{two.right.id}/compare-with")
    links = re.findall(r'href="([^"]*compare\?[^"]*)"', page)
    assert links == [
        f"{compare_url}?a={two.left.id}&amp;b={two.right.id}",
        f"{compare_url}?a={two.right.id}&amp;b={third.id}",
    ]
    menu = site.get(f"traces/{two.right.id}/compare-with", **PLAIN)
    assert "<html" not in menu
    assert re.findall(r'href="([^"]*compare\?[^"]*)"', menu) == links


def test_a_failed_trace_is_offered_the_last_that_succeeded(site: Site, two: Two) -> None:
    make.run(site.project, "agent", name="order-agent", status="error", started_at=two.right.started_at + timedelta(1))
    failed = make.run(
        site.project, "agent", name="order-agent", status="error", started_at=two.right.started_at + timedelta(2)
    )
    page = site.get(f"traces/{failed.id}/compare-with")
    assert "The last that succeeded" in page
    assert f"a={two.right.id}&amp;b={failed.id}" in page


def test_an_agents_only_trace_has_nothing_to_offer_but_a_field(site: Site) -> None:
    alone = make.run(site.project, "agent", name="lonely")
    page = site.get(f"traces/{alone.id}/compare-with")
    assert "No other trace of lonely was found" in page
    assert f'name="b" value="{alone.id}"' in page
    missing = make.child(make.run(site.project, "chat"), site.project, "llm", trace_id=make.run_id("gone"))
    page = site.get(f"traces/{missing.trace_id}/compare-with")
    assert "The root is not received yet" in page


def test_the_trace_page_offers_to_compare_and_asks_nothing_for_it(site: Site, two: Two) -> None:
    page = site.get(f"traces/{two.left.id}")
    offer = site.url(f"traces/{two.left.id}/compare-with")
    assert f'<a href="{offer}">' in page
    assert f'hx-get="{offer}"' in page
    assert "The next" not in page


@pytest.mark.parametrize(
    ("path", "most"),
    [
        (lambda two: two.query, 17),
        (lambda two: f"{two.query}&pair={two.calls[0].id}..{two.calls[1].id}", 20),
        (lambda two: f"traces/{two.right.id}/compare-with", 12),
    ],
)
def test_queries_do_not_grow_with_the_traces(
    site: Site,
    two: Two,
    django_assert_max_num_queries: DjangoAssertNumQueries,
    path: Callable[[Two], str],
    most: int,
) -> None:
    for number in range(30):
        for root in (two.left, two.right):
            make.child(root, site.project, "tool", name=f"tool {number}")
    client = site.client()
    with django_assert_max_num_queries(most):
        assert client.get(site.url(path(two))).status_code == 200


def test_the_detail_of_a_pair_reads_nothing_of_the_trees(
    site: Site, two: Two, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = site.client()
    address = site.url(f"{two.query}&pair={two.calls[0].id}..{two.calls[1].id}")
    with django_assert_max_num_queries(10) as seen:
        assert client.get(address, headers=DRAWER).status_code == 200
    assert not [query for query in seen.captured_queries if "string_agg" in query["sql"] or "unnest" in query["sql"]]
