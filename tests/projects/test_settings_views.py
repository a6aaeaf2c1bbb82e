"""A project's settings and keys: everybody reads, managers change."""

import re

import pytest

from projects import keys
from projects.founding import Founded, found_project
from projects.models import ApiKey, Membership, Project, Role
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> make.People:
    return make.workspace_with_people()


@pytest.fixture
def founded(people: make.People) -> Founded:
    keys.forget()
    return found_project(people.workspace, "Concierge")


def pages(founded: Founded) -> dict[str, str]:
    start = f"/p/{founded.project.public_id}"
    key = ApiKey.objects.get(project=founded.project, kind="private")
    return {
        "settings": f"{start}/settings",
        "keys": f"{start}/keys",
        "revoke": f"{start}/keys/{key.pk}/revoke",
        "rotate": f"{start}/keys/{key.pk}/rotate",
        "tools": f"{start}/settings/tools",
        "delete": f"{start}/settings/delete",
    }


def test_readers_see_settings_and_keys_but_no_controls_and_no_private_key(
    people: make.People, founded: Founded
) -> None:
    where = pages(founded)
    for person in (people.member, people.viewer):
        client = make.client_for(person)
        shown = client.get(where["settings"]).content.decode() + client.get(where["keys"]).content.decode()
        assert founded.public_key in shown
        assert founded.private_key not in shown
        assert "Delete project" not in shown
        assert "Rotate" not in shown
    assert make.client_for(people.billing).get(where["keys"]).status_code == 403
    assert make.client_for(people.stranger).get(where["keys"]).status_code == 404
    assert make.client_for(None).get(where["keys"]).status_code == 302


def test_only_managers_change_anything(people: make.People, founded: Founded) -> None:
    data = {"name": "Other", "kind": "private", "on": "1", "typed": "Concierge"}
    for path in pages(founded).values():
        for person in (people.member, people.viewer, people.billing):
            assert make.client_for(person).post(path, data).status_code == 403, path
        assert make.client_for(people.stranger).post(path, data).status_code == 404, path
        assert make.client_for(None).post(path, data).status_code == 302, path
    founded.project.refresh_from_db()
    assert founded.project.name == "Concierge"
    assert keys.find(founded.private_key) is not None


def test_an_admin_renames_the_project_and_accepts_standalone_tools(people: make.People, founded: Founded) -> None:
    Membership.objects.filter(account=people.member).update(role=Role.ADMIN)
    client = make.client_for(people.member)
    client.post(pages(founded)["settings"], {"name": "Concierge 2", "accept_standalone_tools": "on"})
    holder = keys.find(founded.public_key)
    assert holder is not None
    assert holder.accept_standalone_tools
    assert "Concierge 2" in client.get(pages(founded)["settings"]).content.decode()
    assert client.post(pages(founded)["settings"], {"name": " "}).status_code == 422
    back = client.post(pages(founded)["tools"], {"on": "0", "next": "/profile"})
    assert back["Location"] == "/profile"
    holder = keys.find(founded.public_key)
    assert holder is not None
    assert not holder.accept_standalone_tools


def test_a_new_private_key_is_shown_once_and_works(people: make.People, founded: Founded) -> None:
    client, path = make.client_for(people.owner), pages(founded)["keys"]
    page = client.post(path, {"name": "Nightly export", "kind": "private"})
    text = re.search(r'<pre id="key-text"[^>]*>([0-9a-f-]{36})<', page.content.decode())
    assert page.status_code == 201
    assert "no-store" in page["Cache-Control"]
    assert text is not None
    holder = keys.find(text[1])
    assert holder is not None
    assert holder.kind == "private"
    later = client.get(path).content.decode()
    assert text[1] not in later
    assert "Nightly export" in later
    assert client.post(path, {"name": "", "kind": "private"}).status_code == 422
    assert client.post(path, {"name": "x", "kind": "master"}).status_code == 422


def test_rotating_and_revoking(people: make.People, founded: Founded) -> None:
    client = make.client_for(people.owner)
    where = pages(founded)
    page = client.post(where["rotate"])
    text = re.search(r'<pre id="key-text"[^>]*>([0-9a-f-]{36})<', page.content.decode())
    assert text is not None
    assert keys.find(founded.private_key) is None
    assert client.post(where["rotate"]).status_code == 404, "a revoked key is not rotated"
    new = ApiKey.objects.get(project=founded.project, kind="private", revoked_at=None)
    client.post(f"/p/{founded.project.public_id}/keys/{new.pk}/revoke")
    assert keys.find(text[1]) is None
    assert "revoked" in client.get(where["keys"]).content.decode()


def test_keys_of_another_project_are_out_of_reach(people: make.People, founded: Founded) -> None:
    other = found_project(Membership.objects.get(account=people.stranger).workspace, "Elsewhere")
    key = ApiKey.objects.get(project=other.project, kind="private")
    client = make.client_for(people.owner)
    for action in ("revoke", "rotate"):
        assert client.post(f"/p/{founded.project.public_id}/keys/{key.pk}/{action}").status_code == 404
    assert keys.find(other.private_key) is not None


def test_deleting_wants_the_name_typed(people: make.People, founded: Founded) -> None:
    client = make.client_for(people.owner)
    client.post(pages(founded)["delete"], {"typed": "concierge"})
    assert Project.objects.filter(pk=founded.project.pk).exists()
    response = client.post(pages(founded)["delete"], {"typed": "Concierge"}, follow=True)
    assert response.redirect_chain[-1][0] == f"/w/{people.workspace.pk}/"
    assert "Concierge is being deleted." in response.content.decode()
    assert not Project.objects.filter(pk=founded.project.pk).exists()
    assert keys.find(founded.public_key) is None
