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

GROUP_KEYS: Final = frozenset({"teamId", "team_id", "organizationId", "organization_id"})
"""Properties that give a user's runs a team or organization."""

# Each key's newest value wins, at the same moment the greater text; the row is locked, so concurrent requests add up.
_UPSERT: Final = """
    INSERT INTO runs_enduser AS u (project_id, id, props, props_at, first_seen, last_seen)
    SELECT %s, s.id, s.props::jsonb, s.props_at::jsonb, s.first_seen::timestamptz, s.last_seen::timestamptz
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
        AS s(id, props, props_at, first_seen, last_seen)
    ORDER BY s.id
    ON CONFLICT (project_id, id) DO UPDATE SET
        props = CASE WHEN excluded.props = '{}' THEN u.props ELSE (
            SELECT jsonb_object_agg(key, value) FROM (
                SELECT DISTINCT ON (key) key, value FROM (
                    SELECT key, value, (u.props_at ->> key)::bigint AS at FROM jsonb_each(u.props)
                    UNION ALL SELECT key, value, (excluded.props_at ->> key)::bigint FROM jsonb_each(excluded.props)
                ) AS told ORDER BY key, at DESC, value::text COLLATE "C" DESC
            ) AS newest) END,
        props_at = CASE WHEN excluded.props = '{}' THEN u.props_at ELSE (
            SELECT jsonb_object_agg(key, at) FROM (
                SELECT key, max(value::bigint) AS at FROM (
                    SELECT key, value FROM jsonb_each_text(u.props_at)
                    UNION ALL SELECT key, value FROM jsonb_each_text(excluded.props_at)
                ) AS told GROUP BY key
            ) AS newest) END,
        first_seen = LEAST(u.first_seen, excluded.first_seen), last_seen = GREATEST(u.last_seen, excluded.last_seen)
    WHERE excluded.props <> '{}' OR excluded.first_seen < u.first_seen OR excluded.last_seen > u.last_seen
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
    """The project's end users as one request meets them; only those whose team or organization matters are read."""

    def __init__(self, db: Db, project_id: int) -> None:
        self.db = db
        self.project_id = project_id
        self._known: dict[str, Person | None] = {}
        self._events: dict[str, list[UserSeen]] = {}

    def meet(self, seen: Iterable[UserSeen]) -> None:
        """Take in who was seen, so that `home` knows what this request says; `store` writes it."""
        for event in seen:
            self._events.setdefault(event.user_id, []).append(event)

    def store(self) -> list[str]:
        """Write who was seen, last in the transaction because busy users are contended.

        Returns those whose own team or organization became known or changed.
        """
        if not self._events:
            return []
        movers = sorted(user_id for user_id, events in self._events.items() if _names_a_group(events))
        before = self._homes_as_stored(movers)
        self._write([_told(user_id, None, self._events[user_id]) for user_id in sorted(self._events)])
        self._read(movers)
        after = {user_id: self._home_of(user_id) for user_id in movers}
        return [user_id for user_id in movers if after[user_id] != before[user_id]]

    def home(self, user_id: str | None) -> Home:
        """Return the user's own team and organization, for runs that have none from themselves or above."""
        if user_id is None:
            return HOMELESS
        self.prefetch([user_id])
        return self._home_of(user_id)

    def prefetch(self, user_ids: Iterable[str]) -> None:
        """Read several users at once, as they stand with what this request says."""
        missing = [user_id for user_id in dict.fromkeys(user_ids) if user_id not in self._known]
        self._read(missing)
        for user_id in missing:
            if user_id in self._events:
                self._known[user_id] = _told(user_id, self._known[user_id], self._events[user_id])

    def _home_of(self, user_id: str) -> Home:
        person = self._known.get(user_id)
        return HOMELESS if person is None else person.home

    def _homes_as_stored(self, user_ids: Sequence[str]) -> dict[str, Home]:
        """Return where the users belong, locked, whether their rows exist or not: nobody else may move them now."""
        keys = sorted({lock_key(self.project_id, f"user {user_id}") for user_id in user_ids})
        if keys:
            self.db.execute("SELECT pg_advisory_xact_lock(k) FROM unnest(%s::bigint[]) AS t(k)", (plain(keys),))
        self._read(user_ids)
        return {user_id: self._home_of(user_id) for user_id in user_ids}

    def _read(self, user_ids: Sequence[str]) -> None:
        if not user_ids:
            return
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


def _names_a_group(events: Iterable[UserSeen]) -> bool:
    """Tell whether any of the events could move the user to another team or organization."""
    return any(event.props and not GROUP_KEYS.isdisjoint(event.props) for event in events)


def _told(user_id: str, known: Person | None, events: Sequence[UserSeen]) -> Person:
    """Return the user as `events` tell them, on top of what is known."""
    first = min(event.at for event in events) // MINUTE * MINUTE
    latest = max(event.at for event in events) // MINUTE * MINUTE
    person = Person(user_id, {}, {}, first, latest)
    if known is not None:
        person = Person(
            user_id,
            dict(known.props),
            dict(known.props_at),
            min(first, known.first_seen),
            max(latest, known.last_seen),
        )
    for event in events:
        for key, value in (event.props or {}).items():
            _set(person, key, value, event.at)
    return person


def _set(person: Person, key: str, value: Any, at: int) -> None:
    """Set one property unless a newer event set it; at the same moment the greater JSON text wins."""
    known_at = person.props_at.get(key)
    if known_at is not None and (known_at, _text(person.props.get(key))) >= (at, _text(value)):
        return
    person.props[key] = value
    person.props_at[key] = at


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value)
