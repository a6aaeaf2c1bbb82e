"""Aligned traces: every run once, the same to itself, a mirror of its mirror, and as quick at 50 000 runs."""

import random
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import chain_of, relaxed, row, uid
from tests.traces.small_forests import Plan, forests, planned, plans
from traces.align import align
from traces.alignment import Alignment, Figure, Kind
from traces.columns import RunRow
from traces.tree import NONE, Forest, Group, grow


def trace(*children: Any, root: str = "agent") -> Forest:
    """Make a trace from names: `("llm gpt", ("tool x", …), …)` nests."""
    made: list[RunRow] = []

    def add(what: Any, parent: int | None) -> None:
        name, *below = what if isinstance(what, tuple) else (what,)
        kind, _, called = name.partition(" ")
        number = len(made)
        made.append(row(number, parent, at_ms=number, type=kind, name=called))
        for one in below:
            add(one, number)

    add((f"{root} root", *children), None)
    return grow(uid(0), made)


def story(alignment: Alignment) -> list[str]:
    """Return the lines as a person would read them."""
    marks = {Kind.SAME: "=", Kind.CHANGED: "≠", Kind.ADDED: "+", Kind.REMOVED: "-", Kind.AWAITED: "?"}
    lines = []
    for index in range(len(alignment)):
        pair = alignment.pair(index)
        names = dict.fromkeys(node.name or "" for node in (pair.left, pair.right) if node)
        lines.append(f"{'  ' * pair.depth}{marks[pair.kind]} {' → '.join(names)}")
    return lines


def grown(given: list[RunRow]) -> Forest:
    return grow(uid(0), given)


@relaxed
@given(forests, forests)
def test_every_run_of_both_sides_is_on_one_line(left: Forest, right: Forest) -> None:
    found = align(left, right)
    assert sorted(at for at in found.lefts if at != NONE) == list(range(len(left)))
    assert sorted(at for at in found.rights if at != NONE) == list(range(len(right)))
    for forest in (left, right):
        for node in forest:
            line = found.find(node.id)
            assert line is not None
            assert node.id in {side.id for side in (found.pair(line).left, found.pair(line).right) if side}


@relaxed
@given(forests, forests)
def test_lines_are_in_preorder_and_parents_stand_above_their_children(left: Forest, right: Forest) -> None:
    found = align(left, right)
    for index, above in enumerate(found.parent):
        assert above < index
        assert found.depth[index] == (found.depth[above] + 1 if above != NONE else 0)
        if above != NONE:
            assert index < above + found.size[above]
        for forest, column in ((left, found.lefts), (right, found.rights)):
            position = column[index]
            parent = forest.parent[position] if position != NONE else NONE
            if parent != NONE:
                assert column[above] == parent
    ranges = list(found.groups.values())
    assert [line for lines in ranges for line in lines] == list(range(len(found)))
    assert all(found.tops(lines) for lines in ranges)


@relaxed
@given(forests, forests)
def test_pairs_are_of_one_type_and_their_parents_are_a_pair(left: Forest, right: Forest) -> None:
    found = align(left, right)
    for index in range(len(found)):
        pair = found.pair(index)
        if pair.left is None or pair.right is None:
            continue
        above = found.parent[index]
        if above == NONE:
            continue
        assert pair.left.type == pair.right.type
        assert Kind.REMOVED is not found.kinds[above] is not Kind.ADDED


@relaxed
@given(forests)
def test_a_trace_is_the_same_as_itself(forest: Forest) -> None:
    found = align(forest, forest)
    assert found.lefts == found.rights
    assert set(found.kinds) == {Kind.SAME}
    assert found.differing(0, len(found)) == 0


@relaxed
@given(forests, forests)
def test_swapping_the_sides_mirrors_what_was_added_and_removed(left: Forest, right: Forest) -> None:
    there, back = align(left, right), align(right, left)
    mirror = {Kind.ADDED: Kind.REMOVED, Kind.REMOVED: Kind.ADDED}
    assert {(a, b, kind) for a, b, kind in zip(there.lefts, there.rights, there.kinds, strict=True)} == {
        (b, a, mirror.get(kind, kind)) for a, b, kind in zip(back.lefts, back.rights, back.kinds, strict=True)
    }


