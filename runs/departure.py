"""Emptying deleted projects in the background, batch by batch, so that no other project's writes wait for it.

A project that is going (projects.deletion) is emptied by whoever comes first, the task asked for in the request or the
next scheduled one, and by the next after that if it is killed: nothing is remembered but the rows that are left.

A request that proved its key just before the mark may still store, and so may a process that remembers the key. No
lock is taken for that in every write. Instead a project counts as going until GRACE is over and a look at every table
has found nothing; and every night all are looked at again, should a process have slept that long between proof and
write. The books stay, so that the bill adds up (rule 14), with the project's own row, which says whose bill it is.
"""

import logging
import math
import time
from collections.abc import Iterator
from datetime import timedelta

from django.apps import apps
from django.db import Error, connection, models, transaction
from django.db.models import QuerySet
from django.utils import timezone

from projects.models import Project
from runs import locks
from runs.deletion import take_out
from runs.models import Deletion, LedgerEntry, Run, StaleHour, StaleThread, StaleTrace

log = logging.getLogger(__name__)

BATCH = 5_000
GRACE = timedelta(minutes=1)
"""Keys are remembered for 10 s, and the longest request takes a few more."""

_LOCK = int.from_bytes(b"departed")
"""One process empties at a time: two would only wait for each other's rows."""


class _Busy(Exception):  # noqa: N818 - an answer, not a fault
    """Another process is at it."""


def finish(seconds: float = math.inf) -> None:
    """Empty all projects that are going, a batch of each in turn, so that a small one needn't wait for a large one.

    Ends after about `seconds`, or when another process is at it: that one meets projects which join meanwhile.
    A fault in one project stops none of the others.
    """
    _empty(Project.with_gone.filter(going_at__isnull=False, gone_at=None), seconds)


def look_again() -> None:
    """Empty projects that were found empty before."""
    _empty(Project.with_gone.filter(gone_at__isnull=False), math.inf)


def _empty(projects: QuerySet[Project], seconds: float) -> None:
    stop = time.monotonic() + seconds
    under_way: dict[int, tuple[Project, Iterator[int]]] = {}
    done: set[int] = set()
    found: set[int] = set()
    while True:
        fresh = projects.exclude(pk__in=[*under_way, *done])
        under_way |= {project.pk: (project, _emptying(project)) for project in fresh}
        if not under_way:
            return
        for number, (project, batches) in list(under_way.items()):
            if time.monotonic() >= stop:
                return
            try:
                found.add(next(batches))
                continue
            except StopIteration:
                if number not in found:
                    _close(project)
            except _Busy:
                return
            except Error:
                log.exception("project %s can't be emptied now; the next call goes on", number)
            done.add(number)
            del under_way[number]


def _emptying(project: Project) -> Iterator[int]:
    """Delete a batch of the project's rows per step; yield its number for each step that found some.

    Marks of stale hours, traces and threads go first, else their sums would be recomputed for nobody.
    """
    for mark in (StaleHour, StaleTrace, StaleThread):
        yield from _rows(mark, project)
    while locks.insist(lambda turn: _some_runs(project)):
        yield project.pk
    for model in _tables():
        yield from _rows(model, project)


def _rows(model: type[models.Model], project: Project) -> Iterator[int]:
    while locks.insist(lambda turn: _some_rows(model, project.pk)):
        yield project.pk


@transaction.atomic
def _some_runs(project: Project) -> int:
    _alone(project.pk)
    runs = Run.objects.filter(project_id=project.pk).order_by("started_at", "id")
    ids = list(runs.values_list("id", flat=True)[:BATCH])
    return len(take_out(project.pk, ids, "demo" if project.is_demo else "deleted")) if ids else 0


@transaction.atomic
def _some_rows(model: type[models.Model], project_id: int) -> int:
    """Delete up to BATCH rows of one table (found by ctid: no index or order is needed), return how many went."""
    _alone(project_id)
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE project_id = %s LIMIT %s))"
            " AND project_id = %s",
            [project_id, BATCH, project_id],
        )
        return int(cursor.rowcount)


def _close(project: Project) -> None:
    """Note that the project, which was just found empty, is gone, once nobody can be storing into it any more."""
    now = timezone.now()
    if project.gone_at is not None or project.going_at is None or project.going_at > now - GRACE:
        return
    with transaction.atomic():
        project.keys.all().delete()
        Project.with_gone.filter(pk=project.pk, gone_at=None).update(gone_at=now)


def _alone(project_id: int) -> None:
    """Take the one lock for this transaction, and keep late writers away; raise _Busy where another process has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            raise _Busy
        locks.enter(cursor, project_id, locks.ALONE)


def _tables() -> list[type[models.Model]]:
    """Return the models of every app whose rows belong to a project by its number, apart from runs and the books."""
    return [
        model
        for model in apps.get_models()
        if model not in (Run, LedgerEntry, Deletion)
        and any(isinstance(field, models.IntegerField) and field.name == "project_id" for field in model._meta.fields)
    ]
