"""Stories of conversations, written short; and any that there can be."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from tests.traces.forests import START, row, uid
from traces.columns import RunRow
from traces.story import AttachedRow, ChatRow, EventRow, MessageRow, Story
from traces.tree import grow


def at(seconds: float) -> datetime:
    """Return a moment after the beginning."""
    return START + timedelta(seconds=seconds)


def said(number: int, chat: int | None, seconds: float, text: Any = "hello", role: str = "user") -> MessageRow:
    """Return a message; `text` may be the whole of it."""
    body = text if isinstance(text, dict) else {"role": role, "content": text}
    side = "in" if role in ("user", "system") else "out"
    chat_id = None if chat is None else uid(chat)
    return MessageRow(uid(number), side, chat_id, at(seconds), role, json.dumps(body))


def chat(number: int, seconds: float, retries: int | None = None) -> ChatRow:
    """Return an exchange, or the retry of one."""
    return ChatRow(uid(number), at(seconds), None if retries is None else uid(retries))


def attached(chat_id: int | None, root: RunRow, *below: RunRow) -> AttachedRow:
    """Return a trace as it hangs beneath an exchange."""
    sums = grow(root.id, (root, *below)).sums
    models = tuple(run.name or "" for run in (root, *below) if run.type == "llm")
    return AttachedRow(None if chat_id is None else uid(chat_id), root.id, root.started_at, sums, models, root)


seconds = st.integers(0, 20_000)
numbers = st.integers(1, 12)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Draw messages of any exchanges in any order, retries of anything, events, runs and feedback at any time."""
    roles = st.sampled_from(("user", "assistant", "tool", "system"))
    messages = [
        said(n, draw(st.one_of(st.none(), numbers)), draw(seconds), f"text {n}", draw(roles))
        for n in range(1, draw(st.integers(1, 12)) + 1)
    ]
    chats = [chat(n, 0, draw(st.one_of(st.none(), numbers))) for n in draw(st.sets(numbers))]
    events = [EventRow(uid(100 + n), f"event {n}", at(draw(seconds))) for n in range(draw(st.integers(0, 4)))]
    runs = [
        attached(
            draw(st.one_of(st.none(), numbers)),
            row(200 + n, type="agent", at_ms=1_000 * draw(seconds), ms=draw(st.integers(0, 90_000))),
        )
        for n in range(draw(st.integers(0, 4)))
    ]
    judged = draw(st.sets(st.sampled_from([*range(1, 13), 200, 201]), max_size=4))
    feedback: dict[UUID, dict[str, Any]] = {uid(n): {"thumb": "down"} for n in judged}
    given_at = {uid(n): {"thumb": at(draw(seconds))} for n in judged}
    return Story(messages, chats, events, runs, feedback, given_at=given_at)
