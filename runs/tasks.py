"""Tasks around runs: shells that beat calls; each is safe to run twice, and to be killed."""

import logging

from celery import shared_task
from kombu.exceptions import OperationalError

from lunary_dash.celery import enqueue
from projects.models import Project
from runs import departure, ledger, rollups

log = logging.getLogger(__name__)


@shared_task
def recompute_rollups() -> None:
    """Bring figures up to date; ends within two seconds or so, as the next call comes by then."""
    rollups.recompute_stale(seconds=1.5, patient=True)


@shared_task
def verify_ledgers() -> None:
    """Prove every project's ledger, and say loudly where one is not exact."""
    for project in Project.with_gone.order_by("pk"):
        proof = ledger.verify(project)
        log.log(logging.INFO if proof.holds else logging.ERROR, "%s", proof)


@shared_task
def finish_deletions() -> None:
    """Empty projects that are going; ends before the next call comes, which takes over what is left."""
    departure.finish(seconds=25)


@shared_task
def look_again_at_deletions() -> None:
    """Take out what a very late write left in a deleted project."""
    departure.look_again()


def begin_deletions() -> None:
    """Have projects emptied at once; without a broker the next scheduled call does it."""
    try:
        enqueue(finish_deletions)
    except OperationalError as error:
        log.warning("the broker is away, so deleted projects are emptied later: %s", error)
