"""The filters that only traces have: ranges of their totals, and what is inside of them. All ask the summary."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from django.db.models import Exists, F, Func, OuterRef, Q, TextField, Value
from django.db.models.lookups import Contains, Regex

from runs import bounds, conditions
from runs.conditions import Bounds
from runs.fields import ALIASES, FIELDS, Field, Vocabulary, figure, required

KINDS: Final = {"tool": ("tool",), "model": ("llm", "embed"), "agent": ("agent",)}
"""What a trace may be asked to contain: the types of runs whose names count."""
MORE: Final = "more:"
"""Stands in `TraceSummary.contains` for names that are left out of it, and are looked up among the runs."""
BETWEEN: Final = "\x1f"
"""Joins the names for patterns; one that holds it is left out."""


def total(label: str, column: str, units: dict[str, int], unit: str = "") -> Field:
    """Return the filter on a total that is always known."""
    plain = figure(label, column, units, unit)

    def read(value: str) -> Bounds:
        found = bounds.read(value, units)
        if found.unknown:
            raise ValueError("it is known of every trace: write it like >=5, <2 or 1..10")
        return found

    return Field(plain.label, read, plain.where, plain.say, plain.verb)


def containing(kind: str, project_id: int, names: Sequence[str]) -> Q:
    """Return that a run of that kind and one of the names is in the trace; * stands for any text."""
    exact = [f"{kind}:{name}" for name in names if "*" not in name]
    patterns = [name for name in names if "*" in name]
    found = Q(contains__overlap=exact) if exact else Q()
    for pattern in patterns:
        # What the pattern begins with is looked for first, which takes a quarter of the time.
        begins = Contains(_JOINED, f"{kind}:{pattern.split('*')[0]}")
        found |= Q(begins) & Q(Regex(_JOINED, f"(^|{BETWEEN}){_matching(kind, pattern)}({BETWEEN}|$)"))
    runs = conditions.of_project(project_id).filter(conditions.listed(), conditions.named(names), type__in=KINDS[kind])
    found |= Q(contains__contains=[MORE]) & Q(Exists(runs.filter(trace_id=OuterRef("trace_id"))))
    # Said once more so that the index of the names can find the few traces that come into question.
    return found if patterns else Q(contains__overlap=[*exact, MORE]) & found


_JOINED = Func(F("contains"), Value(BETWEEN), function="array_to_string", output_field=TextField())


def _matching(kind: str, pattern: str) -> str:
    any_text = f"[^{BETWEEN}]*"
    return f"{kind}:{any_text.join(re.escape(piece) for piece in pattern.split('*'))}"


def _inside(kind: str) -> Field:
    def where(project_id: int, names: list[Any]) -> Q:
        return containing(kind, project_id, names)

    return Field(f"contains {kind}", required, where, verb="")


def _only(choice: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value != choice:
            raise ValueError(f"use {choice}")
        return value

    return read


TOTALS: dict[str, Field] = {
    "duration": total("duration", "duration_ms", bounds.SECONDS, "s"),
    "runs": total("runs", "runs", bounds.COUNTS),
    "errors": total("errors", "errors", bounds.COUNTS),
    "tokens": total("tokens", "tokens", bounds.COUNTS),
    "cost": figure("cost", "cost", bounds.DOLLARS, "USD"),
}
INSIDE: dict[str, Field] = {
    "inside": Field(
        "has", _only("error"), lambda _project_id, _values: Q(errors__gt=0), say=lambda _: "an error inside", verb=""
    ),
    **{kind: _inside(kind) for kind in KINDS},
}
OF_SUMMARIES: Final = frozenset((*TOTALS, *INSIDE))
"""Keys that are asked of the summary; all others are asked of the root."""

TRACES = Vocabulary(
    fields=FIELDS | TOTALS | INSIDE,
    aliases={name: key for name, key in ALIASES.items() if name != "model"},
    figures=frozenset(TOTALS),
    phrases={("has", "error"): ("inside", "error"), ("has", "errors"): ("inside", "error")},
    inputs={f"contains_{kind}": kind for kind in KINDS},
)
