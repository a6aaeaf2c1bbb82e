"""The filters of the run list as traces and threads understand them: the same addresses, another set of runs."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar, Self, cast

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from runs import conditions
from runs.filters import Filters, Problem, QueryLike
from runs.models import Message, Run
from traces.fields import OF_SUMMARIES, TRACES
from traces.models import ThreadSummary, TraceSummary
from traces.thread_fields import OF_SUMMARIES as OF_THREADS
from traces.thread_fields import THREADS
from traces.tree import ROOT_TYPES


class _Narrowed(Filters):
    """Filters that leave out those which mean something else, or nothing, for what is listed."""

    dropped: ClassVar[tuple[str, ...]] = ()
    extras: ClassVar[tuple[str, ...]] = ()
    of: ClassVar[str] = ""

    @classmethod
    def parse(
        cls, query: QueryLike, *, type: str = "all", keep: Sequence[str] = (), now: datetime | None = None
    ) -> Self:
        """Return the filters of an address; those that can't be asked of a whole are said as problems."""
        found = cast(Self, super().parse(query, type=type, keep=(*keep, *cls.extras), now=now))
        problems = [
            Problem(term.key, term.value, f"runs have it, {cls.of} can't be filtered by it")
            for term in found.terms
            if term.key in cls.dropped
        ]
        kept = tuple(term for term in found.terms if term.key not in cls.dropped)
        return replace(found, terms=kept, problems=(*found.problems, *problems))

    @property
    def rolled_up(self) -> bool:
        """Tell that rollups, which are of all runs, don't hold it."""
        return False

    def choice(self, name: str) -> str:
        """Return the value of one of `extras`, '' where it isn't in the address."""
        return dict(self.kept).get(name, "")


class TraceFilters(_Narrowed):
    """Filters of the trace list. They ask the root; totals, and what is inside, are asked of the trace's summary.

    `root=missing` is another list: traces whose root has not been received.
    """

    vocabulary = TRACES
    dropped = ("trace",)
    extras = ("sort", "root")
    of = "traces"

    @property
    def failing_inside(self) -> bool:
        """Tell whether an error anywhere in the trace is asked for."""
        return "inside" in self.keys

    @property
    def error_toggled(self) -> str:
        """Return the address of the list with, or without, asking for an error inside."""
        return self.toggled("inside", "error")

    @property
    def origin(self) -> str:
        """Return the query of this list for the links to its traces, by which neighbours are found: never empty."""
        return self.query(drop=("facets",))[1:] or f"range={self.defaults[1]}"

    @property
    def asks_summaries(self) -> bool:
        """Tell whether it asks for anything that only summaries know, which may lag."""
        return bool(OF_SUMMARIES.intersection(self.keys))

    def runs(self, project_id: int, *, skip: Sequence[str] = ()) -> QuerySet[Run]:
        """Return the topmost agents and chains that the filters let through (rule 9), unordered."""
        found = super().runs(project_id, skip=(*skip, "type", *OF_SUMMARIES))
        found = found.filter(conditions.listed(), id=F("trace_id"), type__in=self._types(skip))
        if OF_SUMMARIES.intersection(self.keys) - set(skip):
            summaries = TraceSummary.objects.filter(self._of_summaries(project_id, skip), project_id=project_id)
            found = found.filter(id__in=summaries.values("trace_id"))
        return found

    def summaries(self, project_id: int, *, skip: Sequence[str] = ()) -> QuerySet[TraceSummary]:
        """Return the summaries of the traces that the filters let through, unordered.

        They hold the root's type and start, so that runs are read only where more is asked of the root.
        """
        found = TraceSummary.objects.filter(
            self.when(), self._of_summaries(project_id, skip), project_id=project_id, type__in=self._types(skip)
        )
        if set(self.keys) - OF_SUMMARIES - set(skip):
            found = found.filter(trace_id__in=self.runs(project_id, skip=(*skip, *OF_SUMMARIES)).values("id"))
        return found

    def _types(self, skip: Sequence[str] = ()) -> list[str]:
        return [self.type] if self.type in ROOT_TYPES and "type" not in skip else sorted(ROOT_TYPES)

    def _of_summaries(self, project_id: int, skip: Sequence[str] = ()) -> Q:
        found = Q()
        for key in self.keys:
            if key in OF_SUMMARIES and key not in skip:
                found &= TRACES.field(key).where(project_id, [term.read for term in self.terms if term.key == key])
        return found


