"""`manage.py create_project NAME`: one more project, with its keys as JSON on standard output."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError

from projects.founding import found_project
from projects.models import Workspace


class Command(BaseCommand):
    """Make a project and print its project_id, public_key and private_key."""

    help = "Make a project and print its project_id, public_key and private_key as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the name, and the workspace for installations with several."""
        parser.add_argument("name")
        parser.add_argument("--workspace", help="name or number of the workspace (default: the oldest)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the project; CommandError when its name is blank or there is no such workspace."""
        name = options["name"].strip()
        if not name or len(name) > 120:
            raise CommandError("a project's name has 1 to 120 characters")
        try:
            founded = found_project(self._workspace(options["workspace"]), name)
        except (OperationalError, ProgrammingError) as error:
            raise CommandError("the database can't be reached or has no tables: is this copy running?") from error
        keys = {
            "project_id": str(founded.project.public_id),
            "public_key": founded.public_key,
            "private_key": founded.private_key,
        }
        self.stdout.write(json.dumps(keys))

    def _workspace(self, wanted: str | None) -> Workspace:
        workspaces = Workspace.objects.order_by("pk")
        if wanted is None:
            found = workspaces.first()
            if found is None:
                raise CommandError("there is no workspace yet: start the server once")
            return found
        matches = list(workspaces.filter(pk=int(wanted)) if wanted.isdecimal() else workspaces.filter(name=wanted))
        if len(matches) != 1:
            count = len(matches) or "no"
            raise CommandError(f"{count} workspaces are called {wanted!r}: name one, or give its number")
        return matches[0]
