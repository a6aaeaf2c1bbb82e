"""`manage.py bench`: the same as `python -m bench`, for people who look for commands here."""

import sys
from argparse import REMAINDER, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from bench.__main__ import main


class Command(BaseCommand):
    """Measures throwaway instances; the running one is not touched."""

    help = "Measure ingest and pages on this machine: bench [ingest|pages] [--runs N]."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Hand everything on."""
        parser.add_argument("words", nargs=REMAINDER)

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure, and exit with what the bench says."""
        sys.exit(main(options["words"]))
