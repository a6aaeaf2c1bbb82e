"""Public links: who may make and revoke them, what they open, and when they end."""

import json
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from projects import deletion
from runs import departure
from runs.models import Run, Score
from tests import make
from tests.traces.conftest import Site
from tests.traces.sharing import DETAIL, HTMX, details, opened, share
from traces import shares
from traces.models import TraceShare


@pytest.fixture(autouse=True)
def nobody_has_guessed() -> None:
    cache.clear()


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
        assert 'method="post"' not in page
        assert "hx-post" not in page
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
    assert 'method="post"' not in page


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
