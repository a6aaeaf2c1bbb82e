"""The trace pages through the front door: who may see them, what they say, what they cost."""

import re
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from runs.ids import run_id
from runs.models import Run
from tests import make
from tests.traces.conftest import Site, Talk, ids
from traces.outline import ROWS

HTMX = {"HX-Request": "true"}


@pytest.mark.parametrize("person", ["owner", "member", "viewer"])
def test_people_of_the_workspace_see_the_list_and_the_trace(site: Site, agent: Run, person: str) -> None:
    assert "claims-agent" in site.get("traces", person)
    assert "fetch_tariff" in site.get(f"traces/{agent.id}", person)


@pytest.mark.parametrize("path", ["traces", "traces/{}"])
def test_strangers_and_the_unknown_see_nothing(site: Site, agent: Run, path: str) -> None:
    address = site.url(path.format(agent.id))
    assert site.client("stranger").get(address).status_code == 404
    assert site.client("billing").get(address).status_code == 403
    answer = site.client("anonymous").get(address)
    assert answer.status_code == 302
    assert "/login" in answer["Location"]


def test_a_trace_of_another_project_is_not_there(site: Site, agent: Run) -> None:
    other = make.project(site.people, name="Other")
    assert site.client().get(f"/p/{other.public_id}/traces/{agent.id}").status_code == 404


