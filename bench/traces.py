"""`python -m bench.traces`: what the pages of a trace take, from 10 runs to 50 000, wide, deep and mixed.

A throwaway instance holds two traces of each shape and size (bench/large.py). Its pages are asked for over HTTP, one
request at a time on a kept-alive connection, whole answers read; beside each trace, in the same minute, one bare SQL
query reads the narrow rows of that trace. Where there is a Chromium, it says when it first painted something.
"""

import argparse
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import psycopg
import requests

from bench.large import NEEDLE, SHAPES, Large, store
from bench.machine import BenchError, Instance, throwaway
from lunary_dash.supervisor import connection
from tests.browser import ARGUMENTS, find_chromium

SIZES = (10, 1_000, 10_000, 50_000)
REPEATS = 7
PAINTS = 3
SETTLE_SECONDS = 300
BUDGETS_MS = {"paint": 1_000, "detail": 200, "expand": 300}
MOST_ROWS = 2_000
COLUMNS = ("bare SQL", "page", "paint", "detail", "expand", "transcript", "search", "findings", "compare")
BARE = (
    "SELECT id, parent_id, type, name, status, started_at, ended_at, duration_ms, input_tokens, output_tokens, cost"
    " FROM runs_run WHERE project_id = (SELECT id FROM projects_project WHERE public_id = %s) AND trace_id = %s"
    " ORDER BY started_at, id"
)
_LATER = re.compile(r'href="([^"#]*\bfrom=[^"#]*)[^"]*"[^>]*(?:data-next)|class="unfold" href="([^"#]*)')
_ROW = re.compile(r"<(?:li|tr|article)[ >]")
_FIRST_PAINT = """() => new Promise((done) => new PerformanceObserver((seen) => {
  for (const {name, startTime} of seen.getEntries()) if (name === "first-contentful-paint") done(startTime);
}).observe({type: "paint", buffered: true}))"""
_HTMX = {"HX-Request": "true"}


@dataclass
class Measured:
    """One trace: medians in ms by name of COLUMNS, and the size of its page's document."""

    trace: Large
    ms: dict[str, float] = field(default_factory=dict)
    kilobytes: float = 0
    rows: int = 0

    @property
    def over(self) -> list[str]:
        """Say which budgets are not kept."""
        late = [f"{name} over {most} ms" for name, most in BUDGETS_MS.items() if self.ms.get(name, 0) > most]
        return [*late, *([f"{MOST_ROWS} rows or more"] if self.rows >= MOST_ROWS else [])]


