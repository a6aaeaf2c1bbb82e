"""Tasks around traces: shells that beat calls; each is safe to run twice, and to be killed."""

import logging

from celery import shared_task

from projects.models import Project
from traces import summaries, thread_summaries

log = logging.getLogger(__name__)


@shared_task
def recompute_summaries() -> None:
    """Bring trace summaries up to date; ends within two seconds or so, as the next call comes by then."""
    summaries.recompute_stale(seconds=1.5, patient=True)


@shared_task
def verify_summaries() -> None:
    """Prove every project's trace summaries, repair what is wrong, and say loudly that it was."""
    for project in Project.objects.order_by("pk"):
        proof = summaries.verify(project)
        log.log(logging.INFO if proof.holds else logging.ERROR, "%s", proof)


@shared_task
def recompute_thread_summaries() -> None:
    """Bring thread summaries up to date; ends within two seconds or so, as the next call comes by then."""
    thread_summaries.recompute_stale(seconds=1.5, patient=True)


@shared_task
def verify_thread_summaries() -> None:
    """Prove every project's thread summaries, repair what is wrong, and say loudly that it was."""
    for project in Project.objects.order_by("pk"):
        proof = thread_summaries.verify(project)
        log.log(logging.INFO if proof.holds else logging.ERROR, "%s", proof)
