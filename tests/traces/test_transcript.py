"""Which runs a transcript tells, in what order, and on which page: whatever the rows are."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import START, chain_of, relaxed, row, rows, uid
from traces.columns import RunRow
from traces.transcript import CARDS, SHORT, Card, Kind, Level, level
from traces.tree import Forest, Group, grow


def forest_of(*found: RunRow) -> Forest:
    return grow(uid(0), found)


def llm(number: int, parent: int | None, at_ms: int = 0, **fields: Any) -> RunRow:
    return row(number, parent, at_ms, type="llm", **fields)


def tool(number: int, parent: int | None, at_ms: int = 0, **fields: Any) -> RunRow:
    return row(number, parent, at_ms, type="tool", **fields)


def names(cards: list[Card]) -> list[str | None]:
    return [card.node.name for card in cards]


def every_level(forest: Forest) -> list[Level]:
    """Return the level a page begins with and those that opening cards leads to."""
    found, open_cards = [level(forest)], [*level(forest).cards()]
    while open_cards:
        card = open_cards.pop()
        if card.inside:
            found.append(level(forest, card.id))
            open_cards += found[-1].cards()
    return found


@relaxed
@given(rows())
def test_every_card_is_told_once_and_only_wrappers_are_not(found: list[RunRow]) -> None:
    forest = grow(uid(0), found)
    levels = every_level(forest)
    told = [card.id for one in levels for card in one.cards()]
    assert len(told) == len(set(told))
    tops = {one.top.id for one in levels if one.top}
    for node in forest:
        if node.id not in told and node.id not in tops:
            assert node.type in ("chain", "span") or node.repeat_of, node


@relaxed
@given(rows())
def test_a_level_is_in_time_order_and_orphans_come_after_the_tree(found: list[RunRow]) -> None:
    forest = grow(uid(0), found)
    order = list(Group)
    for one in every_level(forest):
        keys = [(order.index(card.group), card.node.start_us) for card in one.cards()]
        assert keys == sorted(keys)


@relaxed
@given(st.lists(st.sampled_from(("llm", "tool", "retriever", "custom-event", "embed")), max_size=200), st.data())
def test_pages_divide_the_cards(kinds: list[str], data: st.DataObject) -> None:
    forest = forest_of(row(0, type="agent"), *(row(n, 0, at_ms=n, type=kind) for n, kind in enumerate(kinds, start=1)))
    whole = level(forest)
    page, ids = whole.page(), []
    while True:
        assert len(page.cards) <= CARDS * 3 // 2
        ids += [card.id for card in page.cards]
        assert page.total - page.left == len(ids)
        for card in page.cards:
            assert whole.page(card.id).begin == page.begin
        if page.after_id is None:
            break
        following = whole.page(page.after_id)
        assert following.before_id == page.cards[0].id
        assert page.next_count == len(following.cards)
        page = following
    assert ids == [card.id for card in whole.cards()]
    stranger = data.draw(st.uuids())
    assert whole.page(stranger).begin == 0


def test_a_page_takes_the_tools_of_its_last_call_along() -> None:
    forest = forest_of(
        row(0, type="agent"),
        *(llm(n, 0, n) for n in range(1, CARDS + 1)),
        *(tool(n, 0, n) for n in range(CARDS + 1, CARDS + 4)),
        llm(CARDS + 4, 0, CARDS + 4),
    )
    page = level(forest).page()
    assert len(page.cards) == CARDS + 3
    assert page.later_call
    assert page.later_call.id == page.after_id
    following = level(forest).page(page.after_id)
    assert names(following.earlier_calls) == [f"run {n}" for n in (CARDS - 2, CARDS - 1, CARDS)]


def test_wrappers_are_seen_through_and_short_chains_name_their_cards() -> None:
    forest = forest_of(
        row(0, type="agent"),
        row(1, 0, 1, type="chain", name="model"),
        llm(2, 1, 2),
        row(3, 0, 3, type="chain", name="plan"),
        llm(4, 3, 4),
        row(5, 3, 5, type="span"),
        tool(6, 5, 6),
        llm(7, 4, 4, repeat_of=uid(4)),
        row(8, 0, 9, type="chain", name="parser"),
        row(9, 0, 10, type="span", status="error"),
    )
    cards = level(forest).cards()
    assert names(cards) == ["run 2", "run 4", "run 6", "parser"]
    assert [card.path for card in cards] == [(), ("plan",), ("plan",), ()]
    assert cards[-1].kind is Kind.STEP


def test_agents_long_chains_and_failed_chains_are_folded() -> None:
    steps = [llm(100 + n, 2, 20 + n) for n in range(SHORT + 1)]
    forest = forest_of(
        row(0, type="agent"),
        row(1, 0, 1, type="agent", name="helper"),
        llm(10, 1, 2),
        row(2, 0, 3, type="chain", name="long"),
        *steps,
        row(3, 0, 40, type="chain", name="broken", status="error"),
        llm(11, 3, 41),
        row(4, 0, 50, type="chain", name="passed it on", status="error"),
        llm(12, 4, 51, status="error"),
    )
    cards = level(forest).cards()
    assert names(cards) == ["helper", "long", "broken", "run 12"]
    assert [card.inside for card in cards] == [1, SHORT + 1, 1, 0]
    assert [card.kind for card in cards] == [Kind.GROUP] * 3 + [Kind.MODEL]
    inside = level(forest, uid(2))
    assert inside.top == forest.find(uid(2))
    assert len(inside) == SHORT + 1
    assert [node.id for node in inside.above] == [uid(0)]


def test_a_level_that_is_one_long_chain_is_that_chains() -> None:
    forest = forest_of(row(0), row(1, 0), row(2, 1), *(llm(10 + n, 2, n) for n in range(30)))
    whole = level(forest)
    assert len(whole) == 30
    assert whole.top == forest.root


def test_tools_and_calls_may_hold_a_level_too() -> None:
    forest = forest_of(row(0, type="agent"), tool(1, 0, 1), row(2, 1, 2, type="agent"), llm(3, 2, 3))
    (card,) = level(forest).cards()
    assert (card.kind, card.inside) == (Kind.TOOL, 1)
    assert names(level(forest, uid(1)).cards()) == ["run 2"]


def test_a_run_alone_is_its_own_transcript() -> None:
    forest = forest_of(llm(0, None))
    assert names(level(forest).cards()) == ["run 0"]
    assert level(forest).top is None
    assert names(level(forest, uid(0)).cards()) == ["run 0"]


def test_without_a_root_orphans_are_told_and_said_to_be_ones() -> None:
    forest = forest_of(llm(1, 77, 5), tool(2, 78, 3), row(3, 4), row(4, 3))
    cards = level(forest).cards()
    assert [card.group for card in cards] == [Group.ORPHANS] * 2 + [Group.ODD] * 2
    assert names(cards)[:2] == ["run 2", "run 1"]
    both = forest_of(row(0, type="agent"), llm(1, 0, 9), llm(2, 78, 3))
    assert [(card.node.name, card.group) for card in level(both).cards()] == [
        ("run 1", Group.TREE),
        ("run 2", Group.ORPHANS),
    ]


def test_five_thousand_levels_are_no_matter() -> None:
    deep = chain_of(5_000)
    bottom = llm(9_999, 4_999, 6_000)
    cards = level(grow(uid(0), [*deep, bottom])).cards()
    assert names(cards) == ["run 9999"]


def test_offsets_are_from_the_start_of_the_trace() -> None:
    forest = forest_of(row(0, type="agent"), llm(1, 0, 1_234))
    assert level(forest).card(0).offset_ms == 1_234
    assert forest.started_at == START
    assert forest.ended_at >= START + timedelta(seconds=1)


def test_a_card_that_nobody_knows_is_the_first_page() -> None:
    forest = forest_of(row(0, type="agent"), *(llm(n, 0, n) for n in range(1, 100)))
    assert level(forest, UUID(int=12345)).page(UUID(int=54321)).begin == 0
