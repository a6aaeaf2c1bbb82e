"""Housekeeping of the write side."""

from celery import shared_task
from django.utils import timezone

from ingest import held
from ingest import pulse as pulses


@shared_task
def purge_held_events() -> None:
    """Forget held events older than REJECTION_DAYS, and old minutes of the keys' pulse."""
    now = timezone.now()
    held.purge(now)
    pulses.purge(now)
