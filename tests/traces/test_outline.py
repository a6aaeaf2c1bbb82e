"""traces.outline: the page is bounded, what is asked for is on it, and what is cut says so."""

from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import chain_of, relaxed, row, rows, uid
from traces.columns import RunRow
from traces.lines import CHUNK, Fold, More, Row
from traces.outline import EAGER, GLIMPSE, LEVELS, ROWS, Ask, Expand, Outline, branch, outline
from traces.tree import Forest, Group, grow


def lines(made: Outline) -> list[Row | More]:
    return [line for section in made.sections for line in section.lines]


def ids(made: Outline) -> list[UUID]:
    return [line.node.row.id for line in lines(made) if isinstance(line, Row)]


def is_balanced(listed: list[Row | More]) -> bool:
    """Every list that a row opens is ended once."""
    opened = sum(isinstance(line, Row) and line.fold in (Fold.OPEN, Fold.CLOSED) for line in listed)
    return opened == sum(line.ends for line in listed)


def wide(children: int, failing: tuple[int, ...] = ()) -> Forest:
    below = [row(n, 0, at_ms=n, status="error" if n in failing else "success") for n in range(1, children + 1)]
    return grow(uid(0), [row(0), *below])


asks = st.builds(
    Ask,
    expand=st.sampled_from(Expand),
    starts=st.lists(st.integers(0, 45).map(uid), max_size=4).map(tuple),
    top=st.one_of(st.none(), st.integers(0, 45).map(uid)),
    selected=st.one_of(st.none(), st.integers(0, 45).map(uid)),
)


@relaxed
@given(rows(), asks)
def test_any_forest_and_any_address_give_a_well_formed_page(given_rows: list[RunRow], ask: Ask) -> None:
    forest = grow(uid(0), given_rows)
    made = outline(forest, ask)
    shown = ids(made)
    assert len(shown) == len(set(shown)) == made.shown
    assert is_balanced(lines(made))
    if ask.selected in forest and ask.top not in forest:
        assert ask.selected in shown or ask.starts


@relaxed
@given(rows())
def test_a_small_trace_is_sent_whole(given_rows: list[RunRow]) -> None:
    made = outline(grow(uid(0), given_rows), Ask())
    assert made.whole or len(given_rows) > LEVELS
    assert sum(section.total for section in made.sections) == len(given_rows)


def test_a_wide_list_is_cut_and_the_cut_says_what_it_hides() -> None:
    made = outline(wide(8_412, failing=(3, 5_000, 8_000)), Ask())
    *_, last = lines(made)
    assert isinstance(last, More)
    assert (last.next_count, last.left, last.total) == (CHUNK, 8_412 - GLIMPSE, 8_412)
    assert last.start == uid(GLIMPSE + 1)
    assert (last.sums.errors, last.error_start) == (2, uid(5_000))
    assert made.shown == GLIMPSE + 1
    assert (made.total, made.whole) == (8_413, False)
    assert outline(wide(8_412), Ask(expand=Expand.ALL)).shown == CHUNK + 1


def test_next_and_earlier_walk_through_a_wide_list_and_meet_every_run_once() -> None:
    forest = wide(1_050)
    seen: list[UUID] = []
    start = uid(1)
    for _ in range(6):
        made = outline(forest, Ask(starts=(start,)))
        seen += ids(made)[1:]
        cut = [line for line in lines(made) if isinstance(line, More)]
        assert [line.earlier for line in cut] == [True] * (start != uid(1)) + [False] * (uid(1_050) not in seen)
        start = cut[-1].start
    assert seen == [uid(number) for number in range(1, 1_051)]
    assert start == uid(801)  # the last page's "earlier" begins a chunk before its first run


def test_a_selected_run_is_on_the_page_however_deep_and_far_down_it_lies() -> None:
    deep = [row(10_000 + n, 10_000 + n - 1 if n else 700, at_ms=700 + n) for n in range(60)]
    forest = grow(uid(0), [row(0), *(row(n, 0, at_ms=n) for n in range(1, 1_000)), *deep])
    for wanted in (650, 700, 10_003, 10_015, 10_030, 10_059):
        made = outline(forest, Ask(selected=uid(wanted)))
        assert uid(wanted) in ids(made)
        assert made.shown <= ROWS
        assert max(line.level for line in lines(made)) < LEVELS


