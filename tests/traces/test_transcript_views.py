"""The transcript through the front door: recorded traffic, ugly data, 1 000 steps, and who may read it."""

import html
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from ingest import intake
from projects import keys
from runs.models import Run, RunBody
from tests import make
from tests.ingest.conftest import new_sender
from tests.journeys.scenarios import Scenario
from tests.traces.conftest import Site, ids

HTMX = {"HX-Request": "true"}


def words(page: str) -> str:
    """Return what a reader sees, tags left out."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def step(page: str, run: Run) -> str:
    """Return the card of a run."""
    start = page.index(f'id="run-{run.id}"')
    return page[start : page.index("</article>", start)]


def recorded(name: str) -> Site:
    """Return a project to which a recorded scenario was sent."""
    keys.forget()
    intake._begun.clear()
    sender = new_sender()
    for path, body in Scenario(name).requests:
        assert sender.post(body, path).status_code == 200
    return Site(sender.project, make.people(sender.project))


def root(site: Site, name: str) -> Run:
    return Run.objects.get(project_id=site.project.pk, name=name, parent_id=None)


def test_a_langgraph_agent_reads_as_question_call_result_answer(db: None) -> None:
    site = recorded("lunary-python/langgraph-agent")
    page = site.get(f"traces/{root(site, 'LangGraph').id}/transcript")
    text = words(page)
    order = ["User 6 times 7?", "gpt-4o called multiply", "multiply", "→ 42", "6 times 7 is 42."]
    places = [text.index(one) for one in order]
    assert places == sorted(places)
    assert text.count("6 times 7?") == 1  # both calls were given it
    assert text.count("6 times 7 is 42.") == 1  # the last call and the agent answered it
    assert page.count("<article") == 3  # two calls, one tool; what wraps them is seen through


def test_tools_steps_and_errors_of_the_javascript_sdk(db: None) -> None:
    site = recorded("lunary-js/agent-tool-chain")
    text = words(site.get(f"traces/{root(site, 'shopAgent').id}/transcript"))
    assert "searchCatalog query: green tea, limit: 2 →" in text
    assert "Take the Sencha." in text
    site = recorded("lunary-js/errors")
    text = words(site.get(f"traces/{root(site, 'importer').id}/transcript"))
    assert "file is empty: data.csv" in text
    assert "parseCsv" in text


def test_a_chain_of_langchain_tells_its_documents(db: None) -> None:
    site = recorded("lunary-python/langchain-retriever")
    text = words(site.get(f"traces/{root(site, 'RunnableSequence').id}/transcript"))
    assert "2 documents" in text
    assert "Why are there tides?" in text
    assert "The moon moves them." in text


@pytest.mark.parametrize("person", ["owner", "member", "viewer"])
def test_people_of_the_workspace_read_it(site: Site, agent: Run, person: str) -> None:
    page = site.get(f"traces/{agent.id}/transcript", person)
    assert "fetch_tariff" in page
    assert 'aria-current="true"' in page


def test_strangers_and_the_unknown_read_nothing(site: Site, agent: Run) -> None:
    address = site.url(f"traces/{agent.id}/transcript")
    for headers in ({}, HTMX):
        assert site.client("stranger").get(address, headers=headers).status_code == 404
        assert site.client("billing").get(address, headers=headers).status_code == 403
    answer = site.client("anonymous").get(address)
    assert answer.status_code == 302
    assert "/login" in answer["Location"]
    other = make.project(site.people, name="Other")
    for headers in ({}, HTMX):
        gone = site.client().get(f"/p/{other.public_id}/traces/{agent.id}/transcript", headers=headers)
        assert gone.status_code == 404


def test_hostile_words_stay_text(site: Site, agent: Run) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)> [x](javascript:alert(1)) ![y](https://example.com/y)"
    call = make.child(agent, site.project, "llm", name=evil)
    make.body(call, [{"role": evil, "content": evil}, {"role": "user", "content": evil}], evil)
    work = make.child(agent, site.project, "tool", name=evil, status="error")
    make.body(work, {evil: evil}, evil, error={"message": evil})
    make.body(agent, evil, {evil: evil})
    page = site.get(f"traces/{agent.id}/transcript")
    assert "<script>alert" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page
    assert "style=" not in page
    assert "alert(1)" in page


def test_long_right_to_left_running_and_empty(site: Site) -> None:
    agent = make.run(site.project, "agent", name="weather", status="started")
    make.body(agent, "كم درجة الحرارة؟ 👩‍👩‍👧‍👦")
    call = make.child(agent, site.project, "llm", started_at=agent.started_at + timedelta(seconds=1))
    make.body(call, [{"role": "user", "content": "ß" * 50_000}], "مرحبا")
    running = make.child(
        agent, site.project, "llm", status="started", started_at=agent.started_at + timedelta(seconds=2)
    )
    page = site.get(f"traces/{agent.id}/transcript")
    assert "👩‍👩‍👧‍👦" in page
    assert "44 k more characters" in words(page).replace("\u00a0", " ")
    assert page.count("ß") == 6_000
    assert "Running" in step(page, running)
    assert "still running" in page
    bare = make.run(site.project, "agent", name="nothing in it")
    assert "no model call" not in site.get(f"traces/{bare.id}/transcript")  # its own card says what there is


def test_of_a_long_output_the_beginning_is_read(site: Site, agent: Run) -> None:
    dump = make.child(agent, site.project, "tool", name="dump")
    make.body(dump, {"q": 1}, "line of a large dump\n" * 200_000)
    call = make.child(agent, site.project, "llm", name="reader")
    make.body(call, [{"role": "user", "content": "z" * 1_200_000}], "short")
    page = site.get(f"traces/{agent.id}/transcript")
    assert len(page) < 150_000
    assert "more characters" in step(page, dump)
    assert "is not told here" in step(page, call)
    assert f"?run={call.id}" in step(page, call)


def test_an_agent_inside_is_folded_opens_by_htmx_and_has_an_address(site: Site, agent: Run) -> None:
    helper = make.child(agent, site.project, "agent", name="fare-rules")
    make.body(helper, {"question": "Refundable?"}, "In full.")
    inner = make.child(helper, site.project, "llm", name="inner-model")
    make.body(inner, [{"role": "user", "content": "Refundable?"}], "It is **refundable**.")
    page = site.get(f"traces/{agent.id}/transcript")
    card = step(page, helper)
    assert "question: Refundable? → In full." in words(card)
    assert "Σ&nbsp;2" in card
    assert "inner-model" not in page
    part = site.get(f"traces/{agent.id}/transcript?top={helper.id}", **HTMX)
    assert "<html" not in part
    assert "inner-model" in part
    assert "<strong>refundable</strong>" in part
    alone = site.get(f"traces/{agent.id}/transcript?top={helper.id}")
    assert f'href="?top={agent.id}"' in alone
    assert "inner-model" in alone
    assert "In full." in words(alone)


def test_orphans_are_told_beneath_what_they_wait_for(site: Site) -> None:
    missing = make.run_id("not here")
    call = make.run(site.project, "llm", name="early", parent_id=missing, trace_id=missing)
    make.body(call, [{"role": "user", "content": "hello"}], "hi")
    page = site.get(f"traces/{missing}/transcript")
    assert "parent not received yet" in page
    assert "hello" in step(page, call)


def test_a_thousand_steps_come_in_pages_that_follow_each_other(
    site: Site, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    agent = make.run(site.project, "agent", name="busy", duration_ms=600_000)
    began = timezone.now() - timedelta(minutes=30)
    many = ids(1_000)
    Run.objects.bulk_create(
        Run(
            project_id=site.project.pk,
            id=id,
            type="llm",
            name=f"model-{number}",
            status="success",
            parent_id=agent.id,
            trace_id=agent.id,
            started_at=began + timedelta(seconds=number),
            received_at=began,
        )
        for number, id in enumerate(many)
    )
    history: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go"}]
    for number, id in enumerate(many[:100]):
        made = {"role": "assistant", "content": f"answer {number}"}
        RunBody.objects.create(
            project_id=site.project.pk, run_id=id, input=json.dumps(history), output=json.dumps(made)
        )
        history += [made, {"role": "user", "content": f"question {number}"}]
    client, address, seen = site.client(), f"traces/{agent.id}/transcript", 0
    first = site.get(address)
    assert first.count("<article") == 40
    assert "Next 40" in words(first)
    assert "of 960 more steps" in words(first)
    following = re.search(r"from=([0-9a-f-]{36})", first)
    assert following
    assert following[1] == str(many[40])
    with django_assert_max_num_queries(22):
        second = client.get(site.url(f"{address}?from={following[1]}")).content.decode()
    assert f"from={many[0]}" in second
    assert "Be brief." not in second  # the first page told it
    assert "question 39" in step(second, Run.objects.get(id=many[40]))
    assert "answer 39" not in second
    start = str(many[0])
    while start:
        part = site.get(f"{address}?from={start}", **HTMX)
        seen += part.count("<article")
        found = re.search(r"from=([0-9a-f-]{36})", part)
        start = found[1] if found else ""
    assert seen == 1_000
    assert f"from={many[80]}&amp;shown=80" in site.get(f"{address}?from={many[40]}&shown=40", **HTMX)
    full = site.get(f"{address}?from={many[40]}&shown=360", **HTMX)
    assert f"from={many[80]}" in full
    assert "hx-get" not in full  # the document has enough: the next cards are a page of their own


def test_a_running_trace_says_what_has_come_since(site: Site) -> None:
    agent = make.run(site.project, "agent", name="slow", status="started")
    make.child(agent, site.project, "llm", name="first")
    address = f"traces/{agent.id}/transcript"
    page = site.get(address)
    ask = re.search(r'hx-get="[^"]+\?top=([0-9a-f-]+)&amp;knows=(\d+)" hx-trigger="every 5s"', page)
    assert ask
    assert ask.groups() == (str(agent.id), "1")
    tail = f"{address}?top={agent.id}&knows=1"
    assert "new step" not in site.get(tail, **HTMX)
    later = agent.started_at + timedelta(seconds=3)
    second = make.child(agent, site.project, "llm", name="second", started_at=later)
    grown = site.get(tail, **HTMX)
    assert "1 new step" in words(grown)
    assert f"from={second.id}#run-{second.id}" in grown
    assert "every 5s" in grown
    Run.objects.filter(project_id=site.project.pk, id=agent.id).update(status="success", ended_at=timezone.now())
    ended = site.get(f"{address}?top={agent.id}&knows=2", **HTMX)
    assert "Show how it ended" in ended
    assert "every 5s" not in ended
