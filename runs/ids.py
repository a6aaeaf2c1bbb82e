"""How the ids that clients send become the UUIDs that are stored, and the other forms people know them by. Pure.

Lunary's server hashes whatever is not a UUID; its Python SDK hashes every id with the key before sending, so the id
that a person holds is often not the one that arrived (rules 1 and 2; lunary-protocol.md §2.4).
"""

import re
from collections.abc import Iterable
from hashlib import sha256

_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_is_uuid = _UUID.fullmatch


def run_id(value: object) -> str | None:
    """Return the canonical id for `value` as sent: a UUID lower-cased, other text hashed as Lunary's server does it.

    Anything but non-empty text has no id: None. Version and variant bits are not looked at, because hashes have none.
    """
    if type(value) is not str or not value:
        return None
    if len(value) == 36 and _is_uuid(value):
        return value.lower()
    digest = _sha256(value)
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"


def sdk_hash(raw: str, key_text: str) -> str:
    """Return what Lunary's Python SDK sends for the id `raw` when it is configured with that key."""
    digest = _sha256(raw + key_text)
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def forms(raw: str, key_texts: Iterable[str]) -> list[str]:
    """Return every stored id that `raw` may have, likeliest first, without repeats: its own, then one per key."""
    own = run_id(raw)
    if own is None:
        return []
    return list(dict.fromkeys([own, *(sdk_hash(raw, key) for key in key_texts)]))


def _sha256(text: str) -> str:
    """Hash text that may hold a lone surrogate, which counts as the U+FFFD that JavaScript would send for it."""
    try:
        return sha256(text.encode()).hexdigest()
    except UnicodeEncodeError:
        return sha256(re.sub("[\ud800-\udfff]", "\ufffd", text).encode()).hexdigest()
