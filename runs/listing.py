"""What the run list's template needs, put together: the table, the figures, the filter groups, and the menus."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict
from django.urls import reverse

from lunary_dash import paging
from projects.models import Project
from runs import figures, metrics, queries, spans
from runs.facets import Facet, facets
from runs.fields import METADATA
from runs.filters import TABS, Filters, read_search
from runs.histogram import histogram
from runs.patience import TooSlowError, patience
from runs.queries import Sort

KEPT = ("sort", "facets")  # what links of the list carry on beside the filters
TABLE_SECONDS = 8.0
FIGURE_SECONDS = 8.0
FACET_SECONDS = 4.0
TYPED = ("add", "metadata_key", "metadata_value")  # fields of forms, put into canonical filters


@dataclass(frozen=True)
class Heading:
    """A column of the table: what its link sorts by, and how it is sorted now (ascending, descending or '')."""

    label: str
    key: str = ""
    css: str = ""
    sorted: str = ""
    query: str = ""


@dataclass(frozen=True)
class Tab:
    """A tab of the list."""

    type: str
    label: str
    runs: int | None
    current: bool
    query: str


@dataclass(frozen=True)
class Choice:
    """A preset of the time range menu."""

    label: str
    current: bool
    query: str


def typed_address(query: QueryDict, kind: type[Filters] = Filters, keep: Sequence[str] = KEPT) -> str | None:
    """Return the address that a form's fields mean: search words, limits and metadata as filters; None without any."""
    words = kind.vocabulary
    if not any(name in query for name in (*TYPED, *words.limits, *words.inputs)):
        return None
    pairs = read_search(query.get("add", ""), words)
    key, value = query.get("metadata_key", "").strip(), query.get("metadata_value", "")
    if key:
        pairs.append((f"{METADATA}{key}", value))
    pairs += [(words.inputs[name], str(query[name])) for name in words.inputs if query.get(name, "").strip()]
    plain = query.copy()
    for name in (*TYPED, *words.inputs):
        plain.pop(name, None)
    for name, text in pairs:
        plain.appendlist(name, text)
    filters = kind.parse(plain, keep=keep)
    odd = [(problem.key, problem.value) for problem in filters.problems if problem.key in words.figures]
    address = filters.query()
    return address + ("&" if odd and address != "?" else "") + urlencode(odd) if odd else address


def page(project: Project, filters: Filters, query: QueryDict) -> dict[str, Any]:
    """Return everything of the whole page; figures that read bodies, and filter groups, come in a second request."""
    context = table(project, filters, query.get("cursor"))
    context |= {
        "ranges": _ranges(filters),
        "tabs": _tabs(filters, {}),
        "late_figures": filters.reads_bodies,
        "late_facets": "facets" not in query,
        "phone_filters": len(filters.chips),
    }
    if not filters.reads_bodies:
        context |= figure_context(project, filters)
    if "facets" in query:
        context |= facet_context(project, filters, query)
    return context


def table(project: Project, filters: Filters, cursor: str | None) -> dict[str, Any]:
    """Return one page of rows with its headings; a damaged cursor or a slow search is said instead."""
    sort = Sort.parse(dict(filters.kept).get("sort"))
    context: dict[str, Any] = {"project": project, "sort": sort, "headings": _headings(filters, sort), "refused": ""}
    context |= _row_links(project, filters, cursor)
    found: paging.Page[queries.Row] = paging.Page(rows=[], older=None, newer=None)
    try:
        with patience(TABLE_SECONDS):
            found = queries.page(project.pk, filters, sort, cursor)
            if not found.rows and not cursor:
                context["suspect"] = queries.suspect(project.pk, filters)
                context["any_runs"] = context["suspect"] is not None or queries.has_runs(project.pk)
    except paging.BadCursor as damaged:
        context["refused"] = str(damaged)
    except TooSlowError:
        context["refused"] = "This search takes too long. Choose a shorter time range, or add a filter beside the text."
    if sort.newest_first and not cursor:
        context["first"] = queries.first_cursor(found)
    return context | {"page": found, "figure_columns": any(one.key == "cost" for one in context["headings"])}


def figure_context(project: Project, filters: Filters) -> dict[str, Any]:
    """Return the metric strip, the histogram and the tabs' counts; without them where counting takes too long."""
    try:
        with patience(FIGURE_SECONDS):
            found = figures.figures(project.pk, filters)
            counts = figures.tabs(project.pk, filters, found.types)
    except TooSlowError:
        return {"metrics": [], "histogram": None, "tabs": _tabs(filters, {}), "too_slow": True}
    return {
        "metrics": metrics.strip(found, filters),
        "histogram": histogram(found, filters),
        "total": found.total,
        "tabs": _tabs(filters, counts),
    }


def facet_context(project: Project, filters: Filters, query: QueryDict) -> dict[str, Any]:
    """Return the filter groups; without them where counting takes too long."""
    found: list[Facet] = []
    too_slow = False
    try:
        with patience(FACET_SECONDS):
            found = facets(project.pk, filters, wide=query.get("facets", ""))
    except TooSlowError:
        too_slow = True
    return {"project": project, "filters": filters, "facets": found, "facets_too_slow": too_slow}


def _row_links(project: Project, filters: Filters, cursor: str | None) -> dict[str, str]:
    """Return the beginnings of the rows' addresses, to which the template adds the run's id."""
    beside = filters.query(cursor=cursor or None)
    nobody = UUID(int=0)
    return {
        "page_to": reverse("run_page", args=[project.public_id, nobody]).removesuffix(str(nobody)),
        "peek_to": f"{beside}peek=" if beside == "?" else f"{beside}&peek=",
    }


def heading_of(filters: Filters, sort: Sort, label: str, key: str = "", css: str = "") -> Heading:
    """Return a column's heading; where it can be sorted by, its link sorts, and turns the order when it does so now."""
    if not key:
        return Heading(label, css=css)
    mine = sort.key == key
    turned = type(sort)(key, not sort.descending if mine else True)
    direction = ("descending" if sort.descending else "ascending") if mine else ""
    return Heading(label, key, css, direction, filters.query(sort=None if turned.newest_first else str(turned)))


def _headings(filters: Filters, sort: Sort) -> list[Heading]:
    def heading(label: str, key: str = "", css: str = "") -> Heading:
        return heading_of(filters, sort, label, key, css)

    tokens = filters.type in ("llm", "all", "embed")
    found = [
        heading("Time", "time"),
        heading("Model" if filters.type in ("llm", "embed") else "Name"),
        heading("Status"),
        heading("End user"),
        heading("Team", css="mid"),
        heading("Tags", css="low"),
        heading("Duration", "duration", "num"),
    ]
    if tokens:
        found += [
            heading("Tokens in", "tokens", "num mid"),
            heading("Out", css="num mid"),
            heading("Cost", "cost", "num"),
        ]
    return found


def _tabs(filters: Filters, counts: dict[str, int]) -> list[Tab]:
    shown = dict(TABS) if filters.type in TABS else TABS | {filters.type: filters.type}
    return [
        Tab(
            type=kind,
            label=label,
            runs=counts.get(kind),
            current=kind == filters.type,
            query=filters.query(type=None if kind == filters.defaults[0] else kind),
        )
        for kind, label in shown.items()
    ]


def _ranges(filters: Filters) -> list[Choice]:
    return [
        Choice(
            label,
            filters.span.preset == preset,
            filters.ranged(**({} if preset == spans.DEFAULT else {"range": preset})),
        )
        for preset, label in spans.PRESETS.items()
    ]
