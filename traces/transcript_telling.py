"""What the cards of a transcript say, from the bodies of one page. Pure: no Django.

A model call's input is mostly what was said before: only what is new since the call of the same level that it has most
in common with is told. A call of a tool is told once: on the card of the run that executed it, matched by the call's
id, else by name in order; where no run did, beneath the model's answer, with the result that a later call was given.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from runs.bodies import Document, Failure
from runs.messages import Message, Part
from traces import transcript_words as words
from traces.transcript import Card, Kind, Page
from traces.transcript_words import LONG, MOST_PARTS, SHORT, Body, Key

MOST_SAID: Final = 60
"""New messages of one call that are shown, counted from the last."""
OPENLY: Final = 2
"""New messages that a call shows openly; where there are two more, the earlier ones are folded."""
_COMPARED: Final = 6  # calls back that a call's input is compared with


@dataclass
class Asked:
    """A tool call as a model made it. `told` is the card of the run that executed it, `result` what came back."""

    part: Part
    told: "Told | None" = None
    result: tuple[Part, ...] = ()


@dataclass
class Told:
    """A card with what it says."""

    card: Card
    instructions: tuple[Message, ...] = ()  # system prompts that are new
    before: tuple[Message, ...] = ()  # new to the reader, but said before: folded
    said: tuple[Message, ...] = ()
    left_out: int = 0  # new messages that are not shown
    answer: tuple[Part, ...] = ()
    asked: list[Asked] = field(default_factory=list)
    by: Asked | None = None  # the model's call that this run executed
    given: Part | None = None
    result: Part | None = None
    documents: tuple[Document, ...] = ()
    lines: tuple[str, str] = ("", "")  # what was given and what came of it, on one line each
    details: tuple[tuple[str, str], ...] = ()  # of an event
    failure: Failure | None = None
    unread: int = 0  # bytes of an input that was too long to be read
    enters: bool = False  # its path is another than the card's before

    @property
    def call(self) -> Part | None:
        """The model's call that this run executed."""
        return self.by.part if self.by else None

    @property
    def came_back(self) -> Part | None:
        """What a tool gave back; where its run doesn't say, what the model was given as the result of its call."""
        return self.result or next((part for part in self.by.result if part.text), None) if self.by else self.result

    @property
    def without_a_run(self) -> list[Asked]:
        """The tool calls that no run on this page executed."""
        return [one for one in self.asked if one.told is None]

    @property
    def names_asked(self) -> list[str]:
        """The tools that the model called."""
        return list(dict.fromkeys(one.part.name for one in self.asked))


@dataclass(frozen=True)
class Story:
    """A page of a transcript, ready to draw. `opening` is what the top was given, `closing` what it answered."""

    page: Page
    opening: tuple[Message, ...]
    told: list[Told]
    closing: tuple[Message, ...]
    failure: Failure | None = None  # of the top


def tell(page: Page, texts: Mapping[UUID, Body]) -> Story:
    """Return what a page says. `texts` has the bodies of its cards, of its top, and of the calls around the page."""
    top = page.level.top
    own = texts.get(top.id, Body()) if top else Body()
    opening = words.chat(own.input, "user")
    teller = _Teller(opening)
    for card in page.earlier_calls:
        teller.recall(texts.get(card.id, Body()))
    told = [teller.tell(card, texts.get(card.id, Body())) for card in page.cards]
    for before, one in zip([None, *told], told, strict=False):
        one.enters = bool(one.card.path) and (before is None or before.card.path != one.card.path)
    if page.later_call:
        teller.hear(words.chat(texts.get(page.later_call.id, Body()).input, "user"))
    closing = teller.fresh(words.chat(own.output, "assistant"))
    return Story(
        page=page,
        opening=words.shown(opening) if page.is_first else (),
        told=told,
        closing=words.shown(closing[-MOST_SAID:]) if page.is_last else (),
        failure=words.failure(own.error) if page.is_last and top and top.status == "error" else None,
    )


