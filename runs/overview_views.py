"""The overview: headline figures, four charts with their twins as tables, and the models."""

import csv
from datetime import timedelta
from io import StringIO
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from lunary_dash.htmx import render_page
from projects.access import Right, project_page
from projects.models import Project
from runs import overview_queries, rollups
from runs.overview_charts import Charts
from runs.overview_strip import links_of, strip
from runs.periods import Period

RANGES = (("24h", "24 h"), ("7d", "7 d"), ("30d", "30 d"))
WORTH_SAYING = timedelta(seconds=5)  # how far figures may be behind before the page says so


@require_GET
@project_page(Right.READ)
def overview(request: HttpRequest, project: Project) -> HttpResponse:
    """Show how the project is doing."""
    period = Period.named(request.GET.get("range"))
    charts = Charts(period, overview_queries.cells(project.pk, period), runs_address(project))
    users, threads = (reverse(name, args=[project.public_id]) for name in ("user_list", "thread_list"))
    behind = rollups.lag(project.pk)
    context: dict[str, Any] = {
        "project": project,
        "period": period,
        "ranges": RANGES,
        "metrics": strip(
            overview_queries.headline(project.pk, period), period, links_of(period, charts.link, users, threads)
        ),
        "charts": charts.all(overview_queries.latencies(project.pk, period)),
        "models": charts.models(),
        "behind": behind if behind > WORTH_SAYING else None,
    }
    return render_page(request, "overview/overview.html", context)


@require_GET
@project_page(Right.READ)
def overview_csv(request: HttpRequest, project: Project, chart: str) -> HttpResponse:
    """Send one chart's numbers as a file, exact and oldest first."""
    period = Period.named(request.GET.get("range"))
    charts = Charts(period, overview_queries.cells(project.pk, period), runs_address(project))
    wanted = [one for one in charts.all(overview_queries.latencies(project.pk, period)) if one.key == chart]
    if not wanted:
        raise Http404("no such chart")
    text = StringIO()
    csv.writer(text).writerows([safe_for_spreadsheets(cell) for cell in row] for row in wanted[0].csv())
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{chart}-{period.preset}.csv"'
    return response


def runs_address(project: Project) -> str:
    """Return the address of the project's run list."""
    return reverse("run_list", args=[project.public_id])


def safe_for_spreadsheets(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: names come from clients."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
