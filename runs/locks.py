"""Advisory locks that make read-merge-write exact, taken so that writers cannot deadlock; held until the commit.

Whoever writes or deletes runs, or rows that hang on them, enters first: ingest, withdrawal, deletion, feedback. A run's
own id is locked exclusively, its parent's shared: whoever writes a run sees its parent and children settled, or waits.
Row locks could not do it, since the parent or the child may not exist yet. An end user whose team others may take is
locked shared, exclusively by who moves them.

Why no circle of waiting writers can form. A transaction waits for advisory locks in its first statement only, and
there in one order: the project's, then keys by number. What comes to light later (parents and children of stored
runs, aliases, threads of answers) is only tried for: who doesn't get it at once rolls back and begins again with those
keys in its first statement, and after that `alone`, with the project's lock exclusively and no other. So all waits
behind the first statement are for rows, and there

- runs, bodies, aliases and messages are written under an exclusive lock of their id, messages of their thread too: no
  other writer can have them. What is not (moving rows to another id, giving a user's old runs a team) is done alone;
- rows that several may write under shared locks (feedback, log lines, end users, in this order) are written in the
  order of their keys, one statement per table, after all others, and deleted under exclusive ones;
- ledger entries and marks have ids of their own.

Whoever writes without entering holds one row at a time (a run's tags, a score) and waits for nothing with it, or works
on tables of its own in the order of their keys (held events, pulses). docs/adr/0007 has the whole argument.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Protocol, TypeVar

import psycopg
from django.db import DatabaseError
from psycopg import errors

Done = TypeVar("Done")

MOST: Final = 2_000
"""Keys in one transaction; PostgreSQL's lock table is shared memory. Who needs more goes alone, with a single one."""
EARLY: Final = 3
"""How often to begin again with the locks that were missing, which may bring more to light, before going alone."""
ATTEMPTS: Final = 6
TRANSIENT: Final = (
    errors.UniqueViolation,  # a row that somebody added without entering
    errors.SerializationFailure,  # only where an operator has set a stricter isolation level
    errors.OutOfMemory,  # the lock table is full: alone needs one lock
    errors.DeadlockDetected,  # not among writers: with an operator's statements, or sums of a project that is going
)
_WRITERS: Final = 0x1DA6
"""First half of the project lock's key; two-part keys are apart from the others, so it meets no run's by chance."""
_SALT: Final = 0x9E3779B97F4A7C15
_MASK: Final = (1 << 64) - 1
_SIGN: Final = 1 << 63


class Db(Protocol):
    """A cursor of psycopg's or Django's."""

    def execute(self, query: Any, params: Any = None, /) -> Any:
        """Run a statement."""

    def fetchone(self) -> Any:
        """Return the next row of its result."""


class Contended(Exception):  # noqa: N818 - an answer, not a fault
    """Somebody else holds some of `keys`; without keys, the work can only be done alone."""

    def __init__(self, keys: Iterable[int] = ()) -> None:
        super().__init__("a lock that came to light late is taken")
        self.keys = frozenset(keys)


@dataclass(frozen=True)
class Turn:
    """How a transaction begins: beside other writers, with `early` keys that it will need, or alone."""

    early: frozenset[int] = frozenset()
    alone: bool = False


BESIDE: Final = Turn()
ALONE: Final = Turn(alone=True)


def insist(work: Callable[[Turn], Done]) -> Done:
    """Do `work`, which opens a transaction of its own and enters with the given turn; again until nobody is in its way.

    Beside others, then with the locks it lacked in the first statement, then alone. What keeps failing is raised.
    """
    turn = BESIDE
    for attempt in range(ATTEMPTS - 1):
        try:
            return work(turn)
        except Contended as met:
            turn = Turn(early=turn.early | met.keys) if met.keys and attempt < EARLY else ALONE
        except (DatabaseError, psycopg.Error) as error:
            if not isinstance(error, TRANSIENT) and not isinstance(error.__cause__, TRANSIENT):
                raise
            turn = ALONE
    return work(ALONE)


