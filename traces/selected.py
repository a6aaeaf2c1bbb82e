"""The run that is selected in a trace, with its place among its siblings. Nothing here reads the tree."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from projects.models import Project
from runs.detail import Detail, detail
from runs.lookup import find_run
from runs.models import Run

BESIDE = """
    SELECT count(*), count(*) FILTER (WHERE place <= mine),
        right(max(place) FILTER (WHERE place < mine), 32), right(min(place) FILTER (WHERE place > mine), 32)
    FROM (
        SELECT encode(timestamptz_send(started_at) || uuid_send(id), 'hex') COLLATE "C" AS place,
            encode(timestamptz_send(%(start)s) || uuid_send(%(id)s), 'hex') COLLATE "C" AS mine
        FROM runs_run WHERE project_id = %(project)s AND parent_id = %(parent)s AND trace_id = %(trace)s
    ) AS siblings
"""
"""Reads the siblings once, however many there are: start and id as one text have the order of the tree."""


@dataclass(frozen=True)
class Beside:
    """A run's place among the children of its parent, from 1, and its neighbours there."""

    number: int
    count: int
    previous: UUID | None
    next: UUID | None


def selected(project: Project, run_id: UUID) -> Mapping[str, Any] | None:
    """Return what the detail of a trace's run is drawn from, `detail` and `beside`; None where there is no such run."""
    known = Run.objects.filter(project_id=project.pk, id=run_id).defer("metadata").first()
    run = known or find_run(project.pk, str(run_id))
    if run is None:
        return None
    found: Detail = detail(project, run, counts_steps=False)
    return {"detail": found, "beside": beside(run)}


def beside(run: Run) -> Beside | None:
    """Return a run's place among its siblings; None for one that has none."""
    if run.parent_id is None or run.trace_id is None or run.trace_id == run.id:
        return None
    asked: dict[str, Any] = {"project": run.project_id, "parent": run.parent_id, "trace": run.trace_id}
    with connection.cursor() as cursor:
        cursor.execute(BESIDE, asked | {"start": run.started_at, "id": run.id})
        count, number, previous, following = cursor.fetchone() or (0, 0, None, None)
    if count < 2:
        return None
    return Beside(number, count, previous and UUID(previous), following and UUID(following))
