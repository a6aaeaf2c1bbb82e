"""Payloads of Lunary's events: kept as JSON text, looked into only as far as a rule asks. Pure: no Django."""

from typing import Any, Final

import msgspec

from ingest import jsonclean
from ingest.lunary_event import NAME_LIMIT, WORD_LIMIT, Event, as_text, short
from runs.usage import Tokens, normalise_usage

_FALSY: Final = frozenset({"null", "false", "0", '""'})
_TEMPLATE_KEYS: Final = ("templateVersionId", "template_version_id", "templateId", "template_id")


def json_text(raw: msgspec.Raw) -> str | None:
    """Return a payload's JSON text as sent; None for null."""
    text = str(raw, "utf-8")
    return None if text == "null" else text


def name_of(name: str | None) -> str | None:
    """Return the name as it is listed: Google's prefix removed, no longer than an index key may be."""
    if not name:
        return None
    if name.startswith("models/"):
        name = name[7:]
    return (name if len(name) <= NAME_LIMIT else short(name)) or None


def params_of(event: Event) -> str | None:
    """Return the parameters; old SDKs call them `extra`."""
    text = str(event.params, "utf-8")
    return json_text(event.extra) if text in _FALSY else text


def metadata_of(raw: msgspec.Raw) -> tuple[str | None, dict[str, Any] | None]:
    """Return metadata as JSON text of a non-empty object, and decoded; what is no object goes below `value`."""
    text = str(raw, "utf-8")
    if text in ("null", "{}"):
        return None, None
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        text = jsonclean.clean(text.encode()).decode()
        value = msgspec.json.decode(text)
    if not isinstance(value, dict):
        return f'{{"value":{text}}}', {"value": value}
    return (text, value) if value else (None, None)


def first_object(*candidates: msgspec.Raw) -> str | None:
    """Return the first of the texts that says anything, as metadata."""
    for raw in candidates:
        text, _ = metadata_of(raw)
        if text is not None:
            return text
    return None


def template_id_of(event: Event, facts: dict[str, Any] | None) -> str | None:
    """Return the prompt template's version id as text; the metadata is asked where the envelope has none."""
    sent = event.template_version_id
    if sent is None:
        sent = event.template_id
    if sent is None and facts:
        sent = next((facts[key] for key in _TEMPLATE_KEYS if key in facts), None)
    return None if sent is None else short(as_text(sent) or "", WORD_LIMIT) or None


def usage_of(text: str, event: Event, facts: dict[str, Any] | None) -> Tokens | None:
    """Return token counts in our convention (rule 11); None where the usage is no object."""
    raw = jsonclean.loads(text)
    if not isinstance(raw, dict):
        return None
    return normalise_usage(raw, runtime=event.runtime, model=event.name, metadata=facts)
