"""traces.address: the state of a trace page is its address."""

from django.http import QueryDict

from tests.traces.forests import uid
from traces.address import Address
from traces.outline import MOST_STARTS, Expand


def test_an_address_is_read_and_written_alike() -> None:
    query = f"expand=all&from={uid(1)}&from={uid(2)}&top={uid(3)}&run={uid(4)}"
    address = Address.parse(QueryDict(query))
    assert address == Address(Expand.ALL, (uid(1), uid(2)), uid(3), uid(4))
    assert str(address) == f"?{query}"


def test_what_cannot_be_read_is_left_out() -> None:
    assert Address.parse(QueryDict("expand=sideways&from=x&top=&run=%00&tab=raw")) == Address()
    many = QueryDict("&".join(f"from={uid(number)}" for number in range(90)))
    assert Address.parse(many).starts == tuple(uid(number) for number in range(90 - MOST_STARTS, 90))


def test_links_change_one_thing() -> None:
    address = Address(Expand.ALL, (uid(1),), None, uid(4))
    assert address.run_to == f"?expand=all&from={uid(1)}&run="
    assert address.from_to == f"?expand=all&from={uid(1)}&run={uid(4)}&from="
    assert address.top_to == "?expand=all&top="
    assert address.closed == f"?expand=all&from={uid(1)}"
    assert address.collapsed == "?expand=none"
    assert address.expanded == f"?expand=all&run={uid(4)}"
    assert address.usual == f"?run={uid(4)}"
    assert address.whole == f"?expand=all&run={uid(4)}"
    assert Address().run_to == "?run="
    assert Address().closed == "?"
