"""`python -m bench.ingest`: how fast and how dear storing runs is, beside a bare program in the same minutes.

A throwaway instance (its own PostgreSQL, web, worker, beat) takes 100-event batches from 4 client processes with kept-
alive connections, each request waiting for its 200. Then the bare program of bench/bare.py stores as many runs into the
same tables. Rounds alternate, so that both see the same machine; figures are medians of the rounds.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import time
import urllib.request
from dataclasses import asdict, dataclass
from multiprocessing.synchronize import Barrier
from typing import Any

import msgspec
import psycopg

from bench import bare
from bench.clients import Client, SendError
from bench.machine import BenchError, Cpu, Instance, throwaway
from bench.workload import bench_batches, run_ids

CLIENTS = 4
BARE_PROCESSES = 2
BARE_PROJECT = 2_000_000_000
SETTLE_SECONDS = 60
WARM_SECONDS = 4
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Round:
    """One round: rates per second, CPU seconds per 1 000 runs, latencies in ms."""

    runs: int
    accepted_per_second: float
    visible_per_second: float
    p50_ms: float
    p95_ms: float
    cpu_web: float
    cpu_postgres: float
    cpu_background: float
    bytes_per_run: float
    bare_per_second: float
    bare_cpu: float
    bare_bytes_per_run: float

    @property
    def cpu(self) -> float:
        """Everything the instance used, rollups included."""
        return self.cpu_web + self.cpu_postgres + self.cpu_background

    @property
    def share_of_bare(self) -> float:
        """Visible runs per second as a share of the bare program's."""
        return self.visible_per_second / self.bare_per_second


@dataclass(frozen=True)
class _Sent:
    runs: int
    seconds: list[float]
    refused: int
    failure: str | None = None


def _client(url: str, key: str, n_runs: int, seed: int, gate: Barrier, answer: Any) -> None:
    """Generate, wait at the gate, send; answer a _Sent."""
    batches = list(bench_batches(n_runs, seed))
    runs = len({run_id for batch in batches for run_id in run_ids(batch)})
    bodies = [msgspec.json.encode({"events": batch}) for batch in batches]
    del batches
    client = Client(url, key)
    seconds: list[float] = []
    refused = 0
    gate.wait()
    try:
        for body in bodies:
            began = time.perf_counter()
            refused += len(client.send(body))
            seconds.append(time.perf_counter() - began)
    except SendError as error:
        answer.put(_Sent(runs, seconds, refused, str(error)))
        return
    answer.put(_Sent(runs, seconds, refused))


def _in_parallel(target: Any, arguments: list[tuple[Any, ...]]) -> tuple[list[Any], float]:
    """Run one process per argument list from a common start; return their answers and the seconds they took."""
    gate = _FORK.Barrier(len(arguments) + 1)
    answers: Any = _FORK.Queue()
    processes = [_FORK.Process(target=target, args=(*given, gate, answers)) for given in arguments]
    for process in processes:
        process.start()
    gate.wait()
    began = time.perf_counter()
    collected = [answers.get() for _ in processes]
    took = time.perf_counter() - began
    for process in processes:
        process.join()
    return collected, took