def enter(
    db: Db,
    project_id: int,
    turn: Turn,
    own: Iterable[str] = (),
    above: Iterable[str] = (),
    users: Iterable[str] = (),
) -> "Locks":
    """Begin to write in a project: wait for its lock and the first keys, in the transaction's first statement.

    `own` ids are locked exclusively, ids `above` and `users` shared.
    """
    exclusive = _run_keys(project_id, own) | turn.early
    shared = (_run_keys(project_id, above) | _user_keys(project_id, users)) - exclusive
    if turn.alone or len(exclusive) + len(shared) > MOST:
        db.execute("SELECT pg_advisory_xact_lock(%s::int, %s::int)", (_WRITERS, project_id))
        return Locks(db, project_id, alone=True)
    db.execute(
        "SELECT pg_advisory_xact_lock_shared(%s::int, %s::int) UNION ALL"
        " SELECT CASE WHEN s THEN pg_advisory_xact_lock_shared(k) ELSE pg_advisory_xact_lock(k) END"
        " FROM unnest(%s::bigint[], %s::bool[]) AS t(k, s)",
        (_WRITERS, project_id, *_arrays(exclusive, shared)),
    )
    return Locks(db, project_id, exclusive, shared)


class Locks:
    """What one transaction holds; alone, it holds everything."""

    def __init__(
        self, db: Db, project_id: int, exclusive: Iterable[int] = (), shared: Iterable[int] = (), *, alone: bool = False
    ) -> None:
        self._db = db
        self._project_id = project_id
        self._exclusive = set(exclusive)
        self._shared = set(shared)
        self._alone = alone

    def take(self, own: Iterable[str], above: Iterable[str] = ()) -> bool:
        """Lock `own` ids exclusively and ids `above` shared, or raise Contended.

        Returns whether any lock is new: what was read about these ids before may have changed since.
        """
        return self._try(_run_keys(self._project_id, own), _run_keys(self._project_id, above))

    def take_users(self, *, moving: Iterable[str] = (), staying: Iterable[str] = ()) -> bool:
        """Lock end users whose team changes exclusively, and shared those whose team is taken; else as `take`."""
        return self._try(_user_keys(self._project_id, moving), _user_keys(self._project_id, staying))

    def insist_alone(self) -> None:
        """Raise Contended unless nobody else writes in the project now."""
        if not self._alone:
            raise Contended

    @property
    def alone(self) -> bool:
        """Tell whether nobody else writes in the project now."""
        return self._alone

    def _try(self, exclusive: set[int], shared: set[int]) -> bool:
        if self._alone:
            return False
        exclusive = exclusive - self._exclusive
        shared = shared - self._exclusive - self._shared - exclusive
        if not exclusive and not shared:
            return False
        if len(self._exclusive) + len(self._shared) + len(exclusive) + len(shared) > MOST:
            raise Contended
        self._db.execute(
            "SELECT bool_and(CASE WHEN s THEN pg_try_advisory_xact_lock_shared(k)"
            " ELSE pg_try_advisory_xact_lock(k) END) FROM unnest(%s::bigint[], %s::bool[]) AS t(k, s)",
            _arrays(exclusive, shared),
        )
        if not self._db.fetchone()[0]:
            raise Contended(exclusive | shared)
        self._exclusive |= exclusive
        self._shared |= shared
        return True


def run_key(project_id: int, run_id: str) -> int:
    """Return the key of a run id (canonical UUID text): its last 60 bits, which are random in every version.

    Two things with one key only make two writers wait for each other.
    """
    bits = (int(run_id[-12:] + run_id[20:23], 16) ^ (project_id * _SALT)) & _MASK
    return bits - (1 << 64) if bits & _SIGN else bits


def _run_keys(project_id: int, ids: Iterable[str]) -> set[int]:
    return {run_key(project_id, run_id) for run_id in ids}


def _user_keys(project_id: int, users: Iterable[str]) -> set[int]:
    digests = (blake2b(f"{project_id}:{user}".encode(), digest_size=8).digest() for user in users)
    return {int.from_bytes(digest, "big", signed=True) for digest in digests}


def _arrays(exclusive: set[int] | frozenset[int], shared: set[int]) -> tuple[str, str]:
    """Return the keys in order, and for each whether it is locked shared."""
    keys = sorted(exclusive | shared)
    return _array(keys), _array("t" if key in shared else "f" for key in keys)


def _array(values: Iterable[object]) -> str:
    """Return an array as one text, which psycopg need not adapt element by element."""
    return "{" + ",".join(map(str, values)) + "}"
