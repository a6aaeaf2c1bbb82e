"""End users seen by a request: stored with their properties, newest value per key; their own team as a last resort.

First and last seen are kept to the minute, so that a busy user's row is not rewritten by every request.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ingest import fold
from ingest.books import HOUR
from ingest.events import UserSeen
from ingest.literals import plain, texts, timestamp
from ingest.rows import Db, Row
from runs.locks import Locks

MINUTE: Final = 60_000_000
Home = tuple[str | None, str | None]
"""A user's own team and organization."""
HOMELESS: Final[Home] = (None, None)

GROUP_KEYS: Final = frozenset({"teamId", "team_id", "organizationId", "organization_id"})
"""Properties that give a user's runs a team or organization."""
_FROM_HOME: Final = fold.HOME_TEAM | fold.HOME_ORGANIZATION
_NEEDING: Final = (
    "((r.team_id IS NULL AND s.team IS NOT NULL) OR (r.organization_id IS NULL AND s.organization IS NOT NULL))"
)
_HOMES: Final = "unnest(%s::int[], %s::text[], %s::text[], %s::text[]) AS s(project_id, user_id, team, organization)"
_UNSETTLED: Final = (
    f"SELECT EXISTS (SELECT FROM {_HOMES} JOIN runs_run r"
    f" ON r.project_id = s.project_id AND r.user_id = s.user_id AND {_NEEDING})"
)
_SETTLE: Final = f"""
    UPDATE runs_run AS r SET
        team_id = COALESCE(r.team_id, s.team), organization_id = COALESCE(r.organization_id, s.organization),
        flags = r.flags
            | CASE WHEN r.team_id IS NULL AND s.team IS NOT NULL THEN {fold.HOME_TEAM} ELSE 0 END
            | CASE WHEN r.organization_id IS NULL AND s.organization IS NOT NULL
                THEN {fold.HOME_ORGANIZATION} ELSE 0 END
    FROM {_HOMES} WHERE r.project_id = s.project_id AND r.user_id = s.user_id AND {_NEEDING}
    RETURNING (extract(epoch from r.started_at) * 1000000)::bigint, CASE WHEN r.type = 'thread' THEN r.id::text END
"""

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


