"""The lines of a comparison: differences always in sight, the rest folded, opened and paged, never lost."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import chain_of, relaxed, row, uid
from tests.traces.small_forests import forests
from traces.align import align
from traces.alignment import Alignment, Kind
from traces.columns import RunRow
from traces.compare_rows import GLIMPSE, PAGE, SMALL, Fold, Row, Table, indent, shows_everything, table
from traces.preorder import Group
from traces.tree import Forest, grow


def siblings(count: int, *changed: int, leave_out: frozenset[int] = frozenset()) -> Forest:
    """Return a root with `count` tools beneath, of which some failed."""
    tools = [
        row(n, 0, at_ms=n, type="tool", name=f"tool {n}", status="error" if n in changed else "success")
        for n in range(1, count + 1)
        if n not in leave_out
    ]
    return grow(uid(0), [row(0), *tools])


def words(shown: Table) -> list[str]:
    """Return each line as the run it stands for, or what is folded."""
    return [
        f"[{line.runs} {line.word}]" if isinstance(line, Fold) else line.pair.either.name or "" for line in shown.lines
    ]


def differences(alignment: Alignment, *opened: int, start: int | None = None, chosen: int | None = None) -> Table:
    return table(
        alignment,
        {},
        everything=False,
        opened=frozenset(map(uid, opened)),
        start=None if start is None else uid(start),
        chosen=chosen,
    )


def covered(alignment: Alignment, shown: Table) -> int:
    return sum(line.runs if isinstance(line, Fold) else 1 for line in shown.lines)


@relaxed
@given(forests, forests, st.sets(st.integers(0, 45)))
def test_every_run_is_on_a_line_or_in_a_fold_and_no_difference_is_folded(
    left: Forest, right: Forest, opened: set[int]
) -> None:
    alignment = align(left, right)
    shown = differences(alignment, *opened)
    assert covered(alignment, shown) == len(alignment)
    for line in shown.lines:
        if isinstance(line, Fold):
            assert line.what in (Kind.SAME, Kind.ADDED, Kind.REMOVED)
            assert line.runs > 1
    same = [line for line in shown.lines if isinstance(line, Fold) and line.what is Kind.SAME]
    changed = sum(kind is Kind.CHANGED for kind in alignment.kinds)
    assert sum(isinstance(line, Row) and line.pair.kind is Kind.CHANGED for line in shown.lines) == changed
    assert sum(line.runs for line in same) <= alignment.counts[Kind.SAME]


@relaxed
@given(forests, forests)
def test_with_everything_there_is_a_line_per_run(left: Forest, right: Forest) -> None:
    alignment = align(left, right)
    shown = table(alignment, {}, everything=True)
    assert [line.pair.index for line in shown.lines if isinstance(line, Row)] == list(range(len(alignment)))


def test_what_does_not_differ_is_folded_between_what_does() -> None:
    alignment = align(siblings(9), siblings(9, 4))
    assert words(differences(alignment)) == ["run 0", "[3 unchanged]", "tool 4", "[5 unchanged]"]


def test_a_single_unchanged_run_is_shown_instead_of_a_fold_of_one() -> None:
    alignment = align(siblings(3), siblings(3, 1, 3))
    assert words(differences(alignment)) == ["run 0", "tool 1", "tool 2", "tool 3"]


def test_a_fold_opens_by_the_run_it_begins_with() -> None:
    alignment = align(siblings(5), siblings(5, 4))
    fold = next(line for line in differences(alignment).lines if isinstance(line, Fold))
    assert fold.start == uid(1)
    assert words(differences(alignment, 1)) == ["run 0", "tool 1", "tool 2", "tool 3", "tool 4", "tool 5"]


def test_a_fold_stays_open_when_the_sides_are_swapped() -> None:
    left = siblings(5)
    right = grow(uid(0), [row(0), *(row(50 + n, 0, at_ms=n, type="tool", name=f"tool {n}") for n in range(1, 6))])
    fold = next(line for line in differences(align(left, right)).lines if isinstance(line, Fold))
    assert fold.start == uid(51)
    for alignment in (align(left, right), align(right, left)):
        assert words(differences(alignment, 51)) == ["run 0", *(f"tool {n}" for n in range(1, 6))]


def test_an_opened_fold_folds_what_is_beneath_each_of_its_runs() -> None:
    below = [row(10 + n, 1, at_ms=50 + n, name=f"below {n}") for n in range(3)]
    rows_of = [row(0), row(1, 0, at_ms=1, name="chain"), row(2, 0, at_ms=900, name="last"), *below]
    alignment = align(grow(uid(0), rows_of), grow(uid(0), [*rows_of[:2], row(2, 0, at_ms=900, name="new"), *below]))
    assert words(differences(alignment)) == ["run 0", "[4 unchanged]", "new"]
    assert words(differences(alignment, 1)) == ["run 0", "chain", "[3 unchanged]", "new"]
    assert words(differences(alignment, 1, 10)) == ["run 0", "chain", "below 0", "below 1", "below 2", "new"]


def test_the_chosen_pair_is_never_folded() -> None:
    alignment = align(siblings(9), siblings(9))
    assert words(differences(alignment, chosen=5)) == ["run 0", "[4 unchanged]", "tool 5", "[4 unchanged]"]


@pytest.mark.parametrize(("beneath", "folded"), [(GLIMPSE - 1, False), (GLIMPSE, True)])
def test_a_large_run_of_one_side_is_folded_beneath(beneath: int, folded: bool) -> None:
    added = [row(1, 0, at_ms=1, name="new"), *(row(2 + n, 1, at_ms=2 + n) for n in range(beneath))]
    shown = differences(align(grow(uid(0), [row(0)]), grow(uid(0), [row(0), *added])))
    assert words(shown)[:2] == ["run 0", "new"]
    assert (words(shown)[2:] == [f"[{beneath} added]"]) is folded


def test_nothing_differing_is_the_root_and_a_fold() -> None:
    forest = siblings(70)
    assert words(differences(align(forest, forest))) == ["run 0", "[70 unchanged]"]


def test_small_comparisons_show_everything_unless_asked() -> None:
    small, large = (align(siblings(count), siblings(count)) for count in (SMALL - 1, SMALL))
    assert shows_everything(small, asked=None)
    assert not shows_everything(large, asked=None)
    assert not shows_everything(small, asked=False)
    assert shows_everything(large, asked=True)


def test_long_lists_come_in_pages_that_begin_with_a_run() -> None:
    alignment = align(siblings(500), siblings(500, *range(1, 501)))
    first = differences(alignment)
    assert (len(first.lines), first.before, first.after, first.total) == (PAGE, 0, 501 - PAGE, 501)
    assert first.earlier is None
    assert first.later == uid(PAGE)
    assert first.above == []
    second = differences(alignment, start=PAGE)
    assert words(second)[0] == f"tool {PAGE}"
    assert [pair.either.name for pair in second.above] == ["run 0"]
    assert second.before == PAGE
    assert second.earlier == uid(0)
    last = differences(alignment, start=2 * PAGE)
    assert (len(last.lines), last.after, last.later) == (101, 0, None)
    assert words(first) + words(second) + words(last) == ["run 0"] + [f"tool {n}" for n in range(1, 501)]


def test_a_page_that_begins_with_a_folded_run_begins_with_its_fold() -> None:
    alignment = align(siblings(9), siblings(9, 1, 9))
    assert words(differences(alignment, start=5)) == ["[7 unchanged]", "tool 9"]
    assert words(differences(alignment, start=999)) == words(differences(alignment))


def test_a_chosen_pair_far_down_is_on_the_page() -> None:
    alignment = align(siblings(500), siblings(500, *range(1, 501)))
    shown = differences(alignment, chosen=450)
    assert "tool 450" in words(shown)
    assert shown.before == 2 * PAGE


def test_orphans_begin_a_group_of_their_own() -> None:
    left, right = (
        grow(
            uid(0),
            [row(0), *(row(n, 77, at_ms=n, name=f"orphan {n}") for n in (1, 2)), row(3, 77, at_ms=3, status=status)],
        )
        for status in ("success", "error")
    )
    shown = differences(align(left, right))
    assert words(shown) == ["run 0", "[2 unchanged]", "run 3"]
    assert [line.opens for line in shown.lines] == [None, Group.ORPHANS, None]


def test_a_row_says_what_was_renamed_and_what_its_status_was() -> None:
    def call(**fields: Any) -> RunRow:
        return row(1, 0, at_ms=1, **({"type": "llm", "name": "gpt-4"} | fields))

    alignment = align(grow(uid(0), [row(0), call()]), grow(uid(0), [row(0), call(name="gpt-5", status="error")]))
    line = table(alignment, {1: ("input", "output")}, everything=True).lines[1]
    assert isinstance(line, Row)
    assert (line.renamed_from, line.was, line.word) == ("gpt-4", "success", "changed")
    assert line.texts == ("input", "output")
    assert line.key == f"{uid(1)}..{uid(1)}"


def test_the_deepest_levels_stand_no_further_in() -> None:
    chain = grow(uid(0), chain_of(5_000))
    shown = table(align(chain, chain), {}, everything=True, start=uid(4_900))
    levels = {line.level for line in shown.lines}
    assert levels == {24}
    assert indent(24) < 200
    assert [indent(level) for level in (0, 1, 2)] == [0, 16, 32]
    assert len(shown.above) == 24
