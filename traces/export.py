"""A whole trace as a file: every run in start order, as it was at one moment, in memory that its size doesn't change.

Nothing of it is kept: runs are read a few hundred at a time, fewer where they carry much, and written as they are read.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from django.utils.text import slugify
from msgspec import Meta

from lunary_dash.version import version
from projects.models import Project
from runs import api_details, serial
from runs.models import Run, RunFlag
from runs.serial import Beside
from traces import otlp_export, queries
from traces.otlp_export import LogLine, Rating, SpanSource
from traces.otlp_values import SpanIds

CHUNK_RUNS = 500
CHUNK_BYTES = 1024 * 1024
"""What the runs read at once may carry; a run that carries more is read by itself."""
PATIENCE = "60s"
"""How long a reader may take between two parts, before the database stops holding the trace's moment for them."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
K = TypeVar("K")


class TraceTotals(serial.Shape):
    """A trace as a whole. Sums leave out plain spans and second reports of a call, as the pages do."""

    id: str
    project_id: str
    project_name: str
    type: Annotated[str | None, Meta(description="of the topmost run; null: it has not been received")]
    name: str | None
    status: str
    started_at: Annotated[str, Meta(description="of the run that started first")]
    ended_at: Annotated[str | None, Meta(description="of the run that ended last; null: none has")]
    duration_ms: int | None
    rows: Annotated[int, Meta(description="how many runs follow, plain spans and repeats included")]
    runs: int
    errors: int
    tokens: int
    cost: Annotated[serial.Money | None, Meta(description="null: unknown; a lower bound unless `unpriced` is 0")]
    unpriced: Annotated[int, Meta(description="model calls of unknown cost")]
    exported_at: str
    url: Annotated[str, Meta(description="the trace's page")]


class TraceExport(serial.Shape):
    """A trace with all its runs in start order, each as `GET /v1/runs/{id}` tells it."""

    trace: TraceTotals
    runs: list[serial.RunView]


class OtlpTrace(serial.Shape):
    """A trace in the JSON encoding of OTLP: the body of an ExportTraceServiceRequest."""

    resource_spans: list[dict[str, Any]]


@dataclass(frozen=True)
class Origin:
    """What an export says of where it comes from: the project, and the addresses of its pages."""

    project: Project
    place: serial.Place
    trace_page: str


def exists(project_id: int, trace_id: UUID) -> bool:
    """Tell whether any run of the project is part of that trace."""
    return Run.objects.filter(project_id=project_id, trace_id=trace_id).exists()


def as_json(origin: Origin, trace_id: UUID) -> Iterator[bytes]:
    """Yield the trace as JSON (TraceExport), one run a line; payloads are byte for byte as sent (rule 7)."""
    project_id = origin.project.pk
    with one_moment():
        plan = _plan(project_id, trace_id)
        yield b'{"trace":' + serial.encode(_totals(origin, trace_id, len(plan))) + b',\n"runs":['
        between = b"\n"
        for ids in chunks(plan):
            views = (serial.run_view(run, beside, origin.place) for run, beside in _told(project_id, ids))
            yield between + b",\n".join(serial.encode(view) for view in views)
            between = b",\n"
    yield b"\n]}\n"


def as_otlp(origin: Origin, trace_id: UUID) -> Iterator[bytes]:
    """Yield the trace as the body of an OTLP/JSON request (ExportTraceServiceRequest), one span a line."""
    project = origin.project
    with one_moment():
        plan = _plan(project.pk, trace_id)
        ids = SpanIds(id for id, _ in plan)
        known = {id for id, _ in plan}
        introduced: set[str] = set()
        resource = serial.encode(otlp_export.resource(project.name, project.public_id, trace_id))
        scope = serial.encode({"name": "lunary-dash", "version": version()})
        yield b'{"resourceSpans":[{"resource":' + resource + b',"scopeSpans":[{"scope":' + scope + b',"spans":['
        between = b"\n"
        for part in chunks(plan):
            sources = (_source(run, beside, known, introduced) for run, beside in _told(project.pk, part))
            yield between + b",\n".join(serial.encode(otlp_export.span(source, ids)) for source in sources)
            between = b",\n"
    yield b"\n]}]}]}\n"


def file_name(project_id: int, trace_id: UUID, ending: str) -> str:
    """Return what the file is called: the trace's name, its first day and the beginning of its id."""
    runs = Run.objects.filter(project_id=project_id, trace_id=trace_id)
    found = runs.filter(id=trace_id).values_list("name", "started_at").first()
    name, day = found or (None, runs.order_by("started_at").values_list("started_at", flat=True).first())
    parts = (slugify(name or "")[:60] or "trace", f"{day:%Y-%m-%d}" if day else "", trace_id.hex[:8])
    return "-".join(part for part in parts if part) + ending


def chunks(plan: Iterable[tuple[K, int]]) -> Iterator[list[K]]:
    """Cut (run, bytes it carries) into parts of at most CHUNK_RUNS runs and CHUNK_BYTES; larger runs are read alone."""
    part: list[K] = []
    carried = 0
    for run, size in plan:
        if part and (len(part) == CHUNK_RUNS or carried + size > CHUNK_BYTES):
            yield part
            part, carried = [], 0
        part.append(run)
        carried += size
    if part:
        yield part


