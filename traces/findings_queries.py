"""The facts about calls that findings need: lengths and digests of inputs, and what prompts begin with. All bounded."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import F, Func, TextField
from django.db.models.functions import Left

from runs.models import RunBody, RunFlag
from runs.patience import TooSlowError, patience
from runs.usage import Tokens
from traces.findings import Calls, Fact, lookalikes
from traces.findings_prompts import Prompt, facts
from traces.tree import Forest

SECONDS = 2.0
"""How long the database may take for one of the three questions."""
CALLS = 5_000
"""Model, tool and retriever calls whose inputs are looked at, the first ones by start."""
DIGESTED = 32 * 1024 * 1024
"""Bytes of inputs that the database takes digests of."""
PROMPTS = 300
"""Model calls whose prompts are compared …"""
COMPARED = 12 * 1024 * 1024
"""… as long as they have no more bytes than this together …"""
BEGINNING = 192 * 1024
"""… of each so many characters."""
SMALLEST = 2_048
"""Bytes of an input that is too short for a cache."""
BATCH = 20  # prompts in memory at once

T = TypeVar("T")

_CALLS = """
    SELECT r.id, octet_length(b.input), r.input_tokens, r.cache_read_tokens, r.cache_write_tokens, r.output_tokens,
        r.reasoning_tokens, r.flags, r.price_ref
    FROM runs_run r LEFT JOIN runs_runbody b ON b.project_id = r.project_id AND b.run_id = r.id
    WHERE r.project_id = %s AND r.trace_id = %s AND r.type IN ('llm', 'tool', 'retriever') AND r.repeat_of IS NULL
    ORDER BY r.started_at, r.id LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Call:
    """A call's narrow facts; `size` in bytes is None where it has no input."""

    id: UUID
    size: int | None
    tokens: Tokens
    price_ref: str | None


@dataclass
class Reading:
    """Facts by position, and how much of what there is was looked at."""

    facts: dict[int, Fact] = field(default_factory=dict)
    calls: int = 0
    calls_read: int = 0
    inputs: int = 0  # that may equal another
    inputs_read: int = 0
    prompts: int = 0  # that may begin like another
    prompts_read: int = 0
    too_slow: bool = False

    @property
    def whole(self) -> bool:
        """True where nothing was left out."""
        read = (self.calls_read, self.inputs_read, self.prompts_read)
        return not self.too_slow and read == (self.calls, self.inputs, self.prompts)


def read(project_id: int, forest: Forest) -> Reading:
    """Return what is known of a trace's calls; in at most three kinds of queries, each within SECONDS."""
    calls = Calls.of(forest)
    reading = Reading(calls=sum(map(len, calls.by.values())))
    try:
        with patience(SECONDS):
            known = _calls(project_id, forest)
            reading.calls_read = min(len(known), reading.calls)
            reading.facts = {position: Fact(call.size) for position, call in known.items()}
            _read_digests(project_id, known, calls, reading)
            _read_prompts(project_id, forest, known, calls, reading)
    except TooSlowError:
        reading.too_slow = True
    return reading


def _calls(project_id: int, forest: Forest) -> dict[int, Call]:
    with connection.cursor() as cursor:
        cursor.execute(_CALLS, [project_id, forest.trace_id, CALLS])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    found = {}
    for run_id, size, given, cached, written, made, reasoning, flags, price_ref in rows:
        tokens = Tokens(given, cached, written, made, reasoning, bool(flags & RunFlag.ESTIMATED))
        if node := forest.find(run_id):
            found[node.position] = Call(run_id, size, tokens, price_ref)
    return found


def _read_digests(project_id: int, known: dict[int, Call], calls: Calls, reading: Reading) -> None:
    alike = lookalikes(calls, {position: call.size for position, call in known.items()})
    reading.inputs = len(alike)
    wanted = {known[position].id: position for position in _within(alike, known, DIGESTED)}
    reading.inputs_read = len(wanted)
    digests = Func(F("input"), function="md5", output_field=TextField())
    for batch in _batches(list(wanted), 1_000):
        stored = RunBody.objects.filter(project_id=project_id, run_id__in=batch)
        for run_id, digest in stored.values_list("run_id", digests):
            reading.facts[wanted[run_id]] = Fact(known[wanted[run_id]].size, digest=digest)


def _read_prompts(project_id: int, forest: Forest, known: dict[int, Call], calls: Calls, reading: Reading) -> None:
    groups = [
        [position for position in positions if position in known and (known[position].size or 0) >= SMALLEST]
        for positions in calls.models()
    ]
    groups = [group for group in groups if len(group) > 1]
    first = sorted((position for group in groups for position in group), key=forest.columns.starts.__getitem__)
    reading.prompts = len(first)
    chosen = set(_within(first[:PROMPTS], known, COMPARED, most=BEGINNING))
    reading.prompts_read = len(chosen)
    for group in groups:
        wanted = [position for position in group if position in chosen]
        reading.facts |= dict(facts(_prompts(project_id, forest, known, wanted)))


def _prompts(project_id: int, forest: Forest, known: dict[int, Call], positions: Sequence[int]) -> Iterator[Prompt]:
    for batch in _batches(positions, BATCH):
        ids = [known[position].id for position in batch]
        stored = RunBody.objects.filter(project_id=project_id, run_id__in=ids)
        texts = dict(stored.values_list("run_id", Left("input", BEGINNING)))
        for position in batch:
            call, node = known[position], forest.node(position)
            text = texts.get(call.id) or ""
            yield Prompt(
                position,
                node.started_at,
                text,
                call.size or 0,
                node.name,
                call.tokens,
                call.price_ref,
            )


def _within(positions: Iterable[int], known: dict[int, Call], room: int, most: int | None = None) -> Iterator[int]:
    """Yield the positions whose inputs fit into so many bytes together, each counted with at most `most`."""
    for position in positions:
        size = known[position].size or 0
        room -= size if most is None else min(size, most)
        if room < 0:
            return
        yield position


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
