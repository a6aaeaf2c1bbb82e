"""What each filter means for a run, as Django conditions. Every value is a parameter; NULLs are said, not implied."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import BigIntegerField, Case, Exists, F, JSONField, OuterRef, Q, QuerySet, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce

from runs import lookup
from runs.models import Feedback, Message, Run, RunBody

THUMBS = ("thumb", "thumbs")  # the second is what old clients call it
NONE = ""  # a run without a user, team, …: its own group, "unattributed" (rule 13)

# Input plus output; unknown only where both are.
TOTAL_TOKENS: Combinable = Case(
    When(Q(input_tokens__isnull=True, output_tokens__isnull=True), then=Value(None)),
    default=Cast(Coalesce(F("input_tokens"), 0), BigIntegerField()) + Coalesce(F("output_tokens"), 0),
    output_field=BigIntegerField(),
)


@dataclass(frozen=True)
class Bounds:
    """A range of a figure, in the unit of its column; `unknown` asks for the rows that have none."""

    low: Decimal | None = None
    high: Decimal | None = None
    low_open: bool = False  # > rather than ≥
    high_open: bool = False
    unknown: bool = False


def listed(kind: str | None = None) -> Q:
    """Return which runs lists and figures know: no plain spans (rule 9), no reports of a call already reported.

    `kind` is a type; None is every type.
    """
    own = Q(repeat_of__isnull=True)
    return own & Q(type=kind) if kind else own & ~Q(type="span")


def one_of(column: str, values: Sequence[str]) -> Q:
    """Return that the column holds one of the values; NONE stands for no value."""
    found = Q(**{f"{column}__in": [value for value in values if value != NONE]})
    return found | Q(**{f"{column}__isnull": True}) if NONE in values else found


def named(values: Sequence[str]) -> Q:
    """Return that the name is one of the values, in which * stands for any text."""
    found = one_of("name", [value for value in values if "*" not in value])
    for pattern in (value for value in values if "*" in value):
        found |= Q(name__regex=f"^{'.*'.join(re.escape(piece) for piece in pattern.split('*'))}$")
    return found


def tagged(values: Sequence[str]) -> Q:
    """Return that one of the values is among the tags; NONE: there are no tags."""
    found = Q(tags__overlap=[value for value in values if value != NONE])
    return found | Q(tags__isnull=True) | Q(tags=[]) if NONE in values else found


def with_metadata(key: str, values: Sequence[str]) -> Q:
    """Return that the metadata hold the key with one of the values, whatever type the client gave it.

    A dotted key is looked for as one key and as a path; a list holds each of its items.
    """
    found = Q()
    for value in values:
        for typed in _typed(value):
            found |= Q(metadata__contains={key: typed}) | Q(metadata__contains={key: [typed]})
            if "." in key:
                found |= Q(metadata__contains=_path(key.split("."), typed))
    return found


def _typed(text: str) -> list[Any]:
    try:
        value = json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return [text]
    plain = isinstance(value, bool | int | float) or value is None
    return [text, value] if plain and value not in (float("inf"), float("-inf")) else [text]


def _path(keys: list[str], value: Any) -> dict[str, Any]:
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


def within(column: str, bounds: Sequence[Bounds]) -> Q:
    """Return that the column lies in all of the ranges."""
    found = Q()
    for one in bounds:
        if one.unknown:
            found &= Q(**{f"{column}__isnull": True})
        if one.low is not None:
            found &= Q(**{f"{column}__{'gt' if one.low_open else 'gte'}": one.low})
        if one.high is not None:
            found &= Q(**{f"{column}__{'lt' if one.high_open else 'lte'}": one.high})
    return found


def with_feedback(project_id: int, values: Sequence[str]) -> Q:
    """Return that the run shows one of these: up, down, comment, or none (neither a thumb nor a comment).

    A run shows its own feedback and that of its chat, of its chat's messages and of its trace root (rule 8).
    A thread is among them for its messages' sake.
    """
    given: dict[str, Q] = {
        "up": Q(key__in=THUMBS, value="up"),
        "down": Q(key__in=THUMBS, value="down"),
        "comment": Q(key="comment") & ~Q(value=Value(None, JSONField())) & ~Q(value=""),
    }
    found = Q()
    for value in values:
        found |= ~_shows(project_id, _any_feedback()) if value == "none" else _shows(project_id, given[value])
    return found


def _any_feedback() -> Q:
    return Q(key__in=(*THUMBS, "comment"), value__isnull=False) & ~Q(value=Value(None, JSONField())) & ~Q(value="")


def _shows(project_id: int, given: Q) -> Q:
    """Collect the few rows of feedback first, and look runs up among them: not the other way round."""
    rows = Feedback.objects.filter(given, project_id=project_id, value__isnull=False).values("run_id")
    messages = Message.objects.filter(project_id=project_id, id__in=rows)
    of_messages = messages.filter(chat_id__isnull=False).values("chat_id")
    return (
        Q(id__in=rows)
        | Q(id__in=of_messages)
        | Q(type="thread", id__in=messages.filter(thread_id__isnull=False).values("thread_id"))
        | (Q(trace_id__isnull=False) & Q(trace_id__in=rows))
        | (Q(chat_id__isnull=False) & (Q(chat_id__in=rows) | Q(chat_id__in=of_messages)))
    )


def containing(project_id: int, texts: Sequence[str]) -> Q:
    """Return that each text occurs in the run's name, input, output or error, whatever its case.

    Bodies are JSON text as sent, so a text is looked for in each way that JSON writes it. This reads bodies: callers
    bound it by a time range and a statement timeout.
    """
    found = Q()
    for text in texts:
        inside = Q()
        for form in {form.upper(): form for form in spellings(text)}.values():
            inside |= Q(input__icontains=form) | Q(output__icontains=form) | Q(error__icontains=form)
        found &= Q(name__icontains=text) | Q(Exists(body_of_each(project_id).filter(inside)))
    return found


def body_of_each(project_id: int) -> QuerySet[RunBody]:
    """Return the body of the run that an outer query stands at, for Exists.

    A range of one id, not an equality: PostgreSQL would hash the equality, which reads every body of the project before
    the first row (15 s instead of 0.5 s for the first page of a search through 300 000 runs).
    """
    return RunBody.objects.filter(project_id=project_id, run_id__gte=OuterRef("id"), run_id__lte=OuterRef("id"))


def spellings(text: str) -> list[str]:
    """Return the ways in which JSON text may write `text`: as it is, escaped, escaped to ASCII.

    The database ignores case, but not that of a letter escaped to ASCII: the usual cases of words are asked for.
    """
    forms = [text, json.dumps(text, ensure_ascii=False)[1:-1]]
    forms += [json.dumps(cased)[1:-1] for cased in (text, text.lower(), text.upper(), text.title(), text.capitalize())]
    return list(dict.fromkeys(forms))


def with_ids(project_id: int, column: str, texts: Sequence[str]) -> Q:
    """Return that the column holds one of the ids, each in any form that people know it by (rule 2)."""
    found = [id for text in texts for id in lookup.canonical(project_id, text)]
    return Q(**{f"{column}__in": found})


def of_project(project_id: int) -> QuerySet[Run]:
    """Return the project's runs: the only way to start a query."""
    return Run.objects.filter(project_id=project_id)
