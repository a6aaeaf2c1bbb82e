"""Who costs what: end users, teams and organizations with their sums, and one end user's page (rule 13).

All levels read the same facts, so their rows and the row "unattributed" add up to the same total.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

from django.db import connection

from lunary_dash.paging import BadCursor, Cursor, Page, decode, encode
from runs import facts
from runs.models import EndUser, Run

PAGE = 50
SUMS = ("runs", "errors", "threads", "tokens", "cost", "unpriced")


class Level(Enum):
    """What a list has a row for; the value is the column of the facts."""

    USER = "user_id"
    TEAM = "team_id"
    ORGANIZATION = "organization_id"


@dataclass(frozen=True)
class Within:
    """Which facts are looked at: a range from `since` on (None: all), of one team or organization ('' is none)."""

    since: datetime | None
    team: str | None = None
    organization: str | None = None


@dataclass(frozen=True)
class Sums:
    """Sums of runs; cost in USD of what has a price, `unpriced` calls have none; `users` are different ones."""

    runs: int = 0
    errors: int = 0
    threads: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    users: int = 0

    @property
    def error_rate(self) -> float | None:
        """Return the share of runs that failed, of one; None without runs."""
        return self.errors / self.runs if self.runs else None

    @property
    def known_cost(self) -> Decimal | None:
        """Return the cost, None where not one call has a price: unknown, and not 0 (rule 12)."""
        return None if self.unpriced and not self.cost else self.cost


@dataclass(frozen=True)
class Person:
    """How an end user is shown: by name where the props have one, else by e-mail, else by id."""

    id: str
    name: str
    email: str
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    props: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One user, team or organization; `person` is set at the level of users."""

    id: str
    sums: Sums
    share: float
    person: Person | None = None

    @property
    def share_width(self) -> str:
        """Return the share as the width of its bar, of 100."""
        return f"{self.share * 100:.1f}"


@dataclass(frozen=True)
class Groups:
    """A page of a level's list. `total` is everything in the range, `unattributed` what has no such group."""

    page: Page[Row]
    total: Sums
    unattributed: Row
    count: int
    matching: int


def _number(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError
    return number


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


# Sort name → (expression, how a cursor's text is read back).
SORTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "cost": ("groups.cost", _number),
    "runs": ("groups.runs", _number),
    "tokens": ("groups.tokens", _number),
    "threads": ("groups.threads", _number),
    "errors": ("groups.errors", _number),
    "users": ("groups.users", _number),
    "seen": ("coalesce(person.last_seen, 'epoch')", _time),
}
_AGGREGATES = ", ".join(f"sum({name}) AS {name}" for name in SUMS)
_COLUMNS = ", ".join(f"groups.{name}" for name in (*SUMS, "users"))
_ALL = ", ".join(f"coalesce(sum({name}), 0) AS all_{name}" for name in SUMS)
_REST = ", ".join(f"coalesce(sum({name}) FILTER (WHERE id = ''), 0) AS rest_{name}" for name in SUMS)
_KEY = 1 + len(SUMS) + 1 + 3  # where a page row has its sort key: after id, sums, users and three of the person


def groups(
    project_id: int, level: Level, within: Within, *, search: str = "", sort: str = "cost", cursor: str | None = None
) -> Groups:
    """Return a page of a level's rows, largest first, with the totals; BadCursor for a damaged cursor.

    `search` looks in ids and, for users, names and e-mails. It narrows the rows, never the totals.
    """
    grouped, parameters = _grouped(project_id, level, within)
    parameters |= {"search": f"%{_escaped(search)}%", "limit": PAGE + 1}
    searched = f" AND ({' OR '.join(_searched(level))})" if search else ""
    at = _decoded(cursor, sort) if cursor else None
    rows = _page_rows(grouped, parameters, level, searched, sort, at)
    total, unattributed, count, matching = _totals(rows[0])
    rows = [row for row in rows if row[0] is not None]
    return Groups(
        page=_page([_row(row, total, level) for row in rows], [row[_KEY] for row in rows], at),
        total=total,
        unattributed=Row("", unattributed, _share(unattributed, total)),
        count=count,
        matching=matching,
    )


def _page_rows(
    grouped: str, parameters: dict[str, Any], level: Level, searched: str, sort: str, at: Cursor | None
) -> list[tuple[Any, ...]]:
    """Return a page's rows and one more, the totals in each: grouping is the work, so it is done once.

    Where the page is empty there is one row, of totals beside NULLs.
    """
    expression, _ = SORTS[sort]
    forward = at is None or at.forward
    beyond = ""
    if at is not None:
        less, after = ("<", ">") if forward else (">", "<")
        beyond = f" AND ({expression} {less} %(key)s OR ({expression} = %(key)s AND groups.id {after} %(id)s))"
        parameters = parameters | {"key": at.key[0], "id": at.key[1]}
    order = "sort_key DESC, id" if forward else "sort_key, id DESC"
    wanted = f"FROM groups {_join(level)} WHERE groups.id <> ''{searched}"
    matching = f"(SELECT count(*) {wanted})" if searched else "count(*) FILTER (WHERE id <> '')"
    return _rows(
        f"""{grouped},
        page AS (
            SELECT groups.id, {_COLUMNS}, {_person_columns(level)}, {expression} AS sort_key
              {wanted}{beyond} ORDER BY {order} LIMIT %(limit)s),
        totals AS (
            SELECT {_ALL}, {_REST}, count(*) FILTER (WHERE id <> '') AS groups, {matching} AS matching FROM groups)
        SELECT page.*, totals.* FROM totals LEFT JOIN page ON true ORDER BY {order}""",
        parameters,
    )


