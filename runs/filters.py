"""The filters of lists, read from an address, said in words, and turned into one condition.

Every filter is in the URL. Filters of different keys hold together, several values of one key are alternatives
(figures and texts: all of them hold). A value that can't be read is left out and said beside the filters: reading an
address never fails.

    filters = Filters.parse(request.GET)
    runs = filters.runs(project.pk)
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Protocol
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.utils import timezone

from runs import conditions, spans
from runs.fields import FEEDBACK, RUNS, VALUE_ALIASES, Vocabulary
from runs.models import Run

TABS: dict[str, str] = {
    "llm": "LLM",
    "tool": "Tools",
    "retriever": "Retrievers",
    "chain": "Chains",
    "agent": "Agents",
    "all": "All",
}
TYPES = (*TABS, "embed", "chat", "thread", "custom-event", "span")
MOST_VALUES = 100  # of one filter
LONGEST_VALUE = 500  # characters


class QueryLike(Protocol):
    """The part of Django's QueryDict that is read."""

    def keys(self) -> Iterable[str]:
        """Return the names in the address."""

    def getlist(self, key: str) -> Sequence[str]:
        """Return every value of a name, in order."""


@dataclass(frozen=True)
class Term:
    """One value of one filter, as in the address and as read."""

    key: str
    value: str
    read: Any = field(repr=False, compare=False, default=None)


@dataclass(frozen=True)
class Problem:
    """A value that can't be read, and what would do."""

    key: str
    value: str
    message: str


@dataclass(frozen=True)
class Chip:
    """All values of one filter in words, and the address of the same list without it."""

    key: str
    label: str
    verb: str
    value: str
    without: str