@contextmanager
def one_moment() -> Iterator[None]:
    """Let every statement inside see the database as it was at the first one; inside a transaction, as that does.

    A reader that stalls ends its download, not the database's housekeeping.
    """
    nested = connection.in_atomic_block
    with transaction.atomic():
        if not nested:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", [PATIENCE])
        yield


# octet_length doesn't unpack long texts; metadata are jsonb, of which only the stored size comes that cheap.
_PLAN = """
    SELECT r.id, coalesce(octet_length(b.input), 0) + coalesce(octet_length(b.output), 0)
               + coalesce(octet_length(b.error), 0) + coalesce(octet_length(b.params), 0)
               + coalesce(pg_column_size(b.metadata), 0) + coalesce(l.size, 0)
    FROM runs_run r
    LEFT JOIN runs_runbody b ON b.project_id = r.project_id AND b.run_id = r.id
    LEFT JOIN (
        SELECT run_id, sum(octet_length(message) + coalesce(octet_length(extra), 0) + 100) AS size
        FROM runs_runlog
        WHERE project_id = %(project)s
          AND run_id IN (SELECT id FROM runs_run WHERE project_id = %(project)s AND trace_id = %(trace)s)
        GROUP BY run_id
    ) l ON l.run_id = r.id
    WHERE r.project_id = %(project)s AND r.trace_id = %(trace)s
    ORDER BY r.started_at, r.id
"""


def _plan(project_id: int, trace_id: UUID) -> list[tuple[UUID, int]]:
    """Return the trace's runs in start order, each with the bytes it carries."""
    with connection.cursor() as cursor:
        cursor.execute(_PLAN, {"project": project_id, "trace": trace_id})
        return [(id, int(size)) for id, size in cursor.fetchall()]


def _told(project_id: int, ids: list[UUID]) -> Iterator[tuple[Run, Beside]]:
    """Yield these runs in order with all that belongs to them, in a fixed number of queries."""
    found = {run.id: run for run in Run.objects.filter(project_id=project_id, id__in=ids)}
    runs = [found[id] for id in ids if id in found]
    yield from zip(runs, api_details.beside(project_id, runs, logs=True), strict=True)


def _totals(origin: Origin, trace_id: UUID, rows: int) -> TraceTotals:
    project = origin.project
    runs = Run.objects.filter(project_id=project.pk, trace_id=trace_id)
    root = runs.filter(id=trace_id).first()
    first, last, running = _bounds(project.pk, trace_id)
    sums = queries.sums_of(project.pk, [trace_id])[trace_id]
    return TraceTotals(
        id=str(trace_id),
        project_id=str(project.public_id),
        project_name=project.name,
        type=root.type if root else None,
        name=root.name if root else None,
        status=root.status if root else "started" if running else "success",
        started_at=serial.moment(first),
        ended_at=serial.optional_moment(last),
        duration_ms=(last - first) // timedelta(milliseconds=1) if last else None,
        rows=rows,
        runs=sums.runs,
        errors=sums.errors,
        tokens=sums.tokens,
        cost=serial.money(sums.cost) if sums.priced else None,
        unpriced=sums.unknown,
        exported_at=serial.moment(timezone.now()),
        url=origin.trace_page,
    )


def _bounds(project_id: int, trace_id: UUID) -> tuple[datetime, datetime | None, bool]:
    """Return the trace's first start, last end, and whether any run has not ended."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(min(started_at), now()), max(greatest(started_at, ended_at)) FILTER (WHERE ended_at"
            " IS NOT NULL), coalesce(bool_or(status = 'started'), false)"
            " FROM runs_run WHERE project_id = %s AND trace_id = %s",
            [project_id, trace_id],
        )
        first, last, running = cursor.fetchone()
    return first, last, bool(running)


def _source(run: Run, beside: Beside, known: set[UUID], introduced: set[str]) -> SpanSource:
    """Return the run as a span needs it; an end user's properties come with their first run only."""
    body = beside.body
    user = beside.user if beside.user and beside.user.id not in introduced else None
    if user:
        introduced.add(user.id)
    return SpanSource(
        id=run.id,
        trace_id=run.trace_id or run.id,
        parent_id=run.parent_id,
        is_top=run.id == run.trace_id or run.parent_id not in known,
        type=run.type,
        name=run.name,
        status=run.status,
        started_us=_us(run.started_at),
        ended_us=None if run.ended_at is None else _us(run.ended_at),
        input=body.input if body else None,
        output=body.output if body else None,
        error=body.error if body else None,
        params=body.params if body else None,
        metadata=beside.metadata,
        input_tokens=run.input_tokens,
        cache_read_tokens=run.cache_read_tokens,
        cache_write_tokens=run.cache_write_tokens,
        output_tokens=run.output_tokens,
        reasoning_tokens=run.reasoning_tokens,
        estimated=bool(run.flags & RunFlag.ESTIMATED),
        cost=serial.money(run.cost),
        user_id=run.user_id,
        user_props=user.props if user else None,
        team_id=run.team_id,
        organization_id=run.organization_id,
        thread_id=run.thread_id,
        tags=tuple(run.tags or ()),
        template_id=run.template_id,
        repeat_of=run.repeat_of,
        feedback=beside.feedback,
        scores=tuple(Rating(_us(score.at), score.label, score.value, score.comment) for score in beside.scores),
        logs=tuple(LogLine(_us(log.at), log.level, log.message, log.extra) for log in beside.logs or ()),
    )


def _us(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)
