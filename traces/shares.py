"""Public links to traces: made and revoked by the project's people, opened by whoever has the token.

A token has 192 random bits. It is looked up by its digest, so that neither the database nor the time an answer takes
helps to guess one; every token that opens nothing, for whatever reason, is the same to its bearer.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.core.cache import cache
from django.db.models import Q, QuerySet
from django.utils import timezone

from projects.models import Account, Project
from projects.sealing import SealBrokenError, seal, unseal
from runs.models import Run
from traces.models import TraceShare

PURPOSE = "public links"
TOKEN_BYTES = 24
LIVES = {"7": timedelta(days=7), "30": timedelta(days=30), "": None}
"""How long a link may live, as the form says it; "" is until it is revoked."""
MISSES = 60
"""Tokens that open nothing, by one address in MISS_SECONDS, before it has to wait."""
MISS_SECONDS = 600


class TooManyMisses(Exception):  # noqa: N818 - an answer, not a fault
    """The address asked for too many links that don't exist."""


@dataclass(frozen=True)
class Link:
    """A link in use, as the share menu and the list of links show it."""

    share: TraceShare
    token: str | None  # None: sealed with a secret key that is gone, so it can be opened and revoked, but not shown
    trace_name: str


def create(
    project: Project, trace_id: UUID, by: Account, *, show_people: bool, show_bodies: bool, life: timedelta | None
) -> TraceShare:
    """Return a new link to the trace."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    now = timezone.now()
    return TraceShare.objects.create(
        project_id=project.pk,
        trace_id=trace_id,
        digest=_digest(token),
        sealed_token=seal(token, PURPOSE),
        show_people=show_people,
        show_bodies=show_bodies,
        created_by=by,
        created_at=now,
        expires_at=None if life is None else now + life,
    )


def links(project_id: int, trace_id: UUID | None = None) -> list[Link]:
    """Return the project's links in use, those of one trace or all, newest first; two queries."""
    shares = _usable().filter(project_id=project_id).select_related("created_by").order_by("-created_at", "-pk")
    if trace_id is not None:
        shares = shares.filter(trace_id=trace_id)
    found = list(shares)
    names = _names(project_id, (share.trace_id for share in found))
    return [Link(share, _token(share), names.get(share.trace_id, "")) for share in found]


def revoke(project_id: int, share_id: int) -> TraceShare | None:
    """End a link at once and return it; None where the project has no such link. A repeat changes nothing."""
    share = TraceShare.objects.filter(project_id=project_id, pk=share_id).first()
    if share is not None and share.revoked_at is None:
        share.revoked_at = timezone.now()
        share.save(update_fields=["revoked_at"])
    return share


def find(token: str, address: str) -> tuple[TraceShare, Project] | None:
    """Return the link and its project; None where the token is unknown, revoked or out of date, or the project gone.

    Raise TooManyMisses for an address that has been guessing.
    """
    counter = f"shared-misses-{_digest(address)}"
    if cache.get(counter, 0) >= MISSES:
        raise TooManyMisses
    digest = _digest(token)
    share = _usable().filter(digest=digest).first()
    project = Project.objects.select_related("workspace").filter(pk=share.project_id).first() if share else None
    if share is None or project is None or not hmac.compare_digest(share.digest, digest):
        with suppress(ValueError):  # the mark has just run out
            cache.add(counter, 0, MISS_SECONDS)
            cache.incr(counter)
        return None
    return share, project


def _usable() -> QuerySet[TraceShare]:
    return TraceShare.objects.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None)


def _names(project_id: int, traces: Iterable[UUID]) -> dict[UUID, str]:
    """Return what the traces' topmost runs are called."""
    wanted = set(traces)
    if not wanted:
        return {}
    roots = Run.objects.filter(project_id=project_id, id__in=wanted).values_list("id", "name", "type")
    return {id: name or kind for id, name, kind in roots}


def _token(share: TraceShare) -> str | None:
    try:
        return unseal(share.sealed_token, PURPOSE)
    except SealBrokenError:
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
