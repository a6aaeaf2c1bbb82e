"""Who may see what: accounts, workspaces, memberships, projects and their keys (DESIGN.md §1)."""

import uuid
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class AccountManager(BaseUserManager["Account"]):
    """Creates accounts, named by e-mail."""

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> "Account":
        """Return a stored account; the e-mail is lower-cased so that one person is one account."""
        account = self.model(email=self.normalize_email(email).lower(), **extra)
        account.set_password(password)
        account.save(using=self._db)
        return account

    def get_by_natural_key(self, username: str | None) -> "Account":
        """Return the account with that e-mail, whatever its case."""
        return self.get(email=(username or "").lower())


class Theme(models.TextChoices):
    """What the pages look like; `auto` follows the system."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


class Account(AbstractBaseUser):
    """A person who logs in here; not an end user of the customer's app."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    theme = models.CharField(max_length=5, choices=Theme.choices, default=Theme.AUTO)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[AccountManager] = AccountManager()

    def __str__(self) -> str:
        """Return the name people know the account by."""
        return self.name or self.email


class Workspace(models.Model):
    """The billing unit: holds projects and the people who may see them."""

    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=64, default="UTC")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        """Return the workspace's name."""
        return self.name


class Role(models.TextChoices):
    """What a member may do; see projects.access for the table of rights."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"
    BILLING = "billing"


class Membership(models.Model):
    """An account's role in a workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.MEMBER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "account"], name="one_role_per_workspace")]

    def __str__(self) -> str:
        """Return who is what; reads the account."""
        return f"{self.account} ({self.role})"


class Here(models.Manager["Project"]):
    """Projects that nobody has deleted: what every page and key leads to."""

    def get_queryset(self) -> models.QuerySet["Project"]:
        """Return projects without those that are going or gone."""
        return super().get_queryset().filter(going_at=None)


class Project(models.Model):
    """One app whose runs belong together. `public_id` is the id clients and URLs use, and the first public key.

    A deleted project leaves this row behind, without keys: its entries in the billing ledger still belong to a
    workspace (rule 14).
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="projects")
    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120)
    accept_standalone_tools = models.BooleanField(
        default=False, help_text="Rule 6: store tool runs that name no parent, flagged, instead of holding them."
    )
    is_demo = models.BooleanField(default=False, help_text="holds generated data; labelled, and removed with one click")
    first_event_at = models.DateTimeField(null=True, editable=False)
    going_at = models.DateTimeField(
        null=True, editable=False, help_text="deleted by a person: nobody sees it, its keys are refused"
    )
    gone_at = models.DateTimeField(
        null=True, editable=False, help_text="found empty: only this row and its books are left"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = Here()
    with_gone = models.Manager["Project"]()

    def __str__(self) -> str:
        """Return the project's name."""
        return self.name


class KeyKind(models.TextChoices):
    """Public keys may only send; private keys may also read and change."""

    PUBLIC = "public"
    PRIVATE = "private"


class ApiKey(models.Model):
    """A key of a project: a UUID string, found by its SHA-256 digest, kept encrypted because rule 2 hashes with it."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="keys")
    kind = models.CharField(max_length=7, choices=KeyKind.choices)
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    ciphertext = models.TextField(editable=False)
    hint = models.CharField(max_length=4, editable=False, help_text="the last four characters, shown in lists")
    created_by = models.ForeignKey(Account, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Return the key's name and end, never its text."""
        return f"{self.name} …{self.hint}"


class SignInFailure(models.Model):
    """A failed log-in, counted against an e-mail and an address (projects.limits); kept for minutes, not longer."""

    subject = models.CharField(max_length=64, help_text="SHA-256 of the e-mail or address, so the table names nobody")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["subject", "at"], name="sign_in_failures")]

    def __str__(self) -> str:
        """Return when it happened; whom it concerns is not stored."""
        return f"failed log-in at {self.at:%H:%M:%S}"
