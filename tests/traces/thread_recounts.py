"""What thread summaries must be: what the conversation's page says, and what is stored, in the same shape."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from ingest.events import FeedbackEvent, MessageEvent
from ingest.write import store as store_batch
from projects import keys
from projects.models import Project
from runs.models import Run
from tests import make
from tests.ingest.event_sets import EPOCH_US, MESSAGE_IDS, THREADS, batch_of
from traces import conversations
from traces.models import ThreadSummary
from traces.thread import converse

HELD = [str(UUID(int=number, version=4)) for number in range(301, 303)]  # ids that people hold, sent hashed as well


def store(project: Project, *events: object, held: Sequence[str] = ()) -> None:
    batch = batch_of(events)
    batch.held_ids.update(held)
    store_batch(project.pk, batch, datetime.now(UTC), None)


def said(number: int, text: str = "hello", side: str = "in", thread: str = THREADS[0], **fields: Any) -> MessageEvent:
    """Return the message of that number, a second after the one before."""
    role = "user" if side == "in" else "assistant"
    return MessageEvent(
        message_id=MESSAGE_IDS[number],
        side=side,
        thread_id=thread,
        at=EPOCH_US + number * 1_000_000,
        role=role,
        body=msgspec.json.encode({"role": role, "content": text}).decode(),
        **fields,
    )


def judged(id: str, **values: Any) -> FeedbackEvent:
    return FeedbackEvent(run_id=id, at=EPOCH_US, values=values)


def recount(project: Project) -> dict[UUID, tuple[Any, ...]]:
    """Return the figures of every thread as its conversation's page tells them."""
    found = {}
    for run in Run.objects.filter(project_id=project.pk, type="thread"):
        totals = converse(conversations.thread(project.pk, run).story).totals
        ended = run.ended_at or run.started_at
        found[run.id] = (
            *(run.started_at, ended, (ended - run.started_at) // timedelta(milliseconds=1)),
            *(run.user_id, run.team_id, run.organization_id, run.tags),
            *(totals.turns, totals.messages, totals.retries, totals.thumbs_up, totals.thumbs_down),
            *(totals.sums.tokens, totals.sums.cost, totals.sums.priced, totals.sums.unknown),
        )
    return found


def shown(rows: dict[UUID, ThreadSummary]) -> dict[UUID, tuple[Any, ...]]:
    names = (
        *("started_at", "ended_at", "duration_ms", "user_id", "team_id", "organization_id", "tags", "exchanges"),
        *("messages", "retries", "thumbs_up", "thumbs_down", "tokens", "cost", "priced", "unknown"),
    )
    return {
        id: tuple(getattr(row, name) or (Decimal(0) if name == "cost" else getattr(row, name)) for name in names)
        for id, row in rows.items()
    }


def stored(project: Project) -> dict[UUID, tuple[Any, ...]]:
    return shown({row.thread_id: row for row in ThreadSummary.objects.filter(project_id=project.pk)})


def project_with_key() -> Project:
    """Return a project whose public key is its id, as SDKs hash ids with it."""
    project = make.project()
    keys.forget()
    keys.create(project, "public", "public", text=str(project.public_id))
    return project