class _Bench:
    """One instance and its database."""

    def __init__(self, instance: Instance, runs: int) -> None:
        self._instance = instance
        self._runs = runs
        self._database = psycopg.connect(instance.database_url, autocommit=True)
        query = "SELECT id FROM projects_project WHERE public_id = %s"
        self._project = int(self._scalar(query, instance.project_id))

    def warm_up(self) -> None:
        """Let every process import, connect and plan what it needs, and the worker finish starting."""
        given = [(self._instance.url, self._instance.public_key, 500, seed) for seed in range(CLIENTS)]
        sent, _ = _in_parallel(_client, given)
        _complain(sent)
        time.sleep(WARM_SECONDS)
        self._settle()

    def round(self, number: int) -> Round:
        """Measure the server, let its rollups finish, then measure the bare program."""
        stored, size, cpu = self._stored(), self._size(), self._instance.cpu()
        seeds = range(1_000 * number, 1_000 * number + CLIENTS)
        given = [(self._instance.url, self._instance.public_key, self._runs // CLIENTS, seed) for seed in seeds]
        began = time.perf_counter()
        sent, accepted = _in_parallel(_client, given)
        _complain(sent)
        runs = sum(one.runs for one in sent)
        late = self._until_visible(stored + runs)
        self._settle()
        used = self._instance.cpu() - cpu
        grown = self._size() - size
        print(f"  round {number}: {runs} runs, {time.perf_counter() - began:.0f} s with generation", file=sys.stderr)
        bare_rate, bare_cpu, bare_bytes = self._bare(number)
        latencies = sorted(seconds for one in sent for seconds in one.seconds)
        thousands = runs / 1_000
        return Round(
            runs=runs,
            accepted_per_second=runs / accepted,
            visible_per_second=runs / (accepted + late),
            p50_ms=1_000 * latencies[len(latencies) // 2],
            p95_ms=1_000 * latencies[len(latencies) * 95 // 100],
            cpu_web=used.web / thousands,
            cpu_postgres=used.postgres / thousands,
            cpu_background=used.background / thousands,
            bytes_per_run=grown / runs,
            bare_per_second=bare_rate,
            bare_cpu=bare_cpu,
            bare_bytes_per_run=bare_bytes,
        )

    def _bare(self, number: int) -> tuple[float, float, float]:
        size = self._size()
        before = self._bare_runs()
        cpu = self._instance.cpu()
        each = self._runs // BARE_PROCESSES
        seeds = range(1_000 * number + 500, 1_000 * number + 500 + BARE_PROCESSES)
        answers, took = _in_parallel(bare.work, [(self._instance.database_url, BARE_PROJECT, each, s) for s in seeds])
        runs = self._bare_runs() - before
        used: Cpu = self._instance.cpu() - cpu
        total = used.postgres + sum(seconds for _, seconds in answers)
        return runs / took, total / runs * 1_000, (self._size() - size) / runs

    def _until_visible(self, expected: int) -> float:
        """Poll the data API until it counts all runs; return the seconds that took."""
        began = time.perf_counter()
        while time.perf_counter() - began < SETTLE_SECONDS:
            if self._stored() >= expected:
                return time.perf_counter() - began
            time.sleep(0.01)
        raise BenchError(f"{self._stored()} of {expected} runs are visible {SETTLE_SECONDS} s after the last answer")

    def _stored(self) -> int:
        request = urllib.request.Request(f"{self._instance.url}/v1/runs/count?type=all")
        request.add_header("Authorization", f"Bearer {self._instance.private_key}")
        with urllib.request.urlopen(request, timeout=60) as response:
            counted = json.load(response)
        return int(counted["count"] if isinstance(counted, dict) else counted)

    def _settle(self) -> None:
        """Wait until no hour is marked stale: recomputing rollups belongs to what storing costs."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while self._scalar("SELECT count(*) FROM runs_stalehour") and time.monotonic() < deadline:
            time.sleep(0.2)

    def _size(self) -> int:
        """Return the bytes of all tables of runs and of ingest, with indexes and TOAST."""
        return int(
            self._scalar(
                "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
                " WHERE relkind = 'r' AND relname ~ '^(runs|ingest|traces|users)_'"
            )
        )

    def _bare_runs(self) -> int:
        return int(self._scalar("SELECT count(*) FROM runs_run WHERE project_id = %s", BARE_PROJECT))

    def _scalar(self, query: str, *values: object) -> Any:
        row = self._database.execute(query, values).fetchone()
        return row[0] if row else None


def _complain(sent: list[_Sent]) -> None:
    """Raise BenchError unless every event was stored: a refused one is quick."""
    failures = [one.failure for one in sent if one.failure]
    if failures:
        raise BenchError(f"a client failed: {failures[0]}")
    if any(one.refused for one in sent):
        raise BenchError(f"{sum(one.refused for one in sent)} events were refused")


def measure(runs: int, rounds: int) -> list[Round]:
    """Return what each round measured. Raises BenchError."""
    with throwaway() as instance:
        bench = _Bench(instance, runs)
        bench.warm_up()
        return [bench.round(number + 1) for number in range(rounds)]


def median(rounds: list[Round]) -> Round:
    """Return the median of each figure."""
    figures = {name: statistics.median(asdict(one)[name] for one in rounds) for name in asdict(rounds[0])}
    return Round(**figures)


def report(rounds: list[Round]) -> str:
    """Return the figures as a table with the budgets of DESIGN.md §5 beside them."""
    middle = median(rounds)
    rows = (
        ("accepted", f"{middle.accepted_per_second:.0f} runs/s", ""),
        ("visible", f"{middle.visible_per_second:.0f} runs/s", "≥ 6 000"),
        ("latency of a batch, p50 / p95", f"{middle.p50_ms:.1f} / {middle.p95_ms:.1f} ms", ""),
        ("CPU per 1 000 runs, all", f"{middle.cpu:.3f} s", "≤ 0.4"),
        ("  web", f"{middle.cpu_web:.3f} s", ""),
        ("  PostgreSQL", f"{middle.cpu_postgres:.3f} s", ""),
        ("  worker, beat, Valkey (rollups)", f"{middle.cpu_background:.3f} s", ""),
        ("bytes on disk per run", f"{middle.bytes_per_run:.0f}", "≤ 2 000"),
        ("bare: decode, COPY, upsert", f"{middle.bare_per_second:.0f} runs/s", ""),
        ("bare: CPU per 1 000 runs", f"{middle.bare_cpu:.3f} s", ""),
        ("bare: bytes per run", f"{middle.bare_bytes_per_run:.0f}", ""),
        ("visible / bare", f"{middle.share_of_bare:.2f}", "≥ 0.50"),
    )
    lines = [f"median of {len(rounds)} rounds of {middle.runs:.0f} runs, {CLIENTS} clients, 100 events a batch", ""]
    lines += [f"{name:<34}{value:>18}   {bar}" for name, value, bar in rows]
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000, help="runs per round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print every round's figures as JSON instead of a table")
    options = parser.parse_args()
    try:
        rounds = measure(options.runs, options.rounds)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(json.dumps([asdict(one) for one in rounds], indent=2) if options.json else report(rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
