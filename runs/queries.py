"""What the run list reads: one page of narrow rows, never a body; then names and feedback of just those rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Self
from uuid import UUID

from django.utils import timezone

from lunary_dash import paging
from lunary_dash.templatetags import figures as written
from runs import conditions, feedback, keyset
from runs.feedback import Shown
from runs.filters import Chip, Filters
from runs.keyset import Order
from runs.lookup import find_run
from runs.models import EndUser, Run, RunFlag

PAGE_SIZE = 50
COUNTED = 10_000  # "at least", beyond: a count that nobody reads to the end stops here
MOST_SUSPECTS = 8  # filters tried when a list is empty

SORTS: dict[str, Order] = {
    "time": Order("started_at", keyset.moment, required=True),
    "duration": Order("duration_ms", keyset.number),
    "tokens": Order(conditions.TOTAL_TOKENS, keyset.number),
    "cost": Order("cost", keyset.number),
}
COLUMNS = (
    *("id", "type", "name", "status", "started_at", "duration_ms", "input_tokens", "output_tokens", "cost"),
    *("user_id", "team_id", "organization_id", "tags", "flags", "chat_id", "thread_id", "trace_id", "parent_id"),
)


@dataclass(frozen=True)
class Sort:
    """How the list is sorted, as the address says it: `cost` or `-cost`; anything else is newest first."""

    key: str = "time"
    descending: bool = True

    orders: ClassVar[Mapping[str, Order]] = SORTS

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read the address's `sort`."""
        key = (text or "").removeprefix("-")
        return cls(key, (text or "").startswith("-")) if key in cls.orders else cls()

    def __str__(self) -> str:
        """Return it as in an address."""
        return f"-{self.key}" if self.descending else self.key

    @property
    def newest_first(self) -> bool:
        """Tell whether this is the list's own order."""
        return self.key == "time" and self.descending

    @property
    def order(self) -> Order:
        """Return what the database sorts by."""
        found = self.orders[self.key]
        return Order(found.by, found.read, self.descending, found.required)


@dataclass(frozen=True)
class Person:
    """An end user as lists name them."""

    id: str
    name: str

    @classmethod
    def of(cls, id: str, props: Any) -> "Person":
        """Return the user under the first of the usual properties that is a name."""
        named = props if isinstance(props, dict) else {}
        for key in ("name", "fullName", "full_name", "displayName", "username", "email"):
            value = named.get(key)
            if isinstance(value, str) and value.strip():
                return cls(id, value.strip())
        return cls(id, id)


@dataclass(frozen=True)
class Row:
    """One run in a list. Times are the client's; tokens in and out; cost in USD, None where unknown."""

    id: UUID
    type: str
    name: str
    status: str
    started_at: datetime
    duration_ms: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost: Decimal | None
    user: Person | None
    team_id: str | None
    organization_id: str | None
    root: str  # the trace's name, where that is another run
    tags: list[str]
    feedback: Shown
    estimated: bool
    standalone: bool
    running_ms: int | None  # of a run without an end, up to now

    # Written here, not in the template: fifty rows of conditions take it longer than the page's queries.

    @property
    def lasted(self) -> str:
        """Return the duration, of a run without an end so far."""
        if self.duration_ms is None and self.running_ms is not None:
            return f"{written.duration(self.running_ms)}…"
        return written.duration(self.duration_ms)

    @property
    def given(self) -> str:
        """Return the input tokens, marked where they are an estimate."""
        return self._counted(self.input_tokens)

    @property
    def answered(self) -> str:
        """Return the output tokens, marked where they are an estimate."""
        return self._counted(self.output_tokens)

    def _counted(self, tokens: int | None) -> str:
        return f"~{written.tokens(tokens)}" if self.estimated and tokens is not None else written.tokens(tokens)

    @property
    def costed(self) -> str:
        """Return the cost; it is unknown only where one is to be expected, of anything else there is none."""
        expected = self.type in ("llm", "embed") and self.status == "success"
        return written.money(self.cost) if self.cost is not None or expected else written.NONE


def page(project_id: int, filters: Filters, sort: Sort, cursor: str | None, size: int = PAGE_SIZE) -> paging.Page[Row]:
    """Return one page of the list in four queries, whatever its length; BadCursor for a damaged cursor."""
    found = keyset.page(filters.runs(project_id), sort.order, cursor, size, COLUMNS)
    return paging.Page(rows=rows(project_id, found.rows), older=found.older, newer=found.newer)


