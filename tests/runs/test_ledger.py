"""The billing counter: what a month counts, and the proof that it is exact (rule 14)."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command

from projects.models import Project
from runs import ledger, tasks
from runs.models import Deletion, LedgerEntry
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _cold_cache() -> None:
    cache.clear()


def count(project: Project, runs: int, type: str = "llm", at: datetime | None = None) -> None:
    LedgerEntry.objects.create(
        project_id=project.pk, id=uuid4(), received_at=at or datetime.now(UTC), type=type, runs=runs
    )


def test_a_month_counts_what_was_received_in_it_by_type(project: Project) -> None:
    november = datetime(2026, 11, 1, tzinfo=UTC)
    count(project, 5, at=november)
    count(project, 2, at=november)
    count(project, 3, "tool", at=datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))
    count(project, 100, at=november - timedelta(microseconds=1))
    count(project, 100, at=datetime(2026, 12, 1, tzinfo=UTC))
    assert ledger.month_by_type([project.pk], november) == {project.pk: {"llm": 7, "tool": 3}}


def test_december_ends_at_new_year() -> None:
    assert ledger.next_month(datetime(2026, 12, 1, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)


def test_the_workspace_count_sums_its_own_projects(people: make.People, project: Project) -> None:
    count(project, 5)
    count(make.project(people, name="Second"), 4)
    count(make.project(), 1000)
    assert ledger.month_count(people.workspace) == 9
    count(project, 5)
    assert ledger.month_count(people.workspace) == 9, "cached for a few seconds"


def test_the_proof_holds_while_deleted_runs_are_accounted_for(project: Project) -> None:
    make.run(project)
    make.run(project, "span")
    count(project, 3)
    Deletion.objects.create(
        project_id=project.pk, id=uuid4(), at=datetime.now(UTC), reason="deleted", type="llm", runs=2
    )
    proof = ledger.verify(project)
    assert (proof.ledger, proof.stored, proof.deleted, proof.holds) == (3, 1, 2, True)


def test_the_command_fails_where_a_ledger_is_off(project: Project) -> None:
    out = StringIO()
    call_command("verify_ledger", stdout=out)
    assert "exact" in out.getvalue()
    make.run(project)
    with pytest.raises(CommandError, match="1 of 1"):
        call_command("verify_ledger", str(project.public_id), stdout=out)
    assert "off by -1" in out.getvalue()
    with pytest.raises(CommandError, match="No project"):
        call_command("verify_ledger", str(uuid4()))


def test_the_nightly_task_says_loudly_what_is_off(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    tasks.verify_ledgers()
    assert not caplog.records
    make.run(project)
    tasks.verify_ledgers()
    assert "off by -1" in caplog.text
