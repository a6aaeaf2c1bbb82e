"""Whether the database and the collected static files are already what the source wants."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

APPS = ("projects", "runs", "ingest", "traces", "users")


def _sources(root: Path) -> Iterator[Path]:
    yield root / "requirements.txt"  # packages bring migrations and static files too
    for app in APPS:
        yield from sorted((root / app / "migrations").glob("*.py"))
    yield from sorted(path for path in (root / "static").rglob("*") if path.is_file())


def fingerprint(root: Path) -> str:
    """Return a digest of everything that migrations and collectstatic depend on."""
    digest = hashlib.sha256()
    for path in _sources(root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


class Stamp:
    """Remembers, in a file, for which fingerprint the preparations were made."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def matches(self, value: str) -> bool:
        """Tell whether the preparations were made for `value`."""
        try:
            return self._path.read_text() == value
        except OSError:
            return False

    def set(self, value: str) -> None:
        """Remember that they were."""
        self._path.write_text(value)

    def clear(self) -> None:
        """Forget it."""
        self._path.unlink(missing_ok=True)
