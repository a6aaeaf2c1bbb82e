"""`manage.py prepare`: what has to be true before the first request."""

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection as db

from lunary_dash.supervisor import connection
from projects.first_start import ensure_first_start

AGAIN_SECONDS = 0.2
ONE_AT_A_TIME = 7_301_944
"""Any number that nothing else uses as an advisory lock."""


@contextmanager
def alone() -> Iterator[None]:
    """Wait for whoever prepares the same database.

    Asks again and again rather than waiting inside one statement: CREATE INDEX CONCURRENTLY waits for every statement
    under way, and the two would wait for each other.
    """
    with db.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [ONE_AT_A_TIME])
            if cursor.fetchone() == (True,):
                break
            time.sleep(AGAIN_SECONDS)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [ONE_AT_A_TIME])


class Command(BaseCommand):
    """Safe to run at every start and by several machines at once."""

    help = "Migrate, collect static files and, in an empty database, make the first account and project."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the address that connection.json is to name."""
        parser.add_argument("--url", default=settings.PUBLIC_URL or "http://127.0.0.1:8000")

    def handle(self, *args: Any, url: str = "", **options: Any) -> None:
        """Prepare, and keep the first login in DATA_DIR/connection.json."""
        with alone():
            call_command("migrate", verbosity=0, interactive=False)
            first = ensure_first_start(url)
            if first:
                connection.write(settings.DATA_DIR, first.connection())
            # Inside the lock too: the directory may be shared, and two that collect at once replace each other's files.
            call_command("collectstatic", verbosity=0, interactive=False)
