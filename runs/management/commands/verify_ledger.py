"""Prove that the billing ledger is exact: manage.py verify_ledger [PROJECT]."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from projects.models import Project
from runs.ledger import verify


class Command(BaseCommand):
    """Print one line per project; fail when a ledger is not exact."""

    help = "Proves per project: runs counted = runs stored + runs deleted. Exit status 1 when one is off."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the public id of one project, or none for all."""
        parser.add_argument("project", nargs="?", type=UUID, help="the project's id; all projects by default")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify the chosen projects."""
        projects = Project.with_gone.order_by("pk")
        if options["project"]:
            projects = projects.filter(public_id=options["project"])
            if not projects:
                raise CommandError(f"No project has the id {options['project']}.")
        proofs = [verify(project) for project in projects]
        for proof in proofs:
            self.stdout.write(str(proof))
        wrong = sum(not proof.holds for proof in proofs)
        if wrong:
            raise CommandError(f"The ledger of {wrong} of {len(proofs)} projects is not exact.")
