"""What the address of a comparison says, and the addresses that its links lead to."""

from collections.abc import Sequence
from urllib.parse import parse_qs
from uuid import UUID

import pytest

from tests.traces.forests import uid
from traces.compare_address import MOST_OPENED, Chosen, CompareAddress


class Query(dict[str, list[str]]):
    """A query as Django reads one."""

    def getlist(self, key: str) -> Sequence[str]:
        return self.get(key, [])


def address(text: str = "") -> CompareAddress:
    return CompareAddress.parse(uid(1), uid(2), Query(parse_qs(text)))


def test_an_address_is_read_and_written_again() -> None:
    text = f"?a={uid(1)}&b={uid(2)}&show=all&open={uid(3)}&open={uid(4)}&from={uid(5)}&pair={uid(6)}..{uid(7)}"
    read = address(text[1:])
    assert read == CompareAddress(uid(1), uid(2), True, (uid(3), uid(4)), uid(5), Chosen(uid(6), uid(7)))
    assert str(read) == text


def test_what_can_not_be_read_is_left_out() -> None:
    assert address("show=odd&open=x&from=y&pair=z") == CompareAddress(uid(1), uid(2))
    assert address("show=differences").everything is False


def test_only_so_many_folds_are_open_at_once() -> None:
    opened = address("&".join(f"open={uid(n)}" for n in range(50))).opened
    assert opened == tuple(uid(n) for n in range(50 - MOST_OPENED, 50))


@pytest.mark.parametrize(
    ("text", "expected", "any_run"),
    [
        (f"{uid(1)}..{uid(2)}", Chosen(uid(1), uid(2)), uid(2)),
        (f"{uid(1)}..", Chosen(uid(1), None), uid(1)),
        (f"..{uid(2)}", Chosen(None, uid(2)), uid(2)),
        (str(uid(3)), Chosen(lone=uid(3)), uid(3)),
        ("..", None, None),
        ("x..y", None, None),
        ("", None, None),
    ],
)
def test_a_pair_is_named_by_both_runs_or_one(text: str, expected: Chosen | None, any_run: UUID | None) -> None:
    found = Chosen.parse(text)
    assert found == expected
    assert found is None or (found.any, str(found)) == (any_run, text)


def test_links_keep_what_they_should() -> None:
    here = address(f"show=differences&open={uid(3)}&from={uid(5)}&pair={uid(6)}..{uid(7)}")
    traces = f"?a={uid(1)}&b={uid(2)}"
    kept = f"{traces}&show=differences&open={uid(3)}"
    assert here.swapped.startswith(f"?a={uid(2)}&b={uid(1)}&show=differences")
    assert here.swapped.endswith(f"&pair={uid(7)}..{uid(6)}")
    assert here.all_runs == f"{traces}&show=all&pair={uid(6)}..{uid(7)}"
    assert here.closed == f"{kept}&from={uid(5)}"
    assert here.pair_to == f"{kept}&from={uid(5)}&pair="
    assert here.open_to == f"{kept}&from={uid(5)}&open="
    assert here.from_to == f"{kept}&from="
