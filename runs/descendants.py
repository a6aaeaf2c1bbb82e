"""Everything beneath a run, for reading a sub-tree and for deleting one."""

from uuid import UUID

from django.db import connection

from runs.models import Message, Run

# UNION (not ALL) ends circles, which clients can send. The project is joined, not compared with a constant: with old
# statistics the planner would take a new project for empty and walk all of it at each level.
BENEATH = """
WITH RECURSIVE beneath(project_id, id) AS (
    SELECT %(project)s::int, unnest(%(seeds)s::uuid[])
  UNION
    SELECT run.project_id, run.id
    FROM beneath JOIN runs_run run ON run.project_id = beneath.project_id AND run.parent_id = beneath.id
    WHERE run.parent_id IS NOT NULL
)
SELECT run.id FROM beneath JOIN runs_run run ON run.project_id = beneath.project_id AND run.id = beneath.id
ORDER BY run.started_at, run.id LIMIT %(limit)s
"""
NO_LIMIT = 2**62


def ids_beneath(run: Run, messages: list[UUID], limit: int = NO_LIMIT) -> list[UUID]:
    """Return the ids of the run and all its descendants in order of time; `messages` are the run's own messages'."""
    with connection.cursor() as cursor:
        cursor.execute(BENEATH, {"project": run.project_id, "seeds": _seeds(run, messages), "limit": limit})
        return [row[0] for row in cursor.fetchall()]


def messages_of(run: Run) -> list[UUID]:
    """Return the ids of the messages that a chat was folded from, or that a thread holds; other runs have none."""
    if run.type not in ("chat", "thread"):
        return []
    messages = Message.with_marks.filter(project_id=run.project_id, thread_id=run.thread_id)
    if run.type == "chat":
        messages = messages.filter(chat_id=run.id)
    return list(messages.values_list("id", flat=True))


def _seeds(run: Run, messages: list[UUID]) -> list[UUID]:
    """Return the ids from which parents lead to everything beneath the run (a message's id can be a parent)."""
    if run.type != "thread":
        return [run.id, *messages]
    members = Run.objects.filter(project_id=run.project_id, thread_id=run.thread_id).values_list("id", flat=True)
    return [run.id, *messages, *members]
