"""What the data API changes about a run: feedback, tags, scores. Each is one short statement that names the project."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils import timezone

from runs import feedback
from runs.lookup import canonical
from runs.models import Feedback, Message, Run, Score
from runs.tags import store as store_tags

DEEPEST = 50


def message_meant(project_id: int, text: str, run: Run) -> UUID | None:
    """Return the message that `text` names, if it names one of a chat's messages rather than the chat itself.

    A chat's id is its first message's, so that message's feedback is the chat's.
    """
    if run.type != "chat":
        return None
    found = Message.objects.filter(project_id=project_id, id__in=canonical(project_id, text), chat_id=run.id)
    message = found.exclude(id=run.id).first()
    named_run = run.id in canonical(project_id, text)[:1]
    return None if message is None or named_run else message.id


def message_feedback(project_id: int, message_id: UUID) -> dict[str, Any] | None:
    """Return the feedback on one message, None where there is none."""
    rows = Feedback.objects.filter(project_id=project_id, run_id=message_id, value__isnull=False).exclude(value=None)
    return {row.key: row.value for row in rows.order_by("key")} or None


def is_deep(value: Any, levels: int = DEEPEST) -> bool:
    """Tell whether a JSON value is nested deeper than `levels`: stored, it could not be read again."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(is_deep(part, levels - 1) for part in parts)


def give_feedback(project_id: int, target: UUID, values: Mapping[str, Any] | None) -> None:
    """Set keys of the feedback on a run or message, null removes one; None instead of an object removes all."""
    if values is None:
        keys = Feedback.objects.filter(project_id=project_id, run_id=target).values_list("key", flat=True)
        values = dict.fromkeys(keys)
    if values:
        feedback.give(project_id, target, values, timezone.now())


def set_tags(run: Run, tags: list[str] | None) -> None:
    """Replace the run's tags for good: later events no longer change what a person decided."""
    store_tags(run, None if tags is None else list(dict.fromkeys(tags)))


def set_score(run: Run, label: str, value: Any, comment: str | None) -> None:
    """Store an evaluation's value (number, text or bool); the same label again replaces it."""
    Score.objects.bulk_create(
        [Score(project_id=run.project_id, run_id=run.id, label=label, value=value, comment=comment, at=timezone.now())],
        update_conflicts=True,
        unique_fields=["project_id", "run_id", "label"],
        update_fields=["value", "comment", "at"],
    )