@relaxed
@given(plans, plans)
def test_the_order_in_which_rows_arrive_does_not_matter(plan: Plan, other: Plan) -> None:
    left, right = planned(plan), planned(other)
    assert story(align(grown(left), grown(right))) == story(align(grown(left[::-1]), grown(right[::-1])))


def test_a_step_that_was_put_in_between_is_added() -> None:
    left = trace("llm gpt", "tool search", "llm gpt")
    right = trace("llm gpt", "tool search", "tool lookup", "llm gpt")
    assert story(align(left, right)) == ["= root", "  = gpt", "  = search", "  + lookup", "  = gpt"]


def test_another_model_is_a_change_not_another_run() -> None:
    left = trace("llm gpt-4", "tool search", "llm gpt-4", "llm gpt-4")
    right = trace("llm gpt-5", "tool search", "llm gpt-5")
    assert story(align(left, right)) == [
        "= root",
        "  ≠ gpt-4 → gpt-5",
        "  = search",
        "  ≠ gpt-4 → gpt-5",
        "  - gpt-4",
    ]


def test_another_tool_is_a_change_only_where_it_stands_alone() -> None:
    assert story(align(trace("tool a"), trace("tool b"))) == ["= root", "  ≠ a → b"]
    assert story(align(trace("tool a", "tool b"), trace("tool c"))) == ["= root", "  - a", "  - b", "  + c"]


def test_of_several_chains_of_one_name_the_one_without_a_twin_is_the_one_removed() -> None:
    def turn(tool: str) -> tuple[str, ...]:
        return ("chain turn", f"tool {tool}", "llm gpt")

    left = trace(*(turn(tool) for tool in ("a", "b", "c", "d")))
    right = trace(*(turn(tool) for tool in ("a", "c", "d")))
    assert [line for line in story(align(left, right)) if "=" not in line] == ["  - turn", "    - b", "    - gpt"]


def test_of_two_tries_the_one_that_failed_is_the_one_removed() -> None:
    tries = [row(1, 0, at_ms=1, type="tool", name="x", status="error"), row(2, 0, at_ms=2, type="tool", name="x")]
    found = align(grow(uid(0), [row(0), *tries]), grow(uid(0), [row(0), tries[1]]))
    assert [kind.value for kind in found.kinds] == ["same", "removed", "same"]


def test_roots_are_a_pair_whatever_they_are() -> None:
    found = align(trace("tool a", root="agent"), trace("tool a", root="chain"))
    assert [kind.value for kind in found.kinds] == ["changed", "same"]


def test_a_root_that_one_side_has_not_received_still_holds_both_sides_runs() -> None:
    whole = trace("llm gpt", "tool search")
    waiting = grow(
        uid(99), [row(1, 99, at_ms=1, type="llm", name="gpt"), row(2, 99, at_ms=2, type="tool", name="other")]
    )
    expected = ["? root", "  = gpt", "  ≠ search → other"]
    assert story(align(whole, waiting)) == expected
    assert story(align(waiting, whole))[:2] == expected[:2]
    assert list(align(whole, waiting).groups) == [Group.TREE]


def test_orphans_of_both_sides_are_paired() -> None:
    left = grow(uid(0), [row(0), row(1, 77, type="tool", name="a")])
    right = grow(uid(0), [row(0), row(1, 78, type="tool", name="a"), row(2, 78, at_ms=5, type="tool", name="b")])
    found = align(left, right)
    assert story(found) == ["= run 0", "= a", "+ b"]
    assert found.groups == {Group.TREE: range(1), Group.ORPHANS: range(1, 3)}


