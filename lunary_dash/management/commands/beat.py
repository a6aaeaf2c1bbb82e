"""`manage.py beat`: the clock of the background tasks."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from lunary_dash.celery import app


class Command(BaseCommand):
    """Queues the periodic tasks. Exactly one may run."""

    help = "Queue periodic tasks on time. Run exactly one."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Tick until SIGTERM."""
        app.Beat(loglevel="WARNING", schedule=settings.CELERY_BEAT_SCHEDULE_FILENAME, quiet=True).run()
