"""ingest.lineage: where a run hangs and what it takes from above (rules 8 and 9)."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.lineage import Lineage, Own, below, resolve, spread


def own(run_id: str, parent_id: str | None = None, run_type: str = "chain", user_id: str | None = None) -> Own:
    return Own(id=run_id, type=run_type, parent_id=parent_id, user_id=user_id)


def placed(*runs: Own, outside: dict[str, Lineage] | None = None) -> dict[str, Lineage]:
    return resolve({run.id: run for run in runs}, outside or {})


def test_a_run_below_a_chat_roots_its_trace_and_takes_the_chats_user() -> None:
    chat = Lineage(chat_id="c", thread_id="t", user_id="ann")
    place = below(chat, own("a", "c", "agent"))
    assert (place.trace_id, place.chat_id, place.thread_id, place.user_id) == ("a", "c", "t", "ann")


def test_an_unknown_parent_stands_for_the_trace() -> None:
    assert below(None, own("a", "missing")).trace_id == "missing"


def test_the_runs_own_user_wins_over_its_ancestors() -> None:
    places = placed(own("c", "b"), own("b", "a", user_id="ben"), own("a", user_id="ann"))
    assert [places[run_id].user_id for run_id in "abc"] == ["ann", "ben", "ben"]


def test_chats_and_threads_are_no_part_of_a_trace() -> None:
    places = placed(own("t", None, "thread"), own("c", "t", "chat"), own("a", "c", "agent"), own("l", "a", "llm"))
    assert [places[run_id].trace_id for run_id in "tcal"] == [None, None, "a", "a"]
    assert {places[run_id].thread_id for run_id in "tcal"} == {"t"}


def test_a_chain_of_five_thousand_runs_is_placed() -> None:
    runs = [own(str(n), str(n - 1) if n else None) for n in range(5000)]
    assert placed(*reversed(runs))["4999"].trace_id == "0"


@given(st.permutations(["a", "b", "c", "d"]))
def test_a_circle_of_parents_ends_the_same_in_any_order(order: list[str]) -> None:
    parents = {"a": "c", "b": "a", "c": "b", "d": "a"}
    places = placed(*(own(run_id, parents[run_id]) for run_id in order))
    assert {place.trace_id for place in places.values()} == {"c"}


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 11)), max_size=12), st.randoms())
def test_spreading_late_parents_equals_placing_everything_at_once(pairs: list[tuple[int, int]], random: object) -> None:
    runs = {f"{n}": own(f"{n}", f"{min(n - 1, p)}", user_id="ann" if n % 4 == 0 else None) for n, p in pairs}
    arrival = list(runs.values())
    random.shuffle(arrival)  # type: ignore[attr-defined]
    stored: dict[str, Lineage] = {}
    here: dict[str, Own] = {}

    def children(ids: list[str]) -> list[tuple[Own, Lineage]]:
        return [(child, stored[child.id]) for child in here.values() if child.parent_id in ids]

    for run in arrival:
        here[run.id] = run
        place = below(stored.get(run.parent_id or ""), run)
        stored[run.id] = place
        stored.update(spread({run.id: place}, children, frozenset({run.id}).__contains__))
    assert stored == resolve(runs, {})
