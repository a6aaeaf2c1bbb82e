"""What an empty database gets: one account, one workspace, one project."""

import secrets
from dataclasses import asdict, dataclass

from django.db import transaction

from projects.founding import found_project, found_workspace
from projects.models import Account

EMAIL = "owner@localhost"
NAME = "First project"


@dataclass(frozen=True)
class FirstStart:
    """Everything a person or a script needs to begin; the only moment password and private key are known as text."""

    url: str
    email: str
    password: str
    project_id: str
    public_key: str
    private_key: str

    def connection(self) -> dict[str, str]:
        """Return the content of connection.json."""
        return asdict(self)


@transaction.atomic
def ensure_first_start(url: str) -> FirstStart | None:
    """Make the first account, workspace and project, reached at `url`; None when there is an account already."""
    if Account.objects.exists():
        return None
    password = secrets.token_urlsafe(12)
    account = Account.objects.create_user(EMAIL, password, name="Owner")
    founded = found_project(found_workspace("Workspace", account), NAME, by=account)
    return FirstStart(
        url=url,
        email=account.email,
        password=password,
        project_id=str(founded.project.public_id),
        public_key=founded.public_key,
        private_key=founded.private_key,
    )
