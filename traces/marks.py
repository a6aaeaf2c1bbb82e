"""Working off marks: what a writer changed is recounted, exactly once it is, by one process at a time.

A writing transaction leaves a mark beside what it wrote. Here marks are taken out in the transaction that stores the
recount: a mark that is committed meanwhile stays, and being killed at any point loses nothing. An advisory lock per
project sees to it that an older count never replaces a newer one.
"""

import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID, uuid4

from django.db import OperationalError, connection, models, transaction
from django.db.models import Min

log = logging.getLogger(__name__)

BATCH: Final = 200  # things recounted in one transaction
FETCHED: Final = 10_000  # things with marks that are looked up at once


@dataclass(frozen=True)
class Marks:
    """The marks of one kind of thing, and the summaries that are made of it.

    `column` names the thing in both tables, `size` the column of the summary that tells how much there is to recount:
    a thing waits `per_item` for each, at most `longest`, so that recounting it takes a fixed share of the time.
    `lock_class` is the first half of the advisory lock's key; the second is the project.
    """

    mark: Any  # the model
    summary: type[models.Model]
    column: str
    size: str
    per_item: timedelta
    longest: timedelta
    lock_class: int

    def add(self, project_id: int, ids: Iterable[UUID]) -> None:
        """Mark things for recomputing, in the caller's transaction."""
        now = datetime.now(UTC)
        self.mark.objects.bulk_create(
            self.mark(project_id=project_id, id=uuid4(), marked_at=now, **{self.column: id}) for id in ids
        )

    def lag(self, project_id: int) -> timedelta:
        """Return how far behind the project's summaries are: the age of the oldest mark, zero when there is none."""
        oldest = self.mark.objects.filter(project_id=project_id).aggregate(oldest=Min("marked_at"))["oldest"]
        return max(datetime.now(UTC) - oldest, timedelta()) if oldest else timedelta()

    def among(self, project_id: int, ids: Collection[UUID]) -> set[UUID]:
        """Return which of these have marks."""
        marks = self.mark.objects.filter(**{"project_id": project_id, f"{self.column}__in": list(ids)})
        return set(marks.values_list(self.column, flat=True))

    def recount(self, project_id: int, ids: Sequence[UUID], store: Callable[[int, Sequence[UUID]], None]) -> int:
        """Take the marks of these out and `store` their summaries anew; return how many marks there were.

        All in one transaction, and marks first: what `store` reads is at least all that their writers wrote. 0 when
        another process is at this project, or is emptying it.
        """
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [self.lock_class, project_id])
                if not cursor.fetchone()[0]:
                    return 0
                cursor.execute(
                    f"DELETE FROM {self._table} WHERE project_id = %s AND {self.column} = ANY(%s)",
                    [project_id, list(ids)],
                )
                marks = int(cursor.rowcount)
                store(project_id, ids)
                return marks
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) == "40P01":  # a deadlock with who empties the project
                log.info("project %s: summaries wait for another process", project_id)
                return 0
            raise

    def work_off(
        self, recompute: Callable[[int, Sequence[UUID]], int], seconds: float = math.inf, *, patient: bool = False
    ) -> int:
        """Recompute what has marks, longest waiting first, for about that long; return how many were worked off.

        `recompute` returns how many marks it took out. `patient` leaves a large thing until its wait has earned its
        cost.
        """
        stop = time.monotonic() + seconds
        done = 0
        while time.monotonic() < stop:
            worked_off = 0
            for project_id, ids in self._stale(patient=patient):
                if time.monotonic() >= stop:
                    break
                worked_off += recompute(project_id, ids)
            if not worked_off:
                break
            done += worked_off
        return done

    def _stale(self, *, patient: bool) -> Iterator[tuple[int, list[UUID]]]:
        """Yield batches of things with marks, each of one project."""
        scope: dict[str, Any] = {"now": datetime.now(UTC), "longest": self.longest, "most": FETCHED}
        scope["per_item"] = self.per_item if patient else timedelta()
        with connection.cursor() as cursor:
            cursor.execute(self._waiting, scope)
            found = sorted(cursor.fetchall(), key=lambda row: row[0])  # stable: longest waiting first within a project
        for project_id, rows in groupby(found, key=lambda row: row[0]):
            ids = [id for _, id in rows]
            for start in range(0, len(ids), BATCH):
                yield project_id, ids[start : start + BATCH]

    @property
    def _table(self) -> str:
        return str(self.mark._meta.db_table)

    @property
    def _waiting(self) -> str:
        """Return SQL for what has waited long enough to be worth its recount, longest waiting first."""
        return f"""
            SELECT mark.project_id, mark.{self.column}
              FROM (SELECT project_id, {self.column}, min(marked_at) AS oldest FROM {self._table} GROUP BY 1, 2) AS mark
              LEFT JOIN {self.summary._meta.db_table} AS summary USING (project_id, {self.column})
             WHERE %(now)s - mark.oldest
                   >= least(coalesce(summary.{self.size}, 0) * %(per_item)s::interval, %(longest)s::interval)
             ORDER BY mark.oldest LIMIT %(most)s"""
