"""How often a log-in may fail: counted per e-mail and per address, in PostgreSQL so that all web processes agree."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from projects.models import SignInFailure

WINDOW = timedelta(minutes=10)
TRIES_PER_EMAIL = 5
TRIES_PER_ADDRESS = 25  # an office shares one address


class TooManyTries(Exception):  # noqa: N818 - an answer, not a fault
    """The e-mail or the address has failed too often; `seconds` until the oldest failure is forgotten."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many tries, wait {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True)
class Attempt:
    """A log-in attempt, already counted as failed; `succeeded` takes that back."""

    subjects: tuple[str, str]
    rows: tuple[int, ...]

    def succeeded(self) -> None:
        """Forget the e-mail's failures and this attempt's mark on the address."""
        SignInFailure.objects.filter(subject=self.subjects[0]).delete()
        SignInFailure.objects.filter(pk__in=self.rows).delete()


def begin(email: str, address: str) -> Attempt:
    """Count an attempt before the password is looked at; raise TooManyTries when there were enough.

    An unknown e-mail counts like a known one, so the limit tells nobody who has an account.
    """
    now = timezone.now()
    SignInFailure.objects.filter(at__lt=now - WINDOW).delete()
    subjects = (_digest(f"email {email.strip().lower()}"), _digest(f"address {address}"))
    for subject, limit in zip(subjects, (TRIES_PER_EMAIL, TRIES_PER_ADDRESS), strict=True):
        failures = list(
            SignInFailure.objects.filter(subject=subject).order_by("-at").values_list("at", flat=True)[:limit]
        )
        if len(failures) == limit:
            raise TooManyTries(max(1, round((failures[-1] + WINDOW - now).total_seconds())))
    marks = SignInFailure.objects.bulk_create([SignInFailure(subject=subject, at=now) for subject in subjects])
    return Attempt(subjects, tuple(mark.pk for mark in marks))


def address_of(request: HttpRequest) -> str:
    """Return the client's address; behind TLS termination that is what the nearest proxy saw."""
    forwarded = str(request.headers.get("X-Forwarded-For", ""))
    if settings.BEHIND_TLS and forwarded:
        return forwarded.rpartition(",")[2].strip()
    return str(request.META.get("REMOTE_ADDR", ""))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
