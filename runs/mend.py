"""The beginning of JSON text, completed so that it can be read as JSON: what a page shows of a large payload. Pure."""

import re
from typing import Final

_TOKENS: Final = re.compile(r'"(?:[^"\\]+|\\.)*(?:"|\\?$)|[][{},:]', re.DOTALL)
_BROKEN_ESCAPE: Final = re.compile(
    r"""(?<!\\)(?P<whole>(?:\\\\)*)                            # backslashes that are whole escapes
        \\(?:u[0-9a-fA-F]{0,3}|u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?)?$""",
    re.VERBOSE,
)
_CLOSING: Final = {"{": "}", "[": "]"}


def mend(beginning: str) -> str:
    """Return the longest part of a JSON text's beginning that makes sense, with every string and bracket closed.

    A text that is cut inside a string keeps what there is of it; a key or a number that was cut is left out. Whole JSON
    stays as it is; of what is no JSON nothing sensible comes out, and decoding the result says so.
    """
    closers: list[str] = []
    end = 0  # of what makes sense with the closers so far
    before_key = False
    for match in _TOKENS.finditer(beginning):
        piece = match[0]
        if piece in _CLOSING:
            closers.append(_CLOSING[piece])
            end, before_key = match.end(), piece == "{"
        elif piece in "}]":
            if closers:
                closers.pop()
            end, before_key = match.end(), False
        elif piece in ",:":
            end = match.start() if piece == "," else end
            before_key = piece == "," and closers[-1:] == ["}"]
        elif before_key:
            continue  # its end is that of its value
        elif _is_closed(piece):
            end = match.end()
        else:
            text = _BROKEN_ESCAPE.sub(r"\g<whole>", beginning[match.start() :])
            return "".join((beginning[: match.start()], text, '"', *reversed(closers)))
    if not closers:
        return beginning
    return "".join((beginning[:end], *reversed(closers)))


def _is_closed(piece: str) -> bool:
    """Tell whether a string ends in its quote, which is not an escaped one."""
    if len(piece) < 2 or piece[-1] != '"':
        return False
    backslashes = len(piece) - 1 - len(piece[:-1].rstrip("\\"))
    return backslashes % 2 == 0
