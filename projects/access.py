"""Who may do what: rights per role, and the one way from a URL to a project."""

import uuid
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils import timezone

from projects.models import Account, Membership, Project, Role, Workspace


class Right(Enum):
    """What a role may allow in a workspace and its projects."""

    READ = "read"  # runs, traces, threads, users, ingest health: everything customers sent
    WRITE = "write"  # feedback, tags, deleting runs, replaying held events
    MANAGE = "manage"  # projects, keys, settings, members
    BILLING = "billing"  # the run counter and what it costs


# Billing people see figures, never what end users wrote. Only owners make owners (see members.py).
RIGHTS: dict[str, frozenset[Right]] = {
    Role.OWNER: frozenset(Right),
    Role.ADMIN: frozenset(Right),
    Role.MEMBER: frozenset({Right.READ, Right.WRITE}),
    Role.VIEWER: frozenset({Right.READ}),
    Role.BILLING: frozenset({Right.BILLING}),
}


@dataclass(frozen=True)
class Seat:
    """Where the person behind a request sits: the workspace, the project if the page has one, and their role."""

    workspace: Workspace
    role: str
    project: Project | None = None

    def may(self, right: Right) -> bool:
        """Tell whether the role includes the right."""
        return right in RIGHTS[self.role]


def project_for(request: HttpRequest, public_id: uuid.UUID, right: Right = Right.READ) -> Project:
    """Return the project, in one query; Http404 for strangers, PermissionDenied when the role lacks the right."""
    project = (
        Project.objects.select_related("workspace")
        .filter(public_id=public_id, workspace__memberships__account_id=account(request).pk)
        .annotate(role=F("workspace__memberships__role"))
        .first()
    )
    if project is None:
        raise Http404("project not found")
    _sit(request, Seat(project.workspace, project.role, project), right)
    return cast(Project, project)


def workspace_for(request: HttpRequest, workspace_id: int, *rights: Right) -> Workspace:
    """Return the workspace; Http404 for strangers, PermissionDenied when the role has none of the rights named."""
    membership = (
        Membership.objects.select_related("workspace")
        .filter(workspace_id=workspace_id, account_id=account(request).pk)
        .first()
    )
    if membership is None:
        raise Http404("workspace not found")
    _sit(request, Seat(membership.workspace, membership.role), *rights)
    return membership.workspace


def seat(request: HttpRequest) -> Seat | None:
    """Return where the person sits on this page, once `project_for` or `workspace_for` has looked."""
    return getattr(request, "_seat", None)


def account(request: HttpRequest) -> Account:
    """Return the account behind a logged-in request, typed."""
    return cast(Account, request.user)


def _sit(request: HttpRequest, taken: Seat, *rights: Right) -> None:
    setattr(request, "_seat", taken)  # noqa: B010 - HttpRequest has no such attribute for the type checker
    if rights and not any(taken.may(right) for right in rights):
        raise PermissionDenied(f"The role {taken.role} may not do this.")


Rest = ParamSpec("Rest")
ProjectView = Callable[Concatenate[HttpRequest, Project, Rest], HttpResponseBase]


def project_page(right: Right = Right.READ) -> Callable[[ProjectView[Rest]], Callable[..., HttpResponseBase]]:
    """Turn `project_id` of the URL into a Project for the view, and show times in the workspace's time zone."""

    def decorate(view: ProjectView[Rest]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def with_project(request: HttpRequest, project_id: uuid.UUID, *args: Any, **kwargs: Any) -> HttpResponseBase:
            project = project_for(request, project_id, right)
            with timezone.override(zone_of(project.workspace)):
                return view(request, project, *args, **kwargs)

        return with_project

    return decorate


def zone_of(workspace: Workspace) -> zoneinfo.ZoneInfo:
    """Return the workspace's time zone, or UTC where the machine does not know its name."""
    try:
        return zoneinfo.ZoneInfo(workspace.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")
