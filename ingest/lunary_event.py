"""One event of Lunary's protocol as typed fields (lunary-protocol.md §2.5). Pure: no Django.

A well-formed event is decoded in one step. Any other (snake_case keys, odd values) is read field by field: a field
that can't be used is left out, the event survives.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from ingest import jsonclean

NULL: Final = msgspec.Raw(b"null")
NAME_LIMIT: Final = 255  # characters; names are part of index keys, which PostgreSQL limits to 2 700 bytes
WORD_LIMIT: Final = 64
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = 7_258_118_400_000_000  # epoch µs of the year 2200; a clock beyond it is no clock


class Unusable(Exception):  # noqa: N818 - an answer to a client, not a fault
    """An event that can't be stored. `code` is the machine name; the text is what client and people read."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Event(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False, kw_only=True):
    """The envelope of one event; payloads stay undecoded. Ids and names are as sent."""

    event: str | None = None
    type: str | None = None
    run_id: str | None = None
    parent_run_id: str | None = None
    timestamp: datetime | int | float | None = None
    name: str | None = None
    user_id: str | int | None = None
    user_props: dict[str, Any] | None = None
    tags: tuple[str, ...] | str | None = None
    thread_tags: tuple[str, ...] | str | None = None
    thread_metadata: msgspec.Raw = NULL
    message: msgspec.Raw = NULL
    input: msgspec.Raw = NULL
    output: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    params: msgspec.Raw = NULL
    extra: msgspec.Raw = NULL
    metadata: msgspec.Raw = NULL
    tokens_usage: msgspec.Raw = NULL
    feedback: dict[str, Any] | None = None
    template_id: str | int | None = None
    template_version_id: str | int | None = None
    runtime: str | None = None
    level: str | None = None
    app_id: str | None = None
    app: str | None = None  # legacy names of app_id
    project_id: str | None = None
    overwrite: bool | None = None


_decode_event = msgspec.json.Decoder(Event).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read(raw: msgspec.Raw | bytes) -> Event:
    """Return the event in a JSON text, an array of one event unwrapped; raise Unusable where there is none."""
    text = bytes(raw)
    if jsonclean.too_deep(text):
        raise Unusable("too-deep", f"the event nests deeper than {jsonclean.MAX_DEPTH} levels")
    try:
        return _decode_event(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _read_leniently(text)


def _read_leniently(text: bytes) -> Event:
    try:
        for _ in range(jsonclean.MAX_DEPTH):
            if not text.startswith(b"["):
                break
            parts = _decode_list(text)
            if len(parts) != 1:
                raise Unusable("not-an-event", f"an event is an object; this is an array of {len(parts)}")
            text = bytes(parts[0])
        fields = _decode_fields(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unusable("not-an-event", "an event is a JSON object with runId, type and event") from error
    values: dict[str, Any] = {}
    for key, raw in fields.items():
        field = _FIELDS.get(key) or _FIELDS.get(_snake(key))
        if field is not None:
            name, convert = field
            value = convert(raw)
            if value is not None:
                values[name] = value
    return Event(**values)


def micros(value: datetime | int | float | None) -> int | None:
    """Return a client's time as epoch µs; None where it sent none or one that is no time since 1970.

    Numbers are seconds, ms, µs or ns, told apart by their size: as seconds, 1e11 is the year 5138.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        since = (value if value.tzinfo is not None else value.replace(tzinfo=UTC)) - _EPOCH
        at = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    else:
        at = _scaled(value)
    return at if 0 < at < _LATEST else None


def _scaled(value: int | float) -> int:
    if not 0 < value < 1e20:  # false for NaN
        return 0
    if value < 1e11:
        return round(value * 1_000_000)
    if value < 1e14:
        return round(value * 1000)
    return round(value) if value < 1e17 else round(value / 1000)


def short(text: str, limit: int = NAME_LIMIT) -> str:
    """Return text that fits an index key: what is longer than `limit` characters is cut and ends in an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def words(value: tuple[str, ...] | str | None) -> tuple[str, ...] | None:
    """Return tags as sent, one text counting as a list of one; None where there are none."""
    if not value:
        return None
    if isinstance(value, str):
        return (short(value),)
    return tuple([short(word) for word in value if word]) or None


def tags_in(value: Any) -> tuple[str, ...] | None:
    """Return the tags in a decoded JSON value: text, or a list of texts and numbers."""
    if isinstance(value, str):
        return words(value)
    if not isinstance(value, list):
        return None
    return words(tuple([text for text in map(as_text, value) if text]))


def as_text(value: Any) -> str | None:
    """Return text, or a number as JavaScript writes it; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(int(value)) if isinstance(value, int) or value.is_integer() else str(value)


def _value(raw: msgspec.Raw) -> Any:
    try:
        return jsonclean.loads(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _string(raw: msgspec.Raw) -> str | None:
    value = _value(raw)
    return value if isinstance(value, str) else None


def _text(raw: msgspec.Raw) -> str | None:
    return as_text(_value(raw))


def _object(raw: msgspec.Raw) -> dict[str, Any] | None:
    value = _value(raw)
    return value if isinstance(value, dict) else None


def _tags(raw: msgspec.Raw) -> tuple[str, ...] | None:
    return tags_in(_value(raw))


def _time(raw: msgspec.Raw) -> datetime | int | float | None:
    value = _value(raw)
    if isinstance(value, str):
        return _parsed(value.strip())
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


# What JavaScript's Date understands and Python's parsers don't; the bracket is Date.toString's zone name.
_DATE_FORMATS: Final = (
    "%a %b %d %Y %H:%M:%S GMT%z",
    "%a %b %d %Y",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y",
    "%m/%d/%Y, %I:%M:%S %p",
    "%B %d, %Y %H:%M:%S",
    "%b %d, %Y %H:%M:%S",
    "%B %d, %Y",
    "%b %d, %Y",
)


def _by_format(form: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, form)  # noqa: DTZ007 - `micros` takes a time without zone as UTC


# The parser of e-mail dates comes last: it takes Date.toString's too, but drops its zone.
_DATE_PARSERS: Final = (datetime.fromisoformat, *map(_by_format, _DATE_FORMATS), parsedate_to_datetime)


def _parsed(text: str) -> datetime | float | None:
    """Return the time in a text that JavaScript's Date would understand, or a number in quotes; else None."""
    if re.fullmatch(r"\d{9,20}(\.\d{1,9})?", text):
        return float(text)
    text = re.sub(r"\s*\([^()]*\)$", "", text)
    for parse in _DATE_PARSERS:
        try:
            return parse(text)
        except (ValueError, IndexError, TypeError, OverflowError):
            continue
    return None


def _as_sent(raw: msgspec.Raw) -> msgspec.Raw:
    return raw


_CONVERTERS: Final[dict[str, Callable[[msgspec.Raw], Any]]] = {
    "event": _string,
    "type": _string,
    "run_id": _string,
    "parent_run_id": _string,
    "timestamp": _time,
    "name": _string,
    "user_id": _text,
    "user_props": _object,
    "tags": _tags,
    "thread_tags": _tags,
    "feedback": _object,
    "template_id": _text,
    "template_version_id": _text,
    "runtime": _string,
    "level": _string,
    "app_id": _string,
    "app": _string,
    "project_id": _string,
}
_FIELDS: Final = {
    name: (name, _CONVERTERS.get(name, _as_sent))
    for name in (field.name for field in msgspec.structs.fields(Event))
    if name != "overwrite"
}


def _snake(key: str) -> str:
    """Return an envelope key in snake_case, whichever of camelCase, kebab-case or snake_case it came in."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).replace("-", "_").lower()
