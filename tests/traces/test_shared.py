"""What a public page tells of the people a trace is about: nothing, unless its link says so."""

import html
import json
from uuid import UUID

import pytest
from django.core.cache import cache
from django.utils import timezone

from runs.models import EndUser, Run
from tests import make
from tests.traces.conftest import Site
from tests.traces.sharing import DETAIL, HTMX, details, opened, share


@pytest.fixture(autouse=True)
def nobody_has_guessed() -> None:
    cache.clear()


KNOWN = {
    "id": "person-4711-x",
    "name": "Zoraïde Quibble",
    "email": "zoraide.q@example.org",
    "plan": "Ultraviolet",
    "account": 98_765_432,
    "team": "squad-quokka",
    "organization": "Umbrella-Corp-77",
    "nested": "blue-giraffe",
}


@pytest.fixture
def personal(site: Site) -> Run:
    """Return a trace that names its end user wherever a run can."""
    EndUser.objects.create(
        project_id=site.project.pk,
        id=str(KNOWN["id"]),
        props={
            **{key: KNOWN[key] for key in ("name", "email", "plan", "account")},
            "more": {"deep": [KNOWN["nested"]]},
        },
        first_seen=timezone.now(),
        last_seen=timezone.now(),
    )
    everything = " / ".join(str(value) for value in KNOWN.values())
    whose = {"user_id": KNOWN["id"], "team_id": KNOWN["team"], "organization_id": KNOWN["organization"]}
    root = make.run(
        site.project,
        "agent",
        name=f"agent of {everything}",
        tags=[str(KNOWN["plan"]), "web"],
        template_id=KNOWN["id"],
        runtime=f"sdk {KNOWN['id']}",
        metadata={"userId": "another-person-1", "user": {"fullName": "Wilhelmina Sprocket"}},
        **whose,
    )
    for number, type in enumerate(("llm", "tool", "retriever", f"type {KNOWN['plan']}")):
        run = make.child(
            root, site.project, type, name=f"{everything} {number}", status="error", tags=[everything], **whose
        )
        arguments = json.dumps({"mail": KNOWN["email"], "who": KNOWN["name"], "account": KNOWN["account"]})
        call = {"id": "c1", "type": "function", "function": {"name": "send", "arguments": arguments}}
        chat = [
            {"role": "system", "content": f"You talk to {everything}"},
            {"role": "user", "user": KNOWN["id"], "name": "Zoraïde", "content": f"I am {everything}"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": json.dumps({KNOWN["id"]: everything})},
        ]
        make.body(
            run,
            chat if type == "llm" else [{"pageContent": everything, "metadata": {"source": KNOWN["email"]}}],
            everything
            if type == "tool"
            else {"role": "assistant", "content": everything, "another": "another-person-1"},
            error={"message": f"{everything} for Ms Sprocket", "stack": f"at {everything}", "code": KNOWN["account"]},
            params={"user": KNOWN["id"], "temperature": 0.5, "stop": [everything]},
            metadata={"userId": KNOWN["id"], "user": {"x": "whoever"}, "seat": KNOWN["account"], "note": everything},
        )
        make.log(run, message=everything, level="info", extra={"who": everything, KNOWN["id"]: arguments})
        make.feedback(site.project, run.id, "comment", everything)
    make.feedback(site.project, root.id, "comment", everything)
    return root


def named(page: str) -> list[str]:
    """Return which of the known values a page holds, in any case."""
    values = [*KNOWN.values(), "Sprocket", "Zoraïde", "Quibble", "zoraide.q", "another-person-1", "whoever"]
    return [str(value) for value in values if str(value).lower() in page.lower()]


def test_people_are_told_nowhere_by_default(site: Site, personal: Run) -> None:
    token = share(site, personal)
    pages = [
        opened(token),
        opened(token, "?expand=all"),
        opened(token, f"?from={personal.id}", HTMX),
        *details(site, token, personal),
    ]
    assert len(pages) == 13
    for page in pages:
        assert named(page) == []
        assert "[redacted]" in page
    assert "0.5" in opened(token, f"?run={_of_type('llm')}")  # what is no person's is still there


def test_ids_may_be_anything(site: Site) -> None:
    odd = ["{0B0DE7C0-0000-4000-8000-00000000AB12}", '["a-list-of-one"]', "(.*)+$", "\\backslash\\", "'quoted' <b>"]
    root = make.run(site.project, "agent", name="odd", user_id=odd[0])
    for id in odd:
        make.body(make.child(root, site.project, user_id=id, metadata={"user": id}), f"for {id} only")
    token = share(site, root)
    for page in details(site, token, root):
        assert not [id for id in odd if html.escape(id) in page]
    assert opened(token).count("odd") > 1


def test_those_who_ask_for_it_show_people(site: Site, personal: Run) -> None:
    token = share(site, personal, show_people=True)
    page = opened(token, f"?run={_of_type('llm')}&expand=all")
    for key in ("name", "email", "team", "organization", "plan"):
        assert str(KNOWN[key]) in page
    assert "[redacted]" not in page
    assert "people are hidden" not in page


def test_without_bodies_only_names_and_figures_are_told(site: Site, agent: Run) -> None:
    for number, run in enumerate(Run.objects.filter(trace_id=agent.id)):
        secret = f"secret-{number}"
        make.body(
            run, secret, secret, error={"message": secret}, params={"a": secret}, metadata={"b": secret}, usage=secret
        )
        make.log(run, message=secret, extra={"a": secret})
    token = share(site, agent, show_bodies=False)
    for page in [opened(token), *details(site, token, agent)]:
        assert "secret" not in page
        assert "left inputs and outputs out" in page


def test_a_trace_of_very_many_people_tells_no_text_at_all(site: Site) -> None:
    root = make.run(site.project, "agent", name="batch")
    make.body(root, "something about somebody")
    Run.objects.bulk_create(
        Run(
            project_id=site.project.pk,
            id=UUID(int=number + 1),
            type="tool",
            name="step",
            status="success",
            parent_id=root.id,
            trace_id=root.id,
            user_id=f"person-{number:05}",
            started_at=root.started_at,
            received_at=root.started_at,
        )
        for number in range(600)
    )
    token = share(site, root)
    page = opened(token)
    assert "somebody" not in page
    assert "batch" not in page


def test_large_payloads_are_cut_before_anything_that_is_cut_in_two(site: Site) -> None:
    """The database cuts after 64 KB, in the midst of a name if need be."""
    make.end_user(site.project, "person-4711", name="Zoraïde Quibble")
    root = make.run(site.project, "agent", name="large", user_id="person-4711")
    for number in range(1, 12):
        run = make.child(root, site.project, "tool", user_id="person-4711")
        make.body(run, "x" * (65_536 - number) + "person-4711" + "y" * 2_200_000)
        page = opened(share(site, root), f"?run={run.id}", DETAIL)
        assert "person" not in page.lower()
        assert "MB of input" in page


def _of_type(type: str) -> UUID:
    found: UUID = Run.objects.filter(type=type).values_list("id", flat=True)[0]
    return found
