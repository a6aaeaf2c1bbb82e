"""traces.address: the state of a trace page is its address."""

from django.http import QueryDict

from tests.traces.forests import uid
from traces.address import Address
from traces.outline import MOST_STARTS, Expand
from traces.sieve import SHARE, Only, Tint, Wanted


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


def test_every_link_keeps_the_search_and_the_list() -> None:
    query = "find=a%26b&list=status%3Derror%26user%3Dann"
    address = Address.parse(QueryDict(f"{query}&run={uid(4)}"))
    assert (address.find, address.origin) == ("a&b", "status=error&user=ann")
    for link in (address.run_to, address.from_to, address.top_to, address.usual, address.collapsed, address.closed):
        assert link.startswith(f"?{query}") or f"&{query}" in link
    assert address.unsearched == f"?list=status%3Derror%26user%3Dann&run={uid(4)}"
    assert Address.parse(QueryDict("find=%20%00%20")).find == ""


def test_filters_tint_spans_and_gaps_are_part_of_the_address() -> None:
    query = f"only=share&share=7.5&tint=time&spans=hide&gaps=compress&from={uid(1)}&top={uid(3)}&run={uid(4)}"
    address = Address.parse(QueryDict(query))
    assert address.ask(None).wanted == Wanted(Only.SHARE, 7.5, Tint.TIME, True)
    assert address.ask(None).compresses
    assert str(address) == f"?{query}"
    kept = f"tint=time&spans=hide&gaps=compress&run={uid(4)}"
    assert address.everything == f"?tint=time&spans=hide&gaps=compress&top={uid(3)}&run={uid(4)}"
    assert address.errors == f"?only=errors&{kept}"
    assert address.llm == f"?only=llm&{kept}"
    assert address.by_cost == f"?{query}".replace("&tint=time", "")
    assert address.other_spans == f"?{query}".replace("&spans=hide", "")
    assert address.other_gaps == f"?{query}".replace("&gaps=compress", "")
    assert dict(address.share_fields) == dict(pair.split("=") for pair in f"only=share&{kept}".split("&"))
    assert address.share_text == "7.5"
    assert address.begun(uid(5)) == f"?only=share&share=7.5&tint=time&spans=hide&gaps=compress&top={uid(5)}"


def test_a_share_is_a_percentage_or_the_usual_one() -> None:
    for text, share in (
        ("12", 12),
        ("2,5", 2.5),
        ("-3", 0),
        ("900", 100),
        ("nan", SHARE),
        ("a lot", SHARE),
        ("", SHARE),
    ):
        assert Address.parse(QueryDict(f"only=share&share={text}")).share == share
    assert Address.parse(QueryDict("only=nothing&tint=smell&spans=&gaps=no")) == Address()
