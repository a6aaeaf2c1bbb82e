"""Traces of any size in three shapes, the same every time, and the quickest way to store one.

They are written into the tables as ingest would leave them, with a mark that has their summaries counted: sending
50 000 runs would take longer than everything that is measured about them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Any, Final
from uuid import UUID

import psycopg

SHAPES: Final = ("wide", "deep", "mixed")
LEVELS: Final = 5_000
STEP: Final = timedelta(milliseconds=20)
"""From the start of a run to the start of the next."""
ERROR_EVERY: Final = 997
LEAVES: Final = ("llm", "tool", "llm", "tool", "retriever", "tool", "llm", "span")
NAMES: Final = {
    "agent": ("planner", "researcher", "writer", "reviewer"),
    "chain": ("map", "reduce", "route"),
    "llm": ("gpt-4o", "gpt-4.1-mini", "claude-sonnet-4-5"),
    "tool": ("search_flights", "lookup_booking", "fetch_page", "run_query", "send_mail"),
    "retriever": ("handbook", "tickets"),
    "span": ("GET /api/seats", "SELECT bookings"),
}
NEEDLE: Final = "wheelchair"
"""In the input of every run whose number is a multiple of ERROR_EVERY: what a search finds."""
_SUCCESS_FLAGS: Final = 1 | 2 | 8 | 16 | 32 | 8192 | 16384  # start and end were seen, and what each brings
RUN_COLUMNS: Final = (
    *("project_id", "id", "type", "name", "status", "parent_id", "trace_id", "user_id", "started_at", "ended_at"),
    *("received_at", "duration_ms", "input_tokens", "output_tokens", "cost", "flags"),
)
BODY_COLUMNS: Final = ("project_id", "run_id", "input", "output", "error")


@dataclass(frozen=True)
class Large:
    """A trace of `size` runs in a shape: run 0 is the root, and every parent comes before its children.

    wide: one agent and its children. deep: LEVELS levels (or half as many as there are runs), the other runs along
    them. mixed: agents and chains within each other, as a recursive agent makes them. The run numbered 1 has an output
    of `big_bytes` where that is given.
    """

    shape: str
    size: int
    began: datetime = datetime(2026, 11, 20, 9, tzinfo=UTC)
    salt: str = ""
    big_bytes: int = 0

    @property
    def name(self) -> str:
        """What the root is called."""
        return f"{self.shape}-{self.size}"

    @property
    def trace_id(self) -> UUID:
        """The root's id."""
        return self.ids[0]

    @cached_property
    def ids(self) -> list[UUID]:
        """The runs' ids."""
        random = Random(f"{self.shape} {self.size} {self.salt}")
        return [UUID(int=random.getrandbits(128), version=4) for _ in range(self.size)]

    @cached_property
    def parents(self) -> list[int]:
        """The number of each run's parent; -1 for the root."""
        if self.shape == "wide":
            return [-1] + [0] * (self.size - 1)
        if self.shape == "deep":
            levels = min(LEVELS, max(2, self.size // 2))
            return [number - 1 if number < levels else number % levels for number in range(self.size)]
        random = Random(self.size)
        inner, found = [0], [-1]
        for number in range(1, self.size):
            found.append(random.choice(inner[-60:]))
            if random.random() < 0.18 or number < 4:
                inner.append(number)
        return found

    @cached_property
    def types(self) -> list[str]:
        """The type of each run: what has children is an agent or a chain."""
        inner = set(self.parents)
        return [
            ("agent" if number % 3 == 0 else "chain") if number in inner else LEAVES[number % len(LEAVES)]
            for number in range(self.size)
        ]

    @cached_property
    def times(self) -> list[tuple[datetime, datetime]]:
        """Start and end of each run: a parent ends after its children, and for a third of the trace nothing happens."""
        pause = self.size * STEP / 2
        starts = [self.began + number * STEP + (pause if number > self.size // 2 else timedelta()) for number in self]
        ends = [start + STEP * (1 + number % 5) for number, start in enumerate(starts)]
        for number in range(self.size - 1, 0, -1):
            parent = self.parents[number]
            ends[parent] = max(ends[parent], ends[number])
        return list(zip(starts, ends, strict=True))

    def __iter__(self) -> Iterator[int]:
        """Return the runs' numbers."""
        return iter(range(self.size))

    def failed(self, number: int) -> bool:
        """Tell whether that run ended in an error."""
        return number > 1 and number % ERROR_EVERY == 0

    def run(self, project_id: int, number: int) -> tuple[Any, ...]:
        """Return a row of RUN_COLUMNS."""
        type_, (started, ended), parent = self.types[number], self.times[number], self.parents[number]
        names = NAMES[type_]
        return (
            project_id,
            self.ids[number],
            type_,
            self.name if number == 0 else names[number % len(names)],
            "error" if self.failed(number) else "success",
            None if parent < 0 else self.ids[parent],
            self.trace_id,
            "ines",
            started,
            ended,
            ended,
            (ended - started) // timedelta(milliseconds=1),
            800 + number % 400 if type_ == "llm" else None,
            60 + number % 90 if type_ == "llm" else None,
            "0.0026" if type_ == "llm" else None,
            _SUCCESS_FLAGS,
        )

    def body(self, project_id: int, number: int) -> tuple[Any, ...]:
        """Return a row of BODY_COLUMNS."""
        wish = f"Passenger {number} needs a {NEEDLE if number % ERROR_EVERY == 0 else 'window seat'}."
        if self.types[number] == "llm":
            said: Any = [{"role": "system", "content": "You rebook passengers. Be brief."}]
            said += [{"role": "user", "content": wish}]
            answer: Any = {"role": "assistant", "content": f"Seat {number % 60}A is free. I have asked the desk."}
        else:
            said, answer = {"request": wish, "number": number % 50}, {"found": [number % 60], "ok": True}
        if number == 1 and self.big_bytes:
            answer = "All seats, one by one: " + "window, aisle; " * (self.big_bytes // 15)
        error = json.dumps({"message": f"no answer for passenger {number}"}) if self.failed(number) else None
        return (project_id, self.ids[number], json.dumps(said), None if error else json.dumps(answer), error)


def store(database: "psycopg.Connection[Any]", public_id: str, *traces: Large) -> None:
    """Write traces into the project of that public id, in one transaction, and mark their summaries as stale."""
    with database.transaction(), database.cursor() as cursor:
        found = cursor.execute("SELECT id FROM projects_project WHERE public_id = %s", [public_id]).fetchone()
        if found is None:
            raise ValueError(f"there is no project {public_id}")
        for trace in traces:
            for table, columns, row in (
                ("runs_run", RUN_COLUMNS, trace.run),
                ("runs_runbody", BODY_COLUMNS, trace.body),
            ):
                with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
                    for number in trace:
                        copy.write_row(row(found[0], number))
            cursor.execute(
                "INSERT INTO runs_staletrace (project_id, trace_id, id, marked_at)"
                " VALUES (%s, %s, gen_random_uuid(), now())",
                [found[0], trace.trace_id],
            )
        cursor.execute("ANALYZE runs_run, runs_runbody")
