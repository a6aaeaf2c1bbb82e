"""A thread's messages fold into exchanges (runs of type chat) and into the thread's own facts. Pure: no Django.

DESIGN.md rule 10: one exchange is the user's consecutive messages and the answers that follow; a retry is a sibling of
the exchange it retries. The fold always reads all of a thread's messages, so the order of arrival can't matter.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar
from uuid import NAMESPACE_OID, UUID, uuid5

import msgspec

Value = TypeVar("Value")

IN: Final = "in"
OUT: Final = "out"
MARK: Final = "mark"
_SIDE_ORDER: Final = {IN: 0, MARK: 1, OUT: 2}


class Header(msgspec.Struct, gc=False, kw_only=True):
    """A message without its body. `at` is epoch µs."""

    id: str
    side: str
    thread_id: str | None
    at: int
    is_retry: bool = False
    chat_id: str | None = None
    user_id: str | None = None
    tags: tuple[str, ...] | None = None
    thread_tags: tuple[str, ...] | None = None
    metadata: str | None = None
    thread_metadata: str | None = None


class Exchange(msgspec.Struct, gc=False, kw_only=True):
    """One chat run: its id is its first message's, so every client form of that id leads to it."""

    id: str
    sibling_of: str | None = None
    messages: list[Header]

    @property
    def answered(self) -> bool:
        """Say whether an answer is there."""
        return any(message.side == OUT for message in self.messages)

    @property
    def started_at(self) -> int:
        """Return the first message's time, epoch µs."""
        return min(message.at for message in self.messages)

    @property
    def ended_at(self) -> int:
        """Return the last message's time, epoch µs."""
        return max(message.at for message in self.messages)

    @property
    def user_id(self) -> str | None:
        """Return the last user named."""
        return last(message.user_id for message in self.messages)

    @property
    def tags(self) -> tuple[str, ...] | None:
        """Return all tags of its messages, in order of first use."""
        return tuple(dict.fromkeys(tag for message in self.messages for tag in message.tags or ())) or None

    @property
    def metadata(self) -> dict[str, Any] | None:
        """Return its messages' metadata merged in order of time."""
        return merged(message.metadata for message in self.messages)


class Thread(msgspec.Struct, gc=False, kw_only=True):
    """What a thread's run says: never opened or ended, so these are its first and last signs of life (epoch µs)."""

    id: str
    started_at: int
    last_activity_at: int
    user_id: str | None
    tags: tuple[str, ...] | None
    metadata: dict[str, Any] | None
    exchanges: list[Exchange]


def fold(thread_id: str, headers: Iterable[Header]) -> Thread:
    """Return the thread that `headers` (all of its messages and marks, in any order) tell."""
    ordered = in_order(headers)
    return Thread(
        id=thread_id,
        started_at=ordered[0].at,
        last_activity_at=max(header.at for header in ordered),
        user_id=last(header.user_id for header in ordered),
        tags=last(header.thread_tags for header in ordered),
        metadata=merged(header.thread_metadata for header in ordered),
        exchanges=_exchanges([header for header in ordered if header.side != MARK]),
    )


def in_order(headers: Iterable[Header]) -> list[Header]:
    """Return the messages as they were lived: by time; an answer with the id of its question never before it."""
    known = list(headers)
    asked = {header.id: header.at for header in known if header.side == IN}

    def moment(header: Header) -> tuple[int, int, str]:
        at = max(header.at, asked.get(header.id, header.at)) if header.side == OUT else header.at
        return (at, _SIDE_ORDER[header.side], header.id)

    return sorted(known, key=moment)


def _exchanges(messages: Sequence[Header]) -> list[Exchange]:
    exchanges: list[Exchange] = []
    taken: set[str] = set()
    current: Exchange | None = None
    for message in messages:
        if message.is_retry and current is not None:
            current = _open(exchanges, taken, message, sibling_of=current.sibling_of or current.id)
        elif current is None or (message.side == IN and current.answered):
            current = _open(exchanges, taken, message)
        else:
            current.messages.append(message)
    return exchanges


def _open(exchanges: list[Exchange], taken: set[str], message: Header, sibling_of: str | None = None) -> Exchange:
    """Append and return a new exchange; where its message's id is in use already, the id is derived from it."""
    chat_id = message.id
    while chat_id in taken:
        chat_id = str(uuid5(NAMESPACE_OID, f"{UUID(chat_id)}:{message.side}"))
    taken.add(chat_id)
    exchange = Exchange(id=chat_id, sibling_of=sibling_of, messages=[message])
    exchanges.append(exchange)
    return exchange


def last(values: Iterable[Value | None]) -> Value | None:
    """Return the last value that is not None, or None."""
    found: Value | None = None
    for value in values:
        if value is not None:
            found = value
    return found


def merged(texts: Iterable[str | None]) -> dict[str, Any] | None:
    """Return the JSON objects in `texts` merged key by key, later ones winning, or None where there are none."""
    result: dict[str, Any] = {}
    for text in texts:
        if text:
            piece = msgspec.json.decode(text)
            if isinstance(piece, dict):
                result.update(piece)
    return result or None