def _grouped(project_id: int, level: Level, within: Within) -> tuple[str, dict[str, Any]]:
    """Return the CTE `groups` with one row per id of the level, '' among them."""
    source, parameters = facts.source(project_id, within.since)
    conditions = []
    for column, value in (("team_id", within.team), ("organization_id", within.organization)):
        if value is not None:
            conditions.append(f"{column} = %({column})s")
            parameters[column] = value
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    users = "count(DISTINCT nullif(user_id, ''))" if level is not Level.USER else "1"
    return (
        f"WITH groups AS MATERIALIZED (SELECT {level.value} AS id, {_AGGREGATES}, {users} AS users"
        f" FROM {source} {where} GROUP BY 1)",
        parameters,
    )


def _totals(row: tuple[Any, ...]) -> tuple[Sums, Sums, int, int]:
    """Return the sums of all groups and of the unattributed one, how many groups have an id, and how many match."""
    totals, width = row[_KEY + 1 :], len(SUMS)
    return _sums(totals[:width]), _sums(totals[width : 2 * width]), int(totals[-2]), int(totals[-1])


def _join(level: Level) -> str:
    if level is not Level.USER:
        return ""
    return "LEFT JOIN runs_enduser person ON person.project_id = %(project)s AND person.id = groups.id"


def _person_columns(level: Level) -> str:
    return (
        "person.props, person.first_seen, person.last_seen"
        if level is Level.USER
        else "NULL AS props, NULL AS first_seen, NULL AS last_seen"
    )


def _searched(level: Level) -> list[str]:
    places = ["groups.id"]
    if level is Level.USER:
        places += [f"person.props ->> '{key}'" for key in ("name", "email")]
    return [f"{place} ILIKE %(search)s" for place in places]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("\x00", "")


def _row(row: tuple[Any, ...], total: Sums, level: Level) -> Row:
    id_, *rest = row
    sums = _sums(rest[: len(SUMS)], int(rest[len(SUMS)]))
    shown = person(id_, *rest[len(SUMS) + 1 : len(SUMS) + 4]) if level is Level.USER else None
    return Row(id_, sums, _share(sums, total), shown)


def _sums(values: Sequence[Any], users: int = 0) -> Sums:
    runs, errors, threads, tokens, cost, unpriced = values
    return Sums(int(runs), int(errors), int(threads), int(tokens), Decimal(cost), int(unpriced), users)


def _share(part: Sums, total: Sums) -> float:
    """Return the part's share of the cost, of one; of the runs where nothing has a cost."""
    if total.cost:
        return float(part.cost / total.cost)
    return part.runs / total.runs if total.runs else 0.0


def _page(rows: list[Row], keys: list[Any], at: Cursor | None) -> Page[Row]:
    """Return the page of at most PAGE rows in display order, with its neighbours' cursors."""
    more, forward = len(rows) > PAGE, at is None or at.forward
    edges = list(zip(rows, keys, strict=True))[:PAGE]
    if not forward:
        edges.reverse()
    if not edges:
        return Page([], None, None)

    def cursor(edge: tuple[Row, Any], *, onward: bool) -> str:
        key = edge[1].isoformat() if isinstance(edge[1], datetime) else str(edge[1])
        return encode(Cursor((key, edge[0].id), onward))

    older = cursor(edges[-1], onward=True) if more or not forward else None
    newer = cursor(edges[0], onward=False) if (more and not forward) or (at is not None and forward) else None
    return Page([row for row, _ in edges], older, newer)


def _decoded(text: str, sort: str) -> Cursor:
    cursor = decode(text, 2)
    try:
        return Cursor((SORTS[sort][1](str(cursor.key[0])), str(cursor.key[1]).replace("\x00", "")), cursor.forward)
    except (ValueError, InvalidOperation, OverflowError) as error:
        raise BadCursor("the page address does not fit this list: open the list again") from error


def person(
    id_: str, props: dict[str, Any] | str | None, first_seen: datetime | None, last_seen: datetime | None
) -> Person:
    """Return how an end user with these props is shown."""
    props = json.loads(props) if isinstance(props, str) else props  # Django leaves jsonb of plain cursors as text
    props = props if isinstance(props, dict) else {}
    email = _text(props, "email", "mail")
    name = _text(props, "name", "fullName", "full_name", "displayName", "username")
    return Person(id_, name or email or id_, email if name else "", first_seen, last_seen, props)


def _text(props: dict[str, Any], *keys: str) -> str:
    found = (props[key] for key in keys if isinstance(props.get(key), str) and props[key].strip())
    return next(found, "").strip()


def find_person(project_id: int, user_id: str) -> Person | None:
    """Return an end user: one that was identified, or one that runs name; None where neither is so."""
    if "\x00" in user_id:  # no text in PostgreSQL holds one
        return None
    row = EndUser.objects.filter(project_id=project_id, id=user_id).first()
    if row is not None:
        return person(row.id, row.props, row.first_seen, row.last_seen)
    if Run.objects.filter(project_id=project_id, user_id=user_id).exists():
        return person(user_id, None, None, None)
    return None


def _rows(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
