"""ingest.fold: order, splitting and repetition of events change nothing (rule 3)."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ingest import fold
from ingest.events import Kind, RunEvent, Usage
from ingest.fold import RunState, merge, state_of
from tests.ingest.event_sets import EPOCH_US, IDS, run_events

RUN = IDS[0]
events_of_one_run = st.lists(run_events(ids=[RUN]), min_size=1, max_size=6)


def event(kind: Kind = Kind.START, **fields: object) -> RunEvent:
    return RunEvent(**{"kind": kind, "run_id": RUN, "at": EPOCH_US, "type": "llm", **fields})  # type: ignore[arg-type]


def folded(*events: RunEvent) -> RunState:
    return fold.fold(events)[RUN]


@given(events_of_one_run, st.randoms())
def test_any_order_and_repetition_gives_the_same_state(events: list[RunEvent], random: object) -> None:
    shuffled = events + events[: len(events) // 2]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert folded(*shuffled) == folded(*events)


@given(events_of_one_run, events_of_one_run, events_of_one_run)
def test_merge_is_associative_commutative_and_idempotent(
    x: list[RunEvent], y: list[RunEvent], z: list[RunEvent]
) -> None:
    a, b, c = folded(*x), folded(*y), folded(*z)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, b) == merge(b, a)
    assert merge(a, a) == a


@given(events_of_one_run, events_of_one_run)
def test_body_modes_say_what_merge_does(x: list[RunEvent], y: list[RunEvent]) -> None:
    a, b = folded(*x), folded(*y)
    whole = merge(a, b)
    for name, has, bit in (
        ("input", fold.HAS_INPUT, fold.INPUT_FROM_START),
        ("output", fold.HAS_OUTPUT, 0),
        ("error", fold.HAS_ERROR, 0),
        ("params", fold.HAS_PARAMS, fold.PARAMS_FROM_START),
    ):
        stored, change = getattr(a, name), getattr(b, name)
        flags = a.flags | (has if stored is not None else 0)
        mode = fold.body_mode(flags, b, name, has, bit)
        richer = max((v for v in (stored, change) if v is not None), key=lambda t: (len(t.encode()), t), default=None)
        assert {fold.KEEP: stored, fold.REPLACE: change, fold.RICHER: richer}[mode] == getattr(whole, name)


def test_a_start_decides_type_name_input_and_parent_even_when_it_comes_last() -> None:
    end = event(Kind.END, type="chain", name="late", input='"late"', parent_id=IDS[2])
    start = event(type="agent", name="LangGraph", input='"real"', parent_id=None)
    state = folded(end, start)
    assert (state.type, state.name, state.input, state.parent_id) == ("agent", "LangGraph", '"real"', None)


def test_an_end_fills_what_the_start_left_empty() -> None:
    state = folded(event(name=None, input=None), event(Kind.END, name="gpt-4o", input='"sent late"'))
    assert (state.name, state.input) == ("gpt-4o", '"sent late"')


def test_an_error_beats_success_in_either_order() -> None:
    for pair in ([Kind.END, Kind.ERROR], [Kind.ERROR, Kind.END]):
        assert fold.status(folded(event(), *(event(kind) for kind in pair)).flags) == "error"


def test_a_run_without_an_end_is_started() -> None:
    assert fold.status(folded(event()).flags) == "started"


def test_metadata_merges_by_key_and_the_end_and_updates_win() -> None:
    state = folded(
        event(Kind.UPDATE, metadata='{"b":"update"}', at=EPOCH_US - 5),
        event(Kind.END, metadata='{"a":"end","b":"end"}'),
        event(metadata='{"a":"start","c":"start"}', at=EPOCH_US + 5),
    )
    assert fold.effective_metadata(state.metadata) == {"a": "end", "b": "update", "c": "start"}


def test_reported_usage_beats_an_estimate() -> None:
    guess = event(Kind.END, usage=Usage(input=900, output=900, estimated=True), usage_text="1")
    real = event(Kind.END, usage=Usage(output=5), usage_text="2")
    assert folded(guess, real).usage.output == folded(real, guess).usage.output == 5


def test_group_reads_every_spelling_and_numbers() -> None:
    assert fold.group({"team_id": 7}, "teamId", "team_id") == "7"
    assert fold.group({"teamId": " ", "team_id": "x"}, "teamId", "team_id") == "x"
    assert fold.group({"teamId": True}, "teamId") is None
    assert fold.group(None, "teamId") is None


def test_states_are_plain_data() -> None:
    assert msgspec.json.decode(msgspec.json.encode(state_of(event())), type=RunState) == state_of(event())