def test_list_and_trace_cost_the_same_number_of_queries_whatever_they_hold(
    site: Site, agent: Run, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = site.client()
    addresses = [site.url("traces"), site.url(f"traces/{agent.id}")]
    for _ in range(2):
        for address, budget in zip(addresses, (24, 30), strict=True):
            with django_assert_max_num_queries(budget):
                client.get(address)
        for number in range(30):
            root = make.run(site.project, "agent", name=f"more-{number}", user_id=f"user-{number}")
            make.child(root, site.project)
            make.child(agent, site.project, "tool")


def test_the_tree_nests_folds_and_marks_the_selected_run(site: Site, agent: Run) -> None:
    tool = Run.objects.get(name="fetch_tariff")
    page = site.get(f"traces/{agent.id}?run={tool.id}")
    assert page.count('aria-current="true"') >= 1
    selected = re.search(r'<a class="line"[^>]+aria-current="true"', page)
    assert selected
    assert str(tool.id) in selected[0]
    assert page.count("<details open>") == 2  # the agent's and the chain's
    assert "1 error inside" in page
    assert "Σ&nbsp;5" in page
    assert "plain span" in page
    assert "unknown" in page


def test_every_id_leads_to_the_trace_that_its_run_is_in(site: Site, agent: Run, talk: Talk) -> None:
    client = site.client()
    tool = Run.objects.get(name="fetch_tariff")
    assert client.get(site.url(f"traces/{tool.id}"))["Location"] == site.url(f"traces/{agent.id}?run={tool.id}")
    assert client.get(site.url(f"traces/{talk.thread.id}"))["Location"] == site.url(f"threads/{talk.thread.id}")
    assert client.get(site.url("traces/no-such-thing")).status_code == 404
    raw = make.run(site.project, "agent", id=UUID(run_id("job/7/b")))
    assert client.get(site.url("traces/job/7/b"))["Location"] == site.url(f"traces/{raw.id}")
    assert client.get(site.url("threads/job/7/b"))["Location"] == site.url(f"traces/{raw.id}")
    assert client.get(site.url(f"traces/{uuid4()}")).status_code == 404


def test_htmx_gets_the_detail_alone_and_a_branch_alone(site: Site, agent: Run) -> None:
    tool = Run.objects.get(name="fetch_tariff")
    part = site.get(f"traces/{agent.id}?run={tool.id}", **HTMX, **{"HX-Target": "detail"})
    assert "fetch_tariff" in part
    assert "<html" not in part
    assert ">plan<" in part  # where it is
    branch = site.get(f"traces/{agent.id}?from={tool.id}", **HTMX)
    assert "fetch_tariff" in branch
    assert 'class="node level-2"' in branch
    assert "<html" not in branch
    gone = site.client().get(site.url(f"traces/{uuid4()}?from={tool.id}"), headers=HTMX)
    assert gone.status_code == 404


def test_a_trace_leads_to_its_turn_and_names_its_people(site: Site, talk: Talk) -> None:
    page = site.get(f"traces/{talk.agent.id}")
    assert "turn 1" in page
    assert f"/threads/{talk.thread.id}?turn=1" in page


def test_a_trace_of_three_thousand_runs_is_bounded_and_goes_on(site: Site, agent: Run) -> None:
    began = timezone.now() - timedelta(minutes=30)
    chain = make.child(agent, site.project, "chain", name="many")
    Run.objects.bulk_create(
        Run(
            project_id=site.project.pk,
            id=id,
            type="tool",
            name=f"step-{number}",
            status="error" if number == 2_500 else "success",
            parent_id=chain.id,
            trace_id=agent.id,
            started_at=began + timedelta(seconds=number),
            received_at=began,
        )
        for number, id in enumerate(ids(3_000))
    )
    page = site.get(f"traces/{agent.id}")
    assert page.count('<a class="line"') < 40
    assert "of 2\u202f980 more in <bdi>many</bdi>" in page
    assert "Σ&nbsp;3\u202f001" in page
    assert "1 error among them" in page
    everything = site.get(f"traces/{agent.id}?expand=all")
    assert 200 < everything.count('<a class="line"') <= ROWS
    chosen = ids(3_000)[2_600]
    assert "step-2600" in site.get(f"traces/{agent.id}?run={chosen}")
    following = site.get(f"traces/{agent.id}?from={chosen}", **HTMX)
    assert following.count('<a class="line"') == 200
    assert "step-2799" in following


def test_a_trace_of_twelve_levels_is_shown_to_its_end(site: Site) -> None:
    node = make.run(site.project, "agent", name="level-0")
    root = node
    for level in range(1, 13):
        node = make.child(node, site.project, "chain", name=f"level-{level}")
    make.child(node, site.project, "llm", name="the bottom", cost=Decimal("0.5"))
    page = site.get(f"traces/{root.id}")
    assert "the bottom" in page
    assert "level-13" in page
    assert page.count("<details open>") == 3
    assert page.count("<details>") >= 10
    assert "Σ</span> $0.5000" in page


def test_names_that_are_markup_stay_text(site: Site) -> None:
    evil = '"><script>alert(1)</script>'
    root = make.run(site.project, "agent", name=evil, user_id=evil, team_id=evil, tags=[evil])
    make.child(root, site.project, "odd <b>type</b>", name=evil)
    for page in (site.get("traces"), site.get(f"traces/{root.id}")):
        assert "<script>alert" not in page
        assert "<b>type" not in page
        assert "style=" not in page


def test_filters_keep_what_matches_with_the_runs_above_it(site: Site, agent: Run) -> None:
    def names(query: str) -> list[str]:
        return re.findall(r'class="name" dir="auto">([^<]+)</span>', site.get(f"traces/{agent.id}?{query}"))

    assert names("only=errors") == ["claims-agent", "plan", "fetch_tariff"]
    assert sorted(names("only=llm")) == ["claims-agent", "gpt-4.1", "granite", "plan"]
    assert names("only=share&share=50") == ["claims-agent", "gpt-4.1"]
    assert "POST /x" not in names("spans=hide")
    assert "POST /x" in names("spans=show")
    page = site.get(f"traces/{agent.id}?only=errors")
    assert "1 of 6 runs matches" in page
    assert page.count("line-context") == 2
    quiet = make.run(site.project, "agent", name="quiet")
    assert "No run matches" in site.get(f"traces/{quiet.id}?only=errors")
    span = Run.objects.get(name="POST /x")
    assert "POST /x" in names(f"spans=hide&run={span.id}")


def test_the_tinted_column_is_the_figure_itself(site: Site, agent: Run) -> None:
    by_cost, by_time = (site.get(f"traces/{agent.id}{query}") for query in ("", "?tint=time"))
    assert 'class="line-cost heat-6"' in by_cost
    assert 'class="line-took heat-6"' in by_time
    assert "line-took heat" not in by_cost
    assert "line-cost heat" not in by_time
    assert "critical path" in by_cost


def test_idle_time_is_offered_to_be_compressed(site: Site) -> None:
    root = make.run(site.project, "agent", name="patient", duration_ms=100_000)
    for second in (0, 80):
        make.child(
            root, site.project, "tool", started_at=root.started_at + timedelta(seconds=second), duration_ms=20_000
        )
    page = site.get(f"traces/{root.id}")
    assert "1\u00a0m 0\u00a0s idle: compress" in page
    assert "40.0\u00a0s active" in page
    assert "idle-hatch" not in page
    compressed = site.get(f"traces/{root.id}?gaps=compress")
    assert "idle-hatch" in compressed
    assert "show in full" in compressed


@pytest.mark.parametrize("query", ["?only=llm&spans=hide", "?only=share&share=1&tint=time&gaps=compress"])
def test_a_filtered_page_asks_the_database_no_more_than_a_whole_one(
    site: Site, agent: Run, query: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = site.client()
    with django_assert_max_num_queries(30):
        assert client.get(site.url(f"traces/{agent.id}{query}")).status_code == 200
