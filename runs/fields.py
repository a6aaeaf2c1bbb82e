"""The table of filters: what each is called, how a value is read, what it means and how it is said."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from runs import bounds, conditions

METADATA = "metadata."


@dataclass(frozen=True)
class Field:
    """One filter. `read` raises ValueError with what would do; `say` puts a value of the address in words."""

    label: str
    read: Callable[[str], Any]
    where: Callable[[int, list[Any]], Q]
    say: Callable[[str], str] = str
    verb: str = "is"


def _text(value: str) -> str:
    return value


def required(value: str) -> str:
    """Return a text that may not be empty, without the spaces around it."""
    return _id(value).strip()


def _id(value: str) -> str:
    """Return an id as given: spaces may be a part of it."""
    if not value.strip():
        raise ValueError("it is empty")
    return value


def _choice(choices: Mapping[str, str], words: str = "") -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"use {words or ', '.join(choices)}")
        return value

    return read


def _column(column: str) -> Callable[[int, list[Any]], Q]:
    return lambda _project_id, values: conditions.one_of(column, values)


def _ids(column: str) -> Callable[[int, list[Any]], Q]:
    return lambda project_id, values: conditions.with_ids(project_id, column, values)


def figure(label: str, column: str, units: dict[str, int], unit: str = "") -> Field:
    """Return the filter on a column of numbers: ranges, of which all hold."""
    return Field(
        label,
        read=lambda value: bounds.read(value, units),
        where=lambda _project_id, values: conditions.within(column, values),
        say=lambda value: bounds.say(value, unit),
        verb="",
    )


def _say_group(value: str) -> str:
    return value or "unattributed"


STATUSES = {"success": "success", "error": "error", "started": "running"}
FEEDBACK = {"up": "thumbs up", "down": "thumbs down", "comment": "a comment", "none": "no feedback"}

FIELDS: dict[str, Field] = {
    "name": Field(
        "name", _text, lambda _project_id, values: conditions.named(values), say=lambda name: name or "unnamed"
    ),
    "status": Field(
        "status",
        _choice(STATUSES, "success, error or running"),
        _column("status"),
        say=lambda value: STATUSES.get(value, value),
    ),
    "user": Field("end user", _text, _column("user_id"), say=_say_group),
    "team": Field("team", _text, _column("team_id"), say=_say_group),
    "organization": Field("organization", _text, _column("organization_id"), say=_say_group),
    "tag": Field("tag", _text, lambda _project_id, values: conditions.tagged(values), say=lambda tag: tag or "none"),
    "feedback": Field(
        "feedback", _choice(FEEDBACK), conditions.with_feedback, say=lambda value: FEEDBACK.get(value, value)
    ),
    "template": Field("template", _text, _column("template_id"), say=lambda value: value or "none"),
    "runtime": Field("runtime", _text, _column("runtime"), say=lambda value: value or "unknown"),
    "duration": figure("duration", "duration_ms", bounds.SECONDS, "s"),
    "tokens": figure("tokens", "total_tokens", bounds.COUNTS),
    "cost": figure("cost", "cost", bounds.DOLLARS, "USD"),
    "id": Field("id", _id, _ids("id")),
    "trace": Field("trace", _id, _ids("trace_id")),
    "thread": Field("thread", _id, _ids("thread_id")),
    "q": Field("text", required, conditions.containing, say=lambda value: f"“{value}”", verb="contains"),
}
ALIASES = {"model": "name", "search": "q", "text": "q", "org": "organization", "tags": "tag", "users": "user"}
FIGURES = frozenset(("duration", "tokens", "cost"))
VALUE_ALIASES = {("status", "running"): "started", ("status", "failed"): "error"}


def metadata_field(key: str) -> Field:
    """Return the filter on one key of the metadata."""
    name = key.removeprefix(METADATA)

    def where(_project_id: int, values: list[Any]) -> Q:
        return conditions.with_metadata(name, values)

    return Field(name, _text, where, say=lambda value: value or "empty")


def field_of(key: str) -> Field:
    """Return the filter of a key in an address, metadata included."""
    return FIELDS[key] if key in FIELDS else metadata_field(key)


@dataclass(frozen=True)
class Vocabulary:
    """The filters that one kind of list knows, and the words that mean them.

    `aliases` are other names of keys, `figures` the keys that take ranges, `phrases` what a key and value typed
    together mean instead, `inputs` the fields of forms that stand for a key where they aren't empty.
    """

    fields: Mapping[str, Field]
    aliases: Mapping[str, str]
    figures: frozenset[str]
    phrases: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    def key(self, name: str) -> str | None:
        """Return the key that a name in an address means; None: it is no filter."""
        key = self.aliases.get(name, name)
        return key if key in self.fields or (key.startswith(METADATA) and key != METADATA) else None

    def field(self, key: str) -> Field:
        """Return the filter of a key, metadata included."""
        return self.fields[key] if key in self.fields else metadata_field(key)

    @property
    def limits(self) -> dict[str, tuple[str, str]]:
        """Return the names of a form's fields for the ends of ranges: the key and the sign that each stands for."""
        edges = (("min", ">="), ("max", "<="))
        return {f"{key}_{edge}": (key, sign) for key in sorted(self.figures) for edge, sign in edges}


RUNS = Vocabulary(FIELDS, ALIASES, FIGURES)
LIMITS = RUNS.limits
