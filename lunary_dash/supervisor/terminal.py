"""What the person at the terminal sees."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lunary_dash.supervisor.connection import read
from lunary_dash.supervisor.instance import Instance
from lunary_dash.version import version

WIDTH = 28


def say(text: str) -> None:
    """Print a line, now; a terminal that was closed is no reason to fail."""
    with suppress(OSError):
        print(text, flush=True)


def clock() -> str:
    """Return the local time of day."""
    return time.strftime("%H:%M:%S")


def short(path: Path) -> str:
    """Return a path as seen from the current directory, when it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def step(what: str, how: str) -> None:
    """Print one finished step."""
    say(f"  {what:<{WIDTH}}{how}")


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show a step while it runs and how long it took; on a pipe only the result."""
    started = time.monotonic()
    live = sys.stdout.isatty()
    if live:
        print(f"  {what:<{WIDTH}}…", end="", flush=True)
    try:
        yield
    except BaseException:
        if live:
            print(flush=True)
        raise
    print("\r" if live else "", end="")
    step(what, f"ready in {time.monotonic() - started:.1f} s")


def welcome(instance: Instance, seconds: float) -> None:
    """Print the address, the login, and the lines that point an SDK here."""
    kept = read(instance.data_dir)
    say(f"\nLunary Dash {version()} is up after {seconds:.1f} s:  {instance.url}\n")
    if kept:
        file = short(instance.data_dir / "connection.json")
        say(f"  Log in as    {kept['email']}\n  Password     {kept['password']}")
        say(f"               (as first made, kept in {file})\n")
        say(f"  Project key  {kept['public_key']}\n")
        say("Send your first run:\n")
        say("  pip install lunary")
        say(f"  export LUNARY_API_URL={instance.url}")
        say(f"  export LUNARY_PUBLIC_KEY={kept['public_key']}\n")
    say(f"Logs are in {short(instance.data_dir / 'log')}. Ctrl-C stops everything.")
