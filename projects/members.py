"""Who belongs to a workspace, and the rules that keep it owned."""

from dataclasses import dataclass

from django.db import transaction

from projects.models import Account, Membership, Role, Workspace


class NotAllowed(Exception):  # noqa: N818 - an answer, not a fault
    """The change breaks a rule of membership; the message is for the person who tried."""


@dataclass(frozen=True)
class Invitation:
    """A membership, and whether its account is new and still needs a password."""

    membership: Membership
    is_new_account: bool


@transaction.atomic
def invite(workspace: Workspace, email: str, role: str, by_role: str) -> Invitation:
    """Add a person by e-mail, making an account without a password for somebody unknown."""
    _demand(by_role, role)
    account = Account.objects.filter(email=email.lower()).first()
    is_new = account is None
    if account is None:
        account = Account.objects.create_user(email)
    if Membership.objects.filter(workspace=workspace, account=account).exists():
        raise NotAllowed(f"{account.email} is a member already.")
    membership = Membership.objects.create(workspace=workspace, account=account, role=role)
    return Invitation(membership, is_new or account.last_login is None)


@transaction.atomic
def change_role(membership: Membership, role: str, by_role: str) -> None:
    """Give a member another role; the last owner stays one."""
    if role not in Role.values:
        raise NotAllowed("There is no such role.")
    _demand(by_role, membership.role, role)
    if role != Role.OWNER:
        _keep_an_owner(membership)
    membership.role = role
    membership.save(update_fields=["role"])


@transaction.atomic
def remove(membership: Membership, by_role: str) -> None:
    """End a membership; the last owner can't go. The account stays: it may belong elsewhere."""
    _demand(by_role, membership.role)
    _keep_an_owner(membership)
    membership.delete()


def may_have_new_link(membership: Membership, by_role: str) -> bool:
    """Tell whether somebody may make a set-password link for the member.

    Only for people who are in no other workspace: a link is a way into everything an account may see.
    """
    if not may_touch(by_role, membership.role):
        return False
    return not Membership.objects.filter(account=membership.account).exclude(pk=membership.pk).exists()


def may_touch(by_role: str, *roles: str) -> bool:
    """Tell whether somebody who manages members may touch these roles: owners answer only to owners."""
    return by_role == Role.OWNER or Role.OWNER not in roles


def _demand(by_role: str, *roles: str) -> None:
    if not may_touch(by_role, *roles):
        raise NotAllowed("Only an owner can make, change or remove an owner.")


def _keep_an_owner(membership: Membership) -> None:
    """Refuse to lose the last owner; owners are locked so that two can't demote each other at once."""
    owners = Membership.objects.select_for_update().filter(workspace_id=membership.workspace_id, role=Role.OWNER)
    if {owner.pk for owner in owners} == {membership.pk}:
        raise NotAllowed("A workspace needs an owner: make somebody else one first.")
