"""Hypothesis strategies for sets of events as clients produce them, odd ones included."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from ingest.events import Batch, FeedbackEvent, Kind, LogEvent, MessageEvent, RunEvent, Usage, UserSeen

EPOCH_US = 1_795_277_592_000_000
IDS = [str(UUID(int=number, version=4)) for number in range(1, 9)]
MESSAGE_IDS = [str(UUID(int=number, version=4)) for number in range(101, 108)]
THREADS = [str(UUID(int=number, version=4)) for number in range(201, 203)]

times = st.integers(0, 50).map(lambda step: EPOCH_US + step * 1_000_003)
texts = st.sampled_from(["a", "b", "longer", "é", "日本"])
maybe_text = st.none() | texts
payloads = st.none() | st.sampled_from(
    ['"x"', '"y"', '{"k":1}', '[{"role":"user","content":"\\u00e9\\\\ \\n"}]', '"\\t"']
)
metadata = st.none() | st.sampled_from(
    ['{"teamId":"t1"}', '{"teamId":"t2","k":[1]}', '{"organizationId":"o1"}', '{"k":{"b":1,"a":2}}', '{"team_id":7}']
)
usages = st.none() | st.builds(
    Usage,
    input=st.none() | st.integers(0, 9),
    output=st.none() | st.integers(0, 9),
    estimated=st.booleans(),
)


@st.composite
def run_events(draw: st.DrawFn, ids: Sequence[str] = IDS, parents: Sequence[str] = ()) -> RunEvent:
    """One event; parents have a smaller index, so that trees have no circles."""
    position = draw(st.integers(0, len(ids) - 1))
    above = [*ids[:position], *parents]
    kind = draw(st.sampled_from([Kind.START, Kind.START, Kind.END, Kind.END, Kind.ERROR, Kind.UPDATE]))
    return RunEvent(
        kind=kind,
        run_id=ids[position],
        at=draw(times),
        type=draw(st.sampled_from(["llm", "agent", "chain", "tool"])),
        parent_id=draw(st.none() | st.sampled_from(above)) if above else None,
        name=draw(st.none() | st.sampled_from(["gpt-4o", "claude-sonnet-4-5", "planner"])),
        user_id=draw(st.none() | st.sampled_from(["ann", "ben"])),
        tags=draw(st.none() | st.lists(texts, max_size=2).map(tuple)),
        metadata=draw(metadata),
        input=draw(payloads),
        output=draw(payloads),
        error=draw(payloads) if kind is Kind.ERROR else None,
        params=draw(payloads),
        usage=draw(usages) if kind is Kind.END else None,
        usage_text=draw(st.none() | st.sampled_from(['{"prompt":1}', '{"prompt":22}'])),
        template_id=draw(st.none() | st.sampled_from(["1", "2"])),
    )


@st.composite
def message_events(draw: st.DrawFn) -> MessageEvent:
    """One message; ids are shared between sides, as the React hook does."""
    side = draw(st.sampled_from(["in", "out"]))
    return MessageEvent(
        message_id=draw(st.sampled_from(MESSAGE_IDS)),
        side=side,
        thread_id=draw(st.sampled_from(THREADS[:1])),
        at=draw(times),
        role="user" if side == "in" else "assistant",
        body=draw(st.sampled_from(['{"content":"hi"}', '{"content":"hello there"}'])),
        is_retry=draw(st.booleans()),
        user_id=draw(st.none() | st.sampled_from(["ann", "ben"])),
        thread_metadata=draw(metadata),
    )


feedback_events = st.builds(
    FeedbackEvent,
    run_id=st.sampled_from([*IDS, *MESSAGE_IDS]),
    at=times,
    values=st.dictionaries(
        st.sampled_from(["thumb", "comment"]), st.none() | st.sampled_from(["up", "down"]), min_size=1
    ),
)
log_events = st.builds(
    LogEvent, run_id=st.sampled_from(IDS), at=times, level=st.just("info"), message=texts, extra=st.none()
)

# Everybody stays in one team: whose move a run saw depends on the order, and is meant to.
sightings = st.builds(
    lambda user_id, at, props: UserSeen(user_id=user_id, at=at, props=props and props | {"teamId": f"team {user_id}"}),
    st.sampled_from(["ann", "ben"]),
    times,
    st.none() | st.just({"organizationId": "o9"}) | st.just({"plan": "pro"}),
)


def batch_of(events: Sequence[object]) -> Batch:
    """Return the events as one request's batch."""
    batch = Batch()
    lists: dict[type, list[Any]] = {
        RunEvent: batch.runs,
        MessageEvent: batch.messages,
        FeedbackEvent: batch.feedback,
        LogEvent: batch.logs,
        UserSeen: batch.users,
    }
    for event in events:
        lists[type(event)].append(event)
    return batch
