"""Tasks: the schedule names what exists, and what it calls brings figures up to date."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.utils import timezone

from lunary_dash.celery import app
from runs import tasks
from runs.models import HourSum, StaleHour
from tests import make


def test_everything_scheduled_is_a_task() -> None:
    app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert {"runs.tasks.recompute_rollups", "runs.tasks.verify_ledgers"} <= scheduled
    assert scheduled <= set(app.tasks)


@pytest.mark.django_db(transaction=True)
def test_the_recompute_task_works_off_what_is_stale() -> None:
    project = make.project()
    run = make.run(project)
    hour = run.started_at.replace(minute=0, second=0, microsecond=0)
    marked = timezone.now() - timedelta(seconds=1)
    StaleHour.objects.create(project_id=project.pk, hour=hour, id=uuid4(), marked_at=marked)
    tasks.recompute_rollups()
    tasks.recompute_rollups()
    assert HourSum.objects.get(project_id=project.pk).runs == 1
    assert not StaleHour.objects.exists()
