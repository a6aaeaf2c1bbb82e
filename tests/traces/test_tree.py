"""traces.tree: every row once, sums equal a recount, order and odd parents don't matter."""

import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import START, chain_of, relaxed, row, rows, uid
from traces.columns import RunRow
from traces.tree import Forest, Group, Node, Sums, grow


def every_node(forest: Forest) -> list[Node]:
    found: list[Node] = []
    stack = [node for siblings in forest.tops.values() for node in siblings]
    while stack:
        node = stack.pop()
        found.append(node)
        stack.extend(node.children)
    return found


def beside(forest: Forest, group: Group) -> list[Node]:
    return forest.tops.get(group, [])


def shape(forest: Forest) -> list[tuple[object, ...]]:
    """Return the forest as comparable values, depth first."""
    listed: list[tuple[object, ...]] = []
    for group, siblings in forest.tops.items():
        stack = list(reversed(siblings))
        while stack:
            node = stack.pop()
            listed.append((group, node.row.id, node.depth, node.height, node.size, node.sums))
            stack.extend(reversed(node.children))
    return listed


def recount(kept: list[RunRow]) -> Sums:
    counted = [one for one in kept if one.type != "span" and one.repeat_of is None]
    known = [one.cost for one in counted if one.cost is not None]
    return Sums(
        runs=len(counted),
        errors=sum(one.status == "error" for one in counted),
        tokens=sum((one.input_tokens or 0) + (one.output_tokens or 0) for one in counted),
        cost=sum(known, Decimal(0)),
        priced=len(known),
        unknown=sum(one.cost is None and one.status == "success" and one.type in ("llm", "embed") for one in counted),
    )


@relaxed
@given(rows())
def test_every_row_is_in_the_forest_exactly_once(given_rows: list[RunRow]) -> None:
    nodes = every_node(grow(uid(0), given_rows))
    assert sorted(node.row.id for node in nodes) == sorted(one.id for one in given_rows)


@relaxed
@given(rows())
def test_sums_of_every_subtree_equal_a_recount_of_its_rows(given_rows: list[RunRow]) -> None:
    forest = grow(uid(0), given_rows)
    row_of = {one.id: one for one in given_rows}
    assert forest.sums == recount(given_rows)
    for node in every_node(forest):
        below, stack = [], [node]
        while stack:
            below.append(stack.pop())
            stack.extend(below[-1].children)
        assert node.sums == recount([row_of[one.id] for one in below])
        assert node.size == len(below)
        assert node.height == max(one.depth for one in below) - node.depth


@relaxed
@given(rows(), st.randoms(use_true_random=False))
def test_arrival_order_does_not_matter(given_rows: list[RunRow], chance: random.Random) -> None:
    shuffled = list(given_rows)
    chance.shuffle(shuffled)
    assert shape(grow(uid(0), given_rows)) == shape(grow(uid(0), shuffled))


@relaxed
@given(rows())
def test_every_run_is_found_by_its_id_and_says_what_its_row_says(given_rows: list[RunRow]) -> None:
    forest = grow(uid(0), given_rows)
    assert len(forest) == len(given_rows)
    assert [node.position for node in forest] == list(range(len(forest)))
    for one in given_rows:
        node = forest.find(one.id)
        assert node is not None
        assert one.id in forest
        said = {name: getattr(node, name) for name in (*RunRow.__struct_fields__, "tokens") if name != "parent_id"}
        assert said == {name: getattr(one, name) for name in said} | {"repeat_of": one.repeat_of is not None}
    assert forest.find(uid(1_000)) is None
    assert None not in forest


@relaxed
@given(rows())
def test_a_subtree_is_a_slice(given_rows: list[RunRow]) -> None:
    forest = grow(uid(0), given_rows)
    for node in forest:
        inside = range(node.position, node.position + node.size)
        assert all(child.position in inside for child in node.children)
        assert all(
            node.position in [one.position for one in other.ancestors()] for other in map(forest.node, inside[1:])
        )


