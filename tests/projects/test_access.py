"""Rights per role, asked for every role, the stranger and nobody."""

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from projects.access import Right
from projects.models import Account, Membership, Project, Role
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.lunary_dash.probe_urls")]

ALLOWED = {
    Role.OWNER: set(Right),
    Role.ADMIN: set(Right),
    Role.MEMBER: {Right.READ, Right.WRITE},
    Role.VIEWER: {Right.READ},
    Role.BILLING: {Right.BILLING},
}


@pytest.fixture
def project() -> Project:
    return make.project()


def holder(project: Project, role: Role) -> Account:
    person = make.account(role.value)
    Membership.objects.create(workspace=project.workspace, account=person, role=role)
    return person


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("right", list(Right))
def test_each_role_has_the_rights_of_the_table_and_no_others(project: Project, role: Role, right: Right) -> None:
    client = make.client_for(holder(project, role))
    status = client.get(f"/right/{right.value}/{project.public_id}").status_code
    assert status == (200 if right in ALLOWED[role] else 403)


@pytest.mark.parametrize("right", list(Right))
def test_a_stranger_cannot_tell_a_project_from_none(project: Project, right: Right) -> None:
    client = make.client_for(make.people(project).stranger)
    there = client.get(f"/right/{right.value}/{project.public_id}")
    nowhere = client.get(f"/right/{right.value}/00000000-0000-4000-8000-000000000000")
    assert there.status_code == nowhere.status_code == 404


@pytest.mark.parametrize("right", list(Right))
def test_nobody_is_led_to_the_log_in(project: Project, right: Right) -> None:
    response = Client().get(f"/right/{right.value}/{project.public_id}")
    assert response.status_code == 302
    assert response["Location"].startswith("/login?next=")


def test_the_project_and_the_role_cost_one_query(
    project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = make.client_for(holder(project, Role.MEMBER))
    with django_assert_num_queries(3):  # session, account, project
        client.get(f"/right/read/{project.public_id}")


def test_a_time_zone_nobody_knows_does_not_break_pages(project: Project) -> None:
    project.workspace.time_zone = "Mars/Olympus"
    project.workspace.save(update_fields=["time_zone"])
    assert make.client_for(holder(project, Role.VIEWER)).get(f"/right/read/{project.public_id}").status_code == 200
    assert timezone.get_current_timezone_name() == "UTC"
