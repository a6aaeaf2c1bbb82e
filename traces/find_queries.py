"""Where a text occurs in the payloads of a trace. The database cuts the words around a match: no payload travels."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from time import monotonic
from typing import Final

from django.db import connection

from runs.patience import TooSlowError, patience
from traces import find
from traces.find import Hit, Match, Sought
from traces.tree import Forest

SECONDS: Final = 3.0
FIRST_BATCH: Final = 125  # runs
LARGEST_BATCH: Final = 8000
QUICK: Final = 0.3  # seconds: a batch that took less is followed by a larger one
LONGEST_ESCAPE: Final = 7  # characters: \\\\u00e9
FIELDS: Final = ("error", "output", "input")
"""Fields that are searched, the most telling first: an input repeats what earlier runs said."""

SEARCH: Final = """
    SELECT body.run_id, part.name, substr(part.whole, greatest(hit.at - {before}, 1), {before} + {after}),
        least(hit.at - 1, {before}), hit.at <= {before} + 1
    FROM runs_runbody AS body
    CROSS JOIN LATERAL (VALUES {fields}) AS part (rank, name, whole)
    CROSS JOIN LATERAL (SELECT lower(part.whole COLLATE "C") AS text OFFSET 0) AS low
    CROSS JOIN LATERAL (
        SELECT CASE WHEN {anchor} > 0 THEN
            least({plain}, CASE WHEN strpos(low.text, {backslash}) > 0 THEN {escaped} END) END AS at OFFSET 0
    ) AS maybe
    CROSS JOIN LATERAL (
        SELECT strpos(substr(low.text, greatest(maybe.at - {escape}, 1), {escape} + {longest}), {backslash}) = 0
            AS surely OFFSET 0
    ) AS at_first
    CROSS JOIN LATERAL (SELECT CASE WHEN NOT at_first.surely THEN {mask} END AS text OFFSET 0) AS kept
    CROSS JOIN LATERAL (SELECT regexp_replace(kept.text, {characters}, 'g') AS text OFFSET 0) AS masked
    CROSS JOIN LATERAL (
        SELECT CASE WHEN at_first.surely THEN maybe.at ELSE least({masked_plain}, {masked_escaped}) END AS at OFFSET 0
    ) AS hit
    WHERE body.project_id = %(project)s AND body.run_id = ANY(string_to_array(%(ids)s, ',')::uuid[])
        AND maybe.at > 0 AND hit.at > 0
    ORDER BY part.rank