class ThreadFilters(_Narrowed):
    """Filters of the thread list. The time range is that of the last activity, text is looked for in messages.

    They ask the thread's own row; totals and signals are asked of its summary.
    """

    vocabulary = THREADS
    dropped = ("status", "trace", "name")
    extras = ("sort",)
    of = "threads"

    @property
    def asks_summaries(self) -> bool:
        """Tell whether it asks for anything that only summaries know, which may lag."""
        return bool(OF_THREADS.intersection(self.keys))

    def when(self) -> Q:
        """Return the condition of the time range."""
        found = Q()
        if self.span.since:
            found &= Q(ended_at__gte=self.span.since)
        if self.span.until:
            found &= Q(ended_at__lt=self.span.until)
        return found

    def runs(self, project_id: int, *, skip: Sequence[str] = ()) -> QuerySet[Run]:
        """Return the threads that the filters let through, unordered."""
        found = super().runs(project_id, skip=(*skip, "type", "q", "feedback", *OF_THREADS)).filter(type="thread")
        for text in self.values("q") if "q" not in skip else ():
            found = found.filter(Exists(_saying(project_id, text)))
        values = self.values("feedback") if "feedback" not in skip else ()
        if values:
            found = found.filter(_with_feedback(project_id, values))
        if OF_THREADS.intersection(self.keys) - set(skip):
            summaries = ThreadSummary.objects.filter(self._of_summaries(project_id, skip), project_id=project_id)
            found = found.filter(id__in=summaries.values("thread_id"))
        return found

    def summaries(self, project_id: int, *, skip: Sequence[str] = ()) -> QuerySet[ThreadSummary]:
        """Return the summaries of the threads that the filters let through, unordered.

        They hold the last activity, so that threads' own rows are read only where more is asked of them.
        """
        when = Q() if "time" in skip else self.when()
        found = ThreadSummary.objects.filter(when, self._of_summaries(project_id, skip), project_id=project_id)
        if set(self.keys) - OF_THREADS - set(skip):
            found = found.filter(thread_id__in=self.runs(project_id, skip=(*skip, *OF_THREADS)).values("id"))
        return found

    def _of_summaries(self, project_id: int, skip: Sequence[str] = ()) -> Q:
        found = Q()
        for key in self.keys:
            if key in OF_THREADS and key not in skip:
                found &= THREADS.field(key).where(project_id, [term.read for term in self.terms if term.key == key])
        return found


def _saying(project_id: int, text: str) -> QuerySet[Message]:
    """Return the messages of the thread that is looked at in which a text occurs."""
    inside = Q()
    for form in conditions.spellings(text):
        inside |= Q(body__icontains=form)
    return Message.objects.filter(inside, project_id=project_id, thread_id=OuterRef("id"))


def _with_feedback(project_id: int, values: Sequence[str]) -> Q:
    """Return the condition that one of these was given in a thread: on a message, an exchange or one of its runs."""
    inside = conditions.of_project(project_id).filter(thread_id__isnull=False)
    given = [value for value in values if value != "none"]
    found = Q(id__in=inside.filter(conditions.with_feedback(project_id, given)).values("thread_id")) if given else Q()
    if "none" in values:
        any_given = conditions.with_feedback(project_id, ["up", "down", "comment"])
        found |= ~Q(id__in=inside.filter(any_given).values("thread_id"))
    return found
