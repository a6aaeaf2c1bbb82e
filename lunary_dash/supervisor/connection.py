"""connection.json: the first account's login and its project's keys, for scripts. Written once, mode 0600."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

NAME = "connection.json"


def read(data_dir: Path) -> dict[str, str]:
    """Return what the file holds, or nothing when there is none (the first account was made elsewhere)."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((data_dir / NAME).read_text())
        return found if isinstance(found, dict) else {}
    return {}


def write(data_dir: Path, values: Mapping[str, str]) -> None:
    """Replace the file, in one step, readable by its owner only."""
    attempt = data_dir / f".{NAME}.{os.getpid()}"
    with open(os.open(attempt, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        json.dump(dict(values), handle, indent=2)
        handle.write("\n")
    attempt.rename(data_dir / NAME)


def move(data_dir: Path, url: str) -> None:
    """Let the file name the address of this start."""
    kept = read(data_dir)
    if kept and kept.get("url") != url:
        write(data_dir, kept | {"url": url})
