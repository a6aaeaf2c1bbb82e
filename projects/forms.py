"""Forms of the tenancy pages; what they accept, in the words people read."""

import zoneinfo
from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError

from projects.models import Account, KeyKind, Project, Role, Workspace


class SignInForm(forms.Form):
    """E-mail and password."""

    email = forms.EmailField(
        label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    )
    password = forms.CharField(
        strip=False, max_length=1000, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


class NewPasswordForm(forms.Form):
    """A new password for one account, checked by AUTH_PASSWORD_VALIDATORS."""

    new_password = forms.CharField(
        label="New password",
        strip=False,
        max_length=1000,
        help_text="At least 10 characters.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, account: Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account

    def clean_new_password(self) -> str:
        """Refuse weak passwords."""
        password = str(self.cleaned_data["new_password"])
        password_validation.validate_password(password, self.account)
        return password


class ChangePasswordForm(NewPasswordForm):
    """A new password, for somebody who proves to know the present one."""

    present_password = forms.CharField(
        label="Present password",
        strip=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ("present_password", "new_password")

    def clean_present_password(self) -> str:
        """Refuse a wrong one."""
        password = str(self.cleaned_data["present_password"])
        if not self.account.check_password(password):
            raise ValidationError("That is not your present password.")
        return password


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # Django 5.2 can't be subscripted
    """What others see of an account."""

    class Meta:
        model = Account
        fields = ("name",)
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "name"})}
        help_texts = {"name": "Shown to the members of your workspaces."}


class WorkspaceForm(forms.ModelForm):  # type: ignore[type-arg]  # Django 5.2 can't be subscripted
    """A workspace's name and clock."""

    time_zone = forms.ChoiceField(
        label="Time zone",
        choices=lambda: [(zone, zone) for zone in sorted(zoneinfo.available_timezones())],
        help_text="Times on all pages, and where a day begins.",
    )

    class Meta:
        model = Workspace
        fields = ("name", "time_zone")


class ProjectForm(forms.ModelForm):  # type: ignore[type-arg]  # Django 5.2 can't be subscripted
    """A project's name and how strict it is."""

    class Meta:
        model = Project
        fields = ("name", "accept_standalone_tools")
        labels = {"accept_standalone_tools": "Accept standalone tools, flagged"}
        help_texts = {
            "accept_standalone_tools": "Tools are tracked as part of an agent or a chain. A tool run that names no "
            "parent is held on Ingest health; with this on it is stored and flagged instead.",
        }


class NewProjectForm(forms.ModelForm):  # type: ignore[type-arg]  # Django 5.2 can't be subscripted
    """A project begins with a name."""

    class Meta:
        model = Project
        fields = ("name",)
        help_texts = {"name": "One app whose runs belong together, such as “Support bot” or “Support bot, staging”."}
        widgets = {"name": forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"})}


class NewKeyForm(forms.Form):
    """A key's name and what it may do."""

    name = forms.CharField(max_length=80, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    kind = forms.ChoiceField(
        choices=[(KeyKind.PUBLIC, "Public: may only send"), (KeyKind.PRIVATE, "Private: may also read and change")]
    )


class InviteForm(forms.Form):
    """Who joins a workspace, as what."""

    email = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(choices=Role.choices, initial=Role.MEMBER)
