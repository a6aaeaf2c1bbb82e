"""traces.outline: the page is bounded, what is asked for is on it, and what is cut says so."""

from decimal import Decimal
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import chain_of, relaxed, row, rows, uid
from traces.columns import RunRow
from traces.lines import CHUNK, Fold, More, Row
from traces.outline import EAGER, GLIMPSE, LEVELS, MOST, ROWS, Ask, Expand, Mark, Outline, branch, outline
from traces.sieve import Only, Tint, Wanted
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
    assert last.sums
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


def marked(made: Outline) -> dict[UUID, frozenset[Mark]]:
    """Return what a page that shows this says of itself when it asks what came."""
    found: dict[UUID, frozenset[Mark]] = {}
    for listed in _lists(lines(made)):
        for index, line in enumerate(listed):
            if isinstance(line, Row):
                beside = [listed[at] if 0 <= at < len(listed) else None for at in (index - 1, index + 1)]
                sides = zip(beside, (Mark.BEGINS, Mark.CUT), strict=True)
                marks = {mark for neighbour, mark in sides if isinstance(neighbour, More)}
                found[line.id] = frozenset(marks | ({Mark.LATER} if line.fold is Fold.LATER else set()))
    return found


def _lists(listed: list[Row | More]) -> list[list[Row | More]]:
    """Return the lines list by list."""
    done: list[list[Row | More]] = []
    stack: list[list[Row | More]] = [[]]
    for line in listed:
        stack[-1].append(line)
        if isinstance(line, Row) and line.has_list:
            stack.append([])
        done += [stack.pop() for _ in range(line.ends)]
    return [*done, *stack]


@relaxed
@given(rows(), rows(), asks)
def test_a_page_that_grows_keeps_every_row_it_had(before: list[RunRow], more: list[RunRow], ask: Ask) -> None:
    ask = msgspec.structs.replace(ask, starts=(), top=None, selected=None)
    forest = grow(uid(0), before)
    page = outline(forest, ask)
    same = outline(forest, ask, marked(page))
    assert ids(same) == ids(page)
    grown = outline(grow(uid(0), [*more, *before]), ask, marked(page))
    assert set(ids(page)) <= set(ids(grown))
    assert is_balanced(lines(grown))
    assert grown.shown <= MOST


def test_a_page_takes_in_what_came_to_its_open_ends() -> None:
    short = [row(0), *(row(n, 0, at_ms=n) for n in range(1, 40))]
    seen = marked(outline(grow(uid(0), short), Ask()))
    grown = [*short, *(row(n, 0, at_ms=n) for n in range(40, 400)), row(999, 0, at_ms=0)]
    shown = ids(outline(grow(uid(0), grown), Ask(), seen))
    assert shown[:2] == [uid(0), uid(999)]
    assert shown[-1] == uid(39 + CHUNK)
    cut = outline(wide(300), Ask())
    assert ids(outline(wide(400), Ask(), marked(cut))) == ids(cut)


def test_a_leaf_that_got_children_shows_them_and_a_list_that_was_not_sent_stays_away() -> None:
    first = [row(0), row(1, 0), row(2, 1, 1), row(3, 2, 2), row(4, 3, 3)]
    seen = marked(outline(grow(uid(0), first), Ask()))
    seen[uid(3)] = frozenset({Mark.LATER})
    del seen[uid(4)]
    grown = grow(uid(0), [*first, row(5, 0, 5), row(6, 5, 6), row(7, 3, 7)])
    made = outline(grown, Ask(), seen)
    assert ids(made) == [uid(n) for n in (0, 1, 2, 3, 5, 6)]
    folds = {line.id: line.fold for line in lines(made) if isinstance(line, Row)}
    assert folds[uid(3)] is Fold.LATER


def test_a_page_does_not_grow_beyond_its_bound() -> None:
    seen = {uid(n): frozenset[Mark]() for n in range(1_790)}
    forest = grow(uid(0), [row(0), *(row(n, 0, at_ms=n) for n in range(1, 3_000))])
    assert outline(forest, Ask(), seen).shown == MOST


def test_filters_open_every_match_and_go_on_among_matches() -> None:
    failing = tuple(range(3, 3_000, 6))
    forest = wide(3_000, failing)
    made = outline(forest, Ask(wanted=Wanted(Only.ERRORS)))
    assert (made.shown, made.matches, made.total) == (CHUNK + 1, 500, 501)
    last = lines(made)[-1]
    assert isinstance(last, More)
    assert (last.left, last.next_count, last.sums) == (300, CHUNK, None)
    got = branch(forest, Ask(starts=(last.start,), wanted=Wanted(Only.ERRORS)))
    assert [line.id for line in got if isinstance(line, Row)] == [uid(n) for n in failing[200:400]]
    assert [line.is_match for line in lines(made)[:2] if isinstance(line, Row)] == [False, True]
    whole = outline(forest, Ask(wanted=Wanted(hides_spans=True)))
    cut = lines(whole)[-1]
    assert isinstance(cut, More)
    assert cut.sums


@relaxed
@given(rows(), st.sampled_from([only for only in Only if only is not Only.EVERYTHING]), st.booleans())
def test_every_match_of_a_small_trace_is_on_the_page(given_rows: list[RunRow], only: Only, hides: bool) -> None:
    forest = grow(uid(0), given_rows)
    made = outline(forest, Ask(wanted=Wanted(only, hides_spans=hides)))
    shown = [line for line in lines(made) if isinstance(line, Row)]
    if len(given_rows) <= LEVELS:
        assert sum(line.is_match for line in shown) == made.matches
        assert not [line for line in shown if line.fold in (Fold.CLOSED, Fold.LATER)]


def test_tint_is_by_cost_or_by_time_and_what_goes_on_is_told_so_far() -> None:
    forest = grow(uid(0), [row(0, ms=None), row(1, 0, 0, 900), row(2, 0, 100, None)])
    now = forest.start_us + 1_000_000
    made = outline(forest, Ask(wanted=Wanted(tint=Tint.TIME), live_us=now))
    told = [(line.heat, line.took_ms) for line in lines(made) if isinstance(line, Row)]
    assert told == [(6, 1_000), (5, 900), (5, 900)]
    quiet = outline(forest, Ask())
    assert [line.took_ms for line in lines(quiet) if isinstance(line, Row)] == [None, 900, None]


def test_a_row_knows_whether_the_end_waited_for_it_and_where_idle_time_is_compressed() -> None:
    forest = grow(uid(0), [row(0, ms=1_000), row(1, 0, 0, 100), row(2, 0, 0, 50), row(3, 0, 900, 100)])
    made = outline(forest, Ask(compresses=True))
    told = [line for line in lines(made) if isinstance(line, Row)]
    assert [(line.is_critical, line.critical_ms) for line in told] == [
        (True, 800),
        (True, 100),
        (False, 0),
        (True, 100),
    ]
    assert (made.idle_ms, made.active_ms) == (800, 200)
    assert [bool(line.bar.crossings) for line in told] == [True, False, False, False]
    assert not outline(forest, Ask()).scale.columns
