"""A request's body as bytes: unpacked, and never larger than the limit, before or after."""

import zlib
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError
from django.http.request import RawPostDataException

_WINDOW: Final = 32 + zlib.MAX_WBITS  # gzip or zlib, told apart by their headers
_GZIP: Final = frozenset({"gzip", "x-gzip"})
_STEP: Final = 1 << 20
_ENOUGH_MEMBERS: Final = 1000
_PATIENCE: Final = 4  # times the limit: what is read away before the connection is given up


class Refused(Exception):  # noqa: N818 - an answer to a client, not a fault
    """The body can't be taken. `status` is the HTTP status; the text says what to do."""

    def __init__(self, status: HTTPStatus, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


def read_body(request: HttpRequest) -> bytes:
    """Return the request's body, unpacked; raise Refused (413, 415 or 400) where that is not possible."""
    limit: int = settings.INGEST_BODY_LIMIT
    encodings = [word.strip().lower() for word in request.headers.get("Content-Encoding", "").split(",")]
    encodings = [word for word in encodings if word not in {"", "identity"}]
    if len(encodings) > 1 or not set(encodings) <= _GZIP | {"deflate"}:
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Encoding {', '.join(encodings)} is not supported: send gzip, deflate or plain JSON",
            {"Accept-Encoding": "gzip, deflate"},
        )
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
            raise _too_large(limit)
        body = request.body
    except (RequestDataTooBig, ValueError) as error:
        raise _too_large(limit) from error
    except UnreadablePostError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "The body ended early: send the request again") from error
    if len(body) > limit:
        raise _too_large(limit)
    return _unpacked(body, encodings[0], limit) if encodings and body else body


def drain(request: HttpRequest) -> None:
    """Read away a body that nobody wants: a client that is still sending would see a broken pipe, not the answer."""
    left = _PATIENCE * settings.INGEST_BODY_LIMIT
    with suppress(OSError, RawPostDataException):
        while left > 0 and (part := request.read(_STEP)):
            left -= len(part)


def _too_large(limit: int) -> Refused:
    size = limit // (1024 * 1024)
    return Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {size} MB: send the events in smaller batches"
    )


def _unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    try:
        return _inflate(body, _WINDOW, limit)
    except zlib.error as error:
        if encoding == "deflate":  # some clients send the bare stream that the name suggests
            try:
                return _inflate(body, -zlib.MAX_WBITS, limit)
            except zlib.error:
                pass
        message = f"The body is not valid {encoding} ({error}): send it again, or without Content-Encoding"
        raise Refused(HTTPStatus.BAD_REQUEST, message) from error


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    """Return the unpacked body (gzip may have several members); stop as soon as it is over the limit."""
    parts: list[bytes] = []
    size = 0
    for _ in range(_ENOUGH_MEMBERS):
        unpacker = zlib.decompressobj(window)
        while not unpacker.eof:
            part = unpacker.decompress(body, _STEP)
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            body = unpacker.unconsumed_tail
            parts.append(part)
            if not part and not body and not unpacker.eof:
                raise zlib.error("it ends early")
        body = unpacker.unused_data.lstrip(b"\0")  # padding is allowed between and after members
        if not body:
            return b"".join(parts)
    raise zlib.error("it has too many members")
