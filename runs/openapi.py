"""The data API described as OpenAPI 3.1, from the views themselves: what each answers is the type it encodes.

Views carry an `Operation` per method; `document` walks the addresses below /v1/, so a route without a description
cannot hide and a description without a route cannot exist. Tests hold both, and every answer, against it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import msgspec
from django.urls import URLPattern, URLResolver, get_resolver
from msgspec import Meta

View = TypeVar("View", bound=Callable[..., Any])


class IngestEvents(msgspec.Struct):
    """A batch of events, as Lunary's SDKs send them; a bare list or a single event is accepted too."""

    events: list[dict[str, Any]]


class IngestResult(msgspec.Struct, omit_defaults=True):
    """What became of one event: stored, or kept on Ingest health for the reason told."""

    id: str | None
    success: bool
    error: str | None = None


class IngestResults(msgspec.Struct):
    """One result per event, in the order sent."""

    results: list[IngestResult]


class Fault(msgspec.Struct):
    """Every error: `error` is the status in words, `message` says what happened and what would do."""

    error: str
    message: str


@dataclass(frozen=True)
class Parameter:
    """A query parameter, as a type with a description."""

    name: str
    type: Any
    about: str
    required: bool = False


@dataclass(frozen=True)
class Operation:
    """What one method of one address does. `answers` is the type of the JSON answered with 200."""

    summary: str
    answers: Any
    about: str = ""
    query: tuple[Parameter, ...] = ()
    body: Any = None
    keys: str = "private"
    refusals: tuple[int, ...] = ()
    operation_id: str = ""


def operation(
    summary: str,
    answers: Any,
    query: tuple[Parameter, ...] = (),
    body: Any = None,
    keys: str = "private",
    refusals: tuple[int, ...] = (),
) -> Callable[[View], View]:
    """Describe a view: `keys` is private, any or none; `refusals` are its statuses beside those of the key."""

    def describe(view: View) -> View:
        about = " ".join((view.__doc__ or "").split())
        setattr(view, "operation", Operation(summary, answers, about, query, body, keys, refusals, view.__name__))  # noqa: B010
        return view

    return describe


INTRODUCTION = """Runs, traces, threads and end users of one project, as Lunary's data API tells them, and more.

A private key (`Authorization: Bearer <key>` or `X-API-Key`) names the project; a logged-in browser may instead name one
with `?projectId=`. An id in an address may be the one your code knows, the stored one, or the one an SDK made of it.
Times are UTC. Payloads (input, output, error, params, metadata) are returned as they were sent."""

SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "private": [{"bearer": []}, {"apiKey": []}, {"session": []}],
    "any": [{"bearer": []}, {"apiKey": []}, {"session": []}],
    "none": [],
}


INGEST = Operation(
    summary="Send events",
    answers=IngestResults,
    about="Store events for the project of the key (or of an event's own appId); 200 is answered after commit.",
    body=IngestEvents,
    keys="any",
    refusals=(400, 413, 415, 503),
    operation_id="ingest",
)
"""The write side's own view is no part of the data API's machinery, so it is described here."""


def document(server: str) -> dict[str, Any]:
    """Return the OpenAPI document for the API at `server` (an absolute address without a final slash)."""
    return _document() | {"servers": [{"url": server}]}


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    described = [(path, method, found) for path, found in sorted(routes().items()) for method in sorted(found)]
    types = [each for path, method, found in described for each in (found[method].answers, found[method].body) if each]
    _, components = msgspec.json.schema_components([*types, Fault], ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for path, method, found in described:
        paths.setdefault(path, {})[method.lower()] = _operation(path, found[method])
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lunary Dash data API", "version": "1", "description": INTRODUCTION},
        "paths": paths,
        "components": {
            "schemas": _with_numbers(components),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "session": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
            },
        },
    }


def routes() -> dict[str, dict[str, Operation]]:
    """Return what every address below /v1/ offers: {path: {method: operation}}, as the URLconf has it."""
    found: dict[str, dict[str, Operation]] = {}
    for path, view in _views(get_resolver().url_patterns, "/"):
        if path.startswith("/v1/"):
            offers = {"POST": INGEST} if path == "/v1/runs/ingest" else getattr(view, "operations", {})
            found.setdefault(path, {}).update(offers)
    return found


def _with_numbers(schema: Any) -> Any:
    """Return a schema in which decimals are numbers, as `serial.encode` writes them; msgspec describes them as text."""
    if isinstance(schema, list):
        return [_with_numbers(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    told = {key: _with_numbers(each) for key, each in schema.items()}
    return told | {"type": "number", "format": "double"} if told.get("format") == "decimal" else told


def _views(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    for pattern in patterns:
        path = prefix + _readable(str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield path, pattern.callback


def _readable(pattern: str) -> str:
    """Return a URL pattern as OpenAPI writes it, without the leave that some give to prefixes and final slashes."""
    plain = pattern.removeprefix("^(?:.*?/)??").removeprefix("^(?:.*/)?").removesuffix("/?$")
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", plain)


def _operation(path: str, described: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": described.operation_id,
        "summary": described.summary,
        "description": described.about,
        "security": SECURITY[described.keys],
        "parameters": [*_path_parameters(path), *(_query_parameter(each) for each in described.query)],
        "responses": {"200": _response("OK", described.answers)} | _refusals(path, described),
    }
    if described.body is not None:
        told["requestBody"] = {"content": {"application/json": {"schema": _schema(described.body)}}}
    return told


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.about,
        "schema": _schema(parameter.type),
    }


def _refusals(path: str, described: Operation) -> dict[str, Any]:
    statuses = set(described.refusals)
    if described.keys != "none":
        statuses |= {401, 403, 404} if "{" in path else {401, 403}
    return {str(status): _response(HTTPStatus(status).phrase, Fault) for status in sorted(statuses)}


def _response(about: str, answers: Any) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": _schema(answers)}}}


def _schema(described: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([described], ref_template="#/components/schemas/{name}")
    return schema


Document = Annotated[dict[str, Any], Meta(description="An OpenAPI 3.1 document")]
