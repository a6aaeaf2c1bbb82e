"""`manage.py web`: the web server."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from lunary_dash import webserver


class Command(BaseCommand):
    """Serves pages and ingest with gunicorn until SIGTERM."""

    help = "Serve on HOST:PORT. WEB_WORKERS processes of WEB_THREADS threads each."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Let the supervisor hand over a socket that listens already."""
        parser.add_argument("--fd", type=int, help="serve on this inherited listening socket instead")

    def handle(self, *args: Any, fd: int | None = None, **options: Any) -> None:
        """Serve until told to stop."""
        webserver.serve(fd)