"""
"""Looks for raw spellings, which is quick; where the first is beside a backslash, with escape sequences masked."""


class Stop(Enum):
    """Why a search ended."""

    END = "end"  # it has seen every run
    MANY = "many"  # there are more hits than one search lists
    SLOW = "slow"  # it took too long


@dataclass(frozen=True)
class Found:
    """Hits in the order of the tree, and how far the search came: runs before `searched` have been looked at."""

    text: str
    hits: list[Hit]
    stop: Stop
    searched: int
    total: int  # runs of the trace


def search(project_id: int, forest: Forest, text: str, start: int = 0, seconds: float = SECONDS) -> Found:
    """Return where a text occurs in names, inputs, outputs and errors, from the run at position `start` on.

    At most `find.MOST` hits. After `seconds` it says how far it came; a statement that takes as long by itself is
    cancelled, and what was found before it is kept. Where that is nothing, names and ids alone are looked at.
    """
    if not text:
        return Found(text, [], Stop.END, len(forest), len(forest))
    searching = _Search(project_id, forest, text)
    hits: list[Hit] = []
    searched, deadline = start, monotonic() + seconds
    try:
        with patience(seconds), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('enable_memoize', 'off', true)")  # its keys would be whole payloads
            for stop in _batches(start, len(forest)):
                hits += searching.between(searched, stop)
                searched = stop
                if len(hits) > find.MOST:
                    hits = hits[: find.MOST]
                    return Found(text, hits, Stop.MANY, hits[-1].position + 1, len(forest))
                if monotonic() > deadline:
                    break
    except TooSlowError:
        if searched == start:
            hits = searching.hits(start, len(forest), {})[: find.MOST]
    return Found(text, hits, Stop.END if searched == len(forest) else Stop.SLOW, searched, len(forest))


def _batches(start: int, end: int) -> Iterator[int]:
    """Yield where each batch ends; batches grow while they are quick."""
    size = FIRST_BATCH
    while start < end:
        start = min(start + size, end)
        began = monotonic()
        yield start
        if monotonic() - began < QUICK:
            size = min(size * 2, LARGEST_BATCH)


class _Search:
    """One text in one trace."""

    def __init__(self, project_id: int, forest: Forest, text: str) -> None:
        self.project_id = project_id
        self.forest = forest
        self.wanted = find.sought(text)
        self.titles = find.named(text, (name for name in forest.columns.names if name))
        self.identified = set(find.identified(text, forest.columns.ids))
        self.statement, self.spellings = _statement(self.wanted)

    def between(self, start: int, stop: int) -> list[Hit]:
        """Return the hits among the positions from `start` to before `stop`."""
        return self.hits(start, stop, self._matches(self.forest.columns.ids[start:stop]))

    def hits(self, start: int, stop: int, matches: dict[bytes, list[Match]]) -> list[Hit]:
        """Return those that have a match, or the name or id that is looked for."""
        names, ids = self.forest.columns.names, self.forest.columns.ids
        return [
            self._hit(position, matches.get(ids[position], []))
            for position in range(start, stop)
            if ids[position] in matches or names[position] in self.titles or position in self.identified
        ]

    def _matches(self, ids: Sequence[bytes]) -> dict[bytes, list[Match]]:
        """Return the matches in the payloads of these runs."""
        found: dict[bytes, list[Match]] = {}
        listed = ",".join(id.hex() for id in ids)
        with connection.cursor() as cursor:
            cursor.execute(self.statement, {"project": self.project_id, "ids": listed, **self.spellings})
            for run_id, *match in cursor.fetchall():
                found.setdefault(run_id.bytes, []).append(Match(*match))
        return found

    def _hit(self, position: int, matches: list[Match]) -> Hit:
        node = self.forest.node(position)
        title = self.titles.get(node.name or "")
        fields = ["id"] if position in self.identified else []
        fields += ["name"] if title else []
        return Hit(
            position=position,
            id=node.id,
            type=node.type,
            name=node.name or node.type,
            status=node.status,
            fields=(*fields, *(match.field for match in matches)),
            title=title,
            snippet=find.snippet(self.wanted, matches[0]) if matches else None,
        )


def _statement(wanted: Sought) -> tuple[str, dict[str, str]]:
    """Return the search for these spellings and its parameters: what a person typed is never part of the statement."""
    parameters: dict[str, str] = {}

    def first_of(column: str, spellings: Iterable[str]) -> str:
        found = ["NULL::integer"]
        for spelling in dict.fromkeys(spellings):
            name = f"spelling_{len(parameters)}"
            parameters[name] = spelling
            found.append(f"nullif(strpos({column}, %({name})s), 0)")
        return f"least({', '.join(found)})"

    mask = "low.text"
    for escape in find.ESCAPES:
        mask = f"replace({mask}, {_literals(escape)})"
    statement = SEARCH.format(
        before=find.BEFORE,
        after=find.AFTER + wanted.longest,
        longest=wanted.longest,
        escape=LONGEST_ESCAPE,
        fields=", ".join(f"({rank}, '{name}', body.{name})" for rank, name in enumerate(FIELDS)),
        anchor=first_of("low.text", [wanted.anchor]),
        plain=first_of("low.text", wanted.plain),
        escaped=first_of("low.text", wanted.escaped),
        backslash=_literals("\\"),
        mask=mask,
        characters=_literals(find.CHARACTERS),
        masked_plain=first_of("masked.text", map(find.mask_all, wanted.plain)),
        masked_escaped=first_of("kept.text", map(find.mask, wanted.escaped)),
    )
    return statement, parameters


def _literals(texts: Iterable[str]) -> str:
    """Return constants of ours as SQL strings, backslashes and control characters escaped."""
    return ", ".join(
        "E'" + "".join(f"\\x{ord(one):02x}" if one < " " or one in "\\'" else one for one in text) + "'"
        for text in texts
    )