def rows(project_id: int, found: list[dict[str, Any]]) -> list[Row]:
    """Return list rows for dictionaries of COLUMNS: one query each for names, feedback and traces."""
    users = people(project_id, (row["user_id"] for row in found))
    places = [
        feedback.Place(row["id"], row["chat_id"], row["thread_id"], row["trace_id"], row["type"]) for row in found
    ]
    shown = feedback.shown(project_id, places)
    roots = _root_names(project_id, found)
    now = timezone.now()
    return [_row(row, users, shown, roots, now) for row in found]


def _root_names(project_id: int, found: list[dict[str, Any]]) -> dict[UUID, str]:
    ids = {row["trace_id"] for row in found if row["trace_id"] and row["trace_id"] != row["id"]}
    if not ids:
        return {}
    known = Run.objects.filter(project_id=project_id, id__in=ids).values_list("id", "name", "type")
    return {id: name or kind for id, name, kind in known}


def _row(
    row: dict[str, Any], users: dict[str, Person], shown: dict[UUID, Shown], roots: dict[UUID, str], now: datetime
) -> Row:
    running = row["status"] == "started" and row["started_at"] <= now
    return Row(
        **{key: row[key] for key in ("id", "type", "status", "started_at", "duration_ms")},
        **{key: row[key] for key in ("input_tokens", "output_tokens", "cost", "team_id", "organization_id")},
        name=row["name"] or "",
        user=users.get(row["user_id"] or ""),
        root=roots.get(row["trace_id"], "") if row["trace_id"] not in (None, row["id"]) else "",
        tags=row["tags"] or [],
        feedback=shown.get(row["id"], Shown()),
        estimated=bool(row["flags"] & RunFlag.ESTIMATED),
        standalone=bool(row["flags"] & RunFlag.STANDALONE_TOOL),
        running_ms=int((now - row["started_at"]).total_seconds() * 1000) if running else None,
    )


def people(project_id: int, ids: Iterable[str | None]) -> dict[str, Person]:
    """Return the end users of these ids, also those whose row isn't there."""
    wanted = {id for id in ids if id}
    if not wanted:
        return {}
    known = EndUser.objects.filter(project_id=project_id, id__in=wanted).values_list("id", "props")
    return {id: Person(id, id) for id in wanted} | {id: Person.of(id, props) for id, props in known}


def newer_count(project_id: int, filters: Filters, first: str) -> int:
    """Return how many runs have come before the page's first row, counted up to 100; BadCursor for a damaged cursor."""
    runs = keyset.newer_than(filters.runs(project_id), Sort().order, first)
    return len(runs.values_list("id")[:100])


def first_cursor(page: paging.Page[Row]) -> str:
    """Return the cursor of everything newer than the page, or than now where it is empty."""
    if page.rows:
        row = page.rows[0]
        return keyset.edge({"sort_key": row.started_at, "id": row.id})
    return keyset.edge({"sort_key": timezone.now(), "id": UUID(int=0)})


@dataclass(frozen=True)
class Suspect:
    """A filter without which an empty list would not be empty."""

    chip: Chip
    runs: int  # counted up to COUNTED

    @property
    def more(self) -> bool:
        """Tell whether there are more than were counted."""
        return self.runs >= COUNTED


def suspect(project_id: int, filters: Filters) -> Suspect | None:
    """Return the filter that excludes most from an empty list, the time range among them."""
    tried = [Suspect(chip, _count(project_id, filters, (chip.key,))) for chip in filters.chips[:MOST_SUSPECTS]]
    if filters.span.since or filters.span.until:
        chip = Chip("time", "time range", "is", str(filters.span), filters.ranged(range="all"))
        tried.append(Suspect(chip, _count(project_id, filters, ("time",))))
    best = max(tried, key=lambda one: one.runs, default=None)
    return best if best and best.runs else None


def _count(project_id: int, filters: Filters, skip: tuple[str, ...]) -> int:
    return len(filters.runs(project_id, skip=skip).values_list("id")[:COUNTED])


def has_runs(project_id: int) -> bool:
    """Tell whether the project has any run."""
    return Run.objects.filter(project_id=project_id).exists()


__all__ = ["PAGE_SIZE", "Person", "Row", "Sort", "find_run", "page", "people", "rows", "suspect"]
