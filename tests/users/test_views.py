"""The users, teams and organizations pages through the front door."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.http import QueryDict
from django.urls import reverse

from projects.models import Project
from runs.filters import Filters
from tests import make

pytestmark = pytest.mark.django_db
LISTS = ("user_list", "team_list", "organization_list")


def lists_of(project: Project) -> list[str]:
    return [reverse(name, args=[project.public_id]) for name in LISTS]


def rows_of(content: str) -> list[str]:
    """Return the table's rows, the total among them."""
    return re.findall(r"<tr.*?</tr>", content, re.DOTALL)[1:]


def links_of(html: str) -> list[str]:
    return [unescape(link) for link in re.findall(r'href="([^"]+)"', html)]


def cell_texts(row: str) -> list[str]:
    cells = re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)
    return [" ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split()) for cell in cells]


def test_members_see_every_list(people: make.People, busy: Project) -> None:
    for who in (people.owner, people.member, people.viewer):
        client = make.client_for(who)
        for address in lists_of(busy):
            response = client.get(address)
            assert response.status_code == 200
            assert "unattributed" in response.content.decode()


def test_others_see_none(people: make.People, busy: Project) -> None:
    pages = [*lists_of(busy), reverse("user_page", args=[busy.public_id, "user-1"])]
    for address in pages:
        assert make.client_for(people.stranger).get(address).status_code == 404
        assert make.client_for(people.billing).get(address).status_code == 403
        assert make.client_for(None).get(address).status_code == 302
        assert make.client_for(people.owner).post(address).status_code == 405


def test_no_list_asks_more_for_more_rows(
    people: make.People, busy: Project, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    client = make.client_for(people.owner)
    client.get(lists_of(busy)[0])
    for address in lists_of(busy):
        with django_assert_max_num_queries(9):
            client.get(address)
        with django_assert_max_num_queries(9):
            client.get(f"{address}?q=1&range=all")
    with django_assert_max_num_queries(13):
        client.get(reverse("user_page", args=[busy.public_id, "user-1"]))


def test_every_figure_leads_to_exactly_its_runs(people: make.People, busy: Project) -> None:
    client = make.client_for(people.owner)
    for address in lists_of(busy):
        content = client.get(f"{address}?range=30d").content.decode()
        checked = 0
        for row in rows_of(content):
            for link, text in re.findall(r'<td class="num[^"]*"><a href="([^"]+)"[^>]*>(.*?)</a>', row, re.DOTALL):
                split = urlsplit(unescape(link))
                query = QueryDict(split.query)
                if "sort" in query or "status" in query:
                    continue
                figure = re.sub(r"<[^>]+>.*", "", text).replace("\u202f", "")
                filters = Filters.parse(query, keep=("sort",))
                assert split.path == reverse("run_list", args=[busy.public_id])
                assert not filters.problems
                assert filters.runs(busy.pk).count() == int(figure), link
                checked += 1
        assert checked > 4


def test_a_row_opens_the_level_below_and_keeps_the_narrowing(people: make.People, busy: Project) -> None:
    client = make.client_for(people.owner)
    organizations = client.get(f"{lists_of(busy)[2]}?range=all").content.decode()
    (teams_link,) = {link for link in links_of(organizations) if "organization=o-1" in link and "/teams?" in link}
    teams = client.get(teams_link).content.decode()
    assert "unattributed" not in teams
    (users_link,) = {link for link in links_of(teams) if "team=t-1" in link and "/users?" in link}
    assert "organization=o-1" in users_link
    users = client.get(users_link).content.decode()
    assert cell_texts(rows_of(users)[-1])[0] == "All of these"
    team = cell_texts(next(row for row in rows_of(teams) if "t-1" in row))
    total = cell_texts(rows_of(users)[-1])
    assert (total[4], f"{total[5]} runs", total[6], total[8]) == (team[2], team[4], team[5], team[7])


def test_a_search_without_a_match_says_so(people: make.People, busy: Project) -> None:
    content = make.client_for(people.owner).get(f"{lists_of(busy)[0]}?q=nobody").content.decode()
    assert "Nothing matches" in content


def test_an_empty_project_says_what_to_send(people: make.People, project: Project) -> None:
    client = make.client_for(people.owner)
    assert "identify" in client.get(lists_of(project)[0]).content.decode()
    assert "teamId" in client.get(lists_of(project)[1]).content.decode()


def test_a_damaged_page_address_leads_to_the_first_page(people: make.People, busy: Project) -> None:
    response = make.client_for(people.owner).get(f"{lists_of(busy)[0]}?range=30d&cursor=xxx")
    assert response.status_code == 302
    assert response["Location"].endswith("/users?range=30d")


def test_paging_and_sorting_are_links(people: make.People, busy: Project) -> None:
    client = make.client_for(people.owner)
    content = client.get(f"{lists_of(busy)[0]}?range=all&sort=runs").content.decode()
    assert 'aria-sort="descending"' in content
    older = re.search(r'rel="next" href="([^"]+)"', content)
    assert older
    second = client.get(lists_of(busy)[0] + unescape(older[1])).content.decode()
    assert len(rows_of(second)) == 20 + 1
    assert 'rel="prev"' in second


def test_htmx_gets_the_table_and_the_state(people: make.People, busy: Project) -> None:
    response = make.client_for(people.owner).get(lists_of(busy)[0], headers={"HX-Request": "true"})
    content = response.content.decode()
    assert content.lstrip().startswith('<div id="table">')
    assert "hx-swap-oob" in content
    assert "<html" not in content


@pytest.mark.parametrize("user", ["ann/../?x=1&y#z", "<script>alert(1)</script>", "100%_ünï", "user-1"])
def test_any_id_has_a_page_that_its_row_opens(people: make.People, busy: Project, user: str) -> None:
    client = make.client_for(people.owner)
    found = client.get(lists_of(busy)[0], {"q": user, "range": "30d"}).content.decode()
    opened = next(link for link in links_of(found) if re.search(r"/users/.+\?range=30d$", link))
    response = client.get(opened)
    assert response.status_code == 200
    content = response.content.decode()
    assert "<script>alert" not in content
    assert "Latest runs" in content


def test_a_user_page_shows_props_figures_and_the_latest(people: make.People, busy: Project) -> None:
    client = make.client_for(people.owner)
    content = client.get(reverse("user_page", args=[busy.public_id, "user-10"])).content.decode()
    assert "Person 10" in content
    assert "p10@example.com" in content
    assert "gpt-4o-mini" in content
    assert "t-2" in content
    runs_link = next(link for link in links_of(content) if "/runs?" in link and "type=all" in link)
    filters = Filters.parse(QueryDict(runs_link.partition("?")[2]))
    assert filters.runs(busy.pk).count() == 3
    assert re.search(r"<dt>Runs</dt><dd><a [^>]+>3</a>", content)


def test_someone_nobody_heard_of_has_no_page(people: make.People, busy: Project) -> None:
    client = make.client_for(people.owner)
    for nobody in ("who", "\x00"):
        assert client.get(reverse("user_page", args=[busy.public_id, nobody])).status_code == 404
