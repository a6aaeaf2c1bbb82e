"""A workspace with its people and one project, for the run pages."""

import pytest
from django.test import Client

from projects.models import Project
from runs.models import Run
from tests import make


@pytest.fixture
def people(db: None) -> make.People:
    """Return one account per role and a stranger."""
    return make.workspace_with_people()


@pytest.fixture
def project(people: make.People) -> Project:
    """Return the project of those people."""
    return make.project(people)


@pytest.fixture
def run(project: Project) -> Run:
    """Return a run with input, output and everything beside them."""
    run = make.run(project, name="gpt-4o", user_id="ines", team_id="claims", tags=["web"], metadata={"lang": "nl"})
    make.end_user(project, "ines", name="Inès Moreau")
    make.body(
        run,
        [{"role": "user", "content": "Where is my bag?"}],
        {"role": "assistant", "content": "In Nice."},
        params={"temperature": 0.2},
        metadata={"lang": "nl"},
        usage={"prompt": 100, "completion": 20},
    )
    make.log(run, "looked it up")
    return run


@pytest.fixture
def member(people: make.People) -> Client:
    """Return the browser of someone who may read and write."""
    return make.client_for(people.member)
