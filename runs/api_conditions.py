"""Each filter of the data API as a condition on runs; what the pages filter by too is the pages' own condition.

So a list here and a list there never differ (rule 13). The project is part of every subquery.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import Count, DecimalField, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Length
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, LessThan, LessThanOrEqual
from django.utils import timezone

from runs import conditions, spans
from runs.api_filters import ANY_VALUE, FilterError, Filters
from runs.fields import ALIASES, LIMITS, field_of
from runs.models import EndUser, Feedback, Message, Run, Side

UNLISTED = "span"
READ_BODIES = frozenset({"search", "string", "length"})
COMPARED = {"gt": GreaterThan, "gte": GreaterThanOrEqual, "lt": LessThan, "lte": LessThanOrEqual, "eq": Exact}
THUMB_WORDS = {
    ("thumb", "up"): "up",
    ("thumb", "down"): "down",
    ("thumb", None): "none",
    ("comment", ANY_VALUE): "comment",
}


def matching(project_id: int, filters: Filters) -> QuerySet[Run]:
    """Return the runs an address asks for, by its filters alone; plain spans only where they are named (rule 9).

    Without any filter these are the LLM calls, as in Lunary; with some but no type, runs of every type.
    Raise FilterError for a value that can't be read.
    """
    runs = every_run(project_id)
    if not filters.leaves:
        return runs.filter(type="llm")
    found = [CONDITIONS[leaf.id](project_id, *leaf.params) for leaf in filters.leaves]
    runs = runs.filter(reduce(or_ if filters.any_of else and_, found))
    named = any(leaf.id == "type" and UNLISTED in leaf.params[0] for leaf in filters.leaves)
    return runs if named else runs.exclude(type=UNLISTED)


def reads_bodies(filters: Filters) -> bool:
    """Tell whether a filter reads inputs and outputs, which takes as long as there are runs to read."""
    return any(leaf.id in READ_BODIES or leaf.params[0] in ("q", "text") for leaf in filters.leaves)


def every_run(project_id: int) -> QuerySet[Run]:
    """Return all runs of the project, with `total_tokens` to filter and sort by."""
    return conditions.of_project(project_id).alias(total_tokens=conditions.TOTAL_TOKENS)


def message_count() -> Any:
    """Return the number of messages of a run that is a thread, 0 for other runs."""
    counted = (
        Message.objects.filter(project_id=OuterRef("project_id"), thread_id=OuterRef("id"), side__in=Side.values)
        .order_by()
        .values("thread_id")
        .annotate(messages=Count("*"))
        .values("messages")
    )
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def _type(project_id: int, types: tuple[str, ...]) -> Q:
    plain = Q(type__in=[each for each in types if each not in ("all", "trace")])
    if "all" in types:
        return Q(project_id=project_id)
    return plain | Q(type__in=("agent", "chain"), trace_id=F("id")) if "trace" in types else plain


def _among(column: str) -> Callable[[int, tuple[str, ...]], Q]:
    return lambda project_id, values: conditions.one_of(column, values)


def _name(project_id: int, names: tuple[str, ...]) -> Q:
    return conditions.named(names)


def _part_of_name(project_id: int, text: str) -> Q:
    return Q(name__icontains=text)


def _tag(project_id: int, tags: tuple[str, ...]) -> Q:
    return conditions.tagged(tags)


def _custom_events(project_id: int, names: tuple[str, ...]) -> Q:
    return Q(type="custom-event", name__in=names)


def _feedback(project_id: int, wanted: tuple[tuple[str, Any], ...]) -> Q:
    return reduce(or_, (_one_feedback(project_id, key, value) for key, value in wanted))


def _one_feedback(project_id: int, key: str, value: Any) -> Q:
    """Return runs that show this feedback: their own, their chat's and its messages', their trace's (rule 8)."""
    word = THUMB_WORDS.get((key, value)) if isinstance(value, str) or value in (None, ANY_VALUE) else None
    if word is not None:
        return conditions.with_feedback(project_id, [word])
    if value is None:
        return ~_shows(project_id, Q(key=key))
    return _shows(project_id, Q(key=key, value=value)) | _said_in_thread(project_id, key, value)


def _rows(project_id: int, given: Q) -> QuerySet[Feedback, Any]:
    rows = Feedback.objects.filter(given, project_id=project_id, value__isnull=False).exclude(value=None)
    return rows.values("run_id")


def _shows(project_id: int, given: Q) -> Q:
    rows = _rows(project_id, given)
    chats = Message.objects.filter(project_id=project_id, id__in=rows, chat_id__isnull=False).values("chat_id")
    return (
        Q(id__in=rows)
        | Q(id__in=chats)
        | Q(trace_id__isnull=False) & Q(trace_id__in=rows)
        | Q(chat_id__isnull=False) & (Q(chat_id__in=rows) | Q(chat_id__in=chats))
    )


def _said_in_thread(project_id: int, key: str, value: Any) -> Q:
    """Return threads of which a message got the feedback."""
    rows = _rows(project_id, Q(key=key, value=value))
    messages = Message.objects.filter(project_id=project_id, id__in=rows, thread_id__isnull=False)
    return Q(type="thread", id__in=messages.values("thread_id"))


def with_props(key: str, value: Any) -> Q:
    """Return end users who have that property."""
    return reduce(or_, (Q(props__contains={key: meant}) for meant in _meanings(value)))


