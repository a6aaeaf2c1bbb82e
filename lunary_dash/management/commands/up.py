"""`manage.py up`: everything one machine needs, under one supervisor."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand

from lunary_dash.supervisor.instance import ROOT


class Command(BaseCommand):
    """Becomes the supervisor, which needs neither Django nor its memory."""

    help = "Start PostgreSQL, Valkey, web, worker and beat, and keep them running until Ctrl-C."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Replace this process by the supervisor."""
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "lunary_dash.supervisor"])  # noqa: S606
