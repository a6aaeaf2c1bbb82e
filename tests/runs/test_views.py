"""The list of runs through the front door: who may see it, what it shows, what it costs the database."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from projects.models import Project
from runs.models import Feedback, Run
from tests import make
from tests.runs.visiting import at, htmx, text_of


def read_addresses(project: Project, run: Run) -> Iterator[str]:
    """Yield every address that only reads."""
    yield at("run_list", project)
    yield f"{at('run_list', project)}?peek={run.id}"
    yield at("run_facets", project)
    yield at("run_figures", project)
    yield at("run_news", project)
    yield at("run_page", project, run.id)
    yield at("run_raw", project, run.id, "input")


def write_addresses(project: Project, run: Run) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield every address that changes something, with a form."""
    yield at("run_feedback", project, run.id), {"thumb": "up"}
    yield at("run_tags", project, run.id), {"tags": "a, b"}
    yield at("run_delete", project, run.id), {}


# Who may -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["owner", "member", "viewer"])
def test_people_of_the_workspace_read_everything(people: make.People, project: Project, run: Run, who: str) -> None:
    client = make.client_for(getattr(people, who))
    for address in read_addresses(project, run):
        assert client.get(address).status_code == 200, address


def test_billing_people_strangers_and_visitors_read_nothing(people: make.People, project: Project, run: Run) -> None:
    for address in read_addresses(project, run):
        assert make.client_for(people.billing).get(address).status_code == 403, address
        assert make.client_for(people.stranger).get(address).status_code == 404, address
        visited = make.client_for(None).get(address)
        assert visited.status_code == 302, address
        assert visited["Location"].startswith(reverse("login"))


def test_only_those_who_may_write_change_a_run(people: make.People, project: Project, run: Run) -> None:
    for address, form in write_addresses(project, run):
        assert make.client_for(people.viewer).post(address, form).status_code == 403, address
        assert make.client_for(people.billing).post(address, form).status_code == 403, address
        assert make.client_for(people.stranger).post(address, form).status_code == 404, address
        assert make.client_for(None).post(address, form).status_code == 302, address
        assert make.client_for(people.owner).get(address).status_code == 405, address
    assert not Feedback.objects.exists()
    assert Run.objects.get(id=run.id).tags == ["web"]
    for address, form in write_addresses(project, run):
        assert make.client_for(people.member).post(address, form).status_code == 302, address
    assert not Run.objects.filter(id=run.id).exists()


def test_a_run_of_another_project_is_not_found_by_any_address(member: Client, project: Project) -> None:
    foreign = make.run(make.project(name="Elsewhere"))
    make.body(foreign, "secret")
    assert member.get(at("run_page", project, foreign.id)).status_code == 404
    assert member.get(at("run_raw", project, foreign.id, "input")).status_code == 404
    assert member.get(at("run_media", project, foreign.id, "input", 0)).status_code == 404
    assert member.post(at("run_feedback", project, foreign.id), {"thumb": "up"}).status_code == 404
    assert "secret" not in text_of(member.get(f"{at('run_list', project)}?peek={foreign.id}"))


# The list ------------------------------------------------------------------------------------------------------------


def test_the_list_shows_runs_of_its_tab_newest_first(member: Client, project: Project, run: Run) -> None:
    make.run(project, "tool", name="lookup")
    make.run(project, name="later", started_at=timezone.now() - timedelta(minutes=1), cost=None)
    page = text_of(member.get(at("run_list", project)))
    assert page.index("later") < page.index("gpt-4o")
    assert "lookup" not in page
    assert "Inès Moreau" in page
    assert "unknown" in page
    assert "lookup" in text_of(member.get(f"{at('run_list', project)}?type=tool"))


def test_a_step_names_its_trace_and_a_root_does_not_name_itself(member: Client, project: Project) -> None:
    root = make.run(project, type="agent", name="claims-desk")
    make.run(project, type="chain", name="gather", parent_id=root.id, trace_id=root.id)
    text = text_of(member.get(at("run_list", project), {"type": "all"}))
    assert text.count("in claims-desk") == 1


def test_filters_are_said_as_chips_and_problems_beside_them(member: Client, project: Project, run: Run) -> None:
    page = text_of(member.get(f"{at('run_list', project)}?team=claims&duration=soon"))
    assert "chip-value" in page
    assert "can’t be “soon”" in page


def test_htmx_gets_the_table_alone_with_the_pager_beside_it(member: Client, project: Project) -> None:
    for _ in range(51):
        make.run(project)
    fragment = htmx(member, f"{at('run_list', project)}?sort=-cost")
    assert "<html" not in fragment
    assert 'aria-sort="descending"' in fragment
    assert 'hx-swap-oob="true"' in fragment
    assert 'rel="next"' in fragment


def test_typed_words_become_filters_in_the_address(member: Client, project: Project) -> None:
    address = at("run_list", project)
    typed = member.get(address, {"add": "status:error late refund", "team": "claims", "metadata_key": "lang"})
    assert typed.status_code == 302
    assert typed["Location"] == "?team=claims&status=error&q=late+refund&metadata.lang="
    limited = member.get(address, {"duration_min": "5", "duration_max": "", "cost_min": "", "add": ""})
    assert limited["Location"] == "?duration=%3E%3D5"
    wrong = member.get(address, {"tokens_min": "many"}, follow=True)
    assert "write it like" in text_of(wrong)


