"""Values as OTLP/JSON writes them: `AnyValue`, attributes, ids, times. Pure.

The JSON encoding of OTLP differs from protobuf's own: ids are hexadecimal, 64-bit numbers are text, enumerations are
numbers, field names are in camelCase.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

Json = dict[str, Any]

DEEPEST = 12
"""Levels of arrays and objects that become values of their own; what lies deeper is JSON text.

Protobuf readers give up at 100 nested messages, and each level takes three.
"""
_INT64 = range(-(2**63), 2**63)


class SpanIds:
    """The span id of every run of one trace: eight bytes of the run id's digest, the same in every export.

    Two of 50 000 runs meet in eight bytes once in ten thousand million traces; those that do are told apart by a salt,
    in the order of their run ids, so that the answer depends on the trace alone.
    """

    def __init__(self, runs: Iterable[UUID]) -> None:
        first: dict[bytes, UUID] = {}
        met: set[UUID] = set()
        for run in runs:
            other = first.setdefault(_digest(run), run)
            if other != run:
                met |= {other, run}
        self._apart: dict[UUID, bytes] = {}
        taken = set(first)
        for run in sorted(met):
            salt = 1
            while (digest := _digest(run, salt)) in taken:
                salt += 1
            taken.add(digest)
            self._apart[run] = digest

    def of(self, run: UUID) -> str:
        """Return the span id of a run, also of a parent that was never received: 16 hexadecimal digits, never all 0."""
        return (self._apart.get(run) or _digest(run)).hex()


def trace_id(trace: UUID) -> str:
    """Return the trace id: the UUID's own 16 bytes as 32 hexadecimal digits; all 0 would mean "none"."""
    return trace.hex if trace.int else hashlib.sha256(trace.bytes).hexdigest()[:32]


def nanoseconds(microseconds: int) -> str:
    """Return a time since 1970 in ns as text; times before are 0, as the field has no sign."""
    return str(max(microseconds, 0) * 1000)


def attributes(pairs: Iterable[tuple[str, Any]]) -> list[Json]:
    """Return attributes in the order given, without those of no value; the first of two with one key counts."""
    kept: dict[str, Any] = {}
    for key, value in pairs:
        if value is not None and key not in kept:
            kept[key] = value
    return [{"key": plain(key), "value": any_value(value)} for key, value in kept.items()]


def any_value(value: Any, room: int = DEEPEST) -> Json:
    """Return any JSON value as an `AnyValue`; numbers that no field holds are text, digit by digit."""
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)} if value in _INT64 else {"stringValue": _digits(value)}
    if isinstance(value, float):
        return {"doubleValue": value} if math.isfinite(value) else {"stringValue": str(value)}
    if isinstance(value, str):
        return {"stringValue": plain(value)}
    if room == 0:
        return {"stringValue": compact(value)}
    if isinstance(value, Mapping):
        pairs = [{"key": plain(str(key)), "value": any_value(inner, room - 1)} for key, inner in value.items()]
        return {"kvlistValue": {"values": pairs}}
    return {"arrayValue": {"values": [any_value(inner, room - 1) for inner in value]}}


def compact(value: Any) -> str:
    """Return a JSON value as JSON text, letters of every script as themselves; nesting beyond reason is said so."""
    try:
        return plain(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return '"nested too deeply"'


def plain(text: str) -> str:
    """Return text that UTF-8 can hold: half surrogate pairs become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _digest(run: UUID, salt: int = 0) -> bytes:
    digest = hashlib.sha256(run.bytes + salt.to_bytes(4)).digest()[:8]
    return digest if any(digest) else b"\xff" * 8


def _digits(number: int) -> str:
    """Return an integer's digits; beyond Python's limit for that its size is all that is told."""
    try:
        return str(number)
    except ValueError:
        return f"an integer of {number.bit_length()} bits"
