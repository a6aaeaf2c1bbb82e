"""End users seen by a request: stored with their properties, newest value per key; their own team as a last resort.

First and last seen are kept to the minute, so that a busy user's row is not rewritten by every request.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from ingest import fold
from ingest.events import UserSeen
from ingest.literals import plain, texts, timestamp
from ingest.rows import Db
from runs.locks import lock_key

MINUTE: Final = 60_000_000
Home = tuple[str | None, str | None]
"""A user's own team and organization."""
HOMELESS: Final[Home] = (None, None)

_UPSERT: Final = """
    INSERT INTO runs_enduser AS u (project_id, id, props, props_at, first_seen, last_seen)
    SELECT %s, s.id, s.props::jsonb, s.props_at::jsonb, s.first_seen::timestamptz, s.last_seen::timestamptz
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
        AS s(id, props, props_at, first_seen, last_seen)
    ORDER BY s.id
    ON CONFLICT (project_id, id) DO UPDATE SET
        props = excluded.props, props_at = excluded.props_at,
        first_seen = LEAST(u.first_seen, excluded.first_seen), last_seen = GREATEST(u.last_seen, excluded.last_seen)
"""


class Person(msgspec.Struct):
    """One end user: properties, when each was set (epoch µs), and when the user was seen (epoch µs, whole minutes)."""

    id: str
    props: dict[str, Any]
    props_at: dict[str, int]
    first_seen: int
    last_seen: int

    @property
    def home(self) -> Home:
        """Return the team and organization that the properties name."""
        return (
            fold.group(self.props, "teamId", "team_id"),
            fold.group(self.props, "organizationId", "organization_id"),
        )


class People:
    """The project's end users as one request meets them, each read at most once."""

    def __init__(self, db: Db, project_id: int) -> None:
        self.db = db
        self.project_id = project_id
        self._known: dict[str, Person | None] = {}
        self._before: dict[str, Home] = {}
        self._events: dict[str, list[UserSeen]] = {}
        self._changed: list[str] = []

    def meet(self, seen: Iterable[UserSeen]) -> None:
        """Take in who was seen, so that `home` knows what this request says; `store` writes it."""
        for event in seen:
            self._events.setdefault(event.user_id, []).append(event)
        if self._events:
            self._read(sorted(self._events))
        for user_id, events in self._events.items():
            known = self._known[user_id]
            self._before[user_id] = HOMELESS if known is None else known.home
            updated = _updated(user_id, known, events)
            if updated is not None:
                self._known[user_id] = updated
                self._changed.append(user_id)

    def store(self) -> list[str]:
        """Write the users that changed, last in the transaction because busy users are contended.

        Returns those whose own team or organization became known or changed.
        """
        if not self._changed:
            return []
        changed = sorted(self._changed)
        self._lock(changed)
        people = []
        for user_id in changed:
            updated = _updated(user_id, self._known[user_id], self._events[user_id])
            if updated is not None:
                people.append(updated)
                self._known[user_id] = updated
        if people:
            self._write(people)
        return [person.id for person in people if person.home != self._before[person.id]]

    def home(self, user_id: str | None) -> Home:
        """Return the user's own team and organization, for runs that have none from themselves or above."""
        if user_id is None:
            return HOMELESS
        if user_id not in self._known:
            self._read([user_id])
        return self._home_of(user_id)

    def prefetch(self, user_ids: Sequence[str]) -> None:
        """Read several users at once."""
        missing = [user_id for user_id in user_ids if user_id not in self._known]
        if missing:
            self._read(missing)

    def _home_of(self, user_id: str) -> Home:
        person = self._known.get(user_id)
        return HOMELESS if person is None else person.home

    def _lock(self, user_ids: Sequence[str]) -> None:
        """Read the users again while nobody else may change them, whether their rows exist or not."""
        keys = sorted({lock_key(self.project_id, f"user {user_id}") for user_id in user_ids})
        self.db.execute("SELECT pg_advisory_xact_lock(k) FROM unnest(%s::bigint[]) AS t(k)", (keys,))
        self._read(user_ids)

    def _read(self, user_ids: Sequence[str]) -> None:
        self._known |= dict.fromkeys(user_ids)
        self.db.execute(
            "SELECT u.id, u.props::text, u.props_at::text, (extract(epoch from u.first_seen) * 1000000)::bigint,"
            " (extract(epoch from u.last_seen) * 1000000)::bigint FROM unnest(%s::int[], %s::text[])"
            " AS s(project_id, id) JOIN runs_enduser u ON u.project_id = s.project_id AND u.id = s.id",
            (plain(self.project_id for _ in user_ids), texts(user_ids)),
        )
        for user_id, props, props_at, first, latest in self.db.fetchall():
            self._known[user_id] = Person(
                user_id, msgspec.json.decode(props), msgspec.json.decode(props_at), first, latest
            )

    def _write(self, people: Sequence[Person]) -> None:
        self.db.execute(
            _UPSERT,
            (
                self.project_id,
                texts(person.id for person in people),
                texts(msgspec.json.encode(person.props).decode() for person in people),
                texts(msgspec.json.encode(person.props_at).decode() for person in people),
                texts(timestamp(person.first_seen) for person in people),
                texts(timestamp(person.last_seen) for person in people),
            ),
        )


def _updated(user_id: str, known: Person | None, events: Sequence[UserSeen]) -> Person | None:
    """Return the user as it stands after `events`, or None where nothing changed."""
    first = min(event.at for event in events) // MINUTE * MINUTE
    latest = max(event.at for event in events) // MINUTE * MINUTE
    person = (
        Person(user_id, {}, {}, first, latest)
        if known is None
        else Person(
            user_id,
            dict(known.props),
            dict(known.props_at),
            min(first, known.first_seen),
            max(latest, known.last_seen),
        )
    )
    for event in events:
        for key, value in (event.props or {}).items():
            _set(person, key, value, event.at)
    return None if person == known else person


def _set(person: Person, key: str, value: Any, at: int) -> None:
    """Set one property unless a newer event set it; at the same moment the greater JSON text wins."""
    known_at = person.props_at.get(key)
    if known_at is not None and (known_at, _text(person.props.get(key))) >= (at, _text(value)):
        return
    person.props[key] = value
    person.props_at[key] = at


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value)
