"""Sums by end user, team and organization over any range: users' days where they are whole, runs at the ragged edges.

Every page about who costs what selects from `source(…)`, so that all levels add up to the same total (rule 13).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

COLUMNS = "user_id, team_id, organization_id, runs, errors, threads, tokens, cost, unpriced"

_DAYS = f"""SELECT day, {COLUMNS} FROM runs_userday
             WHERE project_id = %(project)s AND day >= %(first_day)s AND day < %(end_day)s"""
_RUNS = """SELECT (started_at AT TIME ZONE 'UTC')::date AS day, coalesce(left(user_id, 200), '') AS user_id,
                  coalesce(left(team_id, 200), '') AS team_id,
                  coalesce(left(organization_id, 200), '') AS organization_id,
                  count(*)::integer AS runs, count(*) FILTER (WHERE status = 'error')::integer AS errors,
                  count(*) FILTER (WHERE type = 'thread')::integer AS threads,
                  coalesce(sum(input_tokens), 0) + coalesce(sum(output_tokens), 0) AS tokens,
                  coalesce(sum(cost), 0) AS cost,
                  count(*) FILTER (WHERE type IN ('llm', 'embed') AND status = 'success' AND cost IS NULL)::integer
                      AS unpriced
             FROM runs_run
            WHERE project_id = %(project)s AND started_at >= %({since})s AND started_at < %({until})s
              AND type <> 'span' AND repeat_of IS NULL
            GROUP BY 1, 2, 3, 4"""

FAR = datetime(9000, 1, 1, tzinfo=UTC)  # runs.spans lets no time through that lies beyond


def source(project_id: int, since: datetime | None, until: datetime | None = None) -> tuple[str, dict[str, Any]]:
    """Return SQL for a FROM clause, named `facts`, and its parameters; columns: day (UTC) and COLUMNS, '' is none."""
    since, until = since or datetime(1970, 1, 1, tzinfo=UTC), until or FAR
    first, end = _ceiling(since), _floor(until)
    parameters: dict[str, Any] = {"project": project_id}
    parts = []
    if first < end:
        parts.append(_DAYS)
        parameters |= {"first_day": first.date(), "end_day": end.date()}
    for number, (begin, stop) in enumerate(_edges(since, until, first, end)):
        parts.append(_RUNS.format(since=f"begin_{number}", until=f"stop_{number}"))
        parameters |= {f"begin_{number}": begin, f"stop_{number}": stop}
    return f"({' UNION ALL '.join(parts)}) AS facts", parameters


def active_users(project_id: int, since: datetime, until: datetime | None = None) -> int:
    """Return how many different end users had a run in the range."""
    until = until or FAR
    first, end = _ceiling(since), _floor(until)
    parts = ["SELECT user_id FROM runs_userday WHERE project_id = %s AND day >= %s AND day < %s AND user_id <> ''"]
    parameters: list[Any] = [project_id, first.date(), end.date()]
    for begin, stop in _edges(since, until, first, end):
        parts.append(
            "SELECT left(user_id, 200) FROM runs_run WHERE project_id = %s AND started_at >= %s AND started_at < %s"
            " AND user_id <> '' AND type <> 'span' AND repeat_of IS NULL"
        )
        parameters += [project_id, begin, stop]
    with connection.cursor() as cursor:  # DISTINCT hashes, count(DISTINCT) would sort
        cursor.execute(
            f"SELECT count(*) FROM (SELECT DISTINCT user_id FROM ({' UNION ALL '.join(parts)}) AS seen) AS users",
            parameters,
        )
        return int(cursor.fetchone()[0])


def _edges(since: datetime, until: datetime, first: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the parts of the range that are no whole UTC days."""
    if first >= end:
        yield since, until
        return
    if since < first:
        yield since, first
    if end < until:
        yield end, until


def _floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _ceiling(moment: datetime) -> datetime:
    floor = _floor(moment)
    return floor if floor == moment else floor + timedelta(days=1)
