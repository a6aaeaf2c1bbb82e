"""A project whose runs belong to users, teams and organizations, or to nobody."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from projects.models import Project
from runs import rollups
from runs.models import EndUser, Run, StaleHour
from tests import make


def recompute(project: Project) -> None:
    """Bring the project's figures up to date."""
    for at in Run.objects.filter(project_id=project.pk).values_list("started_at", flat=True):
        hour = at.replace(minute=0, second=0, microsecond=0)
        StaleHour.objects.create(project_id=project.pk, hour=hour, id=uuid4(), marked_at=timezone.now())
    rollups.recompute_stale()


@pytest.fixture
def people(db: None) -> make.People:
    """Return one account per role and a stranger."""
    return make.workspace_with_people()


@pytest.fixture
def project(people: make.People) -> Project:
    """Return an empty project of those people."""
    return make.project(people)


@pytest.fixture
def busy(project: Project) -> Project:
    """Return the project with 70 users in 4 teams and 2 organizations, runs of nobody, and ids that want out."""
    now = timezone.now()
    for index in range(70):
        at = now - timedelta(hours=index * 2.9)
        user = {3: "ann/../?x=1&y#z", 4: "<script>alert(1)</script>", 5: "100%_ünï"}.get(index, f"user-{index}")
        team = None if index % 7 == 0 else f"t-{index % 4}"
        group: dict[str, Any] = {"user_id": user, "team_id": team, "organization_id": team and f"o-{index % 2}"}
        make.run(project, started_at=at, cost=Decimal(index + 1) / 1000, **group)
        make.run(project, "tool", started_at=at, status="error" if index % 5 == 0 else "success", **group)
        if index % 10 == 0:
            make.run(project, "thread", started_at=at, **group)
        EndUser.objects.create(
            project_id=project.pk,
            id=user,
            props={"name": f"Person {index}", "email": f"p{index}@example.com"} if index % 3 else {},
            first_seen=at - timedelta(days=9),
            last_seen=at,
        )
    make.run(project, started_at=now - timedelta(days=2), cost=Decimal("0.5"))
    make.run(project, started_at=now, cost=None, user_id="user-1")
    make.run(project, "span", started_at=now, user_id="user-1")
    make.run(make.project(), started_at=now, user_id="user-1", cost=Decimal(99))
    recompute(project)
    return project