class _Teller:
    """Goes through a level's cards in order and remembers what was said and which tools were asked for."""

    def __init__(self, opening: Sequence[Message]) -> None:
        self.opening = Counter(key for message in opening if (key := words.key(message)))
        self.calls: list[Counter[Key]] = []  # keys of what each model call was given and made
        self.waiting: list[Asked] = []
        self.instructed: set[Key] = set()  # system prompts that were told

    def recall(self, body: Body) -> None:
        """Take in a model call that is not told."""
        self._remember(words.chat(body.input, "user"), words.chat(body.output, "assistant"))

    def tell(self, card: Card, body: Body) -> Told:
        """Return what a card says."""
        told = Told(card, failure=_failure_of(card, body), unread=_unread(card, body))
        if card.kind is Kind.MODEL:
            self._tell_call(told, body)
        elif card.kind is Kind.EVENT:
            told.details = words.details(body.metadata)
        else:
            self._tell_work(told, body)
        return told

    def hear(self, given: Sequence[Message]) -> None:
        """Give the calls that nobody answered yet the results that a later call was given."""
        results = {part.ref: part.result for message in given for part in message.parts if part.ref and part.result}
        for asked in self.waiting:
            if asked.part.ref in results:
                asked.result = tuple(words.cut(part, SHORT) for part in results[asked.part.ref][:MOST_PARTS])

    def fresh(self, given: Sequence[Message]) -> list[Message]:
        """Return the messages that neither the opening nor the nearest earlier call knows, in order."""
        mine = Counter(key for message in given if (key := words.key(message)))
        near = self.calls[-_COMPARED:]
        shared = [((mine & call).total(), n) for n, call in enumerate(near)]
        known = self.opening | (near[max(shared)[1]] if shared else Counter())
        found = []
        for message in given:
            key = words.key(message)
            if key and known[key] > 0:
                known[key] -= 1
            elif key:
                found.append(message)
        return found

    def _tell_call(self, told: Told, body: Body) -> None:
        given, made = words.chat(body.input, "user"), words.chat(body.output, "assistant")
        fresh = self.fresh(given)
        self.hear(given)
        told.instructions = words.shown([one for one in fresh if one.folded and words.key(one) not in self.instructed])
        rest = [message for message in fresh if not message.folded]
        told.left_out = max(len(rest) - MOST_SAID, 0)
        rest = rest[-MOST_SAID:]
        openly = OPENLY if len(rest) > OPENLY + 1 else len(rest)
        told.before, told.said = words.shown(rest[: len(rest) - openly]), words.shown(rest[len(rest) - openly :])
        parts = [part for message in made for part in message.parts[:MOST_PARTS] if part.kind != "call"]
        told.answer = tuple(words.cut(words.answer(part), LONG) for part in parts)
        if body.output and body.output.cut:
            told.answer = (words.start(body.output, LONG),)
        told.asked = self._remember(given, made)

    def _remember(self, given: Sequence[Message], made: Sequence[Message]) -> list[Asked]:
        self.instructed.update(key for message in given if message.folded and (key := words.key(message)))
        self.calls.append(Counter(key for message in (*given, *made) if (key := words.key(message))))
        calls = [part for message in made for part in message.parts[:MOST_PARTS] if part.kind == "call"]
        asked = [Asked(part, result=part.result) for part in (words.cut(call, SHORT) for call in calls)]
        self.waiting = [*asked, *self.waiting][: 2 * MOST_PARTS]
        return asked

    def _tell_work(self, told: Told, body: Body) -> None:
        told.given, told.result = words.work(body.input), words.work(body.output)
        told.lines = (words.line(body.input), words.line(body.output))
        if told.card.kind is Kind.SEARCH:
            told.documents = words.documents(body.output)
            told.lines = (told.lines[0], words.titles(told.documents) or told.lines[1])
        asked = self._executed(told.card, body)
        if asked:
            asked.told, told.by = told, asked
            if body.input is None and asked.part.text:
                told.given = replace(asked.part, kind="json", name="", ref="", result=())
                told.lines = (words.squeeze(asked.part.text), told.lines[1])

    def _executed(self, card: Card, body: Body) -> Asked | None:
        """Return the call that a run executed: by the id that its result names, else the first one of its name."""
        ref, name = words.ref(body.output), words.plain(card.node.name or "")
        free = [one for one in self.waiting if one.told is None]
        by_ref = (one for one in free if ref and one.part.ref == ref)
        by_name = (one for one in free if name and words.plain(one.part.name) == name)
        return next(by_ref, None) or next(by_name, None)


def _failure_of(card: Card, body: Body) -> Failure | None:
    return words.failure(body.error) if card.node.status == "error" else None


def _unread(card: Card, body: Body) -> int:
    """Return the size of a model call's input that was too long to be read; of anything else the beginning is told."""
    return body.input.size if card.kind is Kind.MODEL and body.input and body.input.cut else 0
