"""One request's batch into PostgreSQL: read what is there, merge, write, all in one transaction (rules 3, 4, 5).

The merge rules are `ingest.fold`'s alone. What makes read-merge-write exact among concurrent writers are the advisory
locks of `runs.locks`: every id of the batch is locked before anything is read. Who can't have one that comes to light
later begins again, and since storing is idempotent that is all.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

import msgspec
from django.db import connection, transaction
from psycopg import Cursor

from ingest import aliases, books, fold, rows, satellites, threads
from ingest.events import Batch
from ingest.fold import RunState
from ingest.literals import EPOCH, plain
from ingest.people import People
from ingest.placing import Placing
from ingest.rows import Body, Db, Row
from projects import keys
from runs import locks, pricing

CHUNK: Final = 500
"""Runs per transaction: bounds the locks one request holds; a larger request is several transactions, then 200."""

PRICED: Final = frozenset({"llm", "embed"})


def store(project_id: int, batch: Batch, received_at: datetime, key: keys.KeyHolder | None) -> set[str]:
    """Store everything in `batch` but its refusals; when this returns, it is committed.

    Returns the new runs that may be standalone tools whose start is yet to come (rule 6). Safe to repeat. Raises
    psycopg.OperationalError (or Django's) when PostgreSQL can't be reached.
    """
    at = int((received_at - EPOCH).total_seconds() * 1_000_000)
    stubs: set[str] = set()
    for part in _parts(batch):
        stubs |= locks.insist(partial(_attempt, project_id, part, at, key.key_id if key else None))
    return stubs


def _parts(batch: Batch) -> Iterable[Batch]:
    """Return the batch as transactions: all of it at once, or chunks that keep each run's events together."""
    if len(batch.runs) <= 2 * CHUNK:
        return [batch]
    parts: list[Batch] = [msgspec.structs.replace(batch, runs=[])]
    by_run: dict[str, list[int]] = {}
    for position, event in enumerate(batch.runs):
        by_run.setdefault(event.run_id, []).append(position)
    ids = list(by_run)
    for start in range(0, len(ids), CHUNK):
        events = [batch.runs[position] for run_id in ids[start : start + CHUNK] for position in by_run[run_id]]
        parts.append(Batch(runs=events, held_ids=batch.held_ids))
    return parts


def _attempt(project_id: int, batch: Batch, received_at: int, key_id: int | None, turn: locks.Turn) -> set[str]:
    own, above = _ids(batch)
    users = {seen.user_id for seen in batch.users}
    with transaction.atomic(), Cursor(connection.connection) as db:
        held = locks.enter(db, project_id, turn, own, above, users)
        storing = _Storing(db, project_id, held, received_at, key_id)
        storing.store(batch)
    return {run_id for run_id, row in storing.final.items() if run_id not in storing.stored and row.is_stub}


class _Storing:
    """One attempt at storing one batch, which has entered with the batch's ids and users."""

    def __init__(self, db: Db, project_id: int, held: locks.Locks, received_at: int, key_id: int | None) -> None:
        self.db = db
        self.project_id = project_id
        self.locks = held
        self.received_at = received_at
        self.key_id = key_id
        self.people = People(db, project_id, held)
        self.stored: dict[str, Row] = {}
        self.final: dict[str, Row] = {}
        self.moved = aliases.Moved()

    def store(self, batch: Batch) -> None:
        """Read, merge, write, each table in its turn (`runs.locks` tells why in this order)."""
        self._register_aliases(batch)
        own, above = _ids(batch)
        known = aliases.canonical(self.db, self.project_id, own | above)
        if known:
            batch = aliases.rewrite(batch, known)
            own, above = _ids(batch)
            self.locks.take(own, above)
        changes = fold.fold(batch.runs)
        for state in self.moved.states:
            change = changes.get(state.id)
            changes[state.id] = state if change is None else fold.merge(state, change)
        self.people.meet(batch.users)
        talk = threads.store(
            self.db, self.project_id, self.locks, self.people, batch.messages, batch.threads, self.received_at
        )
        if self.moved.threads:
            self._refold(talk)
        self._merge_runs(changes, talk)
        self._write(changes, talk)
        satellites.store_feedback(self.db, self.project_id, batch.feedback)
        satellites.store_logs(self.db, self.project_id, batch.logs)
        books.mark_around(
            self.db,
            self.project_id,
            [*self.moved.reached, *(event.run_id for event in batch.feedback)],
            self.received_at,
        )
        settled = self.people.store()
        books.mark_hours(self.db, self.project_id, settled.hours, self.received_at)
        books.mark_threads(self.db, self.project_id, settled.threads, self.received_at)

    def _register_aliases(self, batch: Batch) -> None:
        """Make the SDK-hashed forms of ids that people hold known, and take out what stands under them (rule 2)."""
        if batch.held_ids:
            hashed = aliases.of(batch.held_ids, keys.hashing_texts(self.project_id))
            self.moved = aliases.register(self.db, self.project_id, self.locks, hashed)

    def _refold(self, talk: threads.Refolded) -> None:
        """Add to `talk` the threads whose messages moved to canonical ids, which happens alone: all locks are held."""
        pending = sorted(self.moved.threads - set(talk.rows))
        more = threads.refold(self.db, self.project_id, self.locks, self.people, pending, self.received_at)
        talk.rows |= more.rows
        talk.stored |= more.stored
        talk.gone += more.gone
        talk.lineages |= more.lineages
        talk.moved += more.moved

    def _merge_runs(self, changes: dict[str, RunState], talk: threads.Refolded) -> None:
        """Fill `final` with every run row that must be written, its place and cost included."""
        parents = (
            {change.parent_id for change in changes.values() if change.parent_id} - changes.keys() - talk.rows.keys()
        )
        nearby: dict[str, Row | None] = dict.fromkeys(parents)
        for row in rows.read(self.db, self.project_id, [*changes, *parents]):
            (nearby if row.id in nearby else self.stored)[row.id] = row
        self._merge_metadata(changes)
        drafts: dict[str, Row] = {}
        for run_id, change in changes.items():
            known = self.stored.get(run_id)
            drafts[run_id] = self._row(change if known is None else fold.merge(known.state(), change), known)
        placing = Placing(self.db, self.project_id, self.locks, self.people, drafts, self.stored, talk, nearby)
        self.final, self.stored = placing.place(self.moved.parents)

    def _merge_metadata(self, changes: dict[str, RunState]) -> None:
        """Complete the metadata of changes whose run has some already, piece by piece."""
        meeting = [
            run_id
            for run_id, change in changes.items()
            if change.metadata and run_id in self.stored and self.stored[run_id].flags & fold.HAS_METADATA
        ]
        if meeting:
            for run_id, pieces in rows.read_metadata_pieces(self.db, self.project_id, meeting).items():
                changes[run_id].metadata = pieces | (changes[run_id].metadata or {})

    def _row(self, state: RunState, known: Row | None) -> Row:
        """Return the state as a row that carries its own user, team and organization; `Placing` adds the rest."""
        effective = fold.effective_metadata(state.metadata)
        if effective is None and known is not None and known.metadata:
            effective = msgspec.json.decode(known.metadata)
        team = fold.group(effective, "teamId", "team_id")
        organization = fold.group(effective, "organizationId", "organization_id")
        run_type = state.type or "unknown"
        priced = self._price(state, run_type, effective)
        ended = state.ended_at if state.flags & (fold.END | fold.ERROR) else None
        timed = ended is not None and state.flags & fold.START
        return Row(
            id=state.id,
            type=run_type,
            name=state.name,
            status=fold.status(state.flags),
            parent_id=state.parent_id,
            trace_id=None,
            chat_id=None,
            thread_id=None,
            user_id=state.user_id,
            team_id=team,
            organization_id=organization,
            tags=state.tags,
            metadata=rows.metadata_text(effective, known),
            template_id=state.template_id,
            runtime=state.runtime,
            started_at=state.started_at,
            ended_at=ended,
            received_at=known.received_at if known else self.moved.received.get(state.id, self.received_at),
            duration_ms=max(0, (ended or 0) - state.started_at) // 1000 if timed else None,
            input_tokens=state.usage.input,
            cache_read_tokens=state.usage.cache_read,
            cache_write_tokens=state.usage.cache_write,
            output_tokens=state.usage.output,
            reasoning_tokens=state.usage.reasoning,
            cost=priced.amount,
            price_ref=priced.ref,
            sibling_of=known.sibling_of if known else None,
            flags=_flags(state, run_type, team, organization),
        )

    def _price(self, state: RunState, run_type: str, metadata: dict[str, object] | None) -> pricing.Priced:
        """Return the run's cost by the price of its own time; only model calls cost (rule 12)."""
        if run_type not in PRICED or state.name is None or state.usage == fold.NO_USAGE:
            return pricing.UNKNOWN
        provider = metadata.get("ls_provider") or metadata.get("provider") if metadata else None
        at = datetime.fromtimestamp(state.started_at / 1_000_000, UTC)
        return pricing.cost(state.name, provider if isinstance(provider, str) else None, at, state.usage)

    def _write(self, changes: dict[str, RunState], talk: threads.Refolded) -> None:
        """Write rows and bodies, and book what is new."""
        self.stored |= talk.stored
        self.final |= {run_id: row for run_id, row in talk.rows.items() if row != talk.stored.get(run_id)}
        self._remove(talk.gone)
        new = [row for run_id, row in self.final.items() if run_id not in self.stored]
        known = [row for run_id, row in self.final.items() if run_id in self.stored]
        beneath = {row.id: row for row in known if row.id not in changes and row.id not in talk.rows}
        if new:
            rows.insert(self.db, self.project_id, new)
        if len(beneath) < len(known):
            rows.update(self.db, self.project_id, [row for row in known if row.id not in beneath])
        if beneath:
            rows.move(self.db, self.project_id, list(beneath.values()))
        threads.write_moves(self.db, self.project_id, talk.moved)
        self._write_bodies(changes)
        self._book(new, talk.gone)
        previous = [*(self.stored[row.id] for row in known), *talk.gone, *self.moved.gone]
        told = [*talk.rows.values(), *talk.stored.values()]  # also where only what a message says has changed
        books.mark_stale(self.db, self.project_id, [*new, *known, *previous], self.received_at, told)

    def _write_bodies(self, changes: dict[str, RunState]) -> None:
        fresh: list[Body] = []
        merged: list[Body] = []
        for run_id, change in changes.items():
            known = self.stored.get(run_id)
            body = _body(change, known)
            if known is None:
                fresh.append(body)
            elif any(body.modes) or body.metadata is not None:
                merged.append(body)
        if fresh:
            rows.insert_bodies(self.db, self.project_id, fresh)
        if merged:
            rows.update_bodies(self.db, self.project_id, merged)

    def _book(self, new: Sequence[Row], gone: Sequence[Row]) -> None:
        """Count what was stored for the first time, and take back what proved to be part of another run.

        A run that only changed its id (an alias became known) is neither.
        """
        renamed = {row.id for row in new if row.id in self.moved.received}
        stored = [row.type for row in new if row.id not in renamed]
        merged = [row.type for row in gone]
        for target, run_type in self.moved.taken:
            if target in renamed:
                renamed.remove(target)
            else:
                merged.append(run_type)
        books.enter(self.db, self.project_id, stored, merged, self.key_id, self.received_at)

    def _remove(self, gone: Sequence[Row]) -> None:
        """Delete chats whose messages went over to other chats."""
        if gone:
            self.db.execute(
                "DELETE FROM runs_run WHERE project_id = %s AND id = ANY(%s::uuid[])",
                (self.project_id, plain(row.id for row in gone)),
            )


def _ids(batch: Batch) -> tuple[set[str], set[str]]:
    """Return the ids that `batch` writes, and those it only looks up."""
    own = {event.run_id for event in batch.runs} | threads.lock_ids(batch.messages, batch.threads)
    above = {event.parent_id for event in batch.runs if event.parent_id}
    above |= {event.run_id for event in batch.feedback} | {event.run_id for event in batch.logs}
    return own, above


def _flags(state: RunState, run_type: str, team: str | None, organization: str | None) -> int:
    """Return the state's flags with those that follow from its final values."""
    derived = fold.OWN_USER | fold.OWN_TEAM | fold.OWN_ORGANIZATION | fold.ESTIMATED | fold.STANDALONE_TOOL
    flags = state.flags & ~derived
    for bit, value in (
        (fold.OWN_USER, state.user_id),
        (fold.OWN_TEAM, team),
        (fold.OWN_ORGANIZATION, organization),
        (fold.HAS_INPUT, state.input),
        (fold.HAS_OUTPUT, state.output),
        (fold.HAS_ERROR, state.error),
        (fold.HAS_PARAMS, state.params),
        (fold.HAS_METADATA, state.metadata),
    ):
        if value is not None:
            flags |= bit
    if state.usage.estimated:
        flags |= fold.ESTIMATED
    if run_type == "tool" and flags & fold.START and state.parent_id is None:
        flags |= fold.STANDALONE_TOOL
    return flags


def _body(change: RunState, known: Row | None) -> Body:
    """Return what the body table must do for one changed run."""
    stored = known.flags if known else 0
    modes = (
        fold.body_mode(stored, change, "input", fold.HAS_INPUT, fold.INPUT_FROM_START),
        fold.body_mode(stored, change, "output", fold.HAS_OUTPUT),
        fold.body_mode(stored, change, "error", fold.HAS_ERROR),
        fold.body_mode(stored, change, "params", fold.HAS_PARAMS, fold.PARAMS_FROM_START),
        fold.usage_mode(known.usage if known else fold.NO_USAGE, change),
    )
    return Body(
        run_id=change.id,
        input=change.input,
        output=change.output,
        error=change.error,
        params=change.params,
        usage=change.usage_text,
        metadata=msgspec.json.encode(change.metadata).decode() if change.metadata else None,
        modes=modes,
    )
