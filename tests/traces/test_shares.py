"""Public links: who may make and revoke them, what they open, what they never tell, and when they end."""

import json
import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.core.cache import cache
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from projects import deletion
from runs import departure
from runs.models import EndUser, Run, Score
from tests import make
from tests.traces.conftest import Site
from traces import shares
from traces.models import TraceShare

HTMX = {"HX-Request": "true"}
DETAIL = HTMX | {"HX-Target": "detail"}


@pytest.fixture(autouse=True)
def nobody_has_guessed() -> None:
    cache.clear()


def share(site: Site, trace: Run, **shows: bool) -> str:
    """Return the token of a new link."""
    wanted = {"show_people": False, "show_bodies": True} | shows
    shares.create(site.project, trace.id, site.people.owner, **wanted, life=shares.LIVES["7"])
    return str(shares.links(site.project.pk, trace.id)[0].token)


def opened(token: str, query: str = "", headers: dict[str, str] | None = None, status: int = 200) -> str:
    """Return the public page as somebody without a session sees it."""
    answer = Client().get(f"/shared/{token}{query}", headers=headers)
    assert answer.status_code == status, answer.content[:300]
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer["X-Robots-Tag"]
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "Set-Cookie" not in answer
    return str(answer.content.decode())


def refusal(token: str, query: str = "") -> str:
    """Return the 404's page without what differs from request to request."""
    return re.sub(r"<code>\w+</code>", "", opened(token, query, status=404))


# Making and revoking


@pytest.mark.parametrize("person", ["owner", "member"])
def test_people_who_may_write_make_copy_and_revoke_links(site: Site, agent: Run, person: str) -> None:
    client, address = site.client(person), site.url(f"traces/{agent.id}/share")
    assert "Make public link" in client.get(address).content.decode()
    made = client.post(address, {"bodies": "1", "days": "30"})
    assert (made.status_code, made["Location"]) == (302, address)
    page = client.get(address).content.decode()
    (link,) = set(re.findall(r'value="(http://testserver/shared/[\w-]{32})"', page))
    assert "With inputs and outputs, people hidden" in page
    assert "claims-agent" in opened(link.rpartition("/")[2])
    stored = TraceShare.objects.get()
    assert stored.created_by == getattr(site.people, person)
    assert timedelta(days=29) < stored.expires_at - timezone.now() < timedelta(days=31)  # type: ignore[operator]
    assert link.rpartition("/")[2] not in json.dumps(list(TraceShare.objects.values()), default=str)
    ended = client.post(site.url(f"traces/shares/{stored.pk}/revoke"))
    assert ended["Location"] == address
    opened(link.rpartition("/")[2], status=404)
    assert link not in client.get(address).content.decode()


@pytest.mark.parametrize(
    ("person", "status"), [("viewer", 403), ("billing", 403), ("stranger", 404), ("anonymous", 302)]
)
def test_nobody_else_makes_sees_or_revokes_any(site: Site, agent: Run, person: str, status: int) -> None:
    token = share(site, agent)
    made = TraceShare.objects.get()
    client = site.client(person)
    address = site.url(f"traces/{agent.id}/share")
    assert client.get(address).status_code == status
    assert client.post(address, {"bodies": "1"}).status_code == status
    assert client.get(site.url("traces/shares")).status_code == status
    assert client.post(site.url(f"traces/shares/{made.pk}/revoke")).status_code == status
    assert TraceShare.objects.count() == 1
    assert "claims-agent" in opened(token)


def test_the_menu_offers_links_to_those_who_may_make_them(site: Site, agent: Run) -> None:
    mine, theirs = (site.get(f"traces/{agent.id}", person) for person in ("member", "viewer"))
    assert "Public link…" in mine
    assert "Public link…" not in theirs
    for page in (mine, theirs):
        assert "Copy link to this view" in page
        assert site.url(f"traces/{agent.id}/export.json") in page
        assert site.url(f"traces/{agent.id}/otlp.json") in page
        assert f'href="{site.url(f"traces/{agent.id}?run={agent.id}")}" data-copy-link' in page


