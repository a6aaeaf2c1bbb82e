"""The pages of runs through the front door: who may see them, what they show, what they cost the database."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from projects import keys
from projects.models import KeyKind, Project
from runs import ids
from runs.models import Feedback, Run, RunFlag
from tests import make

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>"


@pytest.fixture
def run(project: Project) -> Run:
    """Return a run with input, output and everything beside them."""
    run = make.run(project, name="gpt-4o", user_id="ines", team_id="claims", tags=["web"], metadata={"lang": "nl"})
    make.end_user(project, "ines", name="Inès Moreau")
    make.body(
        run,
        [{"role": "user", "content": "Where is my bag?"}],
        {"role": "assistant", "content": "In Nice."},
        params={"temperature": 0.2},
        metadata={"lang": "nl"},
        usage={"prompt": 100, "completion": 20},
    )
    make.log(run, "looked it up")
    return run


@pytest.fixture
def member(people: make.People) -> Client:
    """Return the browser of someone who may read and write."""
    return make.client_for(people.member)


def at(name: str, project: Project, *args: Any) -> str:
    """Return an address of the project."""
    return reverse(name, args=[project.public_id, *args])


def text_of(response: Any) -> str:
    """Return a page's HTML."""
    assert response.status_code == 200, response.content[:500]
    return str(response.content.decode())


def htmx(client: Client, address: str, target: str = "table") -> str:
    """Return what htmx gets for an element."""
    return text_of(client.get(address, headers={"HX-Request": "true", "HX-Target": target}))


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


# A run's page --------------------------------------------------------------------------------------------------------


def test_a_run_page_shows_what_it_carried(member: Client, project: Project, run: Run) -> None:
    page = text_of(member.get(at("run_page", project, run.id)))
    for words in ("Where is my bag?", "In Nice.", "Inès Moreau", "lang:", "Why this cost?", "gpt-4o"):
        assert words in page
    assert "temperature" in text_of(member.get(f"{at('run_page', project, run.id)}?tab=params"))
    assert "looked it up" in text_of(member.get(f"{at('run_page', project, run.id)}?tab=logs"))
    assert "&quot;role&quot;: &quot;user&quot;" in text_of(member.get(f"{at('run_page', project, run.id)}?tab=raw"))


def test_a_run_is_found_by_every_form_of_its_id(member: Client, project: Project) -> None:
    _, key = keys.create(project, KeyKind.PRIVATE, "sdk")
    hashed = make.run(project, id=UUID(ids.run_id("my/own id") or ""), name="by the server")
    signed = make.run(project, id=UUID(ids.sdk_hash("thr-1", key)), name="by the SDK")
    for raw, run in (("my/own id", hashed), ("thr-1", signed), (str(hashed.id).upper(), hashed)):
        led = member.get(at("run_page", project, raw))
        assert led["Location"] == at("run_page", project, run.id)


def test_a_messages_id_leads_to_its_chat(member: Client, project: Project) -> None:
    thread = make.run(project, "thread")
    chat = make.run(project, "chat", thread_id=thread.id)
    said = make.message(project, thread.id, "hi", chat_id=chat.id)
    assert member.get(at("run_page", project, said.id))["Location"] == at("run_page", project, chat.id)


def test_an_unknown_id_says_what_was_looked_for(member: Client, project: Project) -> None:
    missing = member.get(at("run_page", project, "not-there"))
    assert missing.status_code == 404
    assert b"not-there" in missing.content
    assert at("ingest_health", project).encode() in missing.content


def test_a_parent_that_is_not_here_yet_is_said(member: Client, project: Project) -> None:
    orphan = make.run(project, "tool", parent_id=uuid4(), trace_id=uuid4())
    page = text_of(member.get(at("run_page", project, orphan.id)))
    assert "Parent not received yet" in page
    assert "root not received yet" in page


def test_a_step_knows_its_place_in_trace_and_thread(member: Client, project: Project) -> None:
    thread = make.run(project, "thread")
    first = make.run(project, "chat", thread_id=thread.id, started_at=timezone.now() - timedelta(hours=2))
    chat = make.run(project, "chat", thread_id=thread.id)
    agent = make.run(project, "agent", name="desk", chat_id=chat.id, thread_id=thread.id)
    step = make.child(agent, project, "llm", started_at=agent.started_at + timedelta(seconds=1))
    page = text_of(member.get(at("run_page", project, step.id)))
    assert "desk" in page
    assert "step 2 of 2" in page
    assert "turn 2 of 2" in page
    assert "turn 1 of 2" in text_of(member.get(at("run_page", project, first.id)))


def test_errors_flags_and_repeats_are_said(member: Client, project: Project) -> None:
    failed = make.run(project, status="error")
    make.body(failed, error={"message": "rate limited", "stack": "Traceback\n  line"})
    page = text_of(member.get(at("run_page", project, failed.id)))
    assert "rate limited" in page
    assert "Stack, 2 lines" in page
    flagged = make.run(project, "tool", flags=RunFlag.STANDALONE_TOOL, repeat_of=failed.id)
    page = text_of(member.get(at("run_page", project, flagged.id)))
    assert "Standalone tool." in page
    assert "Reports the same call" in page
    guessed = make.run(project, flags=RunFlag.ESTIMATED)
    assert "~100" in text_of(member.get(at("run_page", project, guessed.id)))


