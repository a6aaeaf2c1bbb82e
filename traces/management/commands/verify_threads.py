"""Prove that thread summaries equal a recount: manage.py verify_threads [PROJECT]."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from projects.models import Project
from traces.thread_summaries import verify


class Command(BaseCommand):
    """Print one line per project; repair what differs, and fail when anything did."""

    help = "Compares every thread's summary with a recount and repairs those that differ. Exit status 1 when one did."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the public id of one project, or none for all."""
        parser.add_argument("project", nargs="?", type=UUID, help="the project's id; all projects by default")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify the chosen projects."""
        projects = Project.objects.order_by("pk")
        if options["project"]:
            projects = projects.filter(public_id=options["project"])
            if not projects:
                raise CommandError(f"No project has the id {options['project']}.")
        proofs = [verify(project) for project in projects]
        for proof in proofs:
            self.stdout.write(str(proof))
        wrong = sum(not proof.holds for proof in proofs)
        if wrong:
            raise CommandError(f"Summaries of {wrong} of {len(proofs)} projects were wrong and have been repaired.")