@pytest.mark.parametrize(
    "change",
    [
        {"status": "error"},
        {"input_tokens": 8},
        {"output_tokens": 9},
        {"cost": Decimal("0.2")},
        {"cost": None},
    ],
)
def test_what_the_narrow_row_tells_is_a_change(change: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"type": "llm", "input_tokens": 7, "output_tokens": 8, "cost": Decimal("0.1")}
    left, right = (grow(uid(0), [row(0, **fields)]) for fields in (usual, usual | change))
    assert align(left, right).kinds == [Kind.CHANGED]
    assert align(left, grow(uid(0), [row(0, ms=4_000, **usual)])).kinds == [Kind.SAME]  # time alone is no change


def test_lines_can_be_marked_by_what_narrow_rows_do_not_tell() -> None:
    plain = align(trace("tool a", "tool b"), trace("tool a", "tool c", "tool d"))
    found = plain.marked([1, 2])
    assert [kind.value for kind in plain.kinds] == ["same", "same", "removed", "added", "added"]
    assert [kind.value for kind in found.kinds] == ["same", "changed", "removed", "added", "added"]
    assert found.differing(0, len(found)) == 4
    assert found.counts == {Kind.SAME: 1, Kind.CHANGED: 1, Kind.ADDED: 2, Kind.REMOVED: 1, Kind.AWAITED: 0}


def test_a_lines_figures_are_those_of_its_sub_trees() -> None:
    def priced(cost: str, tokens: int) -> Forest:
        call: dict[str, Any] = {"type": "llm", "cost": Decimal(cost), "input_tokens": tokens, "output_tokens": 1}
        return grow(uid(0), [row(0, ms=500), row(1, 0, ms=200, **call), row(2, 0, ms=tokens, **call)])

    pair = align(priced("0.10", 10), priced("0.25", 20)).pair(0)
    assert pair.is_sum
    assert pair.cost == Figure(Decimal("0.20"), Decimal("0.50"))
    assert pair.cost.change == Decimal("0.30")
    assert pair.cost.share == 1.5
    assert pair.tokens == Figure(22, 42)
    assert pair.duration.change == 0


@pytest.mark.parametrize(
    ("figure", "change", "share"),
    [
        (Figure(10, 4), -6, -0.6),
        (Figure(0, 4), 4, None),
        (Figure(None, 4), None, None),
        (Figure(10, None, absent=True), -10, -1.0),
        (Figure(None, 4, absent=True), 4, None),
        (Figure(None, None, absent=True), None, None),
    ],
)
def test_the_change_of_a_figure(figure: Figure, change: int | None, share: float | None) -> None:
    assert figure.change == change
    assert figure.share == share


def _wide(kinds: int, dice: random.Random) -> list[RunRow]:
    types = ("llm", "tool")
    names = [f"n{dice.randrange(kinds)}" for _ in range(49_999)]
    return [row(0)] + [row(n, 0, at_ms=n, name=name, type=dice.choice(types)) for n, name in enumerate(names, 1)]


def _mixed(dice: random.Random) -> list[RunRow]:
    return [row(0)] + [
        row(n, dice.randrange(max(0, n - 5), n), at_ms=n, name=f"n{dice.randrange(3)}") for n in range(1, 50_000)
    ]


SHAPES: dict[str, Callable[[random.Random], list[RunRow]]] = {
    "wide, few names": lambda dice: _wide(2, dice),
    "wide, many names": lambda dice: _wide(1_000, dice),
    "wide, every name its own": lambda dice: _wide(10**9, dice),
    "mixed": _mixed,
    "deep": lambda dice: chain_of(50_000 - dice.randrange(2)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_fifty_thousand_runs_on_each_side_take_a_moment(shape: str) -> None:
    dice = random.Random(5)
    left, right = (grown(SHAPES[shape](dice)) for _ in "12")
    began = time.process_time()
    found = align(left, right)
    assert time.process_time() - began < 8
    assert len(found) >= max(len(left), len(right))


@given(st.integers(1, 30))
def test_leaving_one_run_out_of_many_alike_removes_exactly_one(count: int) -> None:
    left, right = (trace(*["tool same"] * number) for number in (count, count - 1))
    assert align(left, right).counts[Kind.REMOVED] == 1
