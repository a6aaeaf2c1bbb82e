"""Where people land, their profile and theme, the frame around every page, and the gallery."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from projects.models import Account, Membership
from tests import make

pytestmark = pytest.mark.django_db


def test_home_leads_to_the_first_project_else_to_the_workspace_else_explains() -> None:
    people = make.workspace_with_people()
    assert make.client_for(people.owner).get("/")["Location"] == f"/w/{people.workspace.pk}/"
    project = make.project(people)
    assert make.client_for(people.viewer).get("/")["Location"] == f"/p/{project.public_id}/"
    assert make.client_for(people.billing).get("/")["Location"] == f"/w/{people.workspace.pk}/"
    page = make.client_for(make.account("alone")).get("/")
    assert "not a member of any workspace" in page.content.decode()


def test_a_new_project_leads_to_its_first_steps() -> None:
    people = make.workspace_with_people()
    client = make.client_for(people.owner)
    response = client.post(f"/w/{people.workspace.pk}/projects/new", {"name": "Support bot"}, follow=True)
    assert "Send the first event to Support bot" in response.content.decode()
    assert client.post(f"/w/{people.workspace.pk}/projects/new", {"name": ""}).status_code == 422


def test_the_theme_is_the_accounts_and_the_browsers() -> None:
    person = make.workspace_with_people().owner
    client = make.client_for(person)
    assert "data-theme=" not in client.get("/profile").content.decode().partition("<head>")[0]
    response = client.post("/theme", {"theme": "dark", "next": "/profile"})
    assert response["Location"] == "/profile"
    assert 'data-theme="dark"' in client.get("/profile").content.decode()
    client.post("/logout")
    assert 'data-theme="dark"' in client.get("/login").content.decode()
    client.post("/theme", {"theme": "purple", "next": "//evil.example"})
    assert 'data-theme="dark"' in client.get("/login").content.decode()


def test_a_person_changes_their_name_and_password() -> None:
    person = Account.objects.create_user("mira@example.com", "correct horse battery")
    client, elsewhere = make.client_for(person), make.client_for(person)
    client.post("/profile", {"name": "Mira Kovač"})
    assert "Mira Kovač" in client.get("/profile").content.decode()
    wrong = client.post("/profile", {"present_password": "nope", "new_password": "a long new password"})
    assert wrong.status_code == 422
    weak = client.post("/profile", {"present_password": "correct horse battery", "new_password": "password12"})
    assert weak.status_code == 422
    good = {"present_password": "correct horse battery", "new_password": "a long new password"}
    assert client.post("/profile", good).status_code == 302
    assert client.get("/profile").status_code == 200
    assert elsewhere.get("/profile").status_code == 302
    person.refresh_from_db()
    assert person.check_password("a long new password")


def test_the_switcher_lists_only_projects_the_person_may_read() -> None:
    people = make.workspace_with_people()
    mine, other = make.project(people, "Concierge"), make.project(name="Not mine")
    page = make.client_for(people.viewer).get(f"/p/{mine.public_id}/settings").content.decode()
    assert "Concierge" in page
    assert "Not mine" not in page
    assert str(other.public_id) not in page
    billing = make.client_for(people.billing).get(f"/w/{people.workspace.pk}/").content.decode()
    assert f"/p/{mine.public_id}/" not in billing


def test_the_navigation_shows_where_one_is() -> None:
    people = make.workspace_with_people()
    project = make.project(people)
    page = make.client_for(people.owner).get(f"/p/{project.public_id}/keys").content.decode()
    assert page.count('aria-current="page"') == 2, "the Settings row and the Keys tab"
    row = page.partition(f'href="/p/{project.public_id}/settings" aria-current="page"')[2]
    assert "Settings" in row.partition("</a>")[0]


def test_the_frame_costs_few_queries(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    people = make.workspace_with_people()
    project = make.project(people)
    for number in range(5):
        Membership.objects.create(workspace=people.workspace, account=make.account(f"m{number}"), role="member")
        make.project(people, f"Project {number}")
    client = make.client_for(people.owner)
    # session, account, project, the form's own copy, switcher, held events
    with django_assert_max_num_queries(6):
        client.get(f"/p/{project.public_id}/settings")
    # session, account, membership, the form's own copy, projects, members, who is elsewhere, switcher
    with django_assert_max_num_queries(8):
        client.get(f"/w/{people.workspace.pk}/")


def test_the_gallery_shows_every_component_to_people_who_are_logged_in() -> None:
    assert Client().get("/gallery").status_code == 302
    page = make.client_for(make.account()).get("/gallery").content.decode()
    drawer = make.client_for(make.account()).get("/gallery?peek=1", headers={"HX-Request": "true"}).content.decode()
    assert drawer.strip().startswith('<aside class="drawer"')
    for part in (
        "metric-strip",
        "tree",
        "bubble",
        "table",
        "badge",
        "chip",
        "segment",
        "btn",
        "kv",
        "empty",
        "pager",
        "code",
        "field",
    ):
        assert f'class="{part}' in page, part
