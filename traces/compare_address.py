"""The state of a comparison as its address says it, and the addresses of the states that links lead to. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol
from urllib.parse import urlencode
from uuid import UUID

MOST_OPENED: Final = 20
SIDES: Final = ".."
"""Stands between the two runs of a pair: `<left>..<right>`, `<left>..` for a removed run, `..<right>` for an added."""


class QueryLike(Protocol):
    """The part of Django's QueryDict that is read."""

    def getlist(self, key: str) -> Sequence[str]:
        """Return every value of a name, in order."""


@dataclass(frozen=True)
class Chosen:
    """The pair that an address names: both runs, one side's alone, or (`lone`) a run whose partner is to be found."""

    left: UUID | None = None
    right: UUID | None = None
    lone: UUID | None = None

    @classmethod
    def parse(cls, text: str) -> "Chosen | None":
        """Return what `text` names; None where it names nothing."""
        left, dots, right = text.partition(SIDES)
        found = cls(_uuid(left), _uuid(right)) if dots else cls(lone=_uuid(text))
        return found if found != cls() else None

    @property
    def any(self) -> UUID | None:
        """One of the runs."""
        return self.right or self.left or self.lone

    def __str__(self) -> str:
        """Return it as in an address."""
        return str(self.lone) if self.lone else f"{self.left or ''}{SIDES}{self.right or ''}"


@dataclass(frozen=True)
class CompareAddress:
    """`?a=&b=&show=&open=&from=&pair=`: the traces, which runs are listed, which folds are open, where the list begins.

    `everything` is None where the address leaves it to the page. The properties that end in `_to` are beginnings of
    addresses, to which the template appends a pair or a run's id.
    """

    a: UUID
    b: UUID
    everything: bool | None = None
    opened: tuple[UUID, ...] = ()
    start: UUID | None = None
    pair: Chosen | None = None

    @classmethod
    def parse(cls, a: UUID, b: UUID, query: QueryLike) -> "CompareAddress":
        """Return the state of an address whose traces are known; what can't be read is left out."""
        show = next(iter(query.getlist("show")[-1:]), "")
        return cls(
            a=a,
            b=b,
            everything={"all": True, "differences": False}.get(show),
            opened=tuple(filter(None, map(_uuid, query.getlist("open"))))[-MOST_OPENED:],
            start=next(filter(None, map(_uuid, query.getlist("from")[-1:])), None),
            pair=next(filter(None, map(Chosen.parse, query.getlist("pair")[-1:])), None),
        )

    def __str__(self) -> str:
        """Return the query string, "?" included."""
        pairs: list[tuple[str, object]] = [("a", self.a), ("b", self.b)]
        if self.everything is not None:
            pairs.append(("show", "all" if self.everything else "differences"))
        pairs += [("open", run) for run in self.opened]
        pairs += [(name, value) for name, value in (("from", self.start), ("pair", self.pair)) if value]
        return f"?{urlencode(pairs)}"

    @property
    def swapped(self) -> str:
        """The same comparison the other way round."""
        pair = self.pair and Chosen(self.pair.right, self.pair.left, self.pair.lone)
        return str(replace(self, a=self.b, b=self.a, pair=pair))

    @property
    def all_runs(self) -> str:
        """Every run listed."""
        return str(replace(self, everything=True, opened=(), start=None))

    @property
    def differences(self) -> str:
        """Only what differs listed."""
        return str(replace(self, everything=False, opened=(), start=None))

    @property
    def closed(self) -> str:
        """The same page with no pair chosen."""
        return str(replace(self, pair=None))

    @property
    def pair_to(self) -> str:
        """The same page with another pair chosen."""
        return f"{replace(self, pair=None)}&pair="

    @property
    def open_to(self) -> str:
        """The same page with one more fold open."""
        return f"{replace(self, pair=None)}&open="

    @property
    def from_to(self) -> str:
        """The same page beginning elsewhere."""
        return f"{replace(self, start=None, pair=None)}&from="

    @property
    def beginning(self) -> str:
        """The same page from its beginning."""
        return str(replace(self, start=None))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
