"""The state of a trace page as its address says it, and the addresses of the states that links lead to. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urlencode
from uuid import UUID

from traces.outline import MOST_STARTS, Ask, Expand


class QueryLike(Protocol):
    """The part of Django's QueryDict that is read."""

    def getlist(self, key: str) -> Sequence[str]:
        """Return every value of a name, in order."""


@dataclass(frozen=True)
class Address:
    """`?expand=&from=&top=&run=`: what is open, where lists begin, what the page begins with, what is selected.

    The properties that end in `_to` are beginnings of addresses: the template appends a run's id, so that a page of
    800 rows builds none of them anew.
    """

    expand: Expand = Expand.USUAL
    starts: tuple[UUID, ...] = ()
    top: UUID | None = None
    run: UUID | None = None

    @classmethod
    def parse(cls, query: QueryLike) -> "Address":
        """Return the state of an address; what can't be read is left out."""
        words = query.getlist("expand")
        return cls(
            expand=Expand(words[-1]) if words and words[-1] in {one.value for one in Expand} else Expand.USUAL,
            starts=tuple(uuids(query.getlist("from")))[-MOST_STARTS:],
            top=next(uuids(query.getlist("top")[-1:]), None),
            run=next(uuids(query.getlist("run")[-1:]), None),
        )

    def ask(self, selected: UUID | None) -> Ask:
        """Return what the outline is asked for."""
        return Ask(expand=self.expand, starts=self.starts, top=self.top, selected=selected)

    def __str__(self) -> str:
        """Return the query string, "?" included."""
        pairs: list[tuple[str, object]] = [("expand", self.expand.value)] if self.expand.value else []
        pairs += [("from", start) for start in self.starts]
        pairs += [(name, value) for name, value in (("top", self.top), ("run", self.run)) if value]
        return f"?{urlencode(pairs)}"

    def _open(self) -> str:
        text = str(self)
        return text if text == "?" else f"{text}&"

    @property
    def run_to(self) -> str:
        """The same page with another run selected."""
        return f"{replace(self, run=None)._open()}run="

    @property
    def from_to(self) -> str:
        """The same page with one more list opened, or beginning elsewhere."""
        return f"{self._open()}from="

    @property
    def top_to(self) -> str:
        """The page that begins with a run."""
        return f"{Address(expand=self.expand)._open()}top="

    @property
    def usual(self) -> str:
        """Open as usual."""
        return str(Address(top=self.top, run=self.run))

    @property
    def expanded(self) -> str:
        """Everything open, as far as a page can hold it."""
        return str(Address(expand=Expand.ALL, top=self.top, run=self.run))

    @property
    def collapsed(self) -> str:
        """Everything folded."""
        return str(Address(expand=Expand.NONE, top=self.top))

    @property
    def whole(self) -> str:
        """The page that begins with the root."""
        return str(Address(expand=self.expand, run=self.run))

    @property
    def closed(self) -> str:
        """The same page with nothing selected."""
        return str(replace(self, run=None))


def uuids(texts: Iterable[str]) -> Iterator[UUID]:
    """Yield the texts that read as UUIDs."""
    for text in texts:
        try:
            yield UUID(text)
        except ValueError:
            continue
