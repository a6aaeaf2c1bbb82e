"""Who may add, change and remove whom, through the pages."""

import re

import pytest
from django.test import Client

from projects.models import Account, Membership, Role, Workspace
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> make.People:
    return make.workspace_with_people()


@pytest.fixture
def admin(people: make.People) -> Account:
    person = make.account("admin")
    Membership.objects.create(workspace=people.workspace, account=person, role=Role.ADMIN)
    return person


def membership(people: make.People, person: Account) -> Membership:
    return Membership.objects.get(workspace=people.workspace, account=person)


def address(workspace: Workspace, *rest: object) -> str:
    return "/".join(["", "w", str(workspace.pk), *map(str, rest)])


def test_everybody_in_the_workspace_sees_it_and_strangers_do_not(people: make.People, admin: Account) -> None:
    for person in (people.owner, admin, people.member, people.viewer, people.billing):
        assert make.client_for(person).get(address(people.workspace, "")).status_code == 200
    assert make.client_for(people.stranger).get(address(people.workspace, "")).status_code == 404
    assert make.client_for(None).get(address(people.workspace, "")).status_code == 302


def test_only_managers_change_a_workspace(people: make.People, admin: Account) -> None:
    changes = [
        (address(people.workspace, ""), {"name": "New name", "time_zone": "Europe/Oslo"}),
        (address(people.workspace, "members"), {"email": "new@example.com", "role": "member"}),
        (address(people.workspace, "projects/new"), {"name": "Support bot"}),
        (address(people.workspace, "members", membership(people, people.viewer).pk, "role"), {"role": "member"}),
        (address(people.workspace, "members", membership(people, people.viewer).pk, "link"), {}),
        (address(people.workspace, "members", membership(people, people.viewer).pk, "remove"), {}),
    ]
    for path, data in changes:
        for person in (people.member, people.viewer, people.billing):
            assert make.client_for(person).post(path, data).status_code == 403, path
        assert make.client_for(people.stranger).post(path, data).status_code == 404, path
        assert make.client_for(None).post(path, data).status_code == 302, path
    for path, data in changes:
        assert make.client_for(admin).post(path, data).status_code in {200, 302}, path
    people.workspace.refresh_from_db()
    assert (people.workspace.name, people.workspace.time_zone) == ("New name", "Europe/Oslo")


def test_somebody_new_gets_an_account_and_a_link_that_is_shown_once(people: make.People) -> None:
    client = make.client_for(people.owner)
    data = {"email": "Ada@Example.com", "role": "viewer"}
    page = client.post(address(people.workspace, "members"), data)
    match = re.search(r"http://testserver(/set-password/[^<]+)", page.content.decode())
    assert match is not None
    assert "no-store" in page["Cache-Control"]
    ada = Client()
    assert ada.post(match[1], {"new_password": "a long new password"}).status_code == 302
    assert ada.get(address(people.workspace, "")).status_code == 200
    assert "/set-password/" not in client.get(address(people.workspace, "")).content.decode()
    assert Membership.objects.get(account__email="ada@example.com").role == Role.VIEWER


def test_somebody_known_elsewhere_joins_without_a_link(people: make.People) -> None:
    client = make.client_for(people.owner)
    response = client.post(address(people.workspace, "members"), {"email": people.stranger.email, "role": "member"})
    assert response.status_code == 302
    joined = membership(people, people.stranger)
    assert client.post(address(people.workspace, "members", joined.pk, "link")).status_code == 403


def test_nobody_joins_twice(people: make.People) -> None:
    client = make.client_for(people.owner)
    response = client.post(address(people.workspace, "members"), {"email": people.viewer.email, "role": "admin"})
    assert response.status_code == 422
    assert "is a member already" in response.content.decode()
    assert membership(people, people.viewer).role == Role.VIEWER


def test_the_last_owner_can_neither_leave_nor_step_down(people: make.People) -> None:
    client, mine = make.client_for(people.owner), membership(people, people.owner)
    client.post(address(people.workspace, "members", mine.pk, "role"), {"role": "viewer"})
    page = client.post(address(people.workspace, "members", mine.pk, "remove"), follow=True)
    assert "needs an owner" in page.content.decode()
    assert membership(people, people.owner).role == Role.OWNER


def test_an_owner_may_go_once_there_is_another(people: make.People) -> None:
    client, mine = make.client_for(people.owner), membership(people, people.owner)
    client.post(address(people.workspace, "members", membership(people, people.member).pk, "role"), {"role": "owner"})
    client.post(address(people.workspace, "members", mine.pk, "remove"))
    assert not Membership.objects.filter(pk=mine.pk).exists()
    assert client.get(address(people.workspace, "")).status_code == 404


def test_an_admin_neither_makes_nor_touches_owners(people: make.People, admin: Account) -> None:
    client, owners = make.client_for(admin), membership(people, people.owner)
    Membership.objects.create(workspace=people.workspace, account=make.account("second"), role=Role.OWNER)
    client.post(address(people.workspace, "members", owners.pk, "role"), {"role": "viewer"})
    client.post(address(people.workspace, "members", owners.pk, "remove"))
    client.post(address(people.workspace, "members", membership(people, admin).pk, "role"), {"role": "owner"})
    response = client.post(address(people.workspace, "members"), {"email": "x@example.com", "role": "owner"})
    assert response.status_code == 422
    assert client.post(address(people.workspace, "members", owners.pk, "link")).status_code == 403
    assert membership(people, people.owner).role == Role.OWNER
    assert membership(people, admin).role == Role.ADMIN
    assert not Account.objects.filter(email="x@example.com").exists()


def test_a_role_that_does_not_exist_changes_nothing(people: make.People) -> None:
    viewer = membership(people, people.viewer)
    make.client_for(people.owner).post(address(people.workspace, "members", viewer.pk, "role"), {"role": "king"})
    assert membership(people, people.viewer).role == Role.VIEWER


def test_members_of_another_workspace_are_out_of_reach(people: make.People) -> None:
    theirs = Membership.objects.get(account=people.stranger)
    client = make.client_for(people.owner)
    for action in ("role", "remove", "link"):
        path = address(people.workspace, "members", theirs.pk, action)
        assert client.post(path, {"role": "viewer"}).status_code == 404
    assert Membership.objects.filter(pk=theirs.pk, role=Role.OWNER).exists()
