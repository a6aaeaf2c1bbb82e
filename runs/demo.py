"""The demo project: a month of generated traffic, sent through the public ingest endpoint like anybody's.

Everything about it is derived, nothing is remembered: ids and times follow from the project's creation, so loading
again, or going on after an interruption, changes nothing; how far it is, the billing ledger tells.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models import Max, Sum
from django.utils import timezone

from bench import workload
from bench.clients import Tally, send_all
from lunary_dash.supervisor import connection
from lunary_dash.supervisor.instance import Instance
from projects import deletion
from projects.founding import found_project
from projects.models import Account, Project, Workspace
from runs.models import LedgerEntry

NAME = "Demo · Aster Labs"
BATCH = 200
DEMO_RUNS = workload.DEMO_RUNS
QUIET = timedelta(seconds=20)
"""A load from which nothing has come for so long has stopped."""


CONTENTS = {
    "name": NAME,
    "apps": {
        "Claims desk": "An airline answers passengers in five languages: classify, look up, assess, reply, check.",
        "Rebooking copilot": "Staff of the same airline; a loop of model and tool calls.",
        "Support bot": "A shop's conversations in six languages, streamed, with photos, retries and thumbs.",
        "Docs assistant": "Retrieval, re-ranking by a self-hosted model without a price, answers with code.",
        "Code reviewer, incident responder": "Agents that delegate to agents, up to twelve levels deep.",
        "Nightly and weekly jobs": "A catalog writer and a map-reduce report, in nobody's name.",
    },
    "people": "120 end users in 9 teams of 3 organizations",
}
"""What the page says about it."""


class State(Enum):
    """How far a demo is."""

    LOADING = "loading"
    STOPPED = "stopped"
    DONE = "done"


@dataclass(frozen=True)
class Progress:
    """Runs stored of runs expected; `per_second` and `seconds_left` are 0 where nothing moves."""

    state: State
    stored: int
    expected: int
    per_second: int = 0
    seconds_left: int = 0

    @property
    def percent(self) -> int:
        """Return 0 to 100; 100 only when all is there."""
        return 100 if self.state is State.DONE else min(99, 100 * self.stored // self.expected)


@transaction.atomic
def demo_project(workspace: Workspace, by: Account | None = None) -> Project:
    """Return the workspace's demo project, made now if there is none."""
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    known = known_project(workspace)
    if known is not None:
        return known
    project = found_project(workspace, NAME, by=by).project
    project.is_demo = True
    project.save(update_fields=["is_demo"])
    return project


def known_project(workspace: Workspace) -> Project | None:
    """Return the workspace's demo project, if there is one."""
    return Project.objects.filter(workspace=workspace, is_demo=True).order_by("pk").first()


def address() -> str:
    """Return where the ingest endpoint of this installation answers."""
    return connection.read(settings.DATA_DIR).get("url") or Instance.from_environment().url


def load(
    project: Project,
    url: str,
    runs: int = DEMO_RUNS,
    report: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Send the project's month and return when all of it is acknowledged. Raises bench.clients.SendError."""
    return send(url, str(project.public_id), project.created_at, runs, report)


def send(url: str, key: str, now: datetime, runs: int, report: Callable[[Tally], None]) -> Tally:
    """Send the month before `now` to any server with any key."""
    return send_all(url, key, _batches(workload.demo(now, runs=runs)), report=report)


@shared_task
def load_demo(project_id: int) -> None:
    """Load in the background; ends quietly when the project is removed meanwhile."""
    project = Project.objects.filter(pk=project_id, is_demo=True).first()
    if project is not None:
        load(project, address())


def progress(project: Project, asked_at: datetime | None = None) -> Progress:
    """Say how far the load is; `asked_at` is when a person last asked for one."""
    booked = LedgerEntry.objects.filter(project_id=project.pk).aggregate(stored=Sum("runs"), last=Max("received_at"))
    stored, last = booked["stored"] or 0, booked["last"] or project.created_at
    if stored >= DEMO_RUNS:
        return Progress(State.DONE, stored, DEMO_RUNS)
    now = timezone.now()
    if now - max(last, project.created_at, asked_at or last) > QUIET:
        return Progress(State.STOPPED, stored, DEMO_RUNS)
    per_second = int(stored / max(1.0, (now - project.created_at).total_seconds()))
    left = (DEMO_RUNS - stored) // per_second if per_second else 0
    return Progress(State.LOADING, stored, DEMO_RUNS, per_second, left)


def remove(project: Project) -> int:
    """Delete the demo, return how many runs are going in the background; ValueError for any other project."""
    if not project.is_demo:
        raise ValueError(f"{project.name} is not a demo")
    return deletion.let_go(project)


def _batches(events: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(events, BATCH)):
        yield batch
