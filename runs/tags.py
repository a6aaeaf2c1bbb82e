"""Tags that a person sets here; from then on events no longer change them (RunFlag.TAGS_EDITED)."""

from collections.abc import Sequence

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from runs import stale
from runs.models import Run, RunFlag

MOST = 50
LONGEST = 100  # characters


def read_form(text: str) -> list[str]:
    """Return the tags of a text field: separated by commas, each once, without NUL."""
    words = (word.strip()[:LONGEST] for word in text.replace("\x00", "").split(","))
    return list(dict.fromkeys(word for word in words if word))[:MOST]


def replace(run: Run, tags: Sequence[str]) -> None:
    """Store the tags, in one statement that leaves flags set meanwhile alone; update the object too."""
    store(run, list(tags))
    run.tags = list(tags)
    run.flags |= RunFlag.TAGS_EDITED


@transaction.atomic
def store(run: Run, tags: list[str] | None) -> None:
    """Store the tags for good; those of a thread are in its summary too."""
    Run.objects.filter(project_id=run.project_id, id=run.id).update(
        tags=tags, flags=F("flags").bitor(RunFlag.TAGS_EDITED)
    )
    if run.type == "thread":
        with connection.cursor() as cursor:
            stale.mark_threads(cursor, run.project_id, [str(run.id)], timezone.now())
