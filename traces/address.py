"""The state of a trace page as its address says it, and the addresses of the states that links lead to. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from math import isfinite
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from traces.find import asked
from traces.outline import MOST_STARTS, Ask, Expand
from traces.sieve import SHARE, Only, Tint, Wanted

LONGEST_ORIGIN: Final = 2000  # characters of the query of a list
Choice = TypeVar("Choice", bound=Enum)


class QueryLike(Protocol):
    """The part of Django's QueryDict that is read."""

    def getlist(self, key: str) -> Sequence[str]:
        """Return every value of a name, in order."""


@dataclass(frozen=True)
class Address:
    """What a trace page shows.

    Its address says what is open (`expand`), where lists begin (`from`), what the page begins with (`top`), what is
    selected (`run`), which runs are shown (`only`, `share`, `spans`), by whose share they are coloured (`tint`),
    whether idle time is drawn (`gaps`), what is searched for (`find`) behind which run (`since`), and the query of the
    list that the trace was opened from (`list`).

    The properties that end in `_to` are beginnings of addresses: the template appends a run's id, so that a page of
    800 rows builds none of them anew.
    """

    expand: Expand = Expand.USUAL
    starts: tuple[UUID, ...] = ()
    top: UUID | None = None
    run: UUID | None = None
    only: Only = Only.EVERYTHING
    share: float = SHARE  # percent
    tint: Tint = Tint.COST
    hides_spans: bool = False
    compresses: bool = False
    find: str = ""
    since: UUID | None = None
    origin: str = ""

    @classmethod
    def parse(cls, query: QueryLike) -> "Address":
        """Return the state of an address; what can't be read is left out."""
        return cls(
            expand=_choice(query, "expand", Expand.USUAL),
            starts=tuple(uuids(query.getlist("from")))[-MOST_STARTS:],
            top=next(uuids(query.getlist("top")[-1:]), None),
            run=next(uuids(query.getlist("run")[-1:]), None),
            only=_choice(query, "only", Only.EVERYTHING),
            share=_percent(query.getlist("share")),
            tint=_choice(query, "tint", Tint.COST),
            hides_spans=_last(query, "spans") == "hide",
            compresses=_last(query, "gaps") == "compress",
            find=asked(_last(query, "find")),
            since=next(uuids(query.getlist("since")[-1:]), None),
            origin=_last(query, "list")[:LONGEST_ORIGIN],
        )

    def ask(self, selected: UUID | None, live_us: int | None = None) -> Ask:
        """Return what the outline is asked for; `live_us` is now, epoch µs, where the trace goes on."""
        return Ask(
            expand=self.expand,
            starts=self.starts,
            top=self.top,
            selected=selected,
            wanted=Wanted(self.only, self.share, self.tint, self.hides_spans),
            compresses=self.compresses,
            live_us=live_us,
        )

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names and values of the query string."""
        said = [
            ("expand", self.expand.value),
            ("only", self.only.value),
            ("share", f"{self.share:g}" if self.only is Only.SHARE else ""),
            ("tint", self.tint.value if self.tint is not Tint.COST else ""),
            ("spans", "hide" if self.hides_spans else ""),
            ("gaps", "compress" if self.compresses else ""),
            ("find", self.find),
            ("since", str(self.since or "") if self.find else ""),
            ("list", self.origin),
            *(("from", str(start)) for start in self.starts),
            ("top", str(self.top or "")),
            ("run", str(self.run or "")),
        ]
        return [(name, value) for name, value in said if value]

    def __str__(self) -> str:
        """Return the query string, "?" included."""
        return f"?{urlencode(self.pairs)}"

    def _open(self) -> str:
        text = str(self)
        return text if text == "?" else f"{text}&"

    def _anew(self, **changes: Any) -> str:
        """Return the address of another choice: what lists begin with is forgotten."""
        return str(replace(self, starts=(), **changes))

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
        return f"{replace(self, starts=(), top=None, run=None)._open()}top="

    @property
    def usual(self) -> str:
        """Open as usual."""
        return self._anew(expand=Expand.USUAL)

    @property
    def expanded(self) -> str:
        """Everything open, as far as a page can hold it."""
        return self._anew(expand=Expand.ALL)

    @property
    def collapsed(self) -> str:
        """Everything folded."""
        return self._anew(expand=Expand.NONE, run=None)

    @property
    def whole(self) -> str:
        """The page that begins with the root."""
        return self._anew(top=None)

    @property
    def unsearched(self) -> str:
        """The same page without the search."""
        return str(replace(self, find="", since=None))

    def searching(self, since: UUID | None) -> str:
        """Return the same page with the search going on behind a run, or from the beginning."""
        return str(replace(self, since=since, run=None))

    @property
    def closed(self) -> str:
        """The same page with nothing selected."""
        return str(replace(self, run=None))

    @property
    def everything(self) -> str:
        """Every run."""
        return self._anew(only=Only.EVERYTHING)

    @property
    def errors(self) -> str:
        """Only errors, with the runs above them."""
        return self._anew(only=Only.ERRORS, expand=Expand.USUAL, top=None)

    @property
    def llm(self) -> str:
        """Only model calls, with the runs above them."""
        return self._anew(only=Only.LLM, expand=Expand.USUAL, top=None)

    @property
    def find_fields(self) -> list[tuple[str, str]]:
        """What the search form keeps of the address."""
        return replace(self, find="", run=None).pairs

    @property
    def share_fields(self) -> list[tuple[str, str]]:
        """What a form that asks for a share keeps of the address."""
        kept = replace(self, only=Only.SHARE, expand=Expand.USUAL, starts=(), top=None)
        return [(name, value) for name, value in kept.pairs if name != "share"]

    @property
    def share_text(self) -> str:
        """The share in percent, as it is typed."""
        return f"{self.share:g}"

    @property
    def by_cost(self) -> str:
        """Rows coloured by their share of the cost."""
        return str(replace(self, tint=Tint.COST))

    @property
    def by_time(self) -> str:
        """Rows coloured by their share of the time."""
        return str(replace(self, tint=Tint.TIME))

    @property
    def other_spans(self) -> str:
        """Plain spans hidden, or shown again."""
        return str(replace(self, hides_spans=not self.hides_spans))

    @property
    def other_gaps(self) -> str:
        """Idle time compressed, or drawn as it was."""
        return str(replace(self, compresses=not self.compresses))

    def begun(self, top: UUID | None) -> str:
        """Return the same page beginning with a run, whatever is selected."""
        return str(replace(self, starts=(), top=top, run=None))


def uuids(texts: Iterable[str]) -> Iterator[UUID]:
    """Yield the texts that read as UUIDs."""
    for text in texts:
        try:
            yield UUID(text)
        except ValueError:
            continue


def _last(query: QueryLike, name: str) -> str:
    return next(iter(query.getlist(name)[-1:]), "")


def _choice(query: QueryLike, name: str, usual: Choice) -> Choice:
    """Return the member that an address names, or the usual one."""
    try:
        return type(usual)(_last(query, name))
    except ValueError:
        return usual


def _percent(texts: Sequence[str]) -> float:
    """Return the last text as a number from 0 to 100; SHARE where it is none."""
    try:
        number = float(texts[-1].replace(",", "."))
    except (IndexError, ValueError):
        return SHARE
    return min(100.0, max(0.0, number)) if isfinite(number) else SHARE
