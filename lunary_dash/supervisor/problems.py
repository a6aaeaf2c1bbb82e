"""What can go wrong for a person, said in one line."""

import errno
from pathlib import Path


class StartError(Exception):
    """Something the person at the terminal can mend; its text is one line that says what and how."""


def tail(path: Path, lines: int = 12) -> str:
    """Return the last lines of a log, or nothing when there is no log yet."""
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, path.stat().st_size - 16_384))
            return "\n".join(handle.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def disk_full(place: Path) -> StartError:
    """Return the problem that the disk holding `place` has no room left."""
    return StartError(f"the disk that holds {place} is full: free some space, or set DATA_DIR to another disk")


def is_disk_full(error: OSError) -> bool:
    """Tell whether an error of the operating system means "no space" (or quota)."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def tells_of_full_disk(log: Path) -> bool:
    """Tell whether a log's last lines say that there is no space."""
    words = tail(log)
    return "No space left on device" in words or "Disk quota exceeded" in words


def explain(what: str, log: Path) -> StartError:
    """Turn a child's last words into one line; a full disk is recognised, anything else is quoted."""
    if tells_of_full_disk(log):
        return disk_full(log.parent)
    said = next((line.strip() for line in reversed(tail(log).splitlines()) if line.strip()), "it said nothing")
    return StartError(f"{what}: {said} (more in {log})")
