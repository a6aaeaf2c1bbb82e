"""The filters that only threads have: ranges of totals, how they began, their signals. All ask the summary."""

import re
from datetime import datetime
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone

from runs import bounds, spans
from runs.fields import ALIASES, FIELDS, Field, Vocabulary, figure, required
from traces import signals, thread_signals
from traces.fields import total

_SIGNS: Final = {">=": "gte", "≥": "gte", "<=": "lte", "≤": "lte", ">": "gt", "<": "lt"}
_WHOLE_DAYS: Final = {"gte": "gte", "lte": "lt", "gt": "gte", "lt": "lt"}
_DATED: Final = re.compile(r"(>=|<=|≥|≤|>|<)\s*(.+)")


def _signal(value: str) -> str:
    if value not in signals.LABELS:
        raise ValueError(f"use {', '.join(signals.LABELS)}")
    return value


def _began(value: str) -> tuple[str, datetime]:
    """Return the look-up and the moment; a bare day is all of it: > begins after it, <= ends with it."""
    match = _DATED.fullmatch(value.strip())
    if not match:
        raise ValueError("write it like >=2026-11-20 or <2026-11-20T14:30")
    lookup, text = _SIGNS[match[1]], match[2].strip()
    at = spans.moment(text, timezone.get_current_timezone(), end=lookup in ("gt", "lte"))
    return _WHOLE_DAYS[lookup] if len(text) == len("2026-11-20") else lookup, at


def _all_of(column: str) -> Any:
    """Return the condition that the column holds every text that was asked for."""

    def where(_project_id: int, texts: list[str]) -> Q:
        found = Q()
        for text in texts:
            found &= Q(**{f"{column}__icontains": text})
        return found

    return where


def _when(_project_id: int, values: list[tuple[str, datetime]]) -> Q:
    found = Q()
    for lookup, at in values:
        found &= Q(**{f"started_at__{lookup}": at})
    return found


TOTALS: Final[dict[str, Field]] = {
    "exchanges": total("turns", "exchanges", bounds.COUNTS),
    "messages": total("messages", "messages", bounds.COUNTS),
    "retries": total("retries", "retries", bounds.COUNTS),
    "duration": total("duration", "duration_ms", bounds.SECONDS, "s"),
    "tokens": total("tokens", "tokens", bounds.COUNTS),
    "cost": figure("cost", "cost", bounds.DOLLARS, "USD"),
}
INSIDE: Final[dict[str, Field]] = {
    "first": Field("first message", required, _all_of("first"), say=lambda text: f"“{text}”", verb="contains"),
    "started": Field("started", _began, _when, verb=""),
    "signal": Field("signal", _signal, thread_signals.having, say=lambda kind: signals.LABELS.get(kind, kind).lower()),
}
OF_SUMMARIES: Final = frozenset((*TOTALS, *INSIDE))
"""Keys that are asked of the summary; all others are asked of the thread's own row."""

_WORDS: Final = {kind: kind for kind in signals.LABELS} | {"error": signals.FAILED, "errors": signals.FAILED}

THREADS: Final = Vocabulary(
    fields=FIELDS | TOTALS | INSIDE,
    aliases=ALIASES | {"turns": "exchanges", "turn": "exchanges", "signals": "signal"},
    figures=frozenset(TOTALS),
    phrases={("has", word): ("signal", kind) for word, kind in _WORDS.items()},
)
