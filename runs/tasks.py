"""Tasks around runs: shells that beat calls; each is safe to run twice, and to be killed."""

import logging

from celery import shared_task

from projects.models import Project
from runs import ledger, rollups

log = logging.getLogger(__name__)


@shared_task
def recompute_rollups() -> None:
    """Bring figures up to date; ends within two seconds or so, as the next call comes by then."""
    rollups.recompute_stale(seconds=1.5, patient=True)


@shared_task
def verify_ledgers() -> None:
    """Prove every project's ledger, and say loudly where one is not exact."""
    for project in Project.objects.order_by("pk"):
        proof = ledger.verify(project)
        log.log(logging.INFO if proof.holds else logging.ERROR, "%s", proof)
