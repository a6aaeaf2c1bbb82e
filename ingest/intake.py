"""One request's way in: decode, route to projects, keep what is refused, store the rest (rules 1, 4, 5, 6)."""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

import msgspec
import psycopg
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone
from psycopg.errors import ProgramLimitExceeded

from ingest import held, lunary, withdraw, write
from ingest.events import Refusal
from ingest.lunary import Decoded
from ingest.lunary_kinds import Group
from ingest.pulse import pulse
from projects import keys
from projects.keys import KeyHolder
from projects.models import Project
from runs.ids import run_id as canonical
from runs.locks import Turn, insist

logger = logging.getLogger(__name__)

AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
"""PostgreSQL can't be reached, or can't work just now."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_begun: set[int] = set()  # projects whose first event this process has noted


class NoProject(LookupError):  # noqa: N818 - an answer to a client, not a fault
    """A legacy report names no project that exists."""


def take(body: bytes, sender: KeyHolder | None, received_at: datetime) -> Decoded:
    """Store what a request says; when this returns, it is committed, or held where it was refused.

    `sender` None is a legacy report: its first event names the project, else NoProject. Raises lunary.BadBody, and
    psycopg's or Django's OperationalError while PostgreSQL is away.
    """
    holders: dict[str, KeyHolder] = {}

    def route(app_id: str) -> str | None:
        holder = keys.find(app_id)
        if holder is None or (sender is not None and holder.project_id == sender.project_id):
            return None
        name = str(holder.project_id)
        holders[name] = holder
        return name

    decoded = lunary.decode(body, _micros(received_at), route)
    for project, group in decoded.groups.items():
        holder = holders[project] if project is not None else sender or keys.find(decoded.named_by or "")
        if holder is None:
            raise NoProject("This project does not exist")
        _keep(decoded, group, holder, received_at)
    return decoded


def replay(project: Project, events: Sequence[held.Held], key_id: int | None = None) -> int:
    """Store held events as the project is set up now; return how many are stored, the others stay held."""
    sender = KeyHolder(key_id or 0, project.pk, project.public_id, "private", project.accept_standalone_tools)
    by_moment: dict[datetime, list[held.Held]] = {}
    for event in events:
        by_moment.setdefault(event.received_at, []).append(event)
    stored = []
    for received_at, together in by_moment.items():
        raws = [msgspec.Raw(event.event.encode()) for event in together]
        decoded = lunary.decode_events(raws, _micros(received_at))
        for group in decoded.groups.values():
            settled, _ = _settled(decoded, group, sender)
            _store(decoded, settled, sender, timezone.now())
        stored += [event.id for event, result in zip(together, decoded.results, strict=True) if result.success]
    held.mark_replayed(project.pk, stored)
    return len(stored)


def _keep(decoded: Decoded, group: Group, holder: KeyHolder, received_at: datetime) -> None:
    """Store one project's part of a request, and hold what is refused of it."""
    positions = group.positions
    settled, homeless = _settled(decoded, group, holder)
    late, stubs = _store(decoded, settled, holder, received_at)
    refusals = [*settled.batch.refusals, *late]
    about = {event.run_id for event in settled.batch.feedback} | {event.run_id for event in settled.batch.logs}
    without_home = _without_home(group, homeless, refusals, stubs | about, holder)
    if without_home:
        insist(partial(_hold_with_stubs, refusals, without_home, holder, received_at))
    else:
        held.hold(holder.project_id, refusals, received_at, holder.key_id or None)
    accepted = sum(decoded.results[position].success for position in positions)
    if accepted and holder.project_id not in _begun:
        Project.objects.filter(pk=holder.project_id, first_event_at=None).update(first_event_at=received_at)
        _begun.add(holder.project_id)
    refused = len(positions) - accepted
    pulse.record(holder.project_id, holder.key_id, received_at, accepted, refused, group.newest_at)


def _settled(decoded: Decoded, group: Group, holder: KeyHolder) -> tuple[Group, set[str]]:
    """Return the group without its standalone tools, and without what follows about ones refused before (rule 6).

    Beside it stand the canonical ids of those tools.
    """
    if holder.accept_standalone_tools:
        return group, set()
    refused = lunary.standalone_tools(group) | held.held_run_ids(holder.project_id, group.later)
    return (lunary.refuse_tools(decoded, group, refused) if refused else group), refused


def _without_home(
    group: Group, homeless: set[str], refusals: Sequence[Refusal], told: set[str], holder: KeyHolder
) -> dict[str, str]:
    """Return the standalone tools of which something may be stored: canonical id → id as sent, where that is known.

    Those refused in this request, and those it stored something about (stubs, feedback, log lines of `told`) while
    another request's refusal was on its way.
    """
    if holder.accept_standalone_tools:
        return {}
    sent = {canonical(refusal.run_id): refusal.run_id for refusal in refusals} if homeless else {}
    later = {run_id: group.later[run_id] for run_id in told if run_id in group.later}
    late = held.held_run_ids(holder.project_id, later)
    return {run_id: sent.get(run_id) or run_id for run_id in homeless} | {run_id: later[run_id] for run_id in late}


@transaction.atomic
def _hold_with_stubs(
    refusals: Sequence[Refusal], without_home: dict[str, str], holder: KeyHolder, received_at: datetime, turn: Turn
) -> None:
    """Hold the refusals, and with them what came about the same runs before."""
    key_id = holder.key_id or None
    earlier = withdraw.withdraw(holder.project_id, turn, without_home, _micros(received_at), key_id)
    held.hold(holder.project_id, [*refusals, *earlier], received_at, key_id)


def _store(decoded: Decoded, group: Group, holder: KeyHolder, received_at: datetime) -> tuple[list[Refusal], set[str]]:
    """Store the group's batch, return the stubs it made (see write.store).

    Where that fails over a value, store event by event and return those that can't be as refusals.

    Any fault but an absent PostgreSQL counts as such, our own included: the event is held and can be replayed.
    """
    if not _says_anything(group):
        return [], set()
    try:
        return [], write.store(holder.project_id, group.batch, received_at, holder)
    except Exception as error:
        if isinstance(error, AWAY) and not isinstance(error, ProgramLimitExceeded):
            raise
        logger.exception("a batch of project %s is stored event by event", holder.project_id)
        return list(_store_apart(decoded, group, holder, received_at)), set()


def _store_apart(decoded: Decoded, group: Group, holder: KeyHolder, received_at: datetime) -> Iterator[Refusal]:
    for position in group.positions:
        if not decoded.results[position].success:
            continue
        try:
            write.store(holder.project_id, lunary.only(decoded, group, position).batch, received_at, holder)
        except Exception as error:
            if isinstance(error, AWAY) and not isinstance(error, ProgramLimitExceeded):
                raise
            reason = f"a value of this event can't be stored: {(str(error) or repr(error)).splitlines()[0]}"
            yield from lunary.refuse(decoded, position, "unstorable", reason).batch.refusals


def _says_anything(group: Group) -> bool:
    batch = group.batch
    return bool(batch.runs or batch.messages or batch.threads or batch.feedback or batch.logs or batch.users)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // datetime.resolution
