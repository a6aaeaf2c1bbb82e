"""Filters and orders of the trace list against a recount in Python, and the neighbours that it gives a trace."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.http import QueryDict

from projects.models import Project
from runs.models import Run
from tests import make
from tests.traces.conftest import summarise
from traces import lists
from traces.filters import TraceFilters
from traces.lists import TraceLine
from traces.models import TraceSummary
from traces.summaries import NAMES

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
TRACES = 130  # more than two pages


def filters(query: str) -> TraceFilters:
    return TraceFilters.parse(QueryDict(f"range=all&{query}"))


@pytest.fixture
def project() -> Project:
    """Return a project with random traces, many of them equal in what the list is sorted by."""
    project, chance = make.project(), Random(7)
    for number in range(TRACES):
        root = make.run(
            project,
            chance.choice(["agent", "chain"]),
            name=chance.choice(["claims", "orders"]),
            status=chance.choice(["success", "success", "error"]),
            user_id=chance.choice([None, "ann"]),
            started_at=START + timedelta(minutes=number // 3),
            duration_ms=chance.choice([1_000, 2_000, 30_000]),
        )
        for _ in range(chance.randrange(4)):
            kind = chance.choice(["tool", "llm", "embed", "span", "agent"])
            make.child(
                root,
                project,
                kind,
                name=chance.choice(["search", "lookup", "gpt-4o", "gpt-4.1", "x.y", "*"]),
                status=chance.choice(["success", "success", "success", "error"]),
                cost=chance.choice([None, Decimal("0.5"), Decimal("1.25")]) if kind in ("llm", "embed") else None,
                input_tokens=chance.choice([None, 10, 1000]),
                output_tokens=5,
            )
    make.run(project, "llm", name="alone")
    summarise(project)
    return project


def walk(project: Project, asked: TraceFilters) -> list[TraceLine]:
    """Return the whole list, page by page, having looked that the way back is the same."""
    pages = [lists.traces(project.pk, asked, None)]
    while pages[-1].older:
        pages.append(lists.traces(project.pk, asked, pages[-1].older))
    for page, after in pairwise(pages):
        assert after.newer
        assert [row.id for row in lists.traces(project.pk, asked, after.newer).rows] == [row.id for row in page.rows]
    return [row for page in pages for row in page.rows]


def runs_of(project: Project) -> dict[UUID, list[Run]]:
    found: dict[UUID, list[Run]] = {}
    for run in Run.objects.filter(project_id=project.pk).exclude(type="span").exclude(name="alone"):
        assert run.trace_id
        found.setdefault(run.trace_id, []).append(run)
    return found


def errors(runs: list[Run]) -> int:
    return sum(run.status == "error" for run in runs)


def tokens(runs: list[Run]) -> int:
    return sum((run.input_tokens or 0) + (run.output_tokens or 0) for run in runs)


def cost(runs: list[Run]) -> Decimal | None:
    known = [run.cost for run in runs if run.cost is not None]
    return sum(known, Decimal(0)) if known else None


def duration(runs: list[Run]) -> int:
    ends = [run.ended_at for run in runs if run.ended_at]
    return int((max(ends) - min(run.started_at for run in runs)).total_seconds() * 1000)


def names(runs: list[Run], *types: str) -> set[str | None]:
    return {run.name for run in runs if run.type in types}


def models(runs: list[Run]) -> set[str | None]:
    return names(runs, "llm", "embed")


def root(runs: list[Run]) -> Run:
    return next(run for run in runs if run.id == run.trace_id)


EXPECTED: dict[str, Callable[[list[Run]], Any]] = {
    "": lambda runs: True,
    "inside=error": errors,
    "errors=0": lambda runs: errors(runs) == 0,
    "errors=%3E1": lambda runs: errors(runs) > 1,
    "runs=2..3": lambda runs: 2 <= len(runs) <= 3,
    "runs=%3E1&runs=%3C4": lambda runs: 1 < len(runs) < 4,
    "tokens=%3E1k": lambda runs: tokens(runs) > 1000,
    "cost=unknown": lambda runs: cost(runs) is None,
    "cost=%3E%3D1.25": lambda runs: (cost(runs) or 0) >= Decimal("1.25"),
    "cost=%3C1": lambda runs: cost(runs) is not None and (cost(runs) or 0) < 1,
    "duration=%3E1s": lambda runs: duration(runs) > 1000,
    "tool=search": lambda runs: "search" in names(runs, "tool"),
    "tool=search&tool=lookup": lambda runs: names(runs, "tool") & {"search", "lookup"},
    "tool=search&model=gpt-4o": lambda runs: "search" in names(runs, "tool") and "gpt-4o" in models(runs),
    "model=gpt-*": lambda runs: models(runs) & {"gpt-4o", "gpt-4.1"},
    "model=gpt-*&tool=x.y": lambda runs: models(runs) & {"gpt-4o", "gpt-4.1"} and "x.y" in names(runs, "tool"),
    "tool=x*y": lambda runs: "x.y" in names(runs, "tool"),
    "tool=x?y": lambda runs: False,
    "agent=claims": lambda runs: "claims" in names(runs, "agent"),
    "agent=nobody": lambda runs: False,
    "user=ann&inside=error": lambda runs: root(runs).user_id == "ann" and errors(runs),
    "type=chain&runs=1": lambda runs: root(runs).type == "chain" and len(runs) == 1,
    "status=success&name=claims&errors=%3E0": lambda runs: (
        (root(runs).status, root(runs).name) == ("success", "claims") and errors(runs)
    ),
}
SORTS: dict[str, Callable[[list[Run]], Any]] = {
    "time": lambda runs: root(runs).started_at,
    "duration": duration,
    "runs": len,
    "errors": errors,
    "tokens": tokens,
    "cost": cost,
}


ORDERS = [*SORTS, *(f"-{key}" for key in SORTS)]


@pytest.mark.parametrize("sort", ORDERS)
def test_every_filter_and_every_order_equals_a_recount(project: Project, sort: str) -> None:
    """Rows without the key are last, whichever way; ids break ties, the same way as the key.

    Each order is tried with a third of the filters, and each filter with a third of the orders.
    """
    traces = runs_of(project)
    key, falling = SORTS[sort.removeprefix("-")], sort.startswith("-")
    mine = [query for number, query in enumerate(EXPECTED) if (number + ORDERS.index(sort)) % 3 == 0]
    for query, fits in ((query, EXPECTED[query]) for query in mine):
        wanted = sorted(
            ((key(runs), id) for id, runs in traces.items() if fits(runs) and key(runs) is not None), reverse=falling
        )
        without = sorted((id for id, runs in traces.items() if fits(runs) and key(runs) is None), reverse=falling)
        listed = walk(project, filters(f"{query}&sort={sort}"))
        assert [line.id for line in listed] == [*(id for _, id in wanted), *without], (sort, query)
        for line in listed:
            runs = traces[line.id]
            assert (line.sums.runs, line.sums.errors, line.sums.tokens) == (len(runs), errors(runs), tokens(runs))
            assert line.sums.cost == (cost(runs) or 0)


def test_the_counts_of_the_tabs_are_those_of_the_list(project: Project) -> None:
    for query in ("", "inside=error&type=agent", "runs=1"):
        counted = lists.counts(project.pk, filters(query))
        for kind, traces in counted.items():
            asked = filters(f"{query.replace('type=agent', '')}&type={kind}")
            assert len(walk(project, asked)) == traces


@pytest.mark.parametrize("query", ["", "sort=-cost", "sort=errors&inside=error", "tool=search", "sort=runs&user=ann"])
def test_neighbours_are_those_of_the_list(project: Project, query: str) -> None:
    asked = filters(query)
    listed = [line.id for line in walk(project, asked)]
    around = [None, *listed, None]
    for position in (0, 1, len(listed) // 2, len(listed) - 2, len(listed) - 1):
        found = lists.neighbours(project.pk, asked, listed[position])
        assert found == (around[position], around[position + 2])
    assert lists.neighbours(project.pk, asked, uuid4()) == (None, None)


def test_a_trace_that_the_filters_leave_out_has_neighbours_too(project: Project) -> None:
    every = [line.id for line in walk(project, filters(""))]
    failed = [line.id for line in walk(project, filters("inside=error"))]
    place = next(number for number, id in enumerate(every) if id not in failed and set(every[:number]) & set(failed))
    before = next(id for id in reversed(every[:place]) if id in failed)
    after = next(id for id in every[place:] if id in failed)
    assert lists.neighbours(project.pk, filters("inside=error"), every[place]) == (before, after)


def test_traces_without_a_root_have_neighbours_in_their_own_list() -> None:
    project = make.project()
    for number in range(3):
        missing = make.run_id(f"missing {number}")
        make.run(project, parent_id=missing, trace_id=missing, started_at=START + timedelta(minutes=number))
    listed = [line.id for line in lists.unrooted(project.pk, filters("root=missing"))]
    assert listed == [make.run_id(f"missing {number}") for number in (2, 1, 0)]
    assert lists.neighbours(project.pk, filters("root=missing"), listed[1]) == (listed[0], listed[2])
    assert lists.neighbours(project.pk, filters("root=missing"), listed[0]) == (None, listed[1])


def test_another_projects_traces_are_in_no_list(project: Project) -> None:
    other = make.project()
    same = Run.objects.filter(project_id=project.pk, type="agent").first()
    assert same
    make.run(other, "agent", id=same.id, name="claims", started_at=same.started_at)
    summarise(other)
    for query in ("", "sort=-cost", "runs=1", "agent=claims"):
        assert [line.id for line in walk(other, filters(query))] == [same.id]
    assert lists.neighbours(other.pk, filters(""), same.id) == (None, None)
    assert len(walk(project, filters(""))) == TRACES


def test_names_that_a_summary_leaves_out_are_found_among_the_runs() -> None:
    project = make.project()
    root, other = make.run(project, "agent"), make.run(project, "agent")
    for number in range(NAMES + 20):
        make.child(root, project, "tool", name=f"tool-{number:04}")
    long = "long-" * 30
    make.child(other, project, "tool", name=long)
    make.child(other, project, "span", name="tool-0003")
    summarise(project)
    last = f"tool-{NAMES + 19:04}"
    assert not TraceSummary.objects.filter(contains__contains=[f"tool:{last}"]).exists()
    for query, there in {
        f"tool={last}": {root.id},
        "tool=tool-02*": {root.id},
        "tool=tool-0003": {root.id},
        f"tool={long}": {other.id},
        f"tool={long[:120]}": set(),
        f"tool={long[:120]}*": {other.id},
        "tool=tool-9999": set(),
        "model=tool-0003": set(),
    }.items():
        assert {line.id for line in walk(project, filters(query))} == there, query


def test_a_root_that_went_since_it_was_summed_up_is_not_listed(project: Project) -> None:
    line = lists.traces(project.pk, filters("sort=-runs"), None).rows[0]
    Run.objects.filter(project_id=project.pk, id=line.id).delete()
    assert line.id not in {one.id for one in walk(project, filters("sort=-runs"))}


def test_a_running_trace_says_how_long_it_has_been() -> None:
    project = make.project()
    make.run(project, "agent", status="started")
    (line,) = lists.traces(project.pk, filters(""), None).rows
    assert line.lasted.startswith("1\xa0h")
    assert line.lasted.endswith("…")
