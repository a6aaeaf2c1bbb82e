"""`manage.py prepare`: what has to be true before the first request."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection as db

from lunary_dash.supervisor import connection
from projects.first_start import ensure_first_start

ONE_AT_A_TIME = 7_301_944
"""Any number that nothing else uses as an advisory lock."""


class Command(BaseCommand):
    """Safe to run at every start and by several machines at once."""

    help = "Migrate, collect static files and, in an empty database, make the first account and project."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the address that connection.json is to name."""
        parser.add_argument("--url", default=settings.PUBLIC_URL or "http://127.0.0.1:8000")

    def handle(self, *args: Any, url: str = "", **options: Any) -> None:
        """Prepare, and keep the first login in DATA_DIR/connection.json."""
        with db.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [ONE_AT_A_TIME])
            call_command("migrate", verbosity=0, interactive=False)
            first = ensure_first_start(url)
            cursor.execute("SELECT pg_advisory_unlock(%s)", [ONE_AT_A_TIME])
        if first:
            connection.write(settings.DATA_DIR, first.connection())
        call_command("collectstatic", verbosity=0, interactive=False)