@dataclass(frozen=True)
class Filters:
    """What an address asks for. Immutable; `with_`, `without` and `query` make the addresses of other lists."""

    type: str = "llm"
    span: spans.Span = field(default_factory=spans.Span)
    terms: tuple[Term, ...] = ()
    problems: tuple[Problem, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    defaults: tuple[str, str] = ("llm", spans.DEFAULT)
    window: tuple[tuple[str, str], ...] = ()  # range, from and to as in the address

    vocabulary: ClassVar[Vocabulary] = RUNS

    @classmethod
    def parse(
        cls, query: QueryLike, *, type: str = "llm", keep: Sequence[str] = ("sort",), now: datetime | None = None
    ) -> "Filters":
        """Return the filters of an address; `type` is the default tab, `keep` names what else links carry on."""
        problems: list[Problem] = []
        terms: list[Term] = []
        names = list(query.keys())
        for name in names:
            for value in query.getlist(name)[:MOST_VALUES]:
                _read_term(cls.vocabulary, name, _clean(value), terms, problems)
        span, window = _span(query, now or timezone.now(), problems)
        kept = tuple((name, _clean(query.getlist(name)[-1])) for name in keep if name in names)
        return cls(
            type=_type(query, type, problems),
            span=span,
            terms=_grouped(terms),
            problems=tuple(problems),
            kept=kept,
            defaults=(type, spans.DEFAULT),
            window=window,
        )

    # What it asks of the database ---------------------------------------------------------------------------------

    def where(self, project_id: int, *, skip: Sequence[str] = ()) -> Q:
        """Return the one condition of all filters but those named in `skip` (keys, also "type" and "time").

        The queryset must have `total_tokens` annotated where "tokens" is asked for: see `runs`.
        """
        found = Q() if "type" in skip else conditions.listed(None if self.type == "all" else self.type)
        if "time" not in skip:
            found &= self.when()
        for key in self.keys:
            if key not in skip:
                read = [term.read for term in self.terms if term.key == key]
                found &= self.vocabulary.field(key).where(project_id, read)
        return found

    def when(self) -> Q:
        """Return the condition of the time range."""
        found = Q()
        if self.span.since:
            found &= Q(started_at__gte=self.span.since)
        if self.span.until:
            found &= Q(started_at__lt=self.span.until)
        return found

    def runs(self, project_id: int, *, skip: Sequence[str] = ()) -> QuerySet[Run]:
        """Return the project's runs that the filters let through, unordered."""
        found = conditions.of_project(project_id)
        if "tokens" in self.keys and "tokens" not in skip:
            found = found.alias(total_tokens=conditions.TOTAL_TOKENS)
        return found.filter(self.where(project_id, skip=skip))

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the keys that are filtered by, in the address's order."""
        return tuple(dict.fromkeys(term.key for term in self.terms))

    @property
    def rolled_up(self) -> bool:
        """Tell whether rollups hold what it asks for: nothing but type and time."""
        return not self.keys

    @property
    def reads_bodies(self) -> bool:
        """Tell whether the condition reads inputs and outputs, which takes a timeout."""
        return "q" in self.keys

    def values(self, key: str) -> tuple[str, ...]:
        """Return the values of one filter as in the address."""
        return tuple(term.value for term in self.terms if term.key == key)

    # What it says -------------------------------------------------------------------------------------------------

    @property
    def chips(self) -> list[Chip]:
        """Return the filters in words, one chip per key."""
        return [
            Chip(
                key=key,
                label=self.label(key),
                verb=self.vocabulary.field(key).verb,
                value=(" and " if key in self.vocabulary.figures or key == "q" else " or ").join(
                    self.vocabulary.field(key).say(value) for value in self.values(key)
                ),
                without=self.query(drop=(key,)),
            )
            for key in self.keys
        ]

    def label(self, key: str) -> str:
        """Return the filter's name: the name of an LLM call is its model."""
        return "model" if key == "name" and self.type in ("llm", "embed") else self.vocabulary.field(key).label

    # Other addresses ----------------------------------------------------------------------------------------------

    def query(self, *, drop: Sequence[str] = (), **changes: str | None) -> str:
        """Return the query string without `drop`, and with `changes` set (None: left out). Starts with "?"."""
        pairs = [(name, value) for name, value in self._pairs() if name not in drop and name not in changes]
        pairs += [(name, value) for name, value in changes.items() if value is not None]
        return f"?{urlencode(pairs)}" if pairs else "?"

    def toggled(self, key: str, value: str) -> str:
        """Return the query string with one value of a filter added, or removed where it is there."""
        pair = (key, value)
        pairs = [one for one in self._pairs() if one != pair]
        if len(pairs) == len(self._pairs()):
            pairs.append(pair)
        return f"?{urlencode(pairs)}" if pairs else "?"

    def hidden(self, *, drop: Sequence[str] = ()) -> list[tuple[str, str]]:
        """Return the pairs that a form carries on as hidden fields."""
        return [(name, value) for name, value in self._pairs() if name not in drop]

    def ranged(self, **window: str) -> str:
        """Return the query string with another time range: `range=`, or `from_=` and `to=`."""
        renamed = {name.rstrip("_"): value for name, value in window.items()}
        return self.query(drop=("range", "from", "to"), **renamed)

    def _pairs(self) -> list[tuple[str, str]]:
        pairs = [] if self.type == self.defaults[0] else [("type", self.type)]
        pairs += [(name, value) for name, value in self.window if (name, value) != ("range", self.defaults[1])]
        pairs += [(term.key, term.value) for term in self.terms]
        return [*pairs, *self.kept]

    def without(self, key: str) -> "Filters":
        """Return the same filters without one key."""
        return replace(self, terms=tuple(term for term in self.terms if term.key != key))


def read_search(text: str, vocabulary: Vocabulary = RUNS) -> list[tuple[str, str]]:
    """Return what was typed into the search bar as pairs for the address: `model:gpt* cost:>0.1 late refund`.

    Words without a known key are looked for in the text. `has:error` means `status:error`, unless the list's
    vocabulary says otherwise.
    """
    pairs: list[tuple[str, str]] = []

    def take(match: re.Match[str]) -> str:
        key, value = match[1], match[2].strip('"')
        if (key, value) in vocabulary.phrases:
            key, value = vocabulary.phrases[key, value]
        elif key in ("has", "is"):
            key, value = ("feedback", value) if value in FEEDBACK else ("status", value)
        known = vocabulary.key(key)
        if known is not None:
            pairs.append((known, value))
        return match[0] if known is None else " "

    rest = " ".join(_TYPED.sub(take, text[:LONGEST_VALUE]).split()).strip('"')
    return [*pairs, ("q", rest)] if rest else pairs


_TYPED = re.compile(r'(?:(?<=\s)|^)([a-z]+(?:\.[^\s:"]+)?):("[^"]*"|\S+)')


def _clean(value: str) -> str:
    """Return a value that PostgreSQL takes: NUL and lone surrogates replaced as on the way in, and not endless."""
    return value[:LONGEST_VALUE].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _read_term(vocabulary: Vocabulary, name: str, value: str, terms: list[Term], problems: list[Problem]) -> None:
    name, limits = _clean(name), vocabulary.limits
    if name in limits:
        if not value.strip():
            return  # an empty field of a form
        name, sign = limits[name]
        value = f"{sign}{value}"
    key = vocabulary.key(name)
    if key is None:
        return
    value = VALUE_ALIASES.get((key, value), value)
    if (key == "q" or key in vocabulary.figures) and not value.strip():
        return
    try:
        terms.append(Term(key, value, vocabulary.field(key).read(value)))
    except ValueError as error:
        problems.append(Problem(key, value, str(error)))


def _grouped(terms: list[Term]) -> tuple[Term, ...]:
    """Return each term once, those of one key together as addresses give them: `model=` and `name=` are one key."""
    keys = list(dict.fromkeys(term.key for term in terms))
    return tuple(sorted(dict.fromkeys(terms), key=lambda term: keys.index(term.key)))


def _type(query: QueryLike, default: str, problems: list[Problem]) -> str:
    given = [_clean(value) for value in query.getlist("type") if value]
    if not given:
        return default
    if given[-1] not in TYPES:
        problems.append(Problem("type", given[-1], f"use {', '.join(TABS)}"))
        return default
    return given[-1]


def _span(query: QueryLike, now: datetime, problems: list[Problem]) -> tuple[spans.Span, tuple[tuple[str, str], ...]]:
    """Return the time range and how the address says it; `from` and `to` win over `range`."""
    fixed: dict[str, datetime] = {}
    window: list[tuple[str, str]] = []
    zone = timezone.get_current_timezone()
    for name in ("from", "to"):
        for value in [_clean(one) for one in query.getlist(name) if one.strip()][-1:]:
            try:
                fixed[name] = spans.moment(value, zone, end=name == "to")
                window.append((name, value))
            except ValueError as error:
                problems.append(Problem(name, value, str(error)))
    if fixed.get("from") and fixed.get("to") and fixed["from"] >= fixed["to"]:
        problems.append(Problem("to", window[1][1], "it is not after the beginning"))
        fixed.pop("to")
        window.pop()
    if fixed:
        return spans.Span(since=fixed.get("from"), until=fixed.get("to")), tuple(window)
    for value in [_clean(one) for one in query.getlist("range") if one][-1:]:
        try:
            return spans.relative(value, now), (("range", value),)
        except ValueError as error:
            problems.append(Problem("range", value, str(error)))
    return spans.relative(spans.DEFAULT, now), ()
