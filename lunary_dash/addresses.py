"""Ids inside addresses: a slash that was sent as %2F belongs to the id, a plain one separates.

WSGI decodes the path before anybody sees it, so that the two would look alike: `/v1/runs/a%2Ffeedback` is the run
"a/feedback", `/v1/runs/a/feedback` the feedback of the run "a". The path as sent is therefore kept beside the decoded
one (gunicorn's RAW_URI, others' REQUEST_URI), and slashes of ids carry a mark until the URLconf has taken them apart.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from django.http import HttpRequest, HttpResponseBase
from django.utils.encoding import repercent_broken_unicode

SENT = "lunary_dash.path"
"""The key in the WSGI environment of the path as sent, percent-encoded, without what stands before the site."""

MARK = "\udc2f"
"""An id's slash in `path_info`: half a surrogate pair, which no decoded address can hold."""

_SLASH = re.compile("%2f", re.IGNORECASE)
_BEFORE_PATH = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]*", re.IGNORECASE)
_SAFE = "/~:@!$&'()*+,;="


class IdConverter:
    """`<id:name>` in a URLconf: the rest of the address, or what stands before a sub-address; slashes included."""

    regex = "(?s:.+)"

    def to_python(self, value: str) -> str:
        """Return the id as clients know it."""
        return value.replace(MARK, "/")

    def to_url(self, value: str) -> str:
        """Return the id for an address that nothing follows."""
        return str(value)


def path_as_sent(environ: dict[str, Any]) -> str:
    """Return the percent-encoded path of a WSGI request, made anew where the server keeps none or it was rewritten."""
    decoded = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    target = str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "")
    sent = re.split("[?#]", _BEFORE_PATH.sub("", target, count=1), maxsplit=1)[0]
    if decode(sent) != decoded:
        sent = quote_from_bytes(decoded.encode("latin-1"), safe=_SAFE)
    return sent[len(_prefix(sent, environ.get("SCRIPT_NAME", ""))) :]


def decode(sent: str) -> str:
    """Return a percent-encoded path as WSGI has it: each byte as the character of that number."""
    return unquote_to_bytes(sent).decode("latin-1")


def marked(sent: str) -> str:
    """Return the path that Django would see, with MARK for each slash that was sent as %2F."""
    return MARK.join(repercent_broken_unicode(unquote_to_bytes(part)).decode() for part in _SLASH.split(sent))


def with_whole_ids(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let the URLconf see which slashes belong to ids; `request.path` stays as it is."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        sent = request.META.get(SENT, "")
        if _SLASH.search(sent):
            request.path_info = marked(sent)
        return get_response(request)

    return middleware


def _prefix(sent: str, script_name: str) -> str:
    """Return the beginning of a percent-encoded path that decodes to the place where the site is mounted."""
    ends = (end for end in range(len(sent) + 1) if end == len(sent) or sent[end] == "/")
    return next((sent[:end] for end in ends if decode(sent[:end]) == script_name), "")
