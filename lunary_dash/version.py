"""Which version this is."""

import re
from functools import cache
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"


@cache
def version() -> str:
    """Return the version, as the changelog's first heading gives it."""
    found = re.search(r"^## (\d+\.\d+\.\d+)", CHANGELOG.read_text(), re.MULTILINE)
    if not found:
        raise ValueError("CHANGELOG.md has no heading with a version")
    return found[1]
