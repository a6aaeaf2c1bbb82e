"""The keys that the sheet lists."""

from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from lunary_dash.keyboard import GROUPS, groups


def names(found: list[URLPattern | URLResolver]) -> set[str]:
    """Return the names of every URL of the site."""
    inner = [names(one.url_patterns) for one in found if isinstance(one, URLResolver)]
    return {one.name for one in found if isinstance(one, URLPattern) and one.name}.union(*inner)


def test_keys_are_listed_for_pages_that_there_are() -> None:
    known = names(get_resolver().url_patterns)
    for group in GROUPS:
        for page in group.pages:
            assert any(name.startswith(page) for name in known), page


def test_a_pages_own_keys_come_first_and_those_of_others_not_at_all() -> None:
    assert [group.title for group in groups("trace_page")] == [
        "The tree",
        "Search in this trace",
        "Traces of the list",
        "Everywhere",
    ]
    assert [group.title for group in groups("run_list")] == ["Rows", "The run beside", "Everywhere"]
    assert [group.title for group in groups("")] == ["Everywhere"]


def test_no_group_says_one_key_twice() -> None:
    for group in GROUPS:
        said = [key.keys for key in group.keys]
        assert len(said) == len(set(said))
