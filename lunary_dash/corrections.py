"""Two small corrections of what clients send, before Django sees it.

Django reads CONTENT_LENGTH bytes and finds a chunked body empty; Lunary's SDKs append /v1/… to whatever base address
they were given, a trailing slash or a path prefix included.
"""

import re
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from lunary_dash.addresses import SENT, decode, path_as_sent

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

PATIENCE = 4
"""Times the limit: how much of a body that is too large is read away before the connection is given up."""

# Pages live below /p/ and may hold any text in their addresses; there is no prefix to be found in those.
_PREFIXED = re.compile(r"(?P<prefix>(?!/p/)(?:/[^/]+)*?)(?P<path>/(?:v1/.*|api/report/*))")


def with_plain_paths(application: Application) -> Application:
    """Take repeated slashes out of data paths, and treat what stands before /v1/ as the place this site is mounted.

    Slashes that were sent as %2F belong to ids and stay (lunary_dash.addresses).
    """

    def corrected(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        sent = path_as_sent(environ)
        if "/v1/" in sent or "/api/report" in sent:
            found = _PREFIXED.fullmatch(re.sub("/{2,}", "/", sent))
            if found is not None:
                sent = found["path"]
                environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + decode(found["prefix"])
                environ["PATH_INFO"] = decode(sent)
        environ[SENT] = sent
        return application(environ, start_response)

    return corrected


def _drain(stream: Any, left: int) -> None:
    """Read away what is too much: a client that is still sending would see a broken pipe, not the answer."""
    while left > 0 and (part := stream.read(1 << 20)):
        left -= len(part)


def with_chunked_bodies(application: Application, limit: int) -> Application:
    """Read a chunked body of up to `limit` bytes before Django looks for its length; one byte more says "too large"."""

    def corrected(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        if chunked and not environ.get("CONTENT_LENGTH"):
            try:
                body = environ["wsgi.input"].read(limit + 1)
                if len(body) > limit:
                    _drain(environ["wsgi.input"], PATIENCE * limit)
            except OSError:  # gunicorn's word for a broken chunk
                start_response("400 Bad Request", [("Content-Type", "application/json")])
                return [b'{"error": "Bad Request", "message": "The chunked body is broken: send the request again"}']
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return application(environ, start_response)

    return corrected
