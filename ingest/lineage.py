"""Where a run hangs and what it takes from above: trace, exchange, thread, user, team, organization. Pure: no Django.

DESIGN.md rules 8 and 9. A lineage is computed from the parent's alone, so a changed run only concerns its children.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

CONVERSATION: Final = frozenset({"chat", "thread"})
"""Types that hold traces but are never part of one."""


class Lineage(msgspec.Struct, frozen=True, gc=False):
    """What a run's row says about its place; user, team and organization are the effective ones."""

    trace_id: str | None = None
    chat_id: str | None = None
    thread_id: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    organization_id: str | None = None


class Own(msgspec.Struct, frozen=True, gc=False):
    """What a run brings itself: its parent as sent and its own user, team and organization."""

    id: str
    type: str
    parent_id: str | None
    user_id: str | None = None
    team_id: str | None = None
    organization_id: str | None = None


NOTHING_ABOVE: Final = Lineage()


def below(parent: Lineage | None, own: Own) -> Lineage:
    """Return the lineage of `own` under `parent`; None means that the parent has not been received.

    A run whose parent is a chat, thread or nothing is the root of its trace. One whose parent is unknown takes the
    parent's id as its trace until the parent arrives (rule 4).
    """
    above = parent or NOTHING_ABOVE
    if own.type in CONVERSATION or (own.type == "custom-event" and above.trace_id is None):
        trace_id = None
    elif own.parent_id is None or (parent is not None and parent.trace_id is None):
        trace_id = own.id
    elif parent is None:
        trace_id = own.parent_id
    else:
        trace_id = parent.trace_id
    return Lineage(
        trace_id=trace_id,
        chat_id=own.id if own.type == "chat" else above.chat_id,
        thread_id=own.id if own.type == "thread" else above.thread_id,
        user_id=own.user_id or above.user_id,
        team_id=own.team_id or above.team_id,
        organization_id=own.organization_id or above.organization_id,
    )


def resolve(runs: Mapping[str, Own], outside: Mapping[str, Lineage]) -> dict[str, Lineage]:
    """Return the lineage of each of `runs`; parents are looked up among them, then in `outside` (what is stored).

    Iterative, because a chain of runs may be thousands deep. Runs whose parents form a circle are cut at the member
    with the smallest id, which counts as having an unknown parent.
    """
    done: dict[str, Lineage] = {}
    for start in runs:
        path = _open_path(start, runs, done)
        for run_id in reversed(path):
            own = runs[run_id]
            parent_id = own.parent_id
            parent = None if parent_id is None else done.get(parent_id) or outside.get(parent_id)
            done[run_id] = below(parent, own)
    return done


def _open_path(start: str, runs: Mapping[str, Own], done: Mapping[str, Lineage]) -> list[str]:
    """Return `start` and its unresolved ancestors, nearest first; a circle is cut above its smallest id."""
    path: list[str] = []
    seen: dict[str, int] = {}
    current: str | None = start
    while current is not None and current in runs and current not in done:
        if current in seen:
            circle = path[seen[current] :]
            cut = circle.index(min(circle))
            return path[: seen[current]] + circle[cut + 1 :] + circle[: cut + 1]
        seen[current] = len(path)
        path.append(current)
        current = runs[current].parent_id
    return path


Children = Callable[[list[str]], Iterable[tuple[Own, Lineage]]]


def spread(changed: dict[str, Lineage], children: Children, skip: Callable[[str], bool]) -> dict[str, Lineage]:
    """Return the new lineage of every stored descendant that differs, given the ids whose lineage may have changed.

    `children(ids)` returns the stored runs directly below `ids` as they stand; `skip(id)` says that a run was resolved
    already. Goes down level by level and only below what did change, so a quiet request costs one look.
    """
    moved: dict[str, Lineage] = {}
    frontier = changed
    while frontier:
        deeper: dict[str, Lineage] = {}
        for own, stored in children(list(frontier)):
            if own.parent_id is None or skip(own.id) or own.id in moved:
                continue
            lineage = below(frontier[own.parent_id], own)
            if lineage != stored:
                moved[own.id] = deeper[own.id] = lineage
        frontier = deeper
    return moved
