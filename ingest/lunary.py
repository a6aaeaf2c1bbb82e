"""Lunary's wire format: a request's bytes become Batches, one per project, and an answer per event. Pure: no Django."""

from collections.abc import Callable

import msgspec

from ingest import jsonclean
from ingest.events import Refusal
from ingest.lunary_event import Event, Unusable, micros, read, short
from ingest.lunary_kinds import Group, apply, subject

STANDALONE_TOOL = "standalone-tool"
STANDALONE_REASON = "tool runs are tracked as part of an agent or a chain; this one names no parentRunId"


Route = Callable[[str], str | None]
"""From the project key that an event names to a name for its project; None where the request's own is meant."""


class BadBody(ValueError):  # noqa: N818 - an answer to a client, not a fault
    """The body as a whole can't be read; the text says why and what to send."""


class Result(msgspec.Struct, gc=False):
    """The answer to one event: its runId as sent, whether it is stored, and if not, why."""

    id: str | None
    success: bool = True
    error: str | msgspec.UnsetType = msgspec.UNSET


class Decoded(msgspec.Struct, kw_only=True):
    """A request, decoded: results stand in the order sent, groups by project (None: the request's own)."""

    raws: list[msgspec.Raw]
    received_at: int  # epoch µs
    results: list[Result] = msgspec.field(default_factory=list)
    groups: dict[str | None, Group] = msgspec.field(default_factory=dict)
    named_by: str | None = None  # legacy reports: the project that the first event names

    @property
    def accepted(self) -> int:
        """Return how many events are stored, as it stands."""
        return sum(result.success for result in self.results)


class _Envelope(msgspec.Struct, gc=False):
    events: list[msgspec.Raw]


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def decode(body: bytes, received_at: int, route: Route = lambda app_id: None) -> Decoded:
    """Return everything a request's body says (`received_at` in epoch µs); raise BadBody where it says nothing.

    One bad event never fails the others: it becomes a Refusal in its group's batch and `success: false` in the results.
    """
    return decode_events(_flat(_events_in(jsonclean.sound(body))), received_at, route)


def decode_events(raws: list[msgspec.Raw], received_at: int, route: Route = lambda app_id: None) -> Decoded:
    """Return what the events say; see `decode`."""
    decoded = Decoded(raws=raws, received_at=received_at)
    routes: dict[str | None, Group] = {None: Group()}
    for position, raw in enumerate(decoded.raws):
        try:
            event = read(raw)
        except Unusable as unusable:
            decoded.results.append(Result(None))
            routes[None].positions.append(position)
            _refuse(decoded, routes[None], position, raw, None, unusable)
            continue
        decoded.results.append(Result(event.run_id))
        if not position:
            decoded.named_by = event.project_id or event.app or event.app_id
        group = routes.get(event.app_id) or _routed(decoded, routes, event.app_id, route)
        group.positions.append(position)
        _apply(decoded, group, position, raw, event)
    if routes[None].positions:
        decoded.groups[None] = routes[None]
    for group in decoded.groups.values():
        for run_id in group.started:
            group.later.pop(run_id, None)
    return decoded


def standalone_tools(group: Group) -> set[str]:
    """Return the canonical ids of the tool runs that start here and name no parent (rule 6)."""
    return group.homeless_tools - group.placed_tools


def refuse_tools(decoded: Decoded, group: Group, refused: set[str]) -> Group:
    """Return the group without anything about the `refused` tool runs: each such event becomes a refusal."""
    kept = Group(project=group.project, positions=group.positions, newest_at=group.newest_at)
    for position in group.positions:
        raw = decoded.raws[position]
        try:
            event = read(raw)
        except Unusable as unusable:
            _refuse(decoded, kept, position, raw, None, unusable)
            continue
        if subject(event) in refused:
            _refuse(decoded, kept, position, raw, event, Unusable(STANDALONE_TOOL, STANDALONE_REASON))
        else:
            _apply(decoded, kept, position, raw, event)
    return kept


def only(decoded: Decoded, group: Group, position: int) -> Group:
    """Return what a single event of the group says, to store it apart from the others."""
    single = Group(project=group.project)
    raw = decoded.raws[position]
    try:
        _apply(decoded, single, position, raw, read(raw))
    except Unusable as unusable:
        _refuse(decoded, single, position, raw, None, unusable)
    return single


