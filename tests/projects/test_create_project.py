"""`manage.py create_project` and the first start."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from projects import keys
from projects.first_start import ensure_first_start
from projects.models import Account, Membership, Project, Workspace
from tests import make

pytestmark = pytest.mark.django_db


def made(*arguments: str) -> dict[str, str]:
    out = StringIO()
    call_command("create_project", *arguments, stdout=out)
    answer: dict[str, str] = json.loads(out.getvalue())
    return answer


def test_it_prints_the_keys_of_a_new_project_in_the_oldest_workspace() -> None:
    people = make.workspace_with_people()
    answer = made("Support bot")
    project = Project.objects.get(public_id=answer["project_id"])
    assert set(answer) == {"project_id", "public_key", "private_key"}
    assert (project.name, project.workspace) == ("Support bot", people.workspace)
    holder = keys.find(answer["private_key"])
    assert holder is not None
    assert holder.project_id == project.pk


def test_a_workspace_is_named_or_numbered() -> None:
    make.workspace_with_people("Aster Labs")
    other = Workspace.objects.create(name="Other")
    assert Project.objects.get(public_id=made("A", "--workspace", "Other")["project_id"]).workspace == other
    assert Project.objects.get(public_id=made("B", "--workspace", str(other.pk))["project_id"]).workspace == other
    with pytest.raises(CommandError, match="no workspaces are called 'Nope'"):
        made("C", "--workspace", "Nope")


@pytest.mark.parametrize("name", [" ", "x" * 121])
def test_a_name_has_1_to_120_characters(name: str) -> None:
    make.workspace_with_people()
    with pytest.raises(CommandError, match="1 to 120"):
        made(name)


def test_before_the_first_start_there_is_nowhere_to_put_it() -> None:
    with pytest.raises(CommandError, match="start the server once"):
        made("Too early")


def test_the_first_start_makes_an_owner_who_can_log_in_and_happens_once() -> None:
    first = ensure_first_start("http://127.0.0.1:8000")
    assert first is not None
    owner = Account.objects.get()
    assert owner.check_password(first.password)
    assert Membership.objects.get(account=owner).role == "owner"
    assert first.public_key == first.project_id
    assert keys.find(first.private_key) is not None
    assert ensure_first_start("http://127.0.0.1:8000") is None


@pytest.mark.django_db(transaction=True)
def test_without_a_running_database_it_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "HOST", "/nowhere")
    connection.close()
    try:
        with pytest.raises(CommandError, match="is this copy running"):
            made("Too early")
    finally:
        monkeypatch.undo()
