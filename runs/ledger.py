"""The billing counter (DESIGN.md rule 14): what was counted, and the proof that it is exact.

Entries are written by ingest in the transaction that stores the runs; here they are only read. A month is a calendar
month in UTC, by the time we received the run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.core.cache import cache
from django.db import connection
from django.db.models import Sum

from projects.models import Project, Workspace
from runs.models import Deletion, LedgerEntry

FRESH_SECONDS = 5  # how long the sidebar's number may be cached


def month_start(at: datetime) -> datetime:
    """Return the first instant of that time's month, UTC."""
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(start: datetime) -> datetime:
    """Return the first instant of the month after the one that begins at `start`."""
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)


def month_by_type(project_ids: Iterable[int], at: datetime | None = None) -> dict[int, dict[str, int]]:
    """Return {project id: {run type: runs counted}} for the month that holds `at` (default: now)."""
    start = month_start(at or datetime.now(UTC))
    entries = LedgerEntry.objects.filter(
        project_id__in=list(project_ids), received_at__gte=start, received_at__lt=next_month(start)
    )
    counted: dict[int, dict[str, int]] = {}
    for project_id, type_, runs in entries.values_list("project_id", "type").annotate(total=Sum("runs")):
        counted.setdefault(project_id, {})[type_] = runs
    return counted


def month_count(workspace: Workspace) -> int:
    """Return how many runs the workspace was counted this month, at most FRESH_SECONDS old."""
    start = month_start(datetime.now(UTC))
    key = f"ledger:{workspace.pk}:{start:%Y-%m}"
    count = cache.get(key)
    if count is None:
        projects = Project.with_gone.filter(workspace=workspace).values_list("pk", flat=True)
        count = sum(sum(types.values()) for types in month_by_type(projects).values())
        cache.set(key, count, FRESH_SECONDS)
    return int(count)


def held(project_id: int) -> int:
    """Return how many runs the project holds, spans left out: what was counted less what was deleted."""
    counted = LedgerEntry.objects.filter(project_id=project_id).aggregate(runs=Sum("runs"))["runs"]
    deleted = Deletion.objects.filter(project_id=project_id).aggregate(runs=Sum("runs"))["runs"]
    return (counted or 0) - (deleted or 0)


@dataclass(frozen=True)
class Proof:
    """Whether what was counted is what was stored: ledger = runs there now + runs deleted since."""

    project_id: int
    ledger: int
    stored: int
    deleted: int
    at: datetime

    @property
    def difference(self) -> int:
        """Return how many runs the ledger counts too many; 0 is a proof."""
        return self.ledger - self.stored - self.deleted

    @property
    def holds(self) -> bool:
        """Say whether the ledger is exact."""
        return self.difference == 0

    def __str__(self) -> str:
        """Return the proof as a sentence."""
        verdict = "exact" if self.holds else f"off by {self.difference:+d}"
        return (
            f"project {self.project_id}: {self.ledger} counted, {self.stored} stored, {self.deleted} deleted: {verdict}"
        )


def verify(project: Project) -> Proof:
    """Count the project's runs against its ledger, in one statement and so at one moment. Spans aren't counted."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT coalesce(sum(runs), 0) FROM runs_ledgerentry WHERE project_id = %(project)s),
                   (SELECT count(*) FROM runs_run WHERE project_id = %(project)s AND type <> 'span'),
                   (SELECT coalesce(sum(runs), 0) FROM runs_deletion WHERE project_id = %(project)s),
                   statement_timestamp()
            """,
            {"project": project.pk},
        )
        ledger, stored, deleted, at = cursor.fetchone()
    return Proof(project.pk, int(ledger), stored, int(deleted), at)
