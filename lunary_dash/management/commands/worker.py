"""`manage.py worker`: the Celery worker."""

from typing import Any

from django.core.management.base import BaseCommand

from lunary_dash import env
from lunary_dash.celery import app


class Command(BaseCommand):
    """Runs tasks in threads of one process: they wait for PostgreSQL, so processes would only cost memory."""

    help = "Run background tasks, WORKER_THREADS at a time."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until SIGTERM; the tasks under way are finished first."""
        threads = env.integer("WORKER_THREADS", 4, minimum=1, maximum=64)
        app.worker_main(
            [
                "--quiet",
                "worker",
                "--pool=threads",
                f"--concurrency={threads}",
                "--without-gossip",
                "--without-mingle",
                "--without-heartbeat",
                "--loglevel=WARNING",
            ]
        )
