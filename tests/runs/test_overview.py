"""The overview: who may see it, what it costs in queries, and that its figures are those of the run lists (rule 13)."""

import csv
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from html import unescape
from io import StringIO
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from projects.models import Project
from runs import overview_queries, rollups
from runs.filters import Filters
from runs.models import Run, StaleHour
from runs.overview_charts import Charts
from runs.overview_queries import Figure
from runs.overview_strip import change
from runs.periods import Period
from tests import make

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(minute=40)


@pytest.fixture
def busy(project: Project) -> Project:
    """Return a project with runs of all kinds over 40 days."""
    models = ["gpt-4o", "gpt-4o-mini", "o3", "claude-sonnet-4-5", "gemini-2.5-pro", "mistral-large", "grok-4", "mine"]
    for index in range(32):
        at = NOW - timedelta(hours=index * (4 if index < 8 else 30), minutes=index)
        cost = None if index % 8 == 7 else Decimal(index) / 1000
        make.run(
            project,
            name=models[index % 8],
            started_at=at,
            cost=cost,
            cache_read_tokens=30,
            duration_ms=100 * index,
            user_id=f"user-{index % 5}" if index % 6 else None,
        )
        make.run(project, "tool", started_at=at, status="error" if index % 9 == 0 else "success", user_id="user-1")
    first = make.run(project, "thread", started_at=NOW - timedelta(hours=5))
    make.run(project, "embed", started_at=NOW, cost=Decimal("0.000002"), input_tokens=7)
    make.run(project, "span", started_at=NOW)
    make.run(project, started_at=NOW, repeat_of=first.id)
    _recompute(project)
    return project


def _recompute(project: Project) -> None:
    for at in Run.objects.filter(project_id=project.pk).values_list("started_at", flat=True):
        hour = at.replace(minute=0, second=0, microsecond=0)
        StaleHour.objects.create(project_id=project.pk, hour=hour, id=uuid4(), marked_at=timezone.now())
    rollups.recompute_stale()


def page(project: Project, **query: str) -> str:
    return reverse("overview", args=[project.public_id]) + (f"?{'&'.join(f'{k}={v}' for k, v in query.items())}")


def listed(link: str, project: Project) -> list[Run]:
    """Return the runs that the run list shows at this address."""
    filters = Filters.parse(QueryDict(unescape(link).partition("?")[2]))
    assert not filters.problems
    return list(filters.runs(project.pk))


def test_members_see_it(people: make.People, busy: Project) -> None:
    for who in (people.owner, people.member, people.viewer):
        response = make.client_for(who).get(page(busy))
        assert response.status_code == 200
        assert b"Cost per day by model" in response.content


def test_others_do_not(people: make.People, busy: Project) -> None:
    assert make.client_for(people.stranger).get(page(busy)).status_code == 404
    assert make.client_for(people.billing).get(page(busy)).status_code == 403
    assert make.client_for(None).get(page(busy)).status_code == 302
    csv_address = reverse("overview_csv", args=[busy.public_id, "cost"])
    assert make.client_for(people.stranger).get(csv_address).status_code == 404
    assert make.client_for(None).get(csv_address).status_code == 302
    assert make.client_for(people.owner).post(page(busy)).status_code == 405


