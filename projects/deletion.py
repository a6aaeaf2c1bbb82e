"""Deleting a project: marked in the request, emptied in the background by the apps that keep its rows."""

from collections.abc import Callable

from django.db import transaction
from django.utils import timezone

from projects import keys
from projects.models import Project

# Apps above this one add how many runs they keep of a project, by its number; the rows carry no foreign key.
holdings: list[Callable[[int], int]] = []
# And what begins to empty projects that are going. It must be safe to call at any time, and to fail (DESIGN.md §4).
departures: list[Callable[[], object]] = []


def let_go(project: Project) -> int:
    """Delete the project as far as anybody can see, and return how many runs are now being deleted.

    From the commit on nobody finds it and its keys are refused (other processes notice a key within 10 s). What it
    holds goes in the background, for a million rows take minutes; a repeat changes nothing.
    """
    Project.objects.filter(pk=project.pk).update(going_at=timezone.now())
    keys.forget()
    transaction.on_commit(_begin)
    return sum(runs_of(project.pk) for runs_of in holdings)


def _begin() -> None:
    for depart in departures:
        depart()
