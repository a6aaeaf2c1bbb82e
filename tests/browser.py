"""Where the browser for the browser tests is."""

import os
import shutil
from functools import cache
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-component-update",
)
"""For Playwright's launch: run as root, and speak to nobody but the server under test."""


@cache
def find_chromium() -> str | None:
    """Return CHROMIUM from the environment, else the first Chromium or Chrome on PATH, else None."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named if Path(named).is_file() else None
    return next((found for found in map(shutil.which, NAMES) if found), None)
