"""JSON as clients really send it, made into JSON that every decoder and PostgreSQL accept. Pure.

Only what can't be kept is replaced (rule 7): bare NaN and infinities become strings, NUL and lone surrogates become
U+FFFD, numbers no decoder can hold become strings. Everything else stays byte for byte.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

MAX_DEPTH = 200  # nesting; far beyond real payloads, and what every reader of a stored payload can walk
_DIGITS = 3000  # a whole number longer than this can't be read back by Python (limit 4300) or Django

_STRING = rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
_ODD = re.compile(
    _STRING
    + rb"|-?Infinity|NaN"
    + rb"|-?\d++(?:\.\d++)?[eE]\+?\d{3,}+"
    + rb"|-?\d{%d,}+(?:\.\d++)?(?:[eE][+-]?\d++)?" % _DIGITS,
    re.DOTALL,
)
# An escaped backslash and a whole surrogate pair are matched first, so that what follows them is not misread.
_ESCAPE = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u0000|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_STRUCTURE = re.compile(_STRING + rb"|[\[\]{},:]", re.DOTALL)
_BRACKETS = re.compile(_STRING + rb"|([\[{])|([\]}])", re.DOTALL)


def sound(body: bytes) -> bytes:
    """Return the body as UTF-8 without what decoders let pass and PostgreSQL does not; cheap where it is clean.

    Bare NaN and lone surrogates are not looked for: a decoder stumbles over them, and then `clean` is called.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            body = body.decode("utf-8", "replace").encode()
    if b"\\u0000" in body or b"\x00" in body or _has_endless_number(body):
        return clean(body)
    return body


def clean(body: bytes) -> bytes:
    """Return the JSON text with everything odd replaced; what is no JSON at all stays no JSON."""
    return _ODD.sub(_plain, body.replace(b"\x00", b"\xef\xbf\xbd"))


def loads(text: bytes | str | msgspec.Raw) -> Any:
    """Return the value of one JSON text, odd numbers in it as text; raise msgspec.DecodeError where it is no JSON."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(clean(text.encode() if isinstance(text, str) else bytes(text)))


def too_deep(text: bytes) -> bool:
    """Tell whether the JSON text nests deeper than MAX_DEPTH."""
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _BRACKETS.finditer(text):
        if match[1]:
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif match[2]:
            depth -= 1
    return False


def children(text: bytes) -> list[bytes]:
    """Return the direct parts of the outermost array, or keys and values in turn of the outermost object.

    For texts that nest too deep for a decoder: it neither recurses nor checks what is inside the parts.
    """
    return list(_parts(text))


def _parts(text: bytes) -> Iterator[bytes]:
    depth = 0
    start = -1
    for match in _STRUCTURE.finditer(text):
        mark = match[0]
        if mark in b"[{":
            depth += 1
            if depth == 1:
                start = match.end()
        elif mark in b"]}":
            depth -= 1
        ends = depth == 0 if mark in b"]}" else depth == 1 and mark in b",:"
        if ends and start >= 0:
            part = text[start : match.start()].strip()
            start = match.end()
            if part:
                yield part
            if depth == 0:
                return


def _plain(match: re.Match[bytes]) -> bytes:
    found = match[0]
    if found.startswith(b'"'):
        return _ESCAPE.sub(_replaced, found) if b"\\u" in found else found
    if found[-1:] in b"yN" or len(found) >= _DIGITS or float(found) in (float("inf"), float("-inf")):
        return b'"' + found + b'"'
    return found


def _replaced(match: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if match[1] else match[0]


def _has_endless_number(body: bytes) -> bool:
    """Tell whether a run of digits too long for a number may be there: it would cover one of these windows."""
    window = _DIGITS // 3
    return any(body[at : at + window].isdigit() for at in range(0, len(body) - window, window))
