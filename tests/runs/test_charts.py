"""Charts: figures that plotly accepts, twins that say the same, files that are exact; and what was vendored."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs_version

from runs.charts import Chart, Point, Series, polyline
from runs.overview_views import safe_for_spreadsheets

VENDOR = Path(__file__).parents[2] / "static" / "vendor" / "plotly"
TIMES = [datetime(2026, 11, 19, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)]


def chart(unit: str = "usd", kind: str = "bars", by: str = "day", sums: bool = True) -> Chart:
    series = [
        Series("gpt-4o", "chart-1", [Point(Decimal("0.0123456789"), "/runs?name=gpt-4o"), Point(Decimal(2))]),
        Series("<b>rest</b>", "chart-rest", [Point(None), Point(Decimal(1))], hatched=True),
    ]
    return Chart("cost", "Cost per day", "$3 in all", unit, TIMES, by, series, kind=kind, sums=sums)


@pytest.mark.parametrize("unit", ["usd", "count", "ms"])
@pytest.mark.parametrize("kind", ["bars", "lines"])
@pytest.mark.parametrize("by", ["day", "hour"])
def test_plotly_accepts_every_figure(unit: str, kind: str, by: str) -> None:
    figure = chart(unit, kind, by).figure
    assert len(go.Figure(figure).data) == 2  # raises ValueError naming a property that isn't one


def test_the_vendored_script_is_the_one_the_validation_knows() -> None:
    assert version("plotly") == "7.1.0"
    assert get_plotlyjs_version() == "4.1.1"
    head = (VENDOR / "plotly-basic-4.1.1.min.js").read_text()[:200]
    assert "plotly.js (basic - minified) v4.1.1" in head


def test_vendored_files_are_as_they_were_checked_in() -> None:
    for line in (VENDOR / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest


def test_names_from_clients_are_no_markup_in_a_figure() -> None:
    assert chart().figure["data"][1]["name"] == "&lt;b&gt;rest&lt;/b&gt;"


def test_the_table_says_the_same_newest_first() -> None:
    table = chart().table
    assert [(row.time, [cell.text for cell in row.cells]) for row in table] == [
        ("Fri 20 Nov", ["$2.00", "$1.00"]),
        ("Thu 19 Nov", ["$0.0123", "—"]),
    ]
    assert table[1].cells[0].link == "/runs?name=gpt-4o"
    assert chart().totals == ["$2.01", "$1.00"]
    assert chart(sums=False).totals == []


def test_the_file_is_exact_and_oldest_first() -> None:
    assert list(chart().csv()) == [
        ["day", "gpt-4o (usd)", "<b>rest</b> (usd)"],
        ["2026-11-19T00:00:00+00:00", "0.0123456789", ""],
        ["2026-11-20T00:00:00+00:00", "2", "1"],
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_no_spreadsheet_takes_a_name_for_a_formula(text: str) -> None:
    assert safe_for_spreadsheets(text) == f"'{text}"
    assert safe_for_spreadsheets("gpt-4o") == "gpt-4o"


def test_a_chart_without_a_value_is_not_drawn() -> None:
    assert chart().drawn
    empty = Chart("x", "x", "x", "count", TIMES, "day", [Series("a", "chart-1", [Point(0), Point(None)])])
    assert not empty.drawn


def test_a_sparkline_reaches_from_low_to_high_and_skips_what_is_not_known() -> None:
    assert polyline([5, None, 10], 20, 12) == "0.0,10.0 20.0,2.0"
    assert polyline([3, 3, 3], 20, 12) == "0.0,6.0 10.0,6.0 20.0,6.0"
    assert polyline([], 20, 12) == polyline([None, 3], 20, 12) == ""
