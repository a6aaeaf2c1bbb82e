"""Taking known people out of texts: what a public page shows of a trace must not name the end users it is about. Pure.

What is known of them are their ids, names and properties, and the names of their teams and organizations. Every place
where one of these values stands is blackened, in whatever form payloads hold it: inside longer texts, in JSON inside of
JSON, escaped, percent-encoded, composed or decomposed, in any case. Under keys that say they hold a person
(`userId`, `email`, …) everything is, known or not.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import pairwise
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

MARK = "[redacted]"
SHORTEST = 3
"""Values of fewer characters stay: blackening each "a" or "12" would leave nothing to read."""
LOOSE = 6
"""Values of so many characters are found inside of words too; shorter ones only where they stand by themselves."""
LONGEST = 200
"""A longer value is looked for piece by piece."""
MOST = 500
"""Known values beyond which nothing is searched any more, and all texts are blackened whole."""
DEEPEST = 6
"""How often JSON may hold JSON as text; what lies deeper is searched as the text it is."""
NAMES = frozenset({"name", "fullname", "displayname", "username", "firstname", "lastname", "givenname", "familyname"})
"""Properties whose words are blackened one by one as well: "Dear Inès" tells of Inès Moreau."""
PEOPLE = frozenset(
    {
        *("user", "userid", "username", "useremail", "userprops", "enduser", "enduserid", "email", "customerid"),
        *("team", "teamid", "teamname", "tenant", "tenantid", "org", "orgid", "orgname"),
        *("organization", "organizationid", "organizationname", "organisation", "organisationid", "organisationname"),
    }
)
"""Keys of metadata and parameters, without case, - and _, whose values are blackened whatever they are."""
PEOPLE_IN_BODIES = PEOPLE - {"user", "team", "org", "tenant", "organization", "organisation"}
"""The same for inputs and outputs, where the bare words are roles and ordinary arguments too."""

Trie = dict[str, "Trie"]
END = ""
_WORD = r"[^\W_]"  # letters and digits: a value beside a _ stands by itself


def known_values(ids: Iterable[str | None], props: Iterable[Any]) -> set[str]:
    """Return what must not be read: these ids, and all texts and numbers in these properties, names word by word."""
    found: set[str] = set()
    for id in ids:
        found |= _forms(id) if id else set()
    for each in props:
        for key, value in _leaves(each):
            found |= _forms(value)
            if _plain_key(key) in NAMES:
                found |= set(re.findall(r"[^\W\d_]+", value))
    return {piece for value in found if len(value) >= SHORTEST for piece in _pieces(value)}


class Redactor:
    """Blackens values in texts. Without any it only blackens what stands under keys that name people."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = set(values)
        self.blind = len(self._values) > MOST
        """True where there are too many people to look for: every text is blackened whole."""

    @cached_property
    def longest(self) -> int:
        """Characters of the longest text that may have to be blackened: a cut text may end inside of one."""
        return max((len(form) for value in self._values for form in _written(value)), default=0)

    def text(self, text: str) -> str:
        """Return the text without the values."""
        if self.blind:
            return MARK if text else text
        if not self._values or not self._pattern.search(plain := folded(text)):
            return text
        kept, end = [], 0
        for match in self._pattern.finditer(plain):
            kept += [text[end : match.start()], MARK]
            end = match.end()
        return "".join([*kept, text[end:]])

    def name(self, text: str | None) -> str | None:
        """Return a name, None where there is none."""
        return self.text(text) if text else text

    def payload(self, text: str, people: frozenset[str] = PEOPLE_IN_BODIES) -> str:
        """Return a payload, JSON as a rule, without the values; it stays JSON if it was."""
        if self.blind:
            return json.dumps(MARK)
        try:
            value = json.loads(text)
            told = json.dumps(self._value(value, people, DEEPEST), ensure_ascii=False)
        except (ValueError, RecursionError):
            return self.text(text)
        return told

    def _value(self, value: Any, people: frozenset[str], room: int) -> Any:
        if isinstance(value, str):
            return self._said(value, people, room)
        if isinstance(value, Mapping):
            return {
                self.text(key): MARK if _plain_key(key) in people and inner else self._value(inner, people, room)
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self._value(inner, people, room) for inner in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return MARK if str(value) in self._values else value
        return value

    def _said(self, text: str, people: frozenset[str], room: int) -> str:
        """Return a text of a payload; where it is JSON itself, as tools' arguments are, it is taken apart."""
        if room and text.lstrip()[:1] in ("{", "[", '"'):
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                return self.text(text)
            told = self._value(value, people, room - 1)
            return text if told == value and self.text(text) == text else json.dumps(told, ensure_ascii=False)
        return self.text(text)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Return what finds any form of any value in folded text."""
        trie: Trie = {}
        for form in {folded(form) for value in self._values for form in _written(value)}:
            node = trie
            for letter in form:
                node = node.setdefault(letter, {})
            node[END] = {}
        return re.compile(_expression(trie, 0), re.DOTALL)


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield (key, text) of every text and number inside of a JSON value, key by key."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, key)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield key, str(value)


def _forms(value: str) -> set[str]:
    """Return a value and what is known with it: an e-mail's name, a UUID's other spelling."""
    value = value.strip()
    found = {value}
    local, at, domain = value.partition("@")
    if at and "." in domain and not re.search(r"\s", value):
        found.add(local)
    with suppress(ValueError):
        found |= {str(UUID(value)), UUID(value).hex}
    return found


def _pieces(value: str) -> Iterator[str]:
    """Yield the value in pieces of about LONGEST characters, none of them too short to be looked for."""
    count = max(1, len(value) // LONGEST)
    cuts = [len(value) * number // count for number in range(count + 1)]
    yield from (value[start:stop] for start, stop in pairwise(cuts))


def _written(value: str) -> set[str]:
    """Return the ways in which texts write a value."""
    found = set()
    for plain in {value, unicodedata.normalize("NFC", value), unicodedata.normalize("NFD", value)}:
        found |= {plain, quote(plain), quote(plain, safe=""), quote_plus(plain)}
        found |= {json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1]}
    return found


def _expression(trie: Trie, depth: int) -> str:
    """Return the expression for what lies below a node, longer forms first.

    One expression of all forms tells at each letter what may follow, so that a thousand values cost hardly more than
    one: as alternatives each would be tried at every place of the text.
    """
    run = ""
    while len(trie) == 1 and END not in trie:
        ((letter, trie),) = trie.items()
        run += re.escape(letter)
        depth += 1
    ways = [
        re.escape(letter) + _expression(below, depth + 1) for letter, below in sorted(trie.items()) if letter != END
    ]
    if END in trie:
        ways.append("" if depth >= LOOSE else rf"(?<!{_WORD}.{{{depth}}})(?!{_WORD})")
    return run + (ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})")


def folded(text: str) -> str:
    """Return a text of the same length in which case is gone."""
    return text.replace("\u0130", "I").lower().replace("\u03c2", "\u03c3")


def _plain_key(key: str) -> str:
    return re.sub(r"[-_\s.]", "", key).lower()