@relaxed
@given(rows())
def test_siblings_are_in_start_order_and_know_their_list(given_rows: list[RunRow]) -> None:
    for node in every_node(grow(uid(0), given_rows)):
        starts = [(one.row.started_at, one.row.id) for one in node.siblings]
        assert starts == sorted(starts)
        assert node in node.siblings
        assert all(child.parent == node and child.depth == node.depth + 1 for child in node.children)


@relaxed
@given(rows())
def test_a_run_is_an_orphan_only_where_its_parent_is_missing(given_rows: list[RunRow]) -> None:
    forest = grow(uid(0), given_rows)
    ids = {one.id for one in given_rows}
    assert {node.row.id for node in beside(forest, Group.ORPHANS)} == {
        one.id for one in given_rows if one.id != uid(0) and one.parent_id not in ids
    }


@relaxed
@given(st.integers(1, 30), st.integers(0, 10))
def test_the_members_of_a_circle_stand_apart_with_what_hangs_beneath_them(length: int, tail: int) -> None:
    circle = [row(1 + number, 1 + (number + 1) % length) for number in range(length)]
    hanging = [row(100 + number, 100 + number - 1 if number else 1) for number in range(tail)]
    forest = grow(uid(0), [row(0), *circle, *hanging])
    assert {node.row.id for node in beside(forest, Group.ODD)} == {one.id for one in circle}
    assert sum(node.size for node in beside(forest, Group.ODD)) == length + tail
    assert forest.root is not None
    assert forest.root.size == 1


def test_a_root_beneath_a_chat_or_itself_is_still_the_root() -> None:
    for parent in (None, 0, 77):
        forest = grow(uid(0), [row(0, parent), row(1, 0)])
        assert forest.root is not None
        assert forest.root.size == 2
        assert list(forest.tops) == [Group.TREE]


def test_five_thousand_levels_need_no_recursion() -> None:
    forest = grow(uid(0), chain_of(5_000))
    assert forest.root is not None
    assert forest.root.height == 4_999
    assert forest.node(4_999).depth == 4_999
    assert forest.root.sums.runs == 5_000


def test_spans_and_repeats_are_shown_but_not_counted() -> None:
    forest = grow(
        uid(0),
        [
            row(0),
            row(1, 0, type="span", status="error", cost=Decimal(1)),
            row(2, 1, type="llm", cost=Decimal("0.5"), input_tokens=3, output_tokens=4),
            row(3, 1, type="llm", cost=Decimal("0.5"), input_tokens=3, repeat_of=uid(2)),
        ],
    )
    assert forest.sums == Sums(runs=2, errors=0, tokens=7, cost=Decimal("0.5"), priced=1, unknown=0)
    assert len(every_node(forest)) == 4


def test_a_model_call_without_a_price_is_unknown_and_a_tool_is_not() -> None:
    failed = row(4, 0, type="llm", status="error")
    forest = grow(uid(0), [row(0), row(1, 0, type="llm"), row(2, 0, type="tool"), row(3, 0, type="embed"), failed])
    assert (forest.sums.unknown, forest.sums.priced, forest.sums.cost) == (2, 0, Decimal(0))


def test_errors_inside_leave_out_the_root_itself() -> None:
    forest = grow(uid(0), [row(0, status="error"), row(1, 0), row(2, 1, status="error")])
    assert forest.errors_inside == 1
    assert forest.root is not None
    assert forest.root.errors_below == 1
    failed = forest.find(uid(2))
    assert failed is not None
    assert failed.errors_below == 0


def test_the_trace_lasts_from_the_first_start_to_the_last_end_and_runs_until_its_root_ends() -> None:
    forest = grow(uid(0), [row(0, at_ms=10, ms=None), row(1, 0, at_ms=-40, ms=5), row(2, 0, at_ms=50, ms=950)])
    assert (forest.ended_at - START).total_seconds() == 1
    assert forest.duration_ms == 1_040
    assert forest.running
    assert not grow(uid(0), [row(0), row(1, 0, ms=None)]).running
