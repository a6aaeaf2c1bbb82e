"""Which runs decided when a trace ended: what to make quicker to make the whole quicker. Pure.

Walked backwards from the last end. Within a run, the child that ended last held it up; before that child began, the
one that had ended last by then; and so on to the run's own start, and the same inside each child that was picked. A
child that was still running when the picked one began did not hold it up, and neither did a moment (an event, an error
without duration). What no picked child covers is the run's own time.

Clients' clocks are odd, so a run counts as ended when everything beneath it has, children are cut to the start of their
parent, and ends and starts that differ by a millisecond meet.
"""

from collections.abc import Iterator
from typing import Final

from traces.tree import NONE, Forest

EVENT: Final = "custom-event"
SLACK_US: Final = 1_000
"""Clients tell times in whole milliseconds: so far may one step reach into the next."""


class CriticalPath:
    """The runs of a trace that its end waited for; asked per run, so that a page pays for what it shows only.

    A run that has not ended counts as running until `until_us` (epoch µs), the last moment of the trace by default.
    """

    def __init__(self, forest: Forest, until_us: int | None = None) -> None:
        self._forest = forest
        self._latest = _latest(forest, forest.end_us if until_us is None else max(until_us, forest.end_us))
        self._begins = _begins(forest)
        self._picked: dict[int, tuple[frozenset[int], int]] = {}
        self._tops = self._pick(NONE, sorted(node.position for nodes in forest.tops.values() for node in nodes))[0]
        self._known: dict[int, bool] = {}

    def __contains__(self, position: object) -> bool:
        return isinstance(position, int) and self._is_on(position)

    def __iter__(self) -> Iterator[int]:
        """Yield every position on the path, parents before children."""
        stack = sorted(self._tops, reverse=True)
        while stack:
            position = stack.pop()
            yield position
            if self._forest.size[position] > 1:
                stack.extend(sorted(self._inside(position)[0], reverse=True))

    def own_us(self, position: int) -> int:
        """Return how long the trace waited for this run itself and for none of its children, in µs; 0 off the path."""
        return self._inside(position)[1] if self._is_on(position) else 0

    def _is_on(self, position: int) -> bool:
        """Tell whether every run from the top down to this one was picked; nothing recurses."""
        walked = []
        known = self._known
        while (answer := known.get(position)) is None:
            walked.append(position)
            parent = self._forest.parent[position]
            if parent == NONE:
                answer = position in self._tops
                break
            if position not in self._inside(parent)[0]:
                answer = False
                break
            position = parent
        known.update(dict.fromkeys(walked, answer))
        return answer

    def _inside(self, position: int) -> tuple[frozenset[int], int]:
        """Return which children held a run up, and its own time in µs."""
        found = self._picked.get(position)
        if found is None:
            found = self._picked[position] = self._pick(position, self._forest.children(position))
        return found

    def _pick(self, parent: int, children: list[int]) -> tuple[frozenset[int], int]:
        """Walk back from the end of a run (NONE: of the trace) through its children."""
        starts, latest = self._begins, self._latest
        if parent == NONE:
            begin, end, ended = self._forest.start_us, max(latest), 0
        else:
            begin, end = starts[parent], latest[parent]
            ended = _end(self._forest, parent, end)  # children may outlast it: after that no time is its own
        picked, own, at = [], 0, end
        for child in sorted(children, key=latest.__getitem__, reverse=True):  # of equal ends the first start
            if at <= begin:
                break
            start, stop = starts[child], latest[child]
            if stop > at + SLACK_US or stop <= start or start >= at:
                continue
            own += max(0, min(at, ended) - stop)
            picked.append(child)
            at = start
        own += max(0, min(at, ended) - begin)
        return frozenset(picked), own


def critical_path(forest: Forest, until_us: int | None = None) -> dict[int, int]:
    """Return the positions that the end of the trace waited for, each with its own time on the path in µs."""
    path = CriticalPath(forest, until_us)
    return {position: path.own_us(position) for position in path}


def _end(forest: Forest, position: int, running_until: int) -> int:
    """Return when a run ended, epoch µs: a running one at `running_until`, one that failed to say when it began.

    A custom event is a moment, even where its client announced a start and never an end.
    """
    rows = forest.columns
    start, end = rows.starts[position], rows.ends[position]
    if end is not None:
        return max(end, start)
    return running_until if rows.statuses[position] == "started" and rows.types[position] != EVENT else start


def _begins(forest: Forest) -> list[int]:
    """Return for each position when it began, epoch µs, though not before the run above it."""
    begins = list(forest.columns.starts)
    for position, above in enumerate(forest.parent):
        if above != NONE and begins[position] < begins[above]:
            begins[position] = begins[above]
    return begins


def _latest(forest: Forest, until_us: int) -> list[int]:
    """Return for each position when the last run of its sub-tree ended, epoch µs."""
    columns = forest.columns
    rows = zip(columns.starts, columns.ends, columns.statuses, columns.types, strict=True)
    latest = [
        (until_us if status == "started" and kind != EVENT else start) if end is None else end if end > start else start
        for start, end, status, kind in rows
    ]
    parent = forest.parent
    for position in range(len(latest) - 1, 0, -1):
        above = parent[position]
        if above != NONE and latest[above] < latest[position]:
            latest[above] = latest[position]
    return latest