def test_an_empty_list_names_the_filter_that_leaves_out_most(member: Client, project: Project, run: Run) -> None:
    make.run(project, name="gpt-4o", status="error")
    page = text_of(member.get(f"{at('run_list', project)}?name=gpt-9&team=claims"))
    assert "No runs with these filters" in page
    assert "<strong>gpt-9</strong>" in page
    assert "there is 1 run" in page


def test_a_project_without_runs_says_how_they_come(member: Client, project: Project) -> None:
    assert "No runs yet" in text_of(member.get(at("run_list", project)))


def test_a_damaged_page_address_is_said(member: Client, project: Project, run: Run) -> None:
    assert "open the list again" in text_of(member.get(f"{at('run_list', project)}?cursor=!!"))


def test_figures_agree_with_the_list(member: Client, project: Project, run: Run) -> None:
    broken = make.run(project, name="broken", status="error", cost=None)
    make.stale(run, broken, make.run(project, name="dear", cost=Decimal("2.5"), input_tokens=1000, output_tokens=500))
    page = text_of(member.get(at("run_list", project)))
    assert ">3<" in page
    assert "33.3\u00a0%" in page
    assert "$2.50" in page
    assert "1\u202f620" in page


def test_a_text_search_shows_its_rows_first_and_its_figures_in_a_second_request(
    member: Client, project: Project, run: Run
) -> None:
    page = text_of(member.get(f"{at('run_list', project)}?q=my+bag"))
    assert "gpt-4o" in page
    assert f'hx-get="{at("run_figures", project)}?q=my+bag"' in page
    assert "metric-value" not in page
    figures = text_of(member.get(f"{at('run_figures', project)}?q=my+bag"))
    assert "metric-value" in figures
    assert 'id="histogram" hx-swap-oob="true"' in figures
    assert 'id="tabs"' in figures


def test_new_runs_are_announced_and_move_nothing(member: Client, project: Project, run: Run) -> None:
    page = text_of(member.get(at("run_list", project)))
    news = page.split('hx-get="')[-1]
    address = next(part.split('"')[0] for part in page.split('hx-get="') if "/news" in part.split('"')[0])
    address = address.replace("&amp;", "&")
    assert news
    assert "new-rows" not in text_of(member.get(address))
    make.run(project, started_at=timezone.now())
    assert "1 new run, show" in text_of(member.get(address))


def test_facets_count_each_group_under_the_other_filters(member: Client, project: Project, run: Run) -> None:
    make.run(project, name="gpt-4o", team_id="groups", status="error")
    make.feedback(project, run.id, value="up")
    facets = text_of(member.get(f"{at('run_facets', project)}?team=claims"))
    assert "groups" in facets
    assert "Thumbs up" in facets
    assert 'aria-current="true" title="claims"' in facets


def test_the_drawer_has_an_address_of_its_own(member: Client, project: Project, run: Run) -> None:
    whole = text_of(member.get(f"{at('run_list', project)}?peek={run.id}"))
    assert '<aside class="drawer"' in whole
    assert "Where is my bag?" in whole
    part = htmx(member, f"{at('run_list', project)}?peek={run.id}", target="drawer")
    assert "<html" not in part
    assert "Where is my bag?" in part
    assert "runs-table" not in part


# Cost ----------------------------------------------------------------------------------------------------------------


def queries_of(client: Client, address: str) -> int:
    """Return how many questions a page asks of the database."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    bookkeeping = ("SAVEPOINT", "RELEASE", "SELECT set_config")
    return sum(not query["sql"].startswith(bookkeeping) for query in captured.captured_queries)


@pytest.mark.parametrize(
    ("query", "budget"),
    [
        ("", 15),
        ("?type=all&sort=-tokens", 15),
        ("?facets=1", 21),
        ("?user=user-1&tag=web&feedback=none&metadata.a=b", 15),
    ],
)
def test_the_lists_queries_do_not_grow_with_its_rows(member: Client, project: Project, query: str, budget: int) -> None:
    def add(count: int) -> None:
        for number in range(count):
            agent = make.run(project, "agent")
            run = make.child(agent, project, user_id=f"user-{number}", tags=["web"], metadata={"a": "b"})
            make.feedback(project, run.id, key="rating", value=number)

    add(2)
    few = queries_of(member, at("run_list", project) + query)
    add(20)
    many = queries_of(member, at("run_list", project) + query)
    assert many <= few
    assert many <= budget


def test_a_runs_page_takes_the_same_queries_whatever_is_around_it(member: Client, project: Project, run: Run) -> None:
    alone = queries_of(member, at("run_page", project, run.id))
    for _ in range(20):
        make.child(run, project)
        make.log(run)
    assert queries_of(member, at("run_page", project, run.id)) <= alone
    assert alone <= 14


def test_a_list_never_reads_bodies(member: Client, project: Project, run: Run) -> None:
    with CaptureQueriesContext(connection) as captured:
        member.get(f"{at('run_list', project)}?facets=1&type=all")
    assert not any("runs_runbody" in query["sql"] for query in captured.captured_queries)


def test_templates_hold_no_json_of_a_run_that_json_cannot_read(member: Client, project: Project, run: Run) -> None:
    saved = member.get(f"{at('run_raw', project, run.id, 'metadata')}?download=1")
    assert json.loads(saved.getvalue()) == {"lang": "nl"}
