"""`manage.py demo`: a month of believable traffic in a labelled project, or its removal."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from bench.clients import SendError, Tally
from bench.workload import DEMO_RUNS
from projects.models import Project, Workspace
from runs import demo, departure

WIDTH = 28


class Command(BaseCommand):
    """Sends through the public ingest endpoint, so a server must be running."""

    help = "Load the demo data set (20 000 runs and more over 30 days), or --remove it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the target; without --key the demo project of the first workspace is made or used."""
        parser.add_argument("--url", help="where the server answers (default: this installation)")
        parser.add_argument("--key", help="send to the project of this key instead, on any server")
        parser.add_argument("--runs", type=int, default=DEMO_RUNS, help="how many runs at least (default: %(default)s)")
        parser.add_argument("--remove", action="store_true", help="delete the demo project and everything in it")

    def handle(self, *args: Any, url: str | None = None, key: str | None = None, **options: Any) -> None:
        """Load or remove."""
        if options["remove"]:
            self._remove()
            return
        url = (url or demo.address()).rstrip("/")
        bar = _Bar(options["runs"], redraw=self.stderr.isatty())
        try:
            if key:
                tally = demo.send(url, key, timezone.now(), options["runs"], bar.show)
                where = url
            else:
                project = demo.demo_project(_first_workspace())
                tally = demo.load(project, url, options["runs"], bar.show)
                where = f"{url}/p/{project.public_id}/"
        except SendError as error:
            raise CommandError(f"{url} does not take the demo: {error}") from error
        bar.end(tally)
        if tally.refused:
            raise CommandError(f"{len(tally.refused)} events were refused, the first because: {tally.refused[0]}")
        self.stdout.write(where)

    def _remove(self) -> None:
        projects = list(Project.objects.filter(is_demo=True).order_by("pk"))
        removed = sum(demo.remove(project) for project in projects)
        departure.finish()
        self.stdout.write(f"removed {removed} runs" if projects else "there is no demo project")


def _first_workspace() -> Workspace:
    workspace = Workspace.objects.order_by("pk").first()
    if workspace is None:
        raise CommandError("there is no workspace yet: start the server once (make run)")
    return workspace


class _Bar:
    """A line that says how far it is: redrawn on a terminal, every few seconds elsewhere."""

    def __init__(self, expected: int, *, redraw: bool) -> None:
        self._expected = expected
        self._redraw = redraw
        self._began = time.monotonic()
        self._next = 0.0

    def show(self, tally: Tally) -> None:
        """Draw, unless that was just done."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (0.1 if self._redraw else 5.0)
        done = min(1.0, tally.begun / (0.9 * self._expected))  # threads and chats have no start event
        rate = tally.begun / max(0.1, now - self._began)
        left = f"{(1 - done) * self._expected / rate:.0f} s left" if tally.begun else "planning"
        filled = round(WIDTH * done)
        line = f"{'━' * filled}{'─' * (WIDTH - filled)} {tally.begun:>6} runs  {rate:>6.0f}/s  {left}"
        sys.stderr.write(f"\r{line:<90}" if self._redraw else f"{line}\n")
        sys.stderr.flush()

    def end(self, tally: Tally) -> None:
        """Leave a last line that says how it went."""
        seconds = time.monotonic() - self._began
        line = f"{tally.begun} runs and their conversations, {tally.events} events, in {seconds:.1f} s"
        sys.stderr.write(f"\r{line:<90}\n" if self._redraw else f"{line}\n")
