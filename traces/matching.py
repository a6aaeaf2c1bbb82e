"""The longest common order of two sequences, in bounded time. Pure.

Exact wherever that is affordable, by bits instead of cells (Hyyrö, "Bit-parallel LCS-length computation revisited",
2004): 8 000 × 8 000 entries take some 30 ms. Longer ones are first cut at entries that occur once in both (patience),
and where nothing anchors them, into stretches of equal share: still a common order, no longer surely the longest.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

CELLS = 64_000_000
"""Most entries × entries compared exactly: bounds the time, and the memory to 8 MB."""

Pairs = list[tuple[int, int]]
Span = tuple[int, int, int, int]  # from, to in the first; from, to in the second


def pairs(left: Sequence[int], right: Sequence[int]) -> Pairs:
    """Return positions (in left, in right) of equal entries, rising in both; each position at most once.

    `pairs(right, left)` is the same with the positions swapped. Entries are numbers: intern anything else.
    """
    first, second = list(left), list(right)
    if (len(first), first) > (len(second), second):  # one order of the two, so that swapping them changes nothing
        return [(at, other) for other, at in _matched(second, first)]
    return _matched(first, second)


def interned(left: Sequence[str], right: Sequence[str]) -> tuple["array[int]", "array[int]"]:
    """Return both sequences with equal texts as equal numbers; the numbers follow the texts' order."""
    numbers = {text: number for number, text in enumerate(sorted({*left, *right}))}
    return array("l", map(numbers.__getitem__, left)), array("l", map(numbers.__getitem__, right))


def _matched(first: list[int], second: list[int]) -> Pairs:
    found: Pairs = []
    stack: list[Span] = [(0, len(first), 0, len(second))]
    while stack:
        span, ends = _trimmed(first, second, stack.pop())
        found += ends
        start, stop, other_start, other_stop = span
        cells = (stop - start) * (other_stop - other_start)
        if cells == 0:
            continue
        if cells <= CELLS:
            found += _exact(first, second, span)
            continue
        stack += _between(span, _anchors(first, second, span), found) or _stretches(span)
    found.sort()
    return found


def _trimmed(first: list[int], second: list[int], span: Span) -> tuple[Span, Pairs]:
    """Match what both begin and end with; return what is left in the middle."""
    start, stop, other_start, other_stop = span
    ends: Pairs = []
    while start < stop and other_start < other_stop and first[start] == second[other_start]:
        ends.append((start, other_start))
        start += 1
        other_start += 1
    while start < stop and other_start < other_stop and first[stop - 1] == second[other_stop - 1]:
        stop -= 1
        other_stop -= 1
        ends.append((stop, other_stop))
    return (start, stop, other_start, other_stop), ends


def _exact(first: list[int], second: list[int], span: Span) -> Pairs:
    """Return a longest common order: one number per entry of `first` holds a whole row of the usual table."""
    start, stop, other_start, other_stop = span
    places: dict[int, int] = {}
    for bit, entry in enumerate(second[other_start:other_stop]):
        places[entry] = places.get(entry, 0) | 1 << bit
    every = (1 << (other_stop - other_start)) - 1
    row, rows = every, []
    for entry in first[start:stop]:
        hits = row & places.get(entry, 0)
        row = (row + hits | row - hits) & every
        rows.append(row)
    found: Pairs = []
    at, bit = len(rows), other_stop - other_start
    while at and bit:  # backwards along the rows: a bit that is 0 since this row is a match
        if rows[at - 1] >> (bit - 1) & 1:
            bit -= 1
            continue
        at -= 1
        if at == 0 or rows[at - 1] >> (bit - 1) & 1:
            bit -= 1
            found.append((start + at, other_start + bit))
    return found


def _anchors(first: list[int], second: list[int], span: Span) -> Pairs:
    """Return the longest rising run of entries that occur exactly once in both (patience)."""
    start, stop, other_start, other_stop = span
    once = {entry for entry, count in Counter(first[start:stop]).items() if count == 1}
    twice = Counter(second[other_start:other_stop])
    place = {second[at]: at for at in range(other_start, other_stop) if twice[second[at]] == 1}
    shared = [(at, place[first[at]]) for at in range(start, stop) if first[at] in once and first[at] in place]
    tails: list[int] = []  # the lowest end of a rising run of each length
    last: list[int] = []  # the same as indexes into `shared`
    before: list[int] = []
    for index, (_, other) in enumerate(shared):
        length = bisect_left(tails, other)
        before.append(last[length - 1] if length else -1)
        tails[length : length + 1] = [other]
        last[length : length + 1] = [index]
    run: Pairs = []
    index = last[-1] if last else -1
    while index >= 0:
        run.append(shared[index])
        index = before[index]
    return run[::-1]


def _between(span: Span, anchors: Pairs, found: Pairs) -> list[Span]:
    """Add the anchors to what is found and return the spans between them; nothing where there is no anchor."""
    if not anchors:
        return []
    found += anchors
    start, stop, other_start, other_stop = span
    spans: list[Span] = []
    for at, other in [*anchors, (stop, other_stop)]:
        spans.append((start, at, other_start, other))
        start, other_start = at + 1, other + 1
    return spans


def _stretches(span: Span) -> list[Span]:
    """Cut a span in two at the middle of both sides."""
    start, stop, other_start, other_stop = span
    middle, other_middle = (start + stop) // 2, (other_start + other_stop) // 2
    return [(start, middle, other_start, other_middle), (middle, stop, other_middle, other_stop)]
