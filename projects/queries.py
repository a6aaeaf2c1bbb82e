"""What the tenancy pages show, as plain rows."""

from dataclasses import dataclass
from datetime import datetime

from projects import keys, members
from projects.models import ApiKey, KeyKind, Membership, Project, Workspace


@dataclass(frozen=True)
class KeyRow:
    """A key in the list. `text` is whole for public keys, masked for private ones."""

    id: int
    name: str
    kind: str
    text: str
    created_at: datetime
    created_by: str
    revoked_at: datetime | None

    @property
    def is_public(self) -> bool:
        """Tell whether the text may be copied."""
        return self.kind == KeyKind.PUBLIC


@dataclass(frozen=True)
class MemberRow:
    """A member in the list, and what the person looking may do to them."""

    id: int
    name: str
    email: str
    role: str
    joined_at: datetime
    has_signed_in: bool
    is_self: bool
    may_get_link: bool


def key_rows(project: Project) -> list[KeyRow]:
    """Return a project's keys: those in use first, newest first."""
    stored = ApiKey.objects.filter(project=project).select_related("created_by").order_by("-created_at", "-pk")
    rows = [
        KeyRow(
            id=key.pk,
            name=key.name,
            kind=key.kind,
            text=keys.public_text(key) if key.kind == KeyKind.PUBLIC else f"••••••••-••••-••••-••••-••••••••{key.hint}",
            created_at=key.created_at,
            created_by=str(key.created_by or ""),
            revoked_at=key.revoked_at,
        )
        for key in stored
    ]
    return sorted(rows, key=lambda row: row.revoked_at is not None)


def sending_key(project: Project) -> str | None:
    """Return the text of a public key in use, for snippets: the oldest, which is the project's id unless revoked."""
    key = ApiKey.objects.filter(project=project, kind=KeyKind.PUBLIC, revoked_at=None).order_by("pk").first()
    return None if key is None else keys.public_text(key)


def member_rows(workspace: Workspace, viewer_id: int, viewer_role: str) -> list[MemberRow]:
    """Return a workspace's members in the order they joined; two queries."""
    memberships = Membership.objects.filter(workspace=workspace).select_related("account").order_by("created_at", "pk")
    elsewhere = set(
        Membership.objects.filter(account__memberships__workspace=workspace)
        .exclude(workspace=workspace)
        .values_list("account_id", flat=True)
    )
    return [
        MemberRow(
            id=membership.pk,
            name=membership.account.name,
            email=membership.account.email,
            role=membership.role,
            joined_at=membership.created_at,
            has_signed_in=membership.account.last_login is not None,
            is_self=membership.account_id == viewer_id,
            may_get_link=membership.account_id not in elsewhere
            and membership.account_id != viewer_id
            and members.may_touch(viewer_role, membership.role),
        )
        for membership in memberships
    ]


def project_rows(workspace: Workspace) -> list[Project]:
    """Return a workspace's projects by name."""
    return list(Project.objects.filter(workspace=workspace).order_by("name", "pk"))
