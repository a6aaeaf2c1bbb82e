"""`python -m bench.pages`: server time and queries of every list, page and API read over N runs.

The runs are a demo of that size, loaded through the ingest endpoint of a throwaway instance. Pages are then asked for
inside one process (Django's test client: all middleware, no network), so that queries can be counted.
"""

import argparse
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from bench.clients import send_all
from bench.machine import BenchError, Instance, throwaway
from bench.sdk import Event
from bench.workload import demo

if TYPE_CHECKING:
    from django.http import HttpResponse

REPEATS = 20
DEEP = 12
"""How many pages further the deep page of a list is."""

SETTLE_SECONDS = 300
_OLDER = re.compile(r'rel="next"[^>]*href="([^"]+)"|href="([^"]+)"[^>]*rel="next"')


@dataclass(frozen=True)
class Timing:
    """One address: what it took, and how many queries."""

    name: str
    status: int
    p50_ms: float
    p95_ms: float
    queries: int


def main() -> int:
    """Load, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000, help="runs to load first (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args()
    try:
        with throwaway() as instance:
            _load(instance, options.runs)
            timings = _measure(instance, options.repeats)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(report(timings, options.runs))
    return 0 if all(timing.status < 400 for timing in timings) else 1


def report(timings: list[Timing], runs: int) -> str:
    """Return the timings as a table, slowest first."""
    lines = [f"{runs} runs; server time of {len(timings)} addresses, slowest first", ""]
    lines.append(f"{'':<44}{'p50 ms':>8}{'p95 ms':>8}{'queries':>9}")
    for one in sorted(timings, key=lambda timing: -timing.p95_ms):
        note = "" if one.status < 400 else f"   answered {one.status}"
        lines.append(f"{one.name:<44}{one.p50_ms:>8.1f}{one.p95_ms:>8.1f}{one.queries:>9}{note}")
    return "\n".join(lines)


def _load(instance: Instance, runs: int) -> None:
    began = time.monotonic()
    tally = send_all(instance.url, instance.public_key, _batches(demo(datetime.now(UTC), runs=runs)))
    if tally.refused:
        raise BenchError(f"{len(tally.refused)} events were refused: {tally.refused[0]}")
    print(f"  loaded in {time.monotonic() - began:.0f} s", file=sys.stderr)


def _batches(events: Iterator[Event]) -> Iterator[list[Event]]:
    while batch := list(islice(events, 200)):
        yield batch


def _measure(instance: Instance, repeats: int) -> list[Timing]:
    os.environ |= {
        "DATABASE_URL": instance.database_url,
        "DATA_DIR": str(instance.data_dir),
        "DJANGO_SETTINGS_MODULE": "lunary_dash.settings",
    }
    import django

    django.setup()
    _settle()
    browser, script, wanted = _addresses(instance)
    timings = []
    for name, address in wanted.items():
        get = script.get if address.startswith("/v1/") else browser.get
        timings.append(_time(name, get, address, repeats))
    for name in ("runs, all", "traces", "threads", "users"):
        timings += _deep(name, wanted[name], browser.get, repeats)
    return timings


def _settle() -> None:
    """Wait for the rollups, and let PostgreSQL know its tables, as it would after a night."""
    from django.db import connection

    deadline = time.monotonic() + SETTLE_SECONDS
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT count(*) FROM runs_stalehour")
            if not cursor.fetchone()[0]:
                break
            time.sleep(0.5)
        cursor.execute("VACUUM ANALYZE")


def _addresses(instance: Instance) -> tuple[Any, Any, dict[str, str]]:
    """Return a logged-in browser, a client with the private key, and everything to ask for by name."""
    from django.test import Client

    from projects.models import Account, Project
    from runs.models import Run

    browser = Client(raise_request_exception=False)
    browser.force_login(Account.objects.get())
    script = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {instance.private_key}"})
    project = Project.objects.get(public_id=instance.project_id)
    here = f"/p/{project.public_id}"

    def some(kind: str, **wanted: Any) -> str:
        found = Run.objects.filter(project_id=project.pk, type=kind, **wanted).order_by("-started_at")[100:101]
        return str(found.get().id)

    llm, agent, thread = some("llm"), some("agent", parent_id__isnull=False), some("thread")
    trace = str(Run.objects.get(project_id=project.pk, id=agent).trace_id)
    widest = str(Run.objects.filter(project_id=project.pk, name="voice-of-customer").order_by("started_at")[0].id)
    addresses = {
        "home": "/",
        "overview": f"{here}/overview",
        "runs, LLM": f"{here}/runs?type=llm",
        "runs, all": f"{here}/runs?type=all",
        "runs by cost": f"{here}/runs?type=llm&sort=cost",
        "runs of a user": f"{here}/runs?type=llm&user=ines.almeida",
        "runs of a team, with a tag": f"{here}/runs?type=all&team=platform-eng&tag=on-call",
        "runs by text": f"{here}/runs?type=llm&text=wheelchair",
        "run, LLM": f"{here}/runs/{llm}",
        "run, agent": f"{here}/runs/{agent}",
        "traces": f"{here}/traces",
        "trace": f"{here}/traces/{trace}",
        "trace, widest": f"{here}/traces/{widest}",
        "threads": f"{here}/threads",
        "thread": f"{here}/threads/{thread}",
        "users": f"{here}/users",
        "user": f"{here}/users/ines.almeida",
        "ingest health": f"{here}/ingest",
        "settings": f"{here}/settings",
        "keys": f"{here}/keys",
    }
    asked = {
        "/v1/runs?type=llm": "",
        "/v1/runs?type=all": "",
        "/v1/runs/count?type=all": "",
        "/v1/runs/{id}": llm,
        "/v1/runs/{id}/related": trace,
        "/v1/runs/usage?days=30": "",
        "/v1/threads": "",
        "/v1/threads/{id}": thread,
        "/v1/external-users": "",
        "/v1/ingest/rejections": "",
    }
    addresses |= {f"GET {path}": path.format(id=run_id) for path, run_id in asked.items()}
    return browser, script, addresses


def _time(name: str, get: "Callable[[str], HttpResponse]", address: str, repeats: int) -> Timing:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    get(address)
    with CaptureQueriesContext(connection) as captured:
        response = get(address)
    queries = len(captured)  # before the next request clears the log
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        response = get(address)
        seconds.append(1_000 * (time.perf_counter() - began))
    seconds.sort()
    p95 = seconds[min(len(seconds) - 1, round(0.95 * len(seconds)))]
    return Timing(name, response.status_code, statistics.median(seconds), p95, queries)


def _deep(name: str, address: str, get: "Callable[[str], HttpResponse]", repeats: int) -> list[Timing]:
    """Follow "older" as a person would, then time that page; nothing where the list is shorter."""
    for _ in range(DEEP):
        link = _OLDER.search(get(address).content.decode())
        if link is None:
            return []
        following = (link[1] or link[2]).replace("&amp;", "&")
        address = following if following.startswith("/") else address.partition("?")[0] + following
    return [_time(f"{name}, {DEEP} pages on", get, address, repeats)]


if __name__ == "__main__":
    sys.exit(main())