def _user_props(project_id: int, key: str, value: Any) -> Q:
    return Q(user_id__in=EndUser.objects.filter(with_props(key, value), project_id=project_id).values("id"))


def _meanings(value: Any) -> list[Any]:
    """Return what a text in an address may stand for: itself, or the number, bool or null that it spells."""
    if not isinstance(value, str):
        return [value]
    if value in ("true", "false", "null"):
        return [value, {"true": True, "false": False, "null": None}[value]]
    return [value, int(value)] if value.isascii() and value.isdigit() and len(value) < 300 else [value]


def _metadata(project_id: int, key: str, value: Any) -> Q:
    if isinstance(value, str):
        return conditions.with_metadata(key, [value])
    return Q(metadata__contains={key: value})


def _date(project_id: int, operator: str, at: datetime) -> Q:
    return Q(**{f"started_at__{operator}": at})


def _range(project_id: int, text: str) -> Q:
    try:
        since = spans.relative(text, timezone.now()).since
    except ValueError as error:
        raise FilterError(f"the filter 'range': {error}") from error
    return Q(started_at__gte=since) if since else Q(project_id=project_id)


def _duration(project_id: int, operator: str, seconds: Decimal) -> Q:
    return _compare(F("duration_ms"), operator, seconds * 1000)


def _cost(project_id: int, operator: str, dollars: Decimal) -> Q:
    return _compare(F("cost"), operator, dollars)


def _tokens(project_id: int, which: str, operator: str, number: Decimal) -> Q:
    columns = {"total": "total_tokens", "prompt": "input_tokens", "completion": "output_tokens"}
    return _compare(F(columns[which]), operator, number)


def _messages(project_id: int, operator: str, number: Decimal) -> Q:
    return Q(type="thread") & _compare(message_count(), operator, number)


def _compare(left: Any, operator: str, number: Decimal) -> Q:
    """Return a comparison; a value that is unknown is in none of them, as in SQL."""
    right = Value(number, output_field=DecimalField())
    return ~Q(Exact(left, right)) if operator == "neq" else Q(COMPARED[operator](left, right))


def _page_filter(project_id: int, name: str, text: str) -> Q:
    """Return a filter as the run list's address has it: `cost=>0.1`, `q=refund`, `thread=thr-1`."""
    if name in LIMITS:
        name, sign = LIMITS[name]
        text = f"{sign}{text}"
    described = field_of(ALIASES.get(name, name))
    try:
        return described.where(project_id, [described.read(text)])
    except ValueError as error:
        raise FilterError(f"the filter '{name}': {error}") from error


def _search(project_id: int, text: str) -> Q:
    said = Q(type="chat") | Q(type="thread")
    return conditions.containing(project_id, [text]) | said & _said(
        Side.values, "icontains", conditions.spellings(text)
    )


def _string(project_id: int, where: str, how: str, case: bool, text: str) -> Q:  # noqa: FBT001 - the grammar's order
    columns = ("input", "output") if where == "any" else (where,)
    lookup = ("" if case else "i") + {"starts": "startswith", "ends": "endswith"}.get(how, "contains")
    forms = conditions.spellings(text)
    quoted = {"starts": [f'"{form}' for form in forms], "ends": [f'{form}"' for form in forms]}.get(how, [])
    found = reduce(or_, (Q(**{f"{column}__{lookup}": form}) for column in columns for form in (*forms, *quoted)))
    bodies = conditions.body_of_each(project_id).filter(found)
    sides = [Side.IN if column == "input" else Side.OUT for column in columns]
    said = Q(Exists(bodies)) | (Q(type="chat") | Q(type="thread")) & _said(
        sides, "contains" if case else "icontains", forms
    )
    return ~said if how == "notcontains" else said


def _said(sides: Sequence[str], lookup: str, forms: Sequence[str]) -> Q:
    """Return chats and threads one of whose messages holds a text, written in one of `forms`."""
    found = reduce(or_, (Q(**{f"body__{lookup}": form}) for form in forms))
    messages = Message.objects.filter(found, project_id=OuterRef("project_id"), side__in=sides)
    messages = messages.filter(thread_id=OuterRef("thread_id"))
    return Q(type="chat") & Q(Exists(messages.filter(chat_id=OuterRef("id")))) | Q(type="thread") & Q(Exists(messages))


def _length(project_id: int, where: str, operator: str, number: Decimal) -> Q:
    bodies = conditions.body_of_each(project_id)
    return Q(Exists(bodies.filter(_compare(Length(where), operator, number))))


CONDITIONS: dict[str, Callable[..., Q]] = {
    "type": _type,
    "name": _name,
    "tools": _part_of_name,
    "retrievers": _part_of_name,
    "tag": _tag,
    "template": _among("template_id"),
    "status": _among("status"),
    "feedback": _feedback,
    "user": _among("user_id"),
    "team": _among("team_id"),
    "organization": _among("organization_id"),
    "user-props": _user_props,
    "metadata": _metadata,
    "date": _date,
    "range": _range,
    "duration": _duration,
    "cost": _cost,
    "tokens": _tokens,
    "messages": _messages,
    "search": _search,
    "string": _string,
    "length": _length,
    "custom-events": _custom_events,
    "page": _page_filter,
}
