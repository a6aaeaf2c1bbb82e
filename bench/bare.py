"""The yardstick: decode, COPY into a stage, one upsert per table. No Django, no rules, no lists to keep right.

It stores the same runs into the same two tables with the same indexes, one transaction per batch, like the server. What
it leaves out is what the server is for: any order, inheritance, threads, costs, rollups, the ledger.
"""

import sys
import time
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from typing import Any

import msgspec
import psycopg

from bench.workload import bench_batches

_RUN = [
    "id",
    "type",
    "name",
    "status",
    "parent_id",
    "trace_id",
    "user_id",
    "team_id",
    "organization_id",
    "tags",
    "metadata",
    "runtime",
    "started_at",
    "ended_at",
    "received_at",
    "duration_ms",
    "input_tokens",
    "output_tokens",
    "flags",
]
_BODY = ["run_id", "input", "output", "error", "params", "usage"]


class _Event(msgspec.Struct, rename="camel", gc=False):
    event: str
    run_id: str | None = None
    type: str | None = None
    name: str | None = None
    parent_run_id: str | None = None
    timestamp: str | int = 0
    user_id: str | None = None
    tags: list[str] | None = None
    runtime: str | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    input: msgspec.Raw = msgspec.Raw(b"null")
    output: msgspec.Raw = msgspec.Raw(b"null")
    error: msgspec.Raw = msgspec.Raw(b"null")
    params: msgspec.Raw = msgspec.Raw(b"null")
    tokens_usage: msgspec.Raw = msgspec.Raw(b"null")


class _Body(msgspec.Struct):
    events: list[_Event]


_decode = msgspec.json.Decoder(_Body).decode


def work(database_url: str, project_id: int, n_runs: int, seed: int, gate: Barrier, answer: Any) -> None:
    """Generate, wait at the gate, store; answer (batches, seconds of CPU)."""
    bodies = [msgspec.json.encode({"events": batch}) for batch in bench_batches(n_runs, seed)]
    with psycopg.connect(database_url, autocommit=True) as database:
        for table, columns in (("runs_run", _RUN), ("runs_runbody", _BODY)):
            stage = f"CREATE TEMP TABLE stage_{table} ON COMMIT DELETE ROWS AS SELECT {', '.join(columns)} FROM {table}"
            database.execute(f"{stage} LIMIT 0")
        gate.wait()
        before = time.process_time()
        for body in bodies:
            _store(database, project_id, body)
        answer.put((len(bodies), time.process_time() - before))


def _store(database: psycopg.Connection[Any], project_id: int, body: bytes) -> None:
    runs: dict[str, dict[str, str | None]] = {}
    bodies: dict[str, dict[str, str | None]] = {}
    received = datetime.now(UTC).isoformat()
    for event in _decode(body).events:
        if event.run_id is not None:
            run = runs.setdefault(event.run_id, {"id": event.run_id, "status": "started", "received_at": received})
            _merge(event, run, bodies.setdefault(event.run_id, {"run_id": event.run_id}), runs)
    with database.transaction():
        _upsert(database, project_id, "runs_run", _RUN, runs)
        _upsert(database, project_id, "runs_runbody", _BODY, bodies)


def _merge(event: _Event, run: dict[str, str | None], body: dict[str, str | None], runs: dict[str, Any]) -> None:
    at = event.timestamp
    when = at if isinstance(at, str) else datetime.fromtimestamp(at / 1_000, UTC).isoformat()
    run.setdefault("type", event.type or "llm")
    run.setdefault("started_at", when)
    run.setdefault("flags", "1")
    if event.event == "start":
        parent = runs.get(event.parent_run_id or "")
        run |= {"name": event.name, "parent_id": event.parent_run_id, "started_at": when, "runtime": event.runtime}
        run["trace_id"] = parent.get("trace_id") if parent else event.parent_run_id or event.run_id
        run["user_id"] = event.user_id or (parent.get("user_id") if parent else None)
        run["metadata"] = _text(event.metadata)
        run["tags"] = "{" + ",".join(f'"{tag}"' for tag in event.tags) + "}" if event.tags else None
        body |= {"input": _text(event.input), "params": _text(event.params)}
    else:
        run |= {"ended_at": when, "status": "error" if event.event == "error" else "success"}
        body |= {"output": _text(event.output), "error": _text(event.error), "usage": _text(event.tokens_usage)}
        if body["usage"]:
            usage = msgspec.json.decode(body["usage"])
            run |= {"input_tokens": usage.get("prompt"), "output_tokens": usage.get("completion")}


def _text(raw: msgspec.Raw) -> str | None:
    return None if bytes(raw) == b"null" else bytes(raw).decode()


def _upsert(
    database: psycopg.Connection[Any], project: int, table: str, columns: list[str], rows: dict[str, Any]
) -> None:
    key = columns[0]
    with database.cursor() as cursor:
        with cursor.copy(f"COPY stage_{table} FROM STDIN") as copy:
            copy.write("".join(_line([rows[name].get(column) for column in columns]) for name in sorted(rows)))
        cursor.execute(
            f"INSERT INTO {table} AS t (project_id, {', '.join(columns)})"
            f" SELECT %s, {', '.join(columns)} FROM stage_{table} ORDER BY {key} ON CONFLICT (project_id, {key})"
            f" DO UPDATE SET {', '.join(f'{c} = COALESCE(EXCLUDED.{c}, t.{c})' for c in columns[1:])}",
            (project,),
        )


def _line(values: list[str | None]) -> str:
    return "\t".join("\\N" if value is None else _escaped(str(value)) for value in values) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


if __name__ == "__main__":
    sys.exit("run `python -m bench.ingest`: it measures this beside the server")