def test_it_takes_a_dozen_queries_whatever_there_is(
    people: make.People, busy: Project, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    client = make.client_for(people.owner)
    client.get(page(busy))
    for range_ in ("24h", "7d", "30d"):
        with django_assert_max_num_queries(14):
            client.get(page(busy, range=range_))


def test_an_empty_project_says_so(people: make.People, project: Project) -> None:
    content = make.client_for(people.owner).get(page(project)).content.decode()
    assert content.count("Nothing in this range.") == 3
    assert "No LLM call in this range." in content


def test_headline_figures_are_those_of_the_run_list(busy: Project) -> None:
    for range_ in ("24h", "7d", "30d", "90d"):
        _compare_headline(busy, range_)


def _compare_headline(busy: Project, range_: str) -> None:
    period = Period.named(range_)
    found = overview_queries.headline(busy.pk, period)
    runs = listed(f"?type=all&range={range_}", busy)
    assert found.runs.now == len(runs)
    assert found.cost.now == sum((run.cost or Decimal(0) for run in runs), Decimal(0))
    assert found.tokens.now == sum((run.input_tokens or 0) + (run.output_tokens or 0) for run in runs)
    assert found.users.now == len({run.user_id for run in runs} - {None})
    assert found.threads.now == sum(run.type == "thread" for run in runs)
    assert found.error_rate.now == pytest.approx(sum(run.status == "error" for run in runs) / len(runs))
    assert found.unpriced == sum(run.type in ("llm", "embed") and run.cost is None for run in runs)
    before = Run.objects.filter(
        project_id=busy.pk, started_at__gte=period.before, started_at__lt=period.since, repeat_of=None
    ).exclude(type="span")
    assert found.runs.before == before.count()
    assert found.users.before == before.exclude(user_id=None).values("user_id").distinct().count()
    durations = sorted(run.duration_ms for run in runs if run.type == "llm" and run.duration_ms)
    if len(durations) > 3:
        assert found.p50.now == pytest.approx(durations[len(durations) // 2], rel=0.3)
        assert durations[0] <= found.p50.now <= found.p95.now <= durations[-1] * 1.03


def test_every_point_leads_to_exactly_its_runs(busy: Project) -> None:
    for range_, zone in (("24h", "UTC"), ("7d", "America/New_York"), ("30d", "UTC"), ("30d", "Asia/Tokyo")):
        _follow_points(busy, range_, zone)


def _follow_points(busy: Project, range_: str, zone: str) -> None:
    with timezone.override(ZoneInfo(zone)):
        period = Period.named(range_)
        charts = Charts(period, overview_queries.cells(busy.pk, period), "/runs")
        cost, runs, tokens, latency = charts.all(overview_queries.latencies(busy.pk, period))
        linked = [
            (chart, series, point)
            for chart in (cost, runs, tokens)
            for series in chart.series
            for point in series.points
            if point.link
        ]
        assert len(linked) > 5
        for chart, series, point in linked:
            behind = listed(point.link, busy)
            if chart.key == "cost":
                assert sum((run.cost or Decimal(0) for run in behind), Decimal(0)) == point.value
            elif chart.key == "runs":
                assert len(behind) == point.value
            elif series.name == "Output":
                assert sum(run.output_tokens or 0 for run in behind) == point.value
        for series in latency.series:
            for point in series.points:
                assert bool(point.link) == (point.value is not None)


def test_charts_add_up_to_the_headline(busy: Project) -> None:
    period = Period.named("30d")
    found = overview_queries.headline(busy.pk, period)
    charts = Charts(period, overview_queries.cells(busy.pk, period), "/runs")
    cost, runs, tokens, _ = charts.all([])
    assert sum(series.total or 0 for series in cost.series) == found.cost.now
    assert sum(series.total or 0 for series in runs.series) == found.runs.now
    assert sum(series.total or 0 for series in tokens.series) == found.tokens.now
    assert sum(row.sums.cost for row in charts.models()) == found.cost.now
    assert "more" in cost.series[-1].name


def test_a_run_ahead_of_our_clock_is_in_the_last_bar(project: Project) -> None:
    make.run(project, started_at=timezone.now() + timedelta(hours=30), cost=Decimal(3))
    _recompute(project)
    period = Period.named("7d")
    charts = Charts(period, overview_queries.cells(project.pk, period), "/runs")
    assert charts.cost().series[0].points[-1].value == Decimal(3)
    assert overview_queries.headline(project.pk, period).cost.now == Decimal(3)


def test_the_file_holds_the_charts_numbers(people: make.People, busy: Project) -> None:
    client = make.client_for(people.owner)
    for chart in ("cost", "runs", "tokens", "latency"):
        response = client.get(reverse("overview_csv", args=[busy.public_id, chart]) + "?range=30d")
        assert response["Content-Disposition"] == f'attachment; filename="{chart}-30d.csv"'
        rows = list(csv.reader(StringIO(response.content.decode())))
        assert len(rows) == 32
        assert rows[0][0] == "day"
    assert client.get(reverse("overview_csv", args=[busy.public_id, "nonsense"])).status_code == 404


def test_figures_in_the_page_are_data_and_never_script(people: make.People, project: Project) -> None:
    make.run(project, name="</script><script>alert(1)</script>", cost=Decimal(1))
    _recompute(project)
    content = make.client_for(people.owner).get(page(project)).content.decode()
    assert "<script>alert" not in content
    blocks = re.findall(r'<script id="chart-\w+-data" type="application/json">(.*?)</script>', content, re.DOTALL)
    assert len(blocks) == 4
    assert all(json.loads(block)["data"] for block in blocks)


def test_figures_that_are_behind_say_by_how_much(people: make.People, busy: Project) -> None:
    client: Client = make.client_for(people.owner)
    assert b"Figures are up to date" in client.get(page(busy)).content
    hour = datetime(2026, 11, 1, tzinfo=ZoneInfo("UTC"))
    StaleHour.objects.create(
        project_id=busy.pk, hour=hour, id=uuid4(), marked_at=timezone.now() - timedelta(seconds=70)
    )
    assert re.search(rb"Figures are 7\d s behind", client.get(page(busy)).content)


@pytest.mark.parametrize(
    ("now", "before", "wish", "text", "tone"),
    [
        (110, 100, 0, "10.0\u00a0%", ""),
        (110, 100, -1, "10.0\u00a0%", "bad"),
        (90, 100, -1, "10.0\u00a0%", "good"),
        (1500, 100, 0, "15\u00a0×", ""),
        (100.01, 100, -1, "no change", ""),
        (101, 100, -1, "1.0\u00a0%", ""),
    ],
)
def test_a_change_is_said_in_words(now: float, before: float, wish: int, text: str, tone: str) -> None:
    said = change(Figure(now, before), wish)
    assert said is not None
    assert (said.text, said.tone) == (text, tone)


def test_nothing_is_compared_with_nothing() -> None:
    assert change(Figure(5, 0), 0) is None
    assert change(Figure(None, 5), 0) is None
    assert change(Figure(0.02, None), -1, points=True) is None
    moved = change(Figure(0.02, 0.01), -1, points=True)
    assert moved is not None
    assert (moved.text, moved.tone) == ("1.0\u00a0pt", "bad")
