"""Deleting a project with everything in it."""

from collections.abc import Callable

from projects import keys
from projects.models import Project

# Apps above this one add what deletes their rows of a project; the rows carry no foreign key (DESIGN.md §4).
departures: list[Callable[[Project], object]] = []


def delete_project(project: Project) -> None:
    """Refuse the project's keys first, then delete its rows, then the project; a repeat goes on where it broke off.

    Not one transaction: a million rows go in batches. Other processes remember keys for up to 10 s; what they store in
    that time belongs to no project and is never shown.
    """
    for key in project.keys.filter(revoked_at=None):
        keys.revoke(key)
    project_id = project.pk
    for depart in departures:
        depart(project)
    Project.objects.filter(pk=project_id).delete()
    keys.forget()
