"""`manage.py beat`: the clock of the background tasks."""

import signal
from typing import Any

from celery.apps.beat import Beat
from celery.beat import Service
from django.conf import settings
from django.core.management.base import BaseCommand

from lunary_dash.celery import app


class Clock(Beat):
    """Celery's beat, ending between two ticks.

    Celery's own handler raises SystemExit wherever it is; in the middle of a message to the broker that was taken for a
    broken connection, and beat ended with an error.
    """

    def install_sync_handler(self, service: Service) -> None:
        """End after the tick under way, at most a second from now."""

        def end(number: int, frame: Any) -> None:
            service.stop(wait=False)

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)


class Command(BaseCommand):
    """Queues the periodic tasks. Exactly one may run."""

    help = "Queue periodic tasks on time. Run exactly one."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Tick until SIGTERM."""
        Clock(app=app, loglevel="WARNING", schedule=settings.CELERY_BEAT_SCHEDULE_FILENAME, quiet=True).run()