@pytest.mark.parametrize("tab", ["", "params", "logs", "raw"])
def test_hostile_text_stays_text(member: Client, project: Project, tab: str) -> None:
    run = make.run(
        project, name=EVIL, user_id=EVIL, team_id=EVIL, organization_id=EVIL, tags=[EVIL], status="error", runtime=EVIL
    )
    make.body(
        run,
        [{"role": EVIL, "name": EVIL, "content": [{"type": "text", "text": EVIL}, {"type": "tool_use", "name": EVIL}]}],
        {EVIL: [EVIL]},
        error={"message": EVIL, "stack": EVIL},
        params={EVIL: EVIL},
        metadata={EVIL: EVIL},
    )
    make.log(run, EVIL, level=EVIL, extra={EVIL: EVIL})
    make.feedback(project, run.id, key="comment", value=EVIL)
    make.feedback(project, run.id, key=EVIL, value=EVIL)
    for address in (
        f"{at('run_page', project, run.id)}?tab={tab}",
        f"{at('run_list', project)}?tab={tab}&peek={run.id}&facets=1&name={EVIL}",
    ):
        page = text_of(member.get(address))
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;" in page


# Raw and media -------------------------------------------------------------------------------------------------------


def test_raw_is_byte_for_byte_and_harmless(member: Client, project: Project) -> None:
    run = make.run(project)
    body = make.body(run)
    body.input = f'{{"z":  1.50, "a": "{EVIL}", "e": "\\u00e9"}}'
    body.save(update_fields=["input"])
    raw = member.get(at("run_raw", project, run.id, "input"))
    assert raw.content.decode() == body.input
    assert raw["Content-Type"] == "text/plain; charset=utf-8"
    assert raw["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in raw["Content-Security-Policy"]
    saved = member.get(f"{at('run_raw', project, run.id, 'input')}?download=1")
    assert saved["Content-Disposition"].startswith("attachment")
    assert member.get(at("run_raw", project, run.id, "output")).status_code == 404
    assert member.get(at("run_raw", project, run.id, "project_id")).status_code == 404


@pytest.mark.parametrize(
    ("kind", "served"),
    [
        ("image/png", "image/png"),
        ("image/svg+xml", "application/octet-stream"),
        ("text/html", "application/octet-stream"),
    ],
)
def test_media_are_served_as_what_browsers_may_show(member: Client, project: Project, kind: str, served: str) -> None:
    run = make.run(project)
    link = f"data:{kind};base64,{base64.b64encode(b'bytes').decode()}"
    make.body(run, [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": link}}]}])
    page = text_of(member.get(at("run_page", project, run.id)))
    assert at("run_media", project, run.id, "input", 0) in page
    media = member.get(at("run_media", project, run.id, "input", 0))
    assert (media.content, media["Content-Type"]) == (b"bytes", served)
    assert media["X-Content-Type-Options"] == "nosniff"
    assert media.has_header("Content-Disposition") == (served != kind)


def test_a_large_payload_is_cut_and_says_so(member: Client, project: Project) -> None:
    run = make.run(project)
    make.body(run, "x" * 200_000)
    response = member.get(at("run_page", project, run.id))
    assert len(response.content) < 150_000
    assert "it has 200\u202f002 characters" in text_of(response)


# Changes -------------------------------------------------------------------------------------------------------------


def test_feedback_is_given_changed_and_taken_back(member: Client, project: Project, run: Run) -> None:
    address = at("run_feedback", project, run.id)
    ahead = timezone.now() + timedelta(days=1)
    make.feedback(project, run.id, value="down", at=ahead)
    back = member.post(address, {"thumb": "up", "next": at("run_list", project)})
    assert back["Location"] == at("run_list", project)
    stored = Feedback.objects.get(run_id=run.id, key="thumb")
    assert stored.value == "up"
    assert stored.at > ahead  # a repeat of the client's event can't undo it
    fragment = text_of(member.post(address, {"comment": "kind"}, headers={"HX-Request": "true"}))
    assert "kind" in fragment
    assert "<html" not in fragment
    member.post(address, {"thumb": "none"})
    assert Feedback.objects.get(run_id=run.id, key="thumb").value is None
    assert Feedback.objects.get(run_id=run.id, key="comment").value == "kind"


def test_a_form_never_leads_to_another_site(member: Client, project: Project, run: Run) -> None:
    for away in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        back = member.post(at("run_feedback", project, run.id), {"thumb": "up", "next": away})
        assert back["Location"] == at("run_page", project, run.id)


def test_tags_that_a_person_sets_are_marked_so(member: Client, project: Project, run: Run) -> None:
    member.post(at("run_tags", project, run.id), {"tags": " web, urgent,web,, "})
    stored = Run.objects.get(id=run.id)
    assert stored.tags == ["web", "urgent"]
    assert stored.flags & RunFlag.TAGS_EDITED
    assert stored.flags & RunFlag.START


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
    assert json.loads(saved.content) == {"lang": "nl"}
