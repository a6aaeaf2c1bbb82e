"""Generates realistic Lunary-protocol events, the same for the same seed: a month of demo, and load for the bench.

A session is one conversation or one job. Each has its own seed, so that a demo can be planned first (how many sessions
make `runs` rows?) and then played in the order of time without holding all its events in memory.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random

from bench.people import Person, of
from bench.rhythm import Calendar
from bench.scenes.airline import CLAIMS_DESK, REBOOKING
from bench.scenes.docs import DOCS, REVIEWER
from bench.scenes.incidents import REPORT, RESPONDER
from bench.scenes.retail import CATALOG, SUPPORT
from bench.scenes.talk import Scene, converse
from bench.sdk import AppError, Event, Recorder

DEMO_RUNS = 24_000
DEMO_DAYS = 30
BATCH = 100
_SCENES: dict[Scene, int] = {  # sessions out of a thousand
    CLAIMS_DESK: 200,
    REBOOKING: 110,
    SUPPORT: 330,
    DOCS: 190,
    REVIEWER: 90,
    RESPONDER: 58,
    CATALOG: 19,
    REPORT: 3,
}
_ANY_DAY = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Session:
    """One conversation or job to play."""

    scene: Scene
    seed: int

    def play(self, at: datetime, *, threads: bool = True) -> Recorder:
        """Return what the app's SDK recorded; without threads, a chat's exchanges are traces of their own."""
        rng = Random(self.seed)
        scene = self.scene
        person = _someone(rng, scene)
        app = Recorder(rng, at, scene.style, person, scene.tags)
        turns = scene.turns(rng, person)
        if scene.threaded and threads:
            converse(app, scene, turns)
            return app
        for turn in turns:
            try:
                scene.answer(app, turn)
            except AppError:
                app.wait(500)
        return app


def _someone(rng: Random, scene: Scene) -> Person | None:
    """Choose a person of the scene's organization: few are busy, most are seldom seen."""
    if scene.organization is None:
        return None
    people = of(scene.organization)
    return people[int(len(people) * rng.random() ** 1.7)]


def plan(runs: int, seed: int) -> list[Session]:
    """Draw sessions until they make at least `runs` rows in the runs table."""
    rng = Random(seed)
    scenes, weights = list(_SCENES), list(_SCENES.values())
    sessions: list[Session] = []
    made = 0
    while made < runs:
        session = Session(rng.choices(scenes, weights)[0], rng.getrandbits(62))
        made += session.play(_ANY_DAY).runs
        sessions.append(session)
    return sessions


def demo(now: datetime, seed: int = 1, runs: int = DEMO_RUNS) -> Iterator[Event]:
    """Yield the events of at least `runs` runs over the 30 days before `now`, session by session in time order."""
    rng = Random(seed + 1)
    calendars = {scene: Calendar(scene.rhythm, now, DEMO_DAYS) for scene in _SCENES}
    timed = [(calendars[session.scene].draw(rng), session) for session in plan(runs, seed)]
    timed.sort(key=lambda pair: (pair[0], pair[1].seed))
    for at, session in timed:
        played = session.play(at)
        if played.now > now:  # nothing of a demo happens in the future
            played = session.play(at - (played.now - now) - timedelta(seconds=5))
        yield from played.events


def bench_batches(n_runs: int, seed: int = 1) -> Iterator[list[Event]]:
    """Yield batches of exactly 100 events about at least `n_runs` runs, ids never repeated.

    Starts and ends of most runs share a batch. Sessions cross its borders, one end in twenty comes a batch later, as of
    calls that take their time, and one start in two hundred, as from another process. There are no threads: the
    yardstick, a bare program that only upserts, does not fold conversations.
    """
    rng = Random(seed)
    stream = _some_late(_endless(rng), rng)
    known: set[str] = set()
    while len(known) < n_runs:
        batch = list(islice(stream, BATCH))
        known.update(run_ids(batch))
        yield batch


def run_ids(events: Iterable[Event]) -> Iterator[str]:
    """Name the rows that run events (not messages) make."""
    return (event["runId"] for event in events if event["event"] in {"start", "end", "error"})


def _endless(rng: Random) -> Iterator[Event]:
    scenes, weights = list(_SCENES), list(_SCENES.values())
    at = _ANY_DAY
    while True:
        at += timedelta(seconds=rng.uniform(0, 0.5))
        session = Session(rng.choices(scenes, weights)[0], rng.getrandbits(62))
        yield from session.play(at, threads=False).events


def _some_late(events: Iterator[Event], rng: Random) -> Iterator[Event]:
    held: deque[tuple[int, Event]] = deque()
    for position, event in enumerate(events):
        if rng.random() < (0.005 if event["event"] == "start" else 0.05):
            held.append((position + BATCH, event))
        else:
            yield event
        while held and held[0][0] <= position:
            yield held.popleft()[1]
