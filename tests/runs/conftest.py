"""A workspace with its people and one project, for the run pages."""

import pytest

from projects.models import Project
from tests import make


@pytest.fixture
def people(db: None) -> make.People:
    """Return one account per role and a stranger."""
    return make.workspace_with_people()


@pytest.fixture
def project(people: make.People) -> Project:
    """Return the project of those people."""
    return make.project(people)
