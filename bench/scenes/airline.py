"""Meridian Air: a claims desk that answers passengers, and a copilot for rebooking after a disruption."""

import json
from random import Random
from typing import Any

from bench.llms import EMBED, GPT_4O, GPT_4O_MINI, GPT_41, SONNET
from bench.people import AIRLINE, Person
from bench.scenes.talk import Prose, Scene, Turn
from bench.sdk import AppError, Recorder, Style

_PROSE = Prose("airline")
_PROMPTS: dict[str, str] = _PROSE["prompts"]
_HANDBOOK: dict[str, str] = _PROSE["handbook"]
_FLIGHTS = (
    ("MA 214", "Lisbon", "Munich", "1 962"),
    ("MA 877", "Athens", "Amsterdam", "2 165"),
    ("MA 1402", "Casablanca", "Paris", "1 895"),
    ("MA 33", "Frankfurt", "Osaka", "9 310"),
    ("MA 590", "Dublin", "Tenerife", "2 997"),
    ("MA 61", "Madrid", "Bogotá", "8 033"),
    ("MA 718", "Vienna", "Porto", "2 263"),
    ("MA 405", "Cairo", "Frankfurt", "2 917"),
)
_CAUSES = (
    ("a technical fault on the inbound aircraft", "technical", "EUR 400"),
    ("a crew rotation that ran out of duty hours", "crew", "EUR 400"),
    ("a late aircraft from the previous rotation", "reactionary", "EUR 250"),
    ("a missing spare part at an outstation", "technical", "EUR 600"),
)


def _facts(rng: Random, person: Person | None) -> dict[str, str]:
    flight, origin, destination, distance = rng.choice(_FLIGHTS)
    cause, code, amount = rng.choice(_CAUSES)
    return {
        "name": person.name if person else "Passenger",
        "flight": flight,
        "origin": origin,
        "destination": destination,
        "distance": distance,
        "cause": cause,
        "code": code,
        "amount": amount,
        "hours": str(rng.randrange(3, 9)),
        "date": f"{rng.randrange(1, 29)} {rng.choice(('September', 'October', 'November'))}",
        "pnr": "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=6)),
        "claim": f"C-{rng.randrange(204_000, 298_000)}",
        "tag": str(rng.randrange(220_000_000, 229_999_999)),
        "card": f"{rng.randrange(1_000, 9_999)}",
    }


def _claim_turns(rng: Random, person: Person | None) -> list[Turn]:
    turns = _PROSE.turns("claims", rng, person, _facts(rng, person))
    return turns if rng.random() < 0.7 else turns[:1]


def _claims_desk(app: Recorder, turn: Turn) -> None:
    facts = turn.facts
    booking = {
        "pnr": facts["pnr"],
        "passenger": facts["name"],
        "fare": "Classic",
        "segments": [{"flight": facts["flight"], "from": facts["origin"], "to": facts["destination"]}],
    }
    with app.run("agent", "claims-desk", {"message": turn.question, "channel": "web"}) as agent:
        _understand(app, turn)
        app.tool("lookup_booking", {"pnr": facts["pnr"]}, booking, 140)
        _evidence(app, turn)
        _reply(app, turn, _assess(app, turn))
        agent.output = turn.reply


def _understand(app: Recorder, turn: Turn) -> None:
    label = {
        "intent": turn.facts["topic"],
        "language": turn.language,
        "urgent": turn.facts["topic"] == "baggage",
        "entities": {"flight": turn.facts["flight"], "pnr": turn.facts["pnr"]},
    }
    asked = [{"role": "system", "content": _PROMPTS["classify"]}, {"role": "user", "content": turn.question}]
    params = {"temperature": 0, "response_format": {"type": "json_object"}}
    with app.run("chain", "understand_request", turn.question) as chain:
        app.llm(GPT_4O_MINI, asked, json.dumps(label, ensure_ascii=False), params=params, hidden=450)
        chain.output = label


def _evidence(app: Recorder, turn: Turn) -> None:
    facts = turn.facts
    with app.run("chain", "gather_evidence", {"flight": facts["flight"], "date": facts["date"]}) as chain:
        try:
            _flight_status(app, facts["flight"], int(facts["hours"]) * 60 + 12, facts["code"])
        except AppError:
            app.tool("flight_status_archive", {"flight": facts["flight"]}, {"source": "archive"}, 900)
        with app.run("retriever", "policy_handbook", turn.question) as retriever:
            app.embed(EMBED, turn.question)
            app.wait(35)
            retriever.output = [
                {"pageContent": text, "metadata": {"source": source, "score": round(0.93 - 0.07 * rank, 2)}}
                for rank, (source, text) in enumerate(app.rng.sample(list(_HANDBOOK.items()), 3))
            ]
        chain.output = {"documents": 3, "cause": facts["code"]}


