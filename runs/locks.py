"""Advisory locks that make read-merge-write exact: one per id, taken in one order, held until commit.

Whoever writes or deletes runs takes them first: ingest, and deletion.

A run's own id is locked exclusively, its parent's shared: whoever writes a run sees its parent and children settled, or
waits. Row locks could not do it, since the parent or the child may not exist yet.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Protocol


class Db(Protocol):
    """A cursor of psycopg's or Django's."""

    def execute(self, query: Any, params: Any = None, /) -> Any:
        """Run a statement."""


_SALT = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_SIGN = 1 << 63


def lock_key(project_id: int, name: str) -> int:
    """Return the 64-bit key of anything named by text; a collision only makes two writers wait for each other."""
    digest = blake2b(f"{project_id}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def run_key(project_id: int, run_id: str) -> int:
    """Return the key of a run id (canonical UUID text): its last 60 bits, which are random in every version."""
    bits = (int(run_id[-12:] + run_id[20:23], 16) ^ (project_id * _SALT)) & _MASK
    return bits - (1 << 64) if bits & _SIGN else bits


def enter(db: Db, project_id: int, own: Iterable[str] = (), above: Iterable[str] = (), *, alone: bool = False) -> None:
    """Begin to write in a project, beside other writers or `alone`, and `take` the first ids in the same statement.

    Ids are locked in several steps, as what lies above and below comes to light, so that writers of one tree can meet
    in a deadlock. Who lost one comes back alone, and can't lose again.
    """
    keys, shared = _in_order(project_id, own, above)
    _lock(db, [lock_key(project_id, "writers"), *keys], [not alone, *shared])


def take(db: Db, project_id: int, own: Iterable[str], above: Iterable[str] = ()) -> None:
    """Lock `own` ids exclusively and the rest of `above` shared, in key order, until the transaction ends."""
    keys, shared = _in_order(project_id, own, above)
    if keys:
        _lock(db, keys, shared)


def _in_order(project_id: int, own: Iterable[str], above: Iterable[str]) -> tuple[list[int], list[bool]]:
    """Return the keys in order, and for each whether it is locked shared."""
    exclusive = {run_key(project_id, run_id) for run_id in own}
    keys = sorted(exclusive.union(run_key(project_id, run_id) for run_id in above))
    return keys, [key not in exclusive for key in keys]


def _lock(db: Db, keys: Iterable[int], shared: Iterable[bool]) -> None:
    db.execute(
        "SELECT CASE WHEN s THEN pg_advisory_xact_lock_shared(k) ELSE pg_advisory_xact_lock(k) END"
        " FROM unnest(%s::bigint[], %s::bool[]) AS t(k, s)",
        (_array(keys), _array("t" if each else "f" for each in shared)),
    )


def _array(values: Iterable[object]) -> str:
    """Return an array as one text, which psycopg need not adapt element by element."""
    return "{" + ",".join(map(str, values)) + "}"
