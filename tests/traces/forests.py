"""Rows of made-up traces for the pure tests."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st

from traces.columns import RunRow

START = datetime(2026, 11, 20, 14, 18, 7, tzinfo=UTC)
relaxed = settings(deadline=None)  # how long an example takes says nothing on a busy machine
TYPES = ("agent", "chain", "llm", "tool", "retriever", "embed", "span", "custom-event", "odd-type")


def uid(number: int) -> UUID:
    return UUID(int=number)


def row(number: int, parent: int | None = None, at_ms: int = 0, ms: int | None = 100, **fields: Any) -> RunRow:
    started = START + timedelta(milliseconds=at_ms)
    values: dict[str, Any] = {
        "type": "chain",
        "name": f"run {number}",
        "status": "success" if ms is not None else "started",
        "ended_at": None if ms is None else started + timedelta(milliseconds=ms),
        "duration_ms": ms,
    } | fields
    return RunRow(id=uid(number), parent_id=None if parent is None else uid(parent), started_at=started, **values)


@st.composite
def rows(draw: st.DrawFn, most: int = 40) -> list[RunRow]:
    """Any rows at all: parents may be missing, point at themselves, or lead in circles."""
    count = draw(st.integers(1, most))
    parents = st.one_of(st.none(), st.integers(0, count + 3))
    tokens = st.one_of(st.none(), st.integers(0, 10_000))
    return [
        row(
            number,
            draw(parents),
            at_ms=draw(st.integers(-50, 5_000)),
            ms=draw(st.one_of(st.none(), st.integers(-10, 5_000))),
            type=draw(st.sampled_from(TYPES)),
            status=draw(st.sampled_from(("started", "success", "error"))),
            input_tokens=draw(tokens),
            output_tokens=draw(tokens),
            cost=draw(st.one_of(st.none(), st.decimals(0, 5, places=10))),
            repeat_of=draw(st.one_of(st.none(), st.none(), st.just(UUID(int=999)))),
        )
        for number in range(count)
    ]


def chain_of(levels: int) -> list[RunRow]:
    return [row(number, number - 1 if number else None, at_ms=number) for number in range(levels)]
