"""API keys: found by digest on every request, kept encrypted because rule 2 hashes ids with their text.

Keys are UUID strings, as Lunary's SDKs expect. A project's first public key is its public id.
"""

import hashlib
import hmac
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, cast

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from projects.models import Account, ApiKey, KeyKind, Project
from projects.sealing import seal, unseal

PURPOSE = "api keys"
CACHE_SECONDS = 10.0
CACHE_ENTRIES = 10_000

Value = TypeVar("Value")


@dataclass(frozen=True)
class KeyHolder:
    """What ingest and the data API need to know about a key, without touching the database again."""

    key_id: int
    project_id: int
    public_id: uuid.UUID
    kind: Literal["public", "private"]
    accept_standalone_tools: bool


class BriefCache(Generic[Value]):
    """Remembers look-ups of this process for CACHE_SECONDS, misses too, so a wrong key can't hammer the database.

    Emptied when full: an attacker who guesses keys costs one query per guess, never memory.
    """

    def __init__(self) -> None:
        self._entries: dict[object, tuple[float, Value]] = {}
        self._lock = threading.Lock()

    def get(self, key: object, look_up: Callable[[], Value]) -> Value:
        """Return the remembered value of `key`, or look it up and remember it."""
        entry = self._entries.get(key)
        now = time.monotonic()
        if entry is not None and entry[0] > now:
            return entry[1]
        value = look_up()
        with self._lock:
            if len(self._entries) >= CACHE_ENTRIES:
                self._entries.clear()
            self._entries[key] = (now + CACHE_SECONDS, value)
        return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()


_holders: BriefCache[KeyHolder | None] = BriefCache()
_texts: BriefCache[tuple[str, ...]] = BriefCache()


def find(text: str) -> KeyHolder | None:
    """Return the holder of a key in use, else None; other processes notice within 10 s that key or project went."""
    digest = _digest(text)
    return _holders.get(digest, lambda: _look_up(digest))


def hashing_texts(project_id: int) -> tuple[str, ...]:
    """Return the plain texts of all keys of a project, revoked ones too: ids were hashed with any of them (rule 2)."""

    def look_up() -> tuple[str, ...]:
        sealed = ApiKey.objects.filter(project_id=project_id).order_by("pk").values_list("ciphertext", flat=True)
        return tuple(unseal(ciphertext, PURPOSE) for ciphertext in sealed)

    return _texts.get(project_id, look_up)


def create(
    project: Project, kind: str, name: str, by: Account | None = None, text: str | None = None
) -> tuple[ApiKey, str]:
    """Store a key and return it with its text, which for private keys is the only time anybody sees it."""
    plain = (text or str(uuid.uuid4())).strip().lower()
    key = ApiKey.objects.create(
        project=project,
        kind=KeyKind(kind),
        name=name,
        digest=_digest(plain),
        ciphertext=seal(plain, PURPOSE),
        hint=plain[-4:],
        created_by=by,
    )
    forget()
    return key, plain


def revoke(key: ApiKey) -> None:
    """Refuse the key from now on; its text stays, as ids hashed with it must still be found."""
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
    forget()


@transaction.atomic
def rotate(key: ApiKey, by: Account | None) -> tuple[ApiKey, str]:
    """Replace a key by a new one of the same kind and name; return the new key and its text."""
    revoke(key)
    return create(key.project, key.kind, key.name, by=by)


def public_text(key: ApiKey) -> str:
    """Return a public key's text for display; private keys are never shown again."""
    if key.kind != KeyKind.PUBLIC:
        raise ValueError("a private key is shown once, when it is made")
    return unseal(key.ciphertext, PURPOSE)


def from_request(request: HttpRequest) -> str | None:
    """Return the key a client sent, as `Authorization: Bearer` or `X-API-Key`, else None."""
    scheme, _, credentials = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return request.headers.get("X-API-Key", "").strip() or None


def forget() -> None:
    """Drop this process's memory of keys, after a change here or in a test."""
    _holders.clear()
    _texts.clear()


def _look_up(digest: str) -> KeyHolder | None:
    usable = ApiKey.objects.select_related("project").filter(revoked_at=None, project__going_at=None)
    key = usable.filter(digest=digest).first()
    if key is None or not hmac.compare_digest(key.digest, digest):
        return None
    return KeyHolder(
        key_id=key.pk,
        project_id=key.project_id,
        public_id=key.project.public_id,
        kind=cast(Literal["public", "private"], key.kind),
        accept_standalone_tools=key.project.accept_standalone_tools,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().lower().encode("utf-8", "surrogatepass")).hexdigest()
