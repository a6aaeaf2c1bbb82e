"""What all scenes share: turns of a conversation, and how a thread runs from question to feedback."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from bench.people import Person
from bench.sdk import AppError, Recorder, Style

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Turn:
    """One question, the answer the model will give, and the facts that its tools will find."""

    question: str
    reply: str
    facts: Mapping[str, str]
    language: str = "en"


class Prose:
    """A scene's texts, from the TOML file beside it; a case is a list of (question, answer) pairs with {slots}."""

    def __init__(self, name: str) -> None:
        self._texts = tomllib.loads((_HERE / f"{name}.toml").read_text(encoding="utf-8"))

    def __getitem__(self, section: str) -> Any:
        return self._texts[section]

    def turns(self, section: str, rng: Random, person: Person | None, facts: Mapping[str, str]) -> list[Turn]:
        """Choose a case, mostly in the person's language, else in English, and fill its slots."""
        cases = self._texts[section]
        language = person.language if person else "en"
        mine = [case for case in cases if case["language"] == language] if rng.random() < 0.8 else []
        case = rng.choice(mine or [case for case in cases if case["language"] == "en"])
        known = {**facts, **case.get("facts", {}), "topic": case["topic"]}
        return [
            Turn(question.format_map(known), reply.format_map(known), known, case["language"])
            for question, reply in case["pairs"]
        ]


@dataclass(frozen=True)
class Scene:
    """One product: who uses it, when, and which runs an exchange makes."""

    name: str
    organization: str | None  # None: nobody's; nightly jobs, unattributed
    style: Style
    tags: tuple[str, ...]
    rhythm: str  # "office", "shop", "night" or "monday"
    answer: Callable[[Recorder, Turn], None]
    turns: Callable[[Random, Person | None], list[Turn]]
    threaded: bool = True


_COMMENTS_UP = (
    "exactly what I needed",
    "Quick and clear, thank you!",
    "Solved it in one go",
    "nice tone 👍",
    "ありがとうございます、助かりました",
    "Sehr hilfreich",
    "شكراً، إجابة واضحة",
)
_COMMENTS_DOWN = (
    "did not answer my actual question",
    "too long, I only wanted the amount",
    "wrong order number",
    "This contradicts what the e-mail said",
    "bitte kürzer",
)
_APOLOGY = "Sorry, something went wrong on our side. Please try again in a minute."
_EVENTS = (
    ("opened-source", {"source": "policy", "position": 1}),
    ("copied-answer", {"chars": 412}),
    ("handed-over", {"to": "human", "queue": "tier-2"}),
    ("rated-conversation", {"stars": 5}),
)


def converse(app: Recorder, scene: Scene, turns: Sequence[Turn]) -> None:
    """Play a whole thread: questions, the runs that answer them, retries, custom events, feedback."""
    rng = app.rng
    app.open_thread((*scene.tags, turns[0].facts.get("topic", "general")), app.person.place if app.person else None)
    for number, turn in enumerate(turns):
        asked = app.say("user", turn.question, opens=True)
        answered = app.say("assistant", _answer(app, scene, turn, asked))
        if rng.random() < 0.05:
            app.wait(6_000)
            answered = app.say("assistant", f"{turn.reply}\n\n— {scene.name}", is_retry=True)
        _rate(app, answered)
        if rng.random() < 0.06:
            app.wait(4_000)
            app.happened(*rng.choice(_EVENTS))
        if number + 1 < len(turns):
            app.wait(38_000, 0.8)


def _answer(app: Recorder, scene: Scene, turn: Turn, asked: str) -> str:
    try:
        with app.answering(asked):
            scene.answer(app, turn)
    except AppError:
        return _APOLOGY
    return turn.reply


def _rate(app: Recorder, message_id: str) -> None:
    rng = app.rng
    chance = rng.random()
    if chance > 0.16:
        return
    app.wait(9_000)
    up = chance < 0.115
    values: dict[str, object] = {"thumb": "up" if up else "down"}
    if rng.random() < 0.35:
        values["comment"] = rng.choice(_COMMENTS_UP if up else _COMMENTS_DOWN)
    app.feedback(message_id, values)