def test_no_page_is_larger_than_its_bound_whatever_is_expanded() -> None:
    bushy = [row(0), *(row(n, (n - 1) // 8, at_ms=n, status="error") for n in range(1, 6_000))]
    for expand in Expand:
        made = outline(grow(uid(0), bushy), Ask(expand=expand, selected=uid(5_999)))
        assert made.shown <= ROWS
        assert uid(5_999) in ids(made)
        assert is_balanced(lines(made))


def test_lists_are_open_to_depth_three_and_on_the_way_to_every_error() -> None:
    straight = [row(n, n - 1, at_ms=n) for n in range(1, 8)]
    failing = [row(20 + n, 20 + n - 1 if n else 0, at_ms=n, status="error" if n == 6 else "success") for n in range(7)]
    made = outline(grow(uid(0), [row(0), *straight, *failing]), Ask())
    folds = {line.node.row.id: line.fold for line in lines(made) if isinstance(line, Row)}
    assert [folds[uid(n)] for n in range(4)] == [Fold.OPEN, Fold.OPEN, Fold.OPEN, Fold.CLOSED]
    assert {folds[uid(20 + n)] for n in range(6)} == {Fold.OPEN}
    assert folds[uid(26)] is Fold.LEAF


def test_lists_of_a_large_trace_that_are_not_open_are_fetched_later() -> None:
    forest = grow(uid(0), [row(0), *(row(n, (n - 1) // 2, at_ms=n) for n in range(1, EAGER + 50))])
    made = outline(forest, Ask())
    later = [line for line in lines(made) if isinstance(line, Row) and line.fold is Fold.LATER]
    assert {line.level for line in later} == {3}
    got = branch(forest, Ask(starts=(later[0].first_child,)))
    assert got[0].level == 4
    assert is_balanced(got)
    opened = outline(forest, Ask(starts=(later[0].first_child,)))
    assert later[0].first_child in ids(opened)
    assert outline(forest, Ask(expand=Expand.ALL)).whole
    assert outline(forest, Ask(expand=Expand.NONE)).shown == 3


def test_a_branch_goes_on_where_the_page_stopped() -> None:
    forest = wide(500)
    got = branch(forest, Ask(starts=(uid(201),)))
    assert [line.node.row.id for line in got if isinstance(line, Row)] == [uid(n) for n in range(201, 401)]
    assert isinstance(got[-1], More)
    assert got[-1].start == uid(401)
    assert not any(line.ends for line in got)
    assert branch(forest, Ask(starts=(uid(9_999),))) == []
    assert branch(forest, Ask()) == []


def test_five_thousand_levels_are_shown_a_page_of_levels_at_a_time() -> None:
    forest = grow(uid(0), chain_of(5_000))
    made = outline(forest, Ask(expand=Expand.ALL))
    last = lines(made)[-1]
    assert isinstance(last, Row)
    assert last.fold is Fold.DEEPER
    assert made.shown == LEVELS
    below = outline(forest, Ask(top=last.node.row.id, expand=Expand.ALL))
    assert [node.row.id for node in below.above] == [uid(n) for n in range(LEVELS - 1)]
    assert ids(below)[0] == last.node.row.id
    assert uid(4_999) in ids(outline(forest, Ask(selected=uid(4_999))))


def test_orphans_and_odd_parents_have_their_own_sections_and_are_cut_like_any_list() -> None:
    missing = [row(n, 5_000, at_ms=n) for n in range(1, 401)]
    circle = [row(600, 601), row(601, 600)]
    made = outline(grow(uid(0), [row(0), *missing, *circle]), Ask())
    assert [(section.group, section.total) for section in made.sections] == [
        (Group.TREE, 1),
        (Group.ORPHANS, 400),
        (Group.ODD, 2),
    ]
    cut = made.sections[1].lines[-1]
    assert isinstance(cut, More)
    assert cut.parent is None


def test_a_row_knows_its_share_of_the_cost() -> None:
    paid = [row(0), row(1, 0, type="llm", cost=Decimal("0.9")), row(2, 0, at_ms=1, type="llm", cost=Decimal("0.1"))]
    made = [line for line in lines(outline(grow(uid(0), [*paid, row(3, 0, at_ms=2)]), Ask())) if isinstance(line, Row)]
    assert [line.heat for line in made] == [6, 5, 1, 0]
    assert [line.sums.cost if line.sums.priced else None for line in made] == [
        Decimal("1.0"),
        Decimal("0.9"),
        Decimal("0.1"),
        None,
    ]
    assert [line.is_sum for line in made] == [True, False, False, False]
