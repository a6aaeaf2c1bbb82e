"""What one end user did: sums, charts and the latest runs, threads and traces; read from their runs, by their index."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, QuerySet

from runs.models import Message, Run, Side
from runs.overview_queries import SUMMED, Cell
from runs.overview_queries import Sums as ClassSums
from runs.periods import Period
from users.queries import Sums

RECENT = 8


@dataclass(frozen=True)
class RecentRun:
    """A line about a run; duration in ms, cost in USD."""

    id: UUID
    type: str
    name: str | None
    status: str
    started_at: datetime
    duration_ms: int | None
    cost: Decimal | None


@dataclass(frozen=True)
class RecentThread:
    """A line about a conversation."""

    id: UUID
    started_at: datetime
    last_at: datetime | None
    messages: int


@dataclass(frozen=True)
class Group:
    """A team or organization the user's runs belong to."""

    level: str  # team or organization
    id: str
    runs: int

    @property
    def query(self) -> str:
        """Return the query that narrows a list to it."""
        return urlencode({self.level: self.id})


def _listed(project_id: int, user_id: str) -> QuerySet[Run]:
    """Return the user's runs as lists know them."""
    return Run.objects.filter(project_id=project_id, user_id=user_id, repeat_of__isnull=True).exclude(type="span")


def sums(project_id: int, user_id: str, period: Period) -> Sums:
    """Return the user's sums over the period."""
    (row,) = _rows(
        """
        SELECT count(*), count(*) FILTER (WHERE status = 'error'), count(*) FILTER (WHERE type = 'thread'),
               coalesce(sum(input_tokens), 0) + coalesce(sum(output_tokens), 0), coalesce(sum(cost), 0),
               count(*) FILTER (WHERE type IN ('llm', 'embed') AND status = 'success' AND cost IS NULL)
          FROM runs_run
         WHERE project_id = %(project)s AND user_id = %(user)s AND started_at >= %(since)s
           AND type <> 'span' AND repeat_of IS NULL
        """,
        _parameters(project_id, user_id, period),
    )
    runs, errors, threads_, tokens, cost, unpriced = row
    return Sums(runs, errors, threads_, int(tokens), Decimal(cost), unpriced, 1)


def cells(project_id: int, user_id: str, period: Period) -> list[Cell]:
    """Return the sums of the user's charts by bar, run type and model."""
    rows = _rows(
        """
        SELECT date_trunc(%(unit)s, started_at, %(zone)s) AS at, type,
               CASE WHEN type IN ('llm', 'embed') THEN coalesce(left(name, 200), '') ELSE '' END AS model,
               count(*), count(*) FILTER (WHERE status = 'error'), coalesce(sum(cost), 0),
               count(*) FILTER (WHERE type IN ('llm', 'embed') AND status = 'success' AND cost IS NULL),
               coalesce(sum(input_tokens), 0), coalesce(sum(cache_read_tokens), 0),
               coalesce(sum(cache_write_tokens), 0), coalesce(sum(output_tokens), 0),
               coalesce(sum(reasoning_tokens), 0)
          FROM runs_run
         WHERE project_id = %(project)s AND user_id = %(user)s AND started_at >= %(since)s
           AND type <> 'span' AND repeat_of IS NULL
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """,
        _parameters(project_id, user_id, period),
    )
    return [
        Cell(at, type_, model, ClassSums(**dict(zip(SUMMED, values, strict=True))))
        for at, type_, model, *values in rows
    ]


def groups(project_id: int, user_id: str, period: Period) -> list[Group]:
    """Return the teams and organizations of the user's runs in the period, organizations first."""
    rows = _rows(
        """
        SELECT level, id, sum(runs) FROM (
            SELECT team_id, organization_id, count(*) AS runs FROM runs_run
             WHERE project_id = %(project)s AND user_id = %(user)s AND started_at >= %(since)s
               AND type <> 'span' AND repeat_of IS NULL GROUP BY 1, 2) AS pairs,
            LATERAL (VALUES ('organization', organization_id), ('team', team_id)) AS named(level, id)
         WHERE id IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2 LIMIT 20
        """,
        _parameters(project_id, user_id, period),
    )
    return [Group(level, id_, int(runs)) for level, id_, runs in rows]


def recent(project_id: int, user_id: str) -> list[RecentRun]:
    """Return the user's latest runs, conversations apart."""
    found = _listed(project_id, user_id).exclude(type__in=("thread", "chat")).order_by("-started_at")
    return _lines(found)


def traces(project_id: int, user_id: str) -> list[RecentRun]:
    """Return the user's latest traces: roots of type agent or chain (rule 9)."""
    found = _listed(project_id, user_id).filter(type__in=("agent", "chain"), id=F("trace_id"))
    return _lines(found.order_by("-started_at"))


def threads(project_id: int, user_id: str) -> list[RecentThread]:
    """Return the user's latest conversations."""
    found = _listed(project_id, user_id).filter(type="thread").order_by("-started_at")
    rows = list(found.values_list("id", "started_at", "ended_at")[:RECENT])
    said = Message.objects.filter(
        project_id=project_id, thread_id__in=[row[0] for row in rows], side__in=(Side.IN, Side.OUT)
    )
    counts = dict(said.values_list("thread_id").annotate(count=Count("id")))
    return [RecentThread(id_, at, last, counts.get(id_, 0)) for id_, at, last in rows]


def _lines(found: QuerySet[Run]) -> list[RecentRun]:
    columns = ("id", "type", "name", "status", "started_at", "duration_ms", "cost")
    return [RecentRun(*row) for row in found.values_list(*columns)[:RECENT]]


def _parameters(project_id: int, user_id: str, period: Period) -> dict[str, Any]:
    return {
        "project": project_id,
        "user": user_id,
        "since": period.since,
        "unit": period.unit,
        "zone": period.zone_name,
    }


def _rows(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
