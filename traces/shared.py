"""What a public link shows of its trace: the tree and the runs' details, without the people it was about unless told.

Only what is named here is handed to the public templates. Feedback, scores, the conversation around the trace and the
project itself are never shown.
"""

import copy
import json
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any
from uuid import UUID

from django.db import connection

from lunary_dash.templatetags.components import TYPES
from projects.models import Project
from runs import bodies, feedback, jsontree
from runs.bodies import Display
from runs.carried import Carried, Payload
from runs.detail import MOST_LOGS, Detail, Log, Place, detail
from runs.mend import mend
from runs.messages import Part
from runs.models import EndUser, Run, RunLog
from runs.queries import Person, people
from traces import queries
from traces.models import TraceShare
from traces.redaction import MOST, PEOPLE, PEOPLE_IN_BODIES, Redactor, known_values
from traces.tree import Forest

CARRIED = {"input": PEOPLE_IN_BODIES, "output": PEOPLE_IN_BODIES, "error": PEOPLE_IN_BODIES, "params": PEOPLE}
"""The payloads that are shown, each with the keys whose values name people; metadata come with the run's facts."""
ID_KEYS = ("userId", "user_id", "user", "teamId", "team_id", "organizationId", "organization_id")


@dataclass(frozen=True)
class SharedRun:
    """One run as the public page shows it; `input` and `output` hold no media that would have to be fetched."""

    detail: Detail
    input: Display
    output: Display


@dataclass(frozen=True)
class Shared:
    """A trace behind a public link."""

    share: TraceShare
    project: Project

    @cached_property
    def redactor(self) -> Redactor | None:
        """Return what blackens people; None where the link shows them."""
        if self.share.show_people:
            return None
        return _redactor(frozenset(_known(self.share.project_id, self.share.trace_id)))

    def forest(self) -> Forest | None:
        """Return the tree with its names as the public may read them; None where the trace is gone."""
        forest = queries.forest(self.share.project_id, self.share.trace_id)
        if forest is not None and self.redactor is not None:
            told = {name: self.redactor.name(name) for name in set(forest.columns.names)}
            kinds = {kind: kind if kind in TYPES else self.redactor.text(kind) for kind in set(forest.columns.types)}
            forest.columns.names = [told[name] for name in forest.columns.names]
            forest.columns.types = [kinds[kind] for kind in forest.columns.types]
        return forest

    def head(self) -> tuple[Person | None, str, str]:
        """Return the end user, team and organization of the trace, of which a link that hides people tells none."""
        if not self.share.show_people:
            return None, "", ""
        of_trace = Run.objects.filter(project_id=self.share.project_id, trace_id=self.share.trace_id)
        first = of_trace.filter(id=self.share.trace_id).first() or of_trace.order_by("started_at", "id").first()
        if first is None:
            return None, "", ""
        person = people(self.share.project_id, [first.user_id]).get(first.user_id or "")
        return person, first.team_id or "", first.organization_id or ""

    def run(self, run_id: UUID) -> SharedRun | None:
        """Return a run of this trace; None for any other, whether or not the project has it."""
        of_trace = Run.objects.filter(project_id=self.share.project_id, trace_id=self.share.trace_id)
        run = of_trace.filter(id=run_id).first()
        if run is None:
            return None
        found = detail(self.project, run)
        shown = replace(
            found,
            run=self._run(run),
            carried=self._carried(found.carried),
            user=found.user if self.share.show_people else None,
            feedback=feedback.Shown(),
            place=Place(),
            siblings=0,
            logs=self._logs(run),
            scores=(),
        )
        return SharedRun(shown, _without_media(shown.input), _without_media(shown.output))

    def _run(self, run: Run) -> Run:
        told = copy.copy(run)
        told.thread_id = told.chat_id = None
        told.metadata = None
        if self.redactor is not None:
            told.user_id = told.team_id = told.organization_id = None
            told.name = self.redactor.name(run.name)
            told.type = run.type if run.type in TYPES else self.redactor.text(run.type)
            told.tags = [self.redactor.text(tag) for tag in run.tags or ()]
            told.template_id = self.redactor.name(run.template_id)
            told.runtime = self.redactor.name(run.runtime)
        return told

    def _carried(self, carried: Carried) -> Carried:
        """Return the payloads that are shown; those that were cut end before anything that was cut in two."""
        if not self.share.show_bodies:
            return Carried()
        shown = {name: payload for name in (*CARRIED, "metadata") if (payload := carried[name])}
        redactor = self.redactor
        if redactor is None:
            return Carried(shown)
        return Carried({name: _blackened(payload, redactor, name) for name, payload in shown.items()})

    def _logs(self, run: Run) -> tuple[Log, ...]:
        if not self.share.show_bodies:
            return ()
        lines = RunLog.objects.filter(project_id=run.project_id, run_id=run.id).order_by("at", "digest")[:MOST_LOGS]
        return tuple(self._log(line) for line in lines)

    def _log(self, line: RunLog) -> Log:
        message, level, extra = line.message, line.level, line.extra
        if self.redactor is not None:
            message = self.redactor.payload(message) if self.redactor.blind else self.redactor.text(message)
            level = self.redactor.text(level)
            extra = self.redactor.payload(extra, PEOPLE) if extra else extra
        return Log(line.at, level, message, _tree(extra))


@lru_cache(maxsize=32)
def _redactor(values: frozenset[str]) -> Redactor:
    """Return what finds these values: making it costs more than using it."""
    return Redactor(values)


def _known(project_id: int, trace_id: UUID) -> set[str]:
    """Return what is known of the people of a trace, in two queries; of more than can be looked for only so many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT unnest(ARRAY[user_id, team_id, organization_id]"
            " || ARRAY(SELECT metadata ->> key FROM unnest(%s::text[]) AS key)) FROM runs_run"
            " WHERE project_id = %s AND trace_id = %s LIMIT %s",
            [list(ID_KEYS), project_id, trace_id, MOST + 2],
        )
        found = [value for (value,) in cursor.fetchall() if value]
    props = EndUser.objects.filter(project_id=project_id, id__in=found).values_list("props", flat=True)
    return known_values(found, [*props, *filter(None, map(_object, found))])


def _object(text: str) -> dict[str, Any] | None:
    """Return what a client tells of its user that is more than an id."""
    try:
        value = json.loads(text) if text.startswith("{") else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _blackened(payload: Payload, redactor: Redactor, name: str) -> Payload:
    text = mend(payload.text[: -redactor.longest or None]) if payload.cut else payload.text
    return replace(payload, text=redactor.payload(text, CARRIED.get(name, PEOPLE)))


def _without_media(shown: Display) -> Display:
    """Return a payload of which pictures, recordings and files are named, not linked: they live in the project."""
    told = tuple(replace(message, parts=tuple(map(_named, message.parts))) for message in shown.messages)
    return replace(shown, messages=told)


def _named(part: Part) -> Part:
    if part.media is not None:
        return replace(
            part, kind="file", name=f"{part.media.type}, not part of this page", text="", media=None, number=None
        )
    return replace(part, result=tuple(map(_named, part.result)))


def _tree(text: str | None) -> tuple[jsontree.Step, ...]:
    if text is None:
        return ()
    try:
        value: Any = bodies.decode(text)
    except bodies.UnreadableError:
        value = text
    return () if value in (None, {}, []) else jsontree.steps(value)
