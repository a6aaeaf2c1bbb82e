"""How accounts, workspaces and projects begin."""

from dataclasses import dataclass

from django.db import transaction

from projects import keys
from projects.models import Account, Membership, Project, Role, Workspace


@dataclass(frozen=True)
class Founded:
    """A new project with the texts of its first keys; the private one is shown this once."""

    project: Project
    public_key: str
    private_key: str


@transaction.atomic
def found_project(workspace: Workspace, name: str, by: Account | None = None) -> Founded:
    """Store a project with a public key, whose text is the project's public id, and a private key."""
    project = Project.objects.create(workspace=workspace, name=name)
    _, public_key = keys.create(project, "public", "First public key", by=by, text=str(project.public_id))
    _, private_key = keys.create(project, "private", "First private key", by=by)
    return Founded(project, public_key, private_key)


@transaction.atomic
def found_workspace(name: str, owner: Account) -> Workspace:
    """Store a workspace and make the account its owner."""
    workspace = Workspace.objects.create(name=name)
    Membership.objects.create(workspace=workspace, account=owner, role=Role.OWNER)
    return workspace
