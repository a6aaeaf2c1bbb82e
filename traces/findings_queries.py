"""The facts about calls that findings need: lengths and digests of inputs, and what prompts begin with. All bounded."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import groupby
from typing import Any, TypeVar

from django.db.models import BigIntegerField, F, Func, TextField
from django.db.models.functions import Left

from runs.models import Run, RunBody, RunFlag
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
BATCH = 40  # prompts in memory at once

T = TypeVar("T")

TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


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


def read(project_id: int, forest: Forest, calls: Calls) -> Reading:
    """Return what is known of a trace's calls; three kinds of questions, each answered within SECONDS."""
    reading = Reading(calls=sum(map(len, calls.by.values())))
    try:
        with patience(SECONDS):
            _read_sizes(project_id, forest, calls, reading)
            _read_digests(project_id, forest, calls, reading)
            _read_prompts(project_id, forest, calls, reading)
    except TooSlowError:
        reading.too_slow = True
    return reading


def _read_sizes(project_id: int, forest: Forest, calls: Calls, reading: Reading) -> None:
    every = (position for positions in calls.by.values() for position in positions)
    first = nsmallest(CALLS, every, key=lambda position: (forest.columns.starts[position], position))
    size = Func(F("input"), function="octet_length", output_field=BigIntegerField())
    sizes = dict(_bodies(project_id, forest, first, size))
    reading.calls_read = len(first)
    reading.facts = {position: Fact(sizes.get(position)) for position in first}


def _read_digests(project_id: int, forest: Forest, calls: Calls, reading: Reading) -> None:
    sizes = {position: fact.size for position, fact in reading.facts.items()}
    alike = lookalikes(calls, sizes)
    wanted = list(_within(alike, sizes, DIGESTED))
    reading.inputs, reading.inputs_read = len(alike), len(wanted)
    digest = Func(F("input"), function="md5", output_field=TextField())
    for position, value in _bodies(project_id, forest, wanted, digest):
        reading.facts[position] = Fact(sizes[position], digest=value or "")


def _read_prompts(project_id: int, forest: Forest, calls: Calls, reading: Reading) -> None:
    sizes = {position: fact.size for position, fact in reading.facts.items()}
    long = ([one for one in positions if (sizes.get(one) or 0) >= SMALLEST] for positions in calls.series("llm"))
    groups = [positions for positions in long if len(positions) > 1]
    first = sorted((position for group in groups for position in group), key=forest.columns.starts.__getitem__)
    chosen = set(_within(first[:PROMPTS], sizes, COMPARED, most=BEGINNING))
    reading.prompts, reading.prompts_read = len(first), len(chosen)
    group_of = {position: n for n, group in enumerate(groups) for position in group if position in chosen}
    prompts = _prompts(project_id, forest, list(group_of), sizes)
    for _, group in groupby(prompts, key=lambda prompt: group_of[prompt.position]):
        reading.facts |= dict(facts(group))


def _prompts(
    project_id: int, forest: Forest, positions: Sequence[int], sizes: Mapping[int, int | None]
) -> Iterator[Prompt]:
    for batch in _batches(positions, BATCH):
        ids = [forest.node(position).id for position in batch]
        rows = Run.objects.filter(project_id=project_id, id__in=ids).values_list("id", "flags", "price_ref", *TOKENS)
        known = {run_id: (_tokens(flags, counts), ref) for run_id, flags, ref, *counts in rows}
        texts = dict(_bodies(project_id, forest, batch, Left("input", BEGINNING)))
        for position in batch:
            node = forest.node(position)
            tokens, ref = known.get(node.id, (Tokens(), None))
            text, size = texts.get(position) or "", sizes[position] or 0
            yield Prompt(position, node.started_at, text, size, node.name, tokens, ref)


def _tokens(flags: int, counts: Sequence[int | None]) -> Tokens:
    given, cached, written, made, reasoning = counts
    return Tokens(given, cached, written, made, reasoning, bool(flags & RunFlag.ESTIMATED))


def _bodies(project_id: int, forest: Forest, positions: Sequence[int], value: Any) -> Iterator[tuple[int, Any]]:
    """Yield (position, value) for the runs at these positions that have a body."""
    for batch in _batches(positions, 1_000):
        places = {forest.node(position).id: position for position in batch}
        stored = RunBody.objects.filter(project_id=project_id, run_id__in=list(places))
        for run_id, found in stored.values_list("run_id", value):
            yield places[run_id], found


def _within(
    positions: Iterable[int], sizes: Mapping[int, int | None], room: int, most: int | None = None
) -> Iterator[int]:
    """Yield the first positions whose inputs fit into so many bytes together, each counted with at most `most`."""
    for position in positions:
        size = sizes[position] or 0
        room -= size if most is None else min(size, most)
        if room < 0:
            return
        yield position


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
