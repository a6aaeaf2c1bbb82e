"""Texts that must be shown or used again and are no good to a thief of the database: encrypted with the secret key."""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class SealBrokenError(Exception):
    """The text was sealed with a secret that this server no longer has."""


def seal(text: str, purpose: str) -> str:
    """Return the text encrypted; only `unseal` with the same purpose opens it."""
    return _cipher(purpose).encrypt(text.encode()).decode()


def unseal(sealed: str, purpose: str) -> str:
    """Return what was sealed; raise SealBrokenError where neither SECRET_KEY nor a fallback opens it."""
    try:
        return _cipher(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SealBrokenError from error


def _cipher(purpose: str) -> MultiFernet:
    """Return the cipher for the current secret; secrets in SECRET_KEY_FALLBACKS still open what they sealed."""
    return _cipher_for((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS), purpose)


@lru_cache(maxsize=8)
def _cipher_for(secrets: tuple[str, ...], purpose: str) -> MultiFernet:
    return MultiFernet([Fernet(_derive(secret, purpose)) for secret in secrets])


def _derive(secret: str, purpose: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"lunary-dash {purpose}".encode())
    return base64.urlsafe_b64encode(derived.derive(secret.encode()))
