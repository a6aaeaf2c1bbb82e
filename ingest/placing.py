"""Where a batch's runs hang, and what moves with them: lineages of new rows, of changed rows, of stored descendants.

Most rows are settled: an end event of a stored run changes neither its parent nor its own user, so its place is the
stored one and its parent need not be read. What does change is spread down to stored runs (rules 8 and 9), and since a
batch may hold runs above and below stored ones, placing and spreading repeat until nothing moves.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from ingest import fold, lineage, rows, threads
from ingest.lineage import Lineage, Own
from ingest.people import People
from ingest.rows import Db, Row
from runs.locks import Locks

_OWN_BITS: Final = fold.OWN_USER | fold.OWN_TEAM | fold.OWN_ORGANIZATION
ROUNDS: Final = 64
"""Bounds placing among runs whose parents form circles over several requests; trees settle in two or three."""


class Placing:
    """Places one batch. `drafts` carry their own values only; `stored` are the batch's runs as the tables have them.

    `nearby` are parents outside the batch that were locked and looked for already; None is one that isn't there.
    """

    def __init__(
        self,
        db: Db,
        project_id: int,
        locks: Locks,
        people: People,
        drafts: Mapping[str, Row],
        stored: Mapping[str, Row],
        talk: threads.Refolded,
        nearby: Mapping[str, Row | None],
    ) -> None:
        self.db = db
        self.project_id = project_id
        self.locks = locks
        self.people = people
        self.drafts = drafts
        self.stored = stored
        self.talk = talk
        self.nearby = nearby
        self.loose: dict[str, Own] = {}
        self.places: dict[str, Lineage] = {}
        self.below: dict[str, Row] = {}
        self._sort_out()

    def place(self, adopted: Iterable[str]) -> tuple[dict[str, Row], dict[str, Row]]:
        """Return (rows to write, their stored versions): the batch's rows in their places and whatever moves below.

        `adopted` are ids that gained stored children by an alias.
        """
        outside = self._outside(adopted)
        parents = {own.parent_id for own in self.loose.values()}
        moved: dict[str, Lineage] = {}
        for _ in range(ROUNDS):
            placed = lineage.resolve(self.loose, outside | moved)
            again = lineage.spread(self._changed(placed, adopted, outside), self._children, self.loose.__contains__)
            if again == moved:
                break
            before, moved = moved, again
            if not any(parent in moved or parent in before for parent in parents):
                break  # nothing of the batch hangs below what moved
        self.places |= moved
        self.places |= placed
        return self._finish(moved)

    def _sort_out(self) -> None:
        """Tell settled rows, whose stored place holds, from loose ones, which must be placed."""
        for run_id, row in self.drafts.items():
            known = self.stored.get(run_id)
            if known is not None and known.own == row.own and not (known.flags ^ row.flags) & _OWN_BITS:
                self.places[run_id] = known.handed_down
            else:
                self.loose[run_id] = row.own

    def _outside(self, adopted: Iterable[str]) -> dict[str, Lineage]:
        """Return what loose rows and adopted children take from above: settled rows, threads, chats, messages, runs."""
        outside = dict(self.places)
        outside |= {run_id: row.handed_down for run_id, row in self.talk.rows.items()}
        outside |= self.talk.lineages
        wanted = {own.parent_id for own in self.loose.values() if own.parent_id} | set(adopted)
        wanted -= set(outside) | set(self.loose)
        outside |= {run_id: row.handed_down for run_id in wanted if (row := self.nearby.get(run_id)) is not None}
        further = wanted - set(self.nearby)
        if further:
            self.locks.take((), further)
            outside |= {row.id: row.handed_down for row in rows.read(self.db, self.project_id, list(further))}
        unknown = [run_id for run_id in wanted if run_id not in outside]
        return outside | threads.chats_of_messages(self.db, self.project_id, unknown)

    def _changed(
        self, placed: Mapping[str, Lineage], adopted: Iterable[str], outside: Mapping[str, Lineage]
    ) -> dict[str, Lineage]:
        """Return everything whose stored children may have to move."""
        changed = dict(self.talk.lineages)
        changed |= {run_id: outside[run_id] for run_id in adopted if run_id in outside}
        for run_id, row in self.talk.rows.items():
            known = self.talk.stored.get(run_id)
            if known is None or known.handed_down != row.handed_down:
                changed[run_id] = row.handed_down
        for run_id, place in placed.items():
            known = self.stored.get(run_id)
            if known is None or known.handed_down != place:
                changed[run_id] = place
        return changed

    def _children(self, ids: list[str]) -> list[tuple[Own, Lineage]]:
        """Return the stored runs directly below `ids`, locked and as they stand."""
        found = rows.read_children(self.db, self.project_id, ids)
        if self.locks.take(row.id for row in found):
            found = rows.read_children(self.db, self.project_id, ids)
        self.below |= {row.id: row for row in found}
        return [(row.own, row.handed_down) for row in found if row.type != "chat"]

    def _finish(self, moved: Mapping[str, Lineage]) -> tuple[dict[str, Row], dict[str, Row]]:
        """Return rows that are new or differ, and how they are stored."""
        versions: dict[str, Row] = dict(self.stored)
        versions |= {run_id: self.below[run_id] for run_id in moved}
        rows = {
            run_id: self.drafts.get(run_id) or msgspec.structs.replace(self.below[run_id]) for run_id in self.places
        }
        for run_id, place in self.places.items():
            put(rows[run_id], place)
        self.people.house(rows.values(), versions)
        final = {run_id: row for run_id, row in rows.items() if row != versions.get(run_id)}
        return final, versions


def put(row: Row, place: Lineage) -> None:
    """Put the row in its place."""
    row.trace_id, row.chat_id, row.thread_id, row.user_id = (
        place.trace_id,
        place.chat_id,
        place.thread_id,
        place.user_id,
    )
    row.team_id, row.organization_id = place.team_id, place.organization_id