class Settled(msgspec.Struct):
    """Where runs took a team or organization of their user's: hours (epoch µs), and threads among these runs."""

    hours: set[int] = msgspec.field(default_factory=set)
    threads: set[str] = msgspec.field(default_factory=set)


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
    """The project's end users as one request meets them; only those whose team or organization matters are read.

    Who is read is locked first, shared: until the commit nobody else can move them, so that a run stored here and a
    move stored elsewhere never miss each other.
    """

    def __init__(self, db: Db, project_id: int, locks: Locks) -> None:
        self.db = db
        self.project_id = project_id
        self.locks = locks
        self._stored: dict[str, Person | None] = {}
        self._events: dict[str, list[UserSeen]] = {}
        self._homes: dict[str, Home] = {}

    def meet(self, seen: Iterable[UserSeen]) -> None:
        """Take in who was seen, so that `home` knows what this request says; `store` writes it."""
        for event in seen:
            self._events.setdefault(event.user_id, []).append(event)

    def store(self) -> Settled:
        """Write who was seen, last in the transaction because busy users are contended.

        Runs without team or organization take what their user's properties say now: returns where those are, often
        nowhere. Giving them that takes nobody else writing, see `runs.locks`.
        """
        if not self._events:
            return Settled()
        movers = self._movers()
        self.locks.take_users(moving=movers)
        self._write([_told(user_id, None, self._events[user_id]) for user_id in sorted(self._events)])
        return self._settle([user_id for user_id in movers if self._home_before(user_id) != self.home(user_id)])

    def home(self, user_id: str) -> Home:
        """Return the user's own team and organization, for runs that have none from themselves or above."""
        known = self._homes.get(user_id)
        if known is None:
            self.prefetch([user_id])
            person = self._stored[user_id]
            if user_id in self._events:
                person = _told(user_id, person, self._events[user_id])
            known = self._homes[user_id] = HOMELESS if person is None else person.home
        return known

    def house(self, rows: Iterable[Row], known: Mapping[str, Row]) -> None:
        """Give rows that have no team or organization, from themselves or above, their user's own (rule 8).

        A team that the user's properties gave the `known` row stays: that a person moves does not rewrite their past.
        """
        homeless: list[tuple[str, Row]] = []
        for row in rows:
            row.flags &= ~_FROM_HOME
            if row.user_id is not None and (row.team_id is None or row.organization_id is None):
                homeless.append((row.user_id, row))
        self.prefetch(user_id for user_id, _ in homeless)
        for user_id, row in homeless:
            before = known.get(row.id)
            _house(row, self.home(user_id), before if before and before.user_id == user_id else None)

    def prefetch(self, user_ids: Iterable[str]) -> None:
        """Read several users at once."""
        missing = [user_id for user_id in dict.fromkeys(user_ids) if user_id not in self._stored]
        if missing:
            self.locks.take_users(staying=missing)
            self._read(missing)

    def _home_before(self, user_id: str) -> Home:
        person = self._stored[user_id]
        return HOMELESS if person is None else person.home

    def _movers(self) -> list[str]:
        """Return those whose properties that name a group change."""
        naming = [user_id for user_id, events in self._events.items() if _names_a_group(events)]
        self.prefetch(naming)
        return [user_id for user_id in naming if _moves(user_id, self._stored[user_id], self._events[user_id])]

    def _settle(self, moved: Sequence[str]) -> Settled:
        """Give runs without team or organization those of these users."""
        if not moved:
            return Settled()
        homes = [self.home(user_id) for user_id in moved]
        where = (
            plain(self.project_id for _ in moved),
            texts(moved),
            texts(team for team, _ in homes),
            texts(organization for _, organization in homes),
        )
        if not self.locks.alone:
            self.db.execute(_UNSETTLED, where)
            if self.db.fetchall() == [(True,)]:
                self.locks.insist_alone()
            return Settled()
        self.db.execute(_SETTLE, where)
        found = self.db.fetchall()
        return Settled({at // HOUR * HOUR for at, _ in found}, {thread for _, thread in found if thread})

    def _read(self, user_ids: Sequence[str]) -> None:
        self._stored |= dict.fromkeys(user_ids)
        self.db.execute(
            "SELECT u.id, u.props::text, u.props_at::text, (extract(epoch from u.first_seen) * 1000000)::bigint,"
            " (extract(epoch from u.last_seen) * 1000000)::bigint FROM unnest(%s::int[], %s::text[])"
            " AS s(project_id, id) JOIN runs_enduser u ON u.project_id = s.project_id AND u.id = s.id",
            (plain(self.project_id for _ in user_ids), texts(user_ids)),
        )
        for user_id, props, props_at, first, latest in self.db.fetchall():
            self._stored[user_id] = Person(
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


def _house(row: Row, home: Home, before: Row | None) -> None:
    team, organization = home
    if row.team_id is None:
        row.team_id = before.team_id if before and before.flags & fold.HOME_TEAM else team
        row.flags |= fold.HOME_TEAM if row.team_id is not None else 0
    if row.organization_id is None:
        row.organization_id = (
            before.organization_id if before and before.flags & fold.HOME_ORGANIZATION else organization
        )
        row.flags |= fold.HOME_ORGANIZATION if row.organization_id is not None else 0


def _moves(user_id: str, known: Person | None, events: Sequence[UserSeen]) -> bool:
    """Tell whether a property that names a group gets another value, even where that makes no difference yet."""
    before = {} if known is None else known.props
    after = _told(user_id, known, events).props
    return any(before.get(key) != after.get(key) for key in GROUP_KEYS)


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