def _flight_status(app: Recorder, flight: str, delay: int, cause: str) -> None:
    with app.run("tool", "flight_status", {"flight": flight}) as tool:
        app.wait(220)
        if app.rng.random() < 0.035:
            app.wait(8_000, 0.1)
            raise AppError("UpstreamTimeout", "operations feed did not answer within 8 s", "tools/operations.py")
        tool.output = {"flight": flight, "delay_minutes": delay, "cause": cause}


def _assess(app: Recorder, turn: Turn) -> str:
    facts = turn.facts
    verdict = json.dumps({"eligible": True, "amount": facts["amount"], "basis": "Art. 7(1)(b)", "confidence": 0.91})
    case = (
        f"Flight {facts['flight']} {facts['origin']}–{facts['destination']}, {facts['distance']} km, arrived "
        f"{facts['hours']} h late because of {facts['cause']}.\n\nHandbook:\n" + "\n".join(list(_HANDBOOK.values())[:2])
    )
    asked = [{"role": "system", "content": _PROMPTS["assess"]}, {"role": "user", "content": case}]
    with app.run("chain", "assess_claim", {"claim": facts["claim"]}) as chain:
        rules = {"distance_km": facts["distance"], "delay_h": facts["hours"]}
        app.tool("compensation_rules", rules, {"tariff": facts["amount"]}, 12)
        app.llm(GPT_4O, asked, verdict, params={"temperature": 0, "max_tokens": 300, "seed": 7}, hidden=3_550)
        chain.output = verdict
    return verdict


def _reply(app: Recorder, turn: Turn, verdict: str) -> None:
    brief = f"Passenger: {turn.question}\n\nAssessment: {verdict}\nClaim number: {turn.facts['claim']}"
    asked = [{"role": "system", "content": _PROMPTS["desk"]}, {"role": "user", "content": brief}]
    review = [
        {"role": "system", "content": _PROMPTS["check"]},
        {"role": "user", "content": f"Draft: {turn.reply}\nAssessment: {verdict}"},
    ]
    passed = '{"grounded": true, "polite": true, "leaks_internal": false, "note": ""}'
    with app.run("chain", "write_reply", {"language": turn.language}) as chain:
        params = {"max_tokens": 600, "temperature": 0.3}
        app.llm(SONNET, asked, turn.reply, params=params, hidden=3_380, template=12, tags=["reply"])
        with app.run("chain", "quality_gate", turn.reply) as gate:
            app.llm(GPT_4O_MINI, review, passed, params={"temperature": 0}, hidden=300)
            gate.output = {"pass": True}
        chain.output = turn.reply


def _function(name: str, description: str, *arguments: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {argument: {"type": "string"} for argument in arguments}}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


_REBOOK_TOOLS = [
    _function("find_alternatives", "Seats on later flights", "origin", "destination"),
    _function("hold_seat", "Hold a seat for 15 minutes", "flight"),
]


def _rebook_turns(rng: Random, person: Person | None) -> list[Turn]:
    return _PROSE.turns("rebooking", rng, person, _facts(rng, person))


def _rebooking(app: Recorder, turn: Turn) -> None:
    facts = turn.facts
    route = {"origin": facts["origin"], "destination": facts["destination"]}
    seats = [
        {"flight": "MA 216", "departs": "06:55", "seats": 9},
        {"flight": "LX 2087", "departs": "08:10", "seats": 2},
    ]
    steps: tuple[tuple[str, Any, Any], ...] = (
        ("find_alternatives", route, {"flights": seats}),
        ("hold_seat", {"flight": "MA 216"}, {"held": True, "minutes": 15}),
        ("find_alternatives", route | {"partner": True}, {"flights": seats[1:]}),
        ("hold_seat", {"flight": "LX 2087"}, {"held": False, "reason": "sold out meanwhile"}),
    )
    params = {"tools": _REBOOK_TOOLS, "temperature": 0.1}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": _PROMPTS["rebook"]},
        {"role": "user", "content": turn.question},
    ]
    with app.run("agent", "rebooking-copilot", turn.question) as agent:
        for number, (name, given, found) in enumerate(steps[: app.rng.randrange(1, 5)]):
            arguments = json.dumps(given)
            call_id = f"call_{facts['pnr']}{number}"
            app.llm(GPT_41, messages, None, calls=[(call_id, name, arguments)], params=params, hidden=2_150)
            app.tool(name, given, found, 380)
            call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            messages += [
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "content": json.dumps(found), "tool_call_id": call_id},
            ]
        agent.output = app.llm(GPT_41, messages, turn.reply, params=params, hidden=2_150)


CLAIMS_DESK = Scene("claims-desk", AIRLINE, Style.PYTHON, ("claims",), "shop", _claims_desk, _claim_turns)
REBOOKING = Scene("rebooking-copilot", AIRLINE, Style.PYTHON, ("disruption",), "office", _rebooking, _rebook_turns)
