"""ingest.conversation: messages fold into exchanges the same way in any order of arrival (rule 10)."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.conversation import IN, MARK, OUT, Header, fold


def header(message_id: str, side: str, at: int, *, retry: bool = False, **fields: object) -> Header:
    return Header(id=message_id, side=side, thread_id="t", at=at, is_retry=retry, **fields)  # type: ignore[arg-type]


def shape(*headers: Header) -> list[tuple[str, str | None, list[str]]]:
    exchanges = fold("t", headers).exchanges
    return [(e.id, e.sibling_of, [f"{m.side}:{m.id}" for m in e.messages]) for e in exchanges]


ids = st.sampled_from([f"00000000-0000-4000-8000-00000000000{n}" for n in range(6)])
headers = st.builds(header, ids, st.sampled_from([IN, OUT, MARK]), st.integers(0, 9), retry=st.booleans())
sets_of_headers = st.lists(headers, min_size=1, max_size=10, unique_by=lambda h: (h.id, h.side))


@given(sets_of_headers, st.randoms())
def test_order_of_arrival_changes_nothing(known: list[Header], random: object) -> None:
    shuffled = list(known)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert shape(*shuffled) == shape(*known)


@given(sets_of_headers)
def test_every_message_is_in_exactly_one_exchange_and_ids_are_unique(known: list[Header]) -> None:
    exchanges = fold("t", known).exchanges
    placed = sorted((m.id, m.side) for exchange in exchanges for m in exchange.messages)
    assert placed == sorted((m.id, m.side) for m in known if m.side != MARK)
    assert len({exchange.id for exchange in exchanges}) == len(exchanges)


def test_consecutive_questions_and_their_answers_are_one_exchange() -> None:
    assert shape(
        header("1", IN, 1), header("2", IN, 2), header("3", OUT, 3), header("4", OUT, 4), header("5", IN, 5)
    ) == [
        ("1", None, ["in:1", "in:2", "out:3", "out:4"]),
        ("5", None, ["in:5"]),
    ]


def test_retries_are_siblings_of_what_they_retry_and_the_talk_goes_on() -> None:
    assert shape(
        header("1", IN, 1),
        header("2", OUT, 2),
        header("3", OUT, 3, retry=True),
        header("4", OUT, 4, retry=True),
        header("5", IN, 5),
    ) == [
        ("1", None, ["in:1", "out:2"]),
        ("3", "1", ["out:3"]),
        ("4", "1", ["out:4"]),
        ("5", None, ["in:5"]),
    ]


def test_an_answer_with_its_questions_id_belongs_to_it_whatever_the_clocks_say() -> None:
    assert shape(header("1", OUT, 1), header("1", IN, 2)) == [("1", None, ["in:1", "out:1"])]


def test_a_mark_gives_the_thread_its_facts_but_is_no_message() -> None:
    thread = fold("t", [header("m", MARK, 1, user_id="ann", thread_tags=("web",), thread_metadata='{"a":1}')])
    assert (thread.user_id, thread.tags, thread.metadata, thread.exchanges) == ("ann", ("web",), {"a": 1}, [])


def test_a_threads_user_is_never_erased() -> None:
    assert fold("t", [header("1", IN, 1, user_id="ann"), header("2", OUT, 2)]).user_id == "ann"