def refuse(decoded: Decoded, position: int, code: str, reason: str) -> Group:
    """Return a group that only holds the event at `position` as a refusal."""
    refused = Group()
    _refuse(decoded, refused, position, decoded.raws[position], None, Unusable(code, reason))
    return refused


def _routed(decoded: Decoded, routes: dict[str | None, Group], app_id: str | None, route: Route) -> Group:
    """Return the group of the project that a key names, and remember the way."""
    project = route(app_id) if app_id else None
    group = routes[None] if project is None else decoded.groups.setdefault(project, Group(project=project))
    routes[app_id] = group
    return group


def _apply(decoded: Decoded, group: Group, position: int, raw: msgspec.Raw, event: Event) -> None:
    at = micros(event.timestamp)
    if at is not None and (group.newest_at is None or at > group.newest_at):
        group.newest_at = at
    try:
        apply(event, decoded.received_at if at is None else at, group)
    except Unusable as unusable:
        _refuse(decoded, group, position, raw, event, unusable)


def _refuse(
    decoded: Decoded, group: Group, position: int, raw: msgspec.Raw, event: Event | None, unusable: Unusable
) -> None:
    result = decoded.results[position]
    result.success = False
    result.error = unusable.reason
    group.batch.refusals.append(
        Refusal(
            code=unusable.code,
            reason=unusable.reason,
            event=bytes(raw).decode("utf-8", "replace"),
            run_id=None if event is None else short(event.run_id or event.parent_run_id or "") or None,
        )
    )


def _events_in(body: bytes) -> list[msgspec.Raw]:
    """Return the texts of the events in a body: {"events": […]}, {"events": {…}}, […] or a bare event."""
    try:
        return _decode_envelope(body).events
    except RecursionError:
        return _events_in_deep(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return _events_in_unusual(body)
    except RecursionError:
        return _events_in_deep(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return _events_in_unusual(jsonclean.clean(body))
    except RecursionError:
        return _events_in_deep(jsonclean.clean(body))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody(f'The body is not JSON ({error}). Send {{"events": […]}} as UTF-8.') from error


def _flat(raws: list[msgspec.Raw]) -> list[msgspec.Raw]:
    """Return the events, a list among them replaced by what it holds: each event is answered by itself."""
    if not any(bytes(memoryview(raw)[:1]) == b"[" for raw in raws):
        return raws
    flat: list[msgspec.Raw] = []
    for raw in raws:
        text = bytes(raw)
        parts = jsonclean.children(text) if text.startswith(b"[") and not jsonclean.too_deep(text) else []
        flat += [raw] if not parts else _flat([msgspec.Raw(part) for part in parts])
    return flat


def _events_in_unusual(body: bytes) -> list[msgspec.Raw]:
    if body.lstrip()[:1] == b"[":
        return _decode_list(body)
    if body.lstrip()[:1] != b"{":
        msgspec.json.decode(body)
        raise BadBody('Missing events payload. Send {"events": […]}.')
    fields = _decode_object(body)
    if "events" not in fields:
        if not fields.keys() & {"event", "type", "runId", "run_id", "run-id"}:
            raise BadBody('Missing events payload. Send {"events": […]}.')
        return [msgspec.Raw(body)]
    events = bytes(fields["events"])
    if events[:1] == b"[":
        return _decode_list(events)
    if events[:1] != b"{":
        raise BadBody('Missing events payload. `events` is a list of events, as in {"events": […]}.')
    return [msgspec.Raw(events)]


def _events_in_deep(body: bytes) -> list[msgspec.Raw]:
    """Return the events of a body that nests too deep to be decoded as a whole: most of them may be sound."""
    events = body.strip()
    if events[:1] == b"{":
        parts = jsonclean.children(events)
        fields = dict(zip(parts[::2], parts[1::2], strict=False))
        events = fields.get(b'"events"', b"[" + events + b"]")
    return [msgspec.Raw(part) for part in (jsonclean.children(events) if events[:1] == b"[" else [events])]
