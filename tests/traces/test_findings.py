"""What stands out in a trace, and what doesn't: from rows and a few facts about inputs."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.usage import Tokens
from tests.traces.forests import START, relaxed, row, rows, uid
from traces.columns import RunRow
from traces.critical import critical_path
from traces.findings import MOST, NAMED, PREFIX, Area, Calls, Fact, Finding, Findings, Kind, find, lookalikes
from traces.findings_prompts import WARM, Prompt, alike, facts
from traces.findings_sparkline import HEIGHT, WIDTH, Sparkline
from traces.tree import Forest, grow


def tool(number: int, parent: int, at_ms: int, name: str = "search", **fields: Any) -> RunRow:
    return row(number, parent, at_ms, type="tool", name=name, **fields)


def llm(number: int, parent: int, at_ms: int, tokens: int | None = 100, **fields: Any) -> RunRow:
    return row(number, parent, at_ms, **({"type": "llm", "name": "gpt", "input_tokens": tokens} | fields))


def agent(*found: RunRow, ms: int = 10_000) -> Forest:
    return grow(uid(0), [row(0, type="agent", ms=ms, name="agent"), *found])


def findings(forest: Forest, known: dict[int, Fact] | None = None) -> Findings:
    """Return the findings; facts are by the number of a row."""
    by_position = {node.position: fact for n, fact in (known or {}).items() if (node := forest.find(uid(n)))}
    return find(forest, Calls.of(forest), by_position, critical_path(forest))


def of(kind: Kind, forest: Forest, known: dict[int, Fact] | None = None) -> list[Finding]:
    return [one for one in findings(forest, known).found if one.kind is kind]


def numbers(finding: Finding) -> list[int]:
    return [node.id.int for node in finding.nodes]


SAME = Fact(10, "a")


def test_a_tool_called_again_with_the_same_input_is_said_with_what_it_took() -> None:
    inside = row(9, 3, 400, type="llm", ms=5, cost=Decimal("0.01"), input_tokens=5)
    forest = agent(*(tool(n, 0, n * 100, ms=n * 10) for n in (1, 2, 3)), inside, tool(4, 0, 500))
    (one,) = of(Kind.REPEATED, forest, dict.fromkeys((1, 2, 3), SAME) | {4: Fact(10, "b")})
    assert numbers(one) == [1, 2, 3]
    assert (one.name, one.count, one.inputs, one.spent) == ("search", 3, 1, 2)
    assert (one.ms, one.cost, one.tokens) == (20 + 30, Decimal("0.01"), 5)
    assert one.loud
    assert one.area is Area.TIME


def test_repeats_are_of_the_same_agent_and_not_after_an_error() -> None:
    forest = agent(
        row(1, 0, 1, type="agent"),
        row(2, 0, 2, type="agent"),
        row(5, 1, 1, type="chain"),
        tool(3, 5, 3),
        tool(4, 2, 4),
        tool(6, 0, 5, name="flaky", status="error"),
        tool(7, 0, 6, name="flaky"),
        tool(8, 0, 7, name="late", ms=None),
        tool(9, 0, 8, name="late"),
    )
    known = dict.fromkeys((3, 4, 6, 7, 8, 9), SAME)
    assert of(Kind.REPEATED, forest, known) == []
    (retry,) = of(Kind.RETRIED, forest, known)
    assert (numbers(retry), retry.spent, retry.vain, retry.loud) == ([6, 7], 1, 0, True)


def test_many_repeats_of_one_tool_are_one_finding() -> None:
    forest = agent(*(tool(n, 0, n) for n in range(1, 61)))
    (one,) = of(Kind.REPEATED, forest, {n: Fact(10, f"input {n % 20}") for n in range(1, 61)})
    assert (one.count, one.inputs, one.spent, len(one.nodes), one.more) == (60, 20, 40, NAMED, 60 - NAMED)


def test_a_model_called_again_after_an_error_is_a_retry_where_the_inputs_are_alike() -> None:
    calls = [
        llm(1, 0, 1, status="error", ms=30),
        llm(2, 0, 2, status="error", ms=40),
        llm(3, 0, 3),
        llm(4, 0, 4, status="error"),
        llm(5, 0, 5),
        llm(6, 0, 6, name="other", status="error"),
        llm(7, 0, 7, name="other", status="error"),
    ]
    sizes = {1: 1000, 2: 1001, 3: 1010, 4: 1000, 5: 5000, 6: 50, 7: 50}
    found = of(Kind.RETRIED, agent(*calls), {n: Fact(size) for n, size in sizes.items()})
    by_name = {one.name: one for one in found}
    assert numbers(by_name["gpt"]) == [1, 2, 3]
    assert (by_name["gpt"].ms, by_name["gpt"].spent, by_name["gpt"].vain) == (70, 2, 0)
    assert (numbers(by_name["other"]), by_name["other"].spent, by_name["other"].vain) == ([6, 7], 2, 1)
    assert of(Kind.RETRIED, agent(*calls)) == []  # nothing is known of their inputs


def test_growth_is_of_the_agent_and_model_that_read_most() -> None:
    small = [llm(n, 0, n, tokens=50, name="classifier") for n in range(1, 9)]
    sizes = [2_000, None, 5_000, 9_000, 8_500]
    forest = agent(*small, *(llm(10 + n, 0, 10 + n, tokens=size) for n, size in enumerate(sizes)))
    (one,) = of(Kind.GROWTH, forest)
    assert one.series == (2_000, 5_000, 9_000, 8_500)
    assert numbers(one) == [10, 13, 14]
    assert (one.sparkline.first, one.sparkline.peak, one.sparkline.last) == (2_000, 9_000, 8_500)
    assert one.sparkline.slope == pytest.approx(6_500 / 3)


@pytest.mark.parametrize("sizes", [(4_000, 9_000, 11_000), (1_000, 4_000, 7_900), (1_000, 90_000)])
def test_what_grows_little_or_stays_small_does_not_stand_out(sizes: tuple[int, ...]) -> None:
    assert of(Kind.GROWTH, agent(*(llm(n, 0, n, tokens=size) for n, size in enumerate(sizes, start=1)))) == []


def test_the_costliest_call_is_the_one_with_the_largest_cost_of_its_own() -> None:
    forest = agent(
        llm(1, 0, 1, cost=Decimal("0.01")),
        llm(2, 0, 2, cost=Decimal("0.03")),
        llm(3, 0, 3, cost=Decimal("0.9"), repeat_of=uid(2)),
        llm(4, 0, 4, cost=None),
    )
    (one,) = of(Kind.COSTLIEST, forest)
    assert (numbers(one), one.cost, one.share, one.loud) == ([2], Decimal("0.03"), 0.75, False)
    assert of(Kind.COSTLIEST, agent(llm(1, 0, 1, cost=Decimal(1)))) == []
    assert of(Kind.COSTLIEST, agent(*(llm(n, 0, n, cost=Decimal(1)) for n in range(1, 102)))) == []


def test_what_several_agents_repeat_is_one_finding_of_the_tool() -> None:
    agents = [row(n, 0, n, type="agent") for n in (1, 2)]
    forest = agent(*agents, *(tool(10 * n + m, n, 10 + n + m) for n in (1, 2) for m in (0, 1)))
    (one,) = of(Kind.REPEATED, forest, dict.fromkeys((10, 11, 20, 21), SAME))
    assert (one.count, one.inputs, one.spent) == (4, 2, 2)


def test_the_slowest_path_is_told_by_what_each_run_adds_to_it() -> None:
    forest = agent(
        row(1, 0, 0, ms=4_000, name="plan"),
        tool(2, 1, 0, ms=3_000),
        tool(3, 0, 4_000, ms=5_000, name="fetch"),
        ms=10_000,
    )
    (one,) = of(Kind.SLOWEST, forest)
    assert [(node.name, ms) for node, ms in one.steps] == [
        ("agent", 1_000),
        ("plan", 1_000),
        ("search", 3_000),
        ("fetch", 5_000),
    ]
    assert (one.longest[0].name, one.ms, one.share) == ("fetch", 10_000, 1.0)


def test_prompts_past_the_cache_add_up_and_failed_calls_do_not_count() -> None:
    forest = agent(
        llm(1, 0, 1, cost=Decimal("0.5")),
        llm(2, 0, 2, cost=Decimal("0.5")),
        llm(3, 0, 3, status="error"),
        llm(4, 0, 4),
    )
    known = {n: Fact(9_000, again=2_000, saving=Decimal("0.04")) for n in (2, 3)}
    (one,) = of(Kind.UNCACHED, forest, known | {4: Fact(9_000, again=1_500)})
    assert (numbers(one), one.cost, one.tokens, one.share) == ([2, 4], Decimal("0.04"), 3_500, 0.04)
    assert not one.loud
    (unpriced,) = of(Kind.UNCACHED, forest, {4: Fact(9_000, again=1_500)})
    assert unpriced.cost is None


def test_findings_are_by_importance_and_bounded() -> None:
    forest = agent(*(tool(10 * n + m, 0, n + m, name=f"tool {n}") for n in range(1, MOST + 5) for m in (1, 2)))
    found = findings(forest, dict.fromkeys(range(1, 999), SAME))
    assert Counter(one.kind for one in found.found)[Kind.REPEATED] == MOST
    assert found.left_out == {Kind.REPEATED: 4}
    louds = [one.loud for one in found.found]
    assert louds == sorted(louds, reverse=True)
    assert sum(len(one) for _, one in found.areas) == len(found.found)


def test_nothing_stands_out_in_a_trace_of_one_run() -> None:
    assert findings(grow(uid(0), [row(0, type="llm", cost=Decimal("0.1"))])).found == []


def test_only_inputs_that_may_be_equal_are_asked_for() -> None:
    forest = agent(tool(1, 0, 1), tool(2, 0, 2), tool(3, 0, 3), tool(4, 0, 4, name="other"), llm(5, 0, 5))
    sizes: dict[int, int | None] = {1: 10, 2: 10, 3: 11, 4: 10, 5: 10}
    assert lookalikes(Calls.of(forest), sizes) == [1, 2]


@relaxed
@given(
    rows(),
    st.lists(
        st.builds(
            Fact,
            st.one_of(st.none(), st.integers(0, 3)),
            st.sampled_from(("", "a", "b")),
            st.sampled_from((0, PREFIX, 5_000)),
            st.one_of(st.none(), st.decimals(0, 1, places=4)),
        ),
        max_size=40,
    ),
)
def test_findings_of_any_rows_name_runs_of_the_trace(found: list[RunRow], known: list[Fact]) -> None:
    forest = grow(uid(0), found)
    for one in findings(forest, dict(enumerate(known))).found:
        assert 0 < len(one.nodes) <= NAMED
        assert one.more >= 0
        assert all(node.counted or one.kind is Kind.SLOWEST for node in one.nodes)
        assert one.name
        assert one.weight


LONG = "You are Halden Air’s claims assistant. " * 300


def prompt(position: int, text: str, minutes: float = 0, cache_read: int | None = None) -> Prompt:
    counted = Tokens(input=4_000, output=10, cache_read=cache_read)
    at = START + timedelta(minutes=minutes)
    return Prompt(position, at, text, len(text.encode()), "claude-sonnet-4-5", counted)


def again(*prompts: Prompt) -> list[int]:
    return [fact.again for _, fact in facts(prompts)]


def test_a_beginning_that_was_sent_before_is_counted_less_what_came_from_the_cache() -> None:
    assert again(prompt(1, LONG), prompt(2, LONG)) == [0, 4_000]
    assert again(prompt(1, LONG), prompt(2, LONG, cache_read=1_500)) == [0, 2_500]
    assert again(prompt(1, LONG), prompt(2, LONG, cache_read=3_900)) == [0, 0]
    (half,) = again(prompt(1, LONG), prompt(2, LONG + "x" * len(LONG.encode())))[1:]
    assert half == 2_000


def test_prompts_that_differ_at_once_or_come_late_were_not_sent_again() -> None:
    assert again(prompt(1, LONG), prompt(2, f"x{LONG}")) == [0, 0]
    late = WARM / timedelta(minutes=1) + 1
    assert again(prompt(1, LONG), prompt(2, LONG, minutes=late)) == [0, 0]
    assert again(prompt(1, LONG), prompt(2, "other" * 900), prompt(3, LONG)) == [0, 0, 4_000]


def test_the_saving_is_the_price_of_input_less_that_of_cached_input() -> None:
    (_, fact) = list(facts([prompt(1, LONG), prompt(2, LONG)]))[1]
    assert fact.saving == Decimal(4_000) * (Decimal("3.00") - Decimal("0.30")) / 1_000_000
    unpriced = [Prompt(n, START, LONG, len(LONG.encode()), "granite", Tokens(input=4_000)) for n in (1, 2)]
    assert [one.saving for _, one in facts(unpriced)] == [None, None]


def test_a_call_that_reported_no_tokens_is_estimated_and_has_no_saving() -> None:
    bare = [Prompt(n, START, LONG, len(LONG.encode()), "claude-sonnet-4-5", Tokens()) for n in (1, 2)]
    (_, fact) = list(facts(bare))[1]
    assert fact.again == len(LONG.encode()) // 4
    assert fact.saving is None


@given(st.text(max_size=50), st.text(max_size=50), st.text(max_size=50))
def test_how_far_two_texts_are_alike(start: str, one: str, other: str) -> None:
    length = alike(start + one, start + other)
    assert length >= len(start)
    assert (start + one)[:length] == (start + other)[:length]
    assert (start + one)[length : length + 1] != (start + other)[length : length + 1] or length == len(start + one)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=900))
def test_a_sparkline_stays_in_its_box_and_keeps_the_peak(values: list[int]) -> None:
    line = Sparkline.over(values)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in line.points)
    assert line.peak == max(values)
    assert 1 <= len(line.marks) <= 3
    assert [x for x, _ in line.points] == sorted(x for x, _ in line.points)
    assert line.area.endswith(f",{HEIGHT - 4}")