def main() -> int:
    """Store, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="runs per trace")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args()
    try:
        with throwaway() as instance, psycopg.connect(instance.database_url, autocommit=True) as database:
            pairs = _store(instance, database, options.sizes)
            before = instance.web_memory()
            measured = _measure(instance, database, pairs, options.repeats)
            memory = (before, instance.web_memory())
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(report(measured, memory))
    return 0


def report(measured: list[Measured], memory: tuple[float, float]) -> str:
    """Return the figures as a table, and the memory of the web processes in MB before and after."""
    lines = [
        "Pages of a trace; median ms, from the request to the last byte of its answer (paint: Chromium's first)",
        "",
    ]
    lines.append(f"{'runs':>7} {'shape':<6}" + "".join(f"{name:>11}" for name in COLUMNS) + f"{'KB':>8}{'rows':>6}")
    for one in measured:
        cells = "".join(f"{one.ms[name]:>11.1f}" if name in one.ms else f"{'–':>11}" for name in COLUMNS)
        note = f"   {', '.join(one.over)}" if one.over else ""
        lines.append(f"{one.trace.size:>7} {one.trace.shape:<6}{cells}{one.kilobytes:>8.0f}{one.rows:>6}{note}")
    lines.append("")
    lines.append(f"web processes: {memory[0]:.0f} MB before, {memory[1]:.0f} MB after (PSS)")
    return "\n".join(lines)


def _store(instance: Instance, database: "psycopg.Connection[Any]", sizes: list[int]) -> list[tuple[Large, Large]]:
    """Store two traces of each shape and size, and wait until their summaries are counted."""
    pairs = [(Large(shape, size), Large(shape, size, salt="again")) for size in sizes for shape in SHAPES]
    for pair in pairs:
        store(database, instance.project_id, *pair)
    print(f"  {sum(2 * first.size for first, _ in pairs)} runs stored", file=sys.stderr)
    deadline = time.monotonic() + SETTLE_SECONDS
    while database.execute("SELECT 1 FROM runs_staletrace LIMIT 1").fetchone():
        if time.monotonic() > deadline:
            raise BenchError("the summaries of the traces are not counted: is the worker running?")
        time.sleep(0.5)
    database.execute("VACUUM ANALYZE")
    return pairs


def _measure(
    instance: Instance, database: "psycopg.Connection[Any]", pairs: list[tuple[Large, Large]], repeats: int
) -> list[Measured]:
    measured = []
    with _signed_in(instance) as person, _painter(instance) as paint:
        for trace, twin in pairs:
            one = Measured(trace)
            here = f"{instance.url}/p/{instance.project_id}/traces/{trace.trace_id}"
            page = _get(person, here).text
            one.kilobytes, one.rows = len(page.encode()) / 1000, len(_ROW.findall(page))
            asked = {name: _asking(person, *request) for name, request in _requests(here, page, trace, twin).items()}
            asked["bare SQL"] = _reading(database, instance.project_id, trace)
            one.ms = _medians(asked, repeats)
            if paint:
                one.ms["paint"] = statistics.median(paint(here) for _ in range(PAINTS))
            measured.append(one)
            print(f"  {trace.name} measured", file=sys.stderr)
    return measured


def _requests(here: str, page: str, trace: Large, twin: Large) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the address and headers behind each column, as the page's own scripts send them."""
    found = {
        "page": (here, {}),
        "detail": (f"{here}?run={trace.ids[-1]}", _HTMX | {"HX-Target": "detail"}),
        "transcript": (f"{here}/transcript", {}),
        "search": (f"{here}/find?find={NEEDLE}", _HTMX | {"HX-Target": "hits"}),
        "findings": (f"{here}/findings", {}),
        "compare": (f"{here.rpartition('/')[0]}/compare?a={trace.trace_id}&b={twin.trace_id}", {}),
    }
    later = _LATER.search(page)
    if later:
        found["expand"] = (here + unescape(later[1] or later[2]), _HTMX)
    return found


def _medians(asked: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Ask each in turn, again and again, so that all see the same machine; once before, unmeasured."""
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    for turn in range(repeats + 1):
        for name, ask in asked.items():
            began = time.perf_counter()
            ask()
            if turn:
                seconds[name].append(time.perf_counter() - began)
    return {name: 1000 * statistics.median(each) for name, each in seconds.items()}


def _asking(person: requests.Session, address: str, headers: dict[str, str]) -> Callable[[], object]:
    return lambda: _get(person, address, headers)


def _reading(database: "psycopg.Connection[Any]", public_id: str, trace: Large) -> Callable[[], object]:
    return lambda: database.execute(BARE, [public_id, trace.trace_id], binary=True).fetchall()


def _get(person: requests.Session, address: str, headers: dict[str, str] | None = None) -> requests.Response:
    answer = person.get(address, headers=headers, timeout=120)
    if answer.status_code != 200:
        raise BenchError(f"{address} answered {answer.status_code}")
    return answer


@contextmanager
def _signed_in(instance: Instance) -> Iterator[requests.Session]:
    known = connection.read(instance.data_dir)
    with requests.Session() as person:
        person.headers["Accept-Encoding"] = "identity"
        _get(person, f"{instance.url}/login")
        told = {"email": known["email"], "password": known["password"]}
        person.post(f"{instance.url}/login", told | {"csrfmiddlewaretoken": person.cookies["csrftoken"]}, timeout=30)
        _get(person, f"{instance.url}/p/{instance.project_id}/traces")
        yield person


@contextmanager
def _painter(instance: Instance) -> Iterator[Callable[[str], float] | None]:
    """Give a way to see when the browser first painted a page, in ms; None where there is no browser."""
    program = find_chromium()
    if program is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    known = connection.read(instance.data_dir)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(f"{instance.url}/login")
        page.get_by_label("E-mail").fill(known["email"])
        page.get_by_label("Password").fill(known["password"])
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/p/**")

        def paint(address: str) -> float:
            page.goto(address)
            return float(page.evaluate(_FIRST_PAINT))

        yield paint
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