def test_a_link_of_another_project_can_neither_be_seen_nor_revoked(site: Site, agent: Run) -> None:
    share(site, agent)
    other = Site(make.project(site.people, name="Other"), site.people)
    made = TraceShare.objects.get()
    assert other.client().post(other.url(f"traces/shares/{made.pk}/revoke")).status_code == 404
    assert other.client().get(other.url(f"traces/{agent.id}/share")).status_code == 404
    assert "No public links" in other.get("traces/shares")
    assert TraceShare.objects.get().revoked_at is None


def test_forms_need_their_token(site: Site, agent: Run) -> None:
    share(site, agent)
    client = Client(enforce_csrf_checks=True)
    client.force_login(site.people.owner)
    for path in (f"traces/{agent.id}/share", f"traces/shares/{TraceShare.objects.get().pk}/revoke"):
        assert client.post(site.url(path), {"bodies": "1"}).status_code == 403
    assert TraceShare.objects.get().revoked_at is None


def test_htmx_gets_the_panel_alone(site: Site, agent: Run) -> None:
    client, address = site.client(), site.url(f"traces/{agent.id}/share")
    panel = HTMX | {"HX-Target": "share-panel"}
    assert "<html" not in client.get(address, headers=panel).content.decode()
    made = client.post(address, {"days": ""}, headers=panel).content.decode()
    assert "Without inputs and outputs, people hidden" in made
    assert "until revoked" in made
    gone = client.post(site.url(f"traces/shares/{TraceShare.objects.get().pk}/revoke"), headers=panel).content.decode()
    assert "until revoked" not in gone
    assert "<html" not in gone


def test_all_links_of_a_project_are_listed_and_revoked_there(site: Site, agent: Run) -> None:
    client = site.client()
    assert "No public links" in site.get("traces/shares")
    share(site, agent)
    share(site, make.run(site.project, "chain", name="night-batch"), show_people=True)
    page = site.get("traces/shares")
    assert "claims-agent" in page
    assert "night-batch" in page
    first = TraceShare.objects.order_by("pk").first()
    assert first
    answer = client.post(site.url(f"traces/shares/{first.pk}/revoke"), {"from": "all"})
    assert answer["Location"] == site.url("traces/shares")
    assert "claims-agent" not in site.get("traces/shares")


def test_a_link_sealed_with_a_lost_secret_still_works_and_can_be_revoked(site: Site, agent: Run) -> None:
    token = share(site, agent)
    with override_settings(SECRET_KEY="another secret of at least fifty characters, for the test"):
        assert shares.links(site.project.pk)[0].token is None
        page = site.get(f"traces/{agent.id}/share")
        assert "can’t be shown any more" in page
        assert "claims-agent" in opened(token)


# What a link opens


def test_a_link_shows_the_tree_and_every_run_of_it(site: Site, agent: Run) -> None:
    token = share(site, agent)
    page = opened(token)
    for name in ("claims-agent", "gpt-4.1", "plan", "fetch_tariff", "granite", "POST /x"):
        assert name in page
    assert "1 error inside" in page
    tool = Run.objects.get(name="fetch_tariff")
    make.body(tool, {"city": "Paris"}, "12 €", error={"message": "no tariff", "stack": "at x"})
    for headers in (None, DETAIL):
        told = opened(token, f"?run={tool.id}", headers)
        assert ("<html" in told) == (headers is None)
        for words in ("Paris", "12 €", "no tariff"):
            assert words in told
    branch = opened(token, f"?from={tool.id}", HTMX)
    assert "fetch_tariff" in branch
    assert "<html" not in branch


def test_it_leads_nowhere_else(site: Site, agent: Run) -> None:
    make.body(agent, [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]}], "done")
    make.feedback(site.project, agent.id, "comment", "she was angry")
    Score.objects.create(project_id=site.project.pk, run_id=agent.id, label="tone", value=1, at=timezone.now())
    token = share(site, agent)
    for page in [opened(token), *details(site, token, agent)]:
        assert str(site.project.public_id) not in page
        assert "/p/" not in page
        assert "<form" not in page
        assert "csrf" not in page.lower()
        assert site.project.name not in page
        assert site.people.workspace.name not in page
        assert "she was angry" not in page
        assert "tone" not in page
        assert PIXEL not in page
    assert "image/png, not part of this page" in opened(token)


PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"


def test_it_never_reaches_another_trace(site: Site, agent: Run) -> None:
    token = share(site, agent)
    other = make.run(site.project, "agent", name="secret-agent")
    gone = refusal("x" * 32)
    for run in (other.id, uuid4()):
        assert refusal(token, f"?run={run}") == gone
        opened(token, f"?run={run}", DETAIL, status=404)
    assert "secret-agent" not in opened(token, f"?from={other.id}&top={other.id}")
    assert "secret-agent" not in opened(token, f"?from={other.id}", HTMX)


def test_every_link_that_opens_nothing_is_the_same(site: Site, agent: Run) -> None:
    unknown = refusal("x" * 32)
    assert "leads nowhere" in unknown

    revoked = share(site, agent)
    shares.revoke(site.project.pk, TraceShare.objects.latest("pk").pk)
    assert refusal(revoked) == unknown

    late = share(site, agent)
    TraceShare.objects.filter(revoked_at=None).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert refusal(late) == unknown

    empty = make.run(site.project, "agent", name="deleted-agent")
    lost = share(site, empty)
    Run.objects.filter(id=empty.id).delete()
    assert refusal(lost) == unknown

    orphaned = share(site, agent)
    assert "claims-agent" in opened(orphaned)
    deletion.let_go(site.project)
    assert refusal(orphaned) == unknown
    assert refusal(share_text("\u00e9\U0001f642")) == unknown


def share_text(text: str) -> str:
    return text


def test_a_projects_links_go_with_it(site: Site, agent: Run) -> None:
    share(site, agent)
    deletion.let_go(site.project)
    departure.finish()
    assert TraceShare.objects.count() == 0


def test_people_who_are_logged_in_see_the_same_page(site: Site, agent: Run) -> None:
    token = share(site, agent)
    page = site.client("owner").get(f"/shared/{token}").content.decode()
    assert str(site.project.public_id) not in page
    assert "<form" not in page


def test_whoever_guesses_has_to_wait(site: Site, agent: Run) -> None:
    token = share(site, agent)
    for number in range(shares.MISSES):
        opened(f"guess-{number}", status=404)
    answer = Client().get(f"/shared/{token}")
    assert answer.status_code == 429
    assert answer["Retry-After"]
    elsewhere = Client(REMOTE_ADDR="192.0.2.7").get(f"/shared/{token}")
    assert elsewhere.status_code == 200


def test_the_page_costs_the_same_whatever_it_holds(
    site: Site, agent: Run, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    token = share(site, agent)
    for _ in range(2):
        with django_assert_max_num_queries(18):
            opened(token)
        with django_assert_max_num_queries(16):
            opened(token, f"?run={agent.id}", DETAIL)
        for number in range(20):
            make.child(agent, site.project, user_id=f"user-{number}")


# What a link never tells


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
        metadata={"userId": "another-person-1"},
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
            error={"message": everything, "stack": f"at {everything}", "code": KNOWN["account"]},
            params={"user": KNOWN["id"], "temperature": 0.5, "stop": [everything]},
            metadata={"userId": KNOWN["id"], "user": {"x": "whoever"}, "seat": KNOWN["account"], "note": everything},
        )
        make.log(run, message=everything, level="info", extra={"who": everything, KNOWN["id"]: arguments})
        make.feedback(site.project, run.id, "comment", everything)
    make.feedback(site.project, root.id, "comment", everything)
    return root


def details(site: Site, token: str, root: Run) -> list[str]:
    """Return the detail of every run of a trace, as htmx gets it and as a page."""
    runs = Run.objects.filter(project_id=site.project.pk, trace_id=root.id).values_list("id", flat=True)
    return [opened(token, f"?run={run}", headers) for run in runs for headers in (None, DETAIL)]


def named(page: str) -> list[str]:
    """Return which of the known values a page holds, in any case."""
    values = [*KNOWN.values(), "Zoraïde", "Quibble", "zoraide.q", "another-person-1", "whoever"]
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
