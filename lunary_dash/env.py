"""Loud readers for environment variables: a malformed value stops the process with one clear sentence."""

import json
import os
import secrets
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off", ""}


class BadSetting(SystemExit):
    """An environment variable holds a value that can't be used; the message names it and says what would do."""


def text(name: str, default: str = "") -> str:
    """Return the variable's text, stripped, or `default` when unset or blank."""
    return os.environ.get(name, "").strip() or default


def boolean(name: str, *, default: bool = False) -> bool:
    """Return the variable as a bool; raise BadSetting for anything but a yes/no word."""
    raw = os.environ.get(name)
    if raw is None:
        return default
    word = raw.strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise BadSetting(f"{name}={raw!r} is not a yes or no: use 1 or 0")


def integer(name: str, default: int, minimum: int = 0, maximum: int = 2**31 - 1) -> int:
    """Return the variable as an int within bounds; raise BadSetting otherwise."""
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    try:
        number = int(raw)
    except ValueError:
        raise BadSetting(f"{name}={raw!r} is not a whole number") from None
    if not minimum <= number <= maximum:
        raise BadSetting(f"{name}={number} is out of range: use {minimum} to {maximum}")
    return number


def words(name: str, default: str = "") -> list[str]:
    """Return a comma-separated variable as a list without blanks."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def secret_file(path: Path, nbytes: int = 48) -> str:
    """Return the secret kept in `path`, generating it (mode 0600) the first time."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    value = secrets.token_urlsafe(nbytes)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(value)
    try:
        os.link(draft, path)  # whole or not at all: nobody reads a file that is still empty
    except FileExistsError:  # another process was quicker
        return path.read_text().strip()
    finally:
        draft.unlink()
    return value


def running(data_dir: Path) -> dict[str, str]:
    """Return what the supervisor that runs in `data_dir` serves (DATABASE_URL, REDIS_URL …); empty when none does.

    So that commands typed beside `make run` reach its servers. After a kill -9 the addresses are stale and refuse.
    """
    try:
        kept = json.loads((data_dir / "lock").read_text())["environment"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {str(name): str(value) for name, value in kept.items()}


def broker(redis_url: str) -> str:
    """Return the address as kombu spells it: a Unix socket its own way, and files where there is no Redis."""
    if not redis_url:
        return "filesystem://"
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        number = dict(parse_qsl(parts.query)).get("db", "0")
        return f"redis+socket://{parts.path}?virtual_host={number}"
    if parts.scheme not in {"redis", "rediss"}:
        raise BadSetting(
            f"REDIS_URL must start with redis://, rediss:// or unix://, not {parts.scheme or 'nothing'}://"
        )
    return redis_url


def database(url: str) -> dict[str, object]:
    """Turn a postgresql:// URL (RFC 3986; libpq's `?host=/socket/dir` form too) into Django's DATABASES entry."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise BadSetting(f"DATABASE_URL must start with postgresql://, not {parts.scheme or 'nothing'}://")
    options: dict[str, object] = dict(parse_qsl(parts.query))
    host = str(options.pop("host", "")) or unquote(parts.hostname or "")
    port = str(options.pop("port", "")) or str(parts.port or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": port,
        "OPTIONS": options,
    }
