"""The filter groups beside the list, with counts: how many runs a list would hold with that value as well.

Each group is counted under all filters but its own, so that alternatives stay visible. Values are bounded, counts are
exact, and the whole has a time limit: it never holds up the table.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from django.db.models import Count, F, Func, TextField

from runs import conditions
from runs.fields import FEEDBACK, STATUSES
from runs.filters import Filters

MOST_VALUES = 8  # of one group, before "more"
MORE_VALUES = 50


@dataclass(frozen=True)
class Value:
    """One value of a group."""

    value: str
    label: str
    runs: int | None  # None: it was not among the counted ones
    chosen: bool
    query: str  # the list with this value toggled
    icon: str = ""
    css: str = ""  # what the icon's colour means


@dataclass(frozen=True)
class Facet:
    """One group."""

    key: str
    title: str
    values: tuple[Value, ...]
    more: bool = False  # there are further values


COLUMNS = {"name": "name", "organization": "organization_id", "team": "team_id"}
NOTHING = {"name": "unnamed", "tag": "untagged"}  # what rows without a value are called; else unattributed
TITLES = {"name": "Name", "organization": "Organization", "team": "Team", "tag": "Tag"}


def facets(project_id: int, filters: Filters, *, wide: str = "", leave_out: Collection[str] = ()) -> list[Facet]:
    """Return the groups, one query each; `wide` names a group that is shown with more of its values."""
    makers: dict[str, Callable[[int], Facet]] = {
        "status": lambda _most: _statuses(project_id, filters),
        **{key: partial(_column, project_id, filters, key) for key in COLUMNS},
        "tag": partial(_tags, project_id, filters),
        "feedback": lambda _most: _feedback(project_id, filters),
    }
    found = [make(MORE_VALUES if key == wide else MOST_VALUES) for key, make in makers.items() if key not in leave_out]
    return [facet for facet in found if facet.values]


def _statuses(project_id: int, filters: Filters) -> Facet:
    runs = filters.runs(project_id, skip=("status",)).order_by()
    counted = dict(runs.values_list("status").annotate(runs=Count("id")))
    chosen = filters.values("status")
    values = [
        _value(filters, "status", status, word.capitalize(), counted.get(status, 0))
        for status, word in STATUSES.items()
        if counted.get(status) or status in chosen
    ]
    return Facet("status", "Status", tuple(values))


def _column(project_id: int, filters: Filters, key: str, most: int) -> Facet:
    runs = filters.runs(project_id, skip=(key,)).order_by()
    column = COLUMNS[key]
    counted = list(runs.values_list(column).annotate(runs=Count("id")).order_by("-runs", column)[: most + 1])
    title = filters.label(key).capitalize() if key == "name" else TITLES[key]
    if [value for value, _ in counted] == [None]:
        counted = []  # nothing but runs without: no group to choose from
    return _facet(filters, key, title, counted, most)


def _tags(project_id: int, filters: Filters, most: int) -> Facet:
    runs = filters.runs(project_id, skip=("tag",)).order_by()
    each = runs.annotate(one=Func(F("tags"), function="unnest", output_field=TextField())).values_list("one")
    counted = list(each.annotate(runs=Count("id")).order_by("-runs", "one")[: most + 1])
    return _facet(filters, "tag", TITLES["tag"], counted, most)


def _feedback(project_id: int, filters: Filters) -> Facet:
    runs = filters.runs(project_id, skip=("feedback",))
    shown = {key: conditions.with_feedback(project_id, [key]) for key in ("up", "down", "comment")}
    counted = runs.aggregate(**{key: Count("id", filter=condition) for key, condition in shown.items()})
    chosen = filters.values("feedback")
    values = [
        _value(filters, "feedback", key, FEEDBACK[key].capitalize(), counted.get(key))
        for key in FEEDBACK
        if counted.get(key) or key in chosen
    ]
    return Facet("feedback", "Feedback", tuple(values))


def _facet(filters: Filters, key: str, title: str, counted: list[tuple[str | None, int]], most: int) -> Facet:
    nothing = NOTHING.get(key, "unattributed")
    values = [_value(filters, key, value or conditions.NONE, value or nothing, runs) for value, runs in counted[:most]]
    listed = {value.value for value in values}
    values += [
        _value(filters, key, value, value or nothing, None if len(counted) > most or "*" in value else 0)
        for value in filters.values(key)
        if value not in listed
    ]
    return Facet(key, title, tuple(values), more=len(counted) > most)


def _value(filters: Filters, key: str, value: str, label: str, runs: int | None) -> Value:
    return Value(value, label, runs, value in filters.values(key), filters.toggled(key, value))
