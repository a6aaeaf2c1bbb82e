"""Deep and wide traces: an incident responder that delegates up to twelve levels, and a weekly map-reduce report."""

import json
from contextlib import suppress
from random import Random

from bench.llms import GPT_4O, GPT_4O_MINI, GPT_5, HAIKU, O4_MINI, SONNET
from bench.people import CLOUD, Person
from bench.scenes.talk import Prose, Scene, Turn
from bench.sdk import AppError, Recorder, Style

_PROSE = Prose("incidents")
_PROMPTS: dict[str, str] = _PROSE["prompts"]
_SPECIALISTS: dict[str, str] = {k: v for k, v in _PROSE["specialists"].items() if isinstance(v, str)}
_COMMENTS: list[str] = _PROSE["specialists"]["comments"]
_SERVICES = ("billing-api", "ingest-gateway", "notifications", "search-indexer", "auth-edge", "checkout")
_QUERIES = (
    ("query_logs", 'service="{service}" level=error | count by signature'),
    ("query_metrics", "histogram_quantile(0.99, rate({service}_seconds_bucket[5m]))"),
    ("find_traces", "service:{service} status:error duration:>1s"),
    ("list_deploys", "service:{service} since:-2h"),
)


def _alert_turns(rng: Random, person: Person | None) -> list[Turn]:
    service = rng.choice(_SERVICES)
    facts = {"service": service, "n": str(rng.choice((12, 24, 40))), "minutes": str(rng.randrange(11, 55))}
    return _PROSE.turns("alerts", rng, person, facts)


def _responder(app: Recorder, turn: Turn) -> None:
    with app.run("agent", "incident-responder", turn.question, tags=["incident", turn.facts["topic"]]) as agent:
        plan = json.dumps({"hypotheses": ["recent change", "dependency", "load"], "budget_queries": 20})
        asked = [{"role": "system", "content": _PROMPTS["lead"]}, {"role": "user", "content": turn.question}]
        with app.run("chain", "plan", {"alert": turn.facts["topic"]}) as chain:
            chain.output = app.llm(O4_MINI, asked, plan, params={"max_completion_tokens": 2_000}, hidden=2_750)
        depths = app.rng.choices((1, 2, 3, 4, 5), (8, 6, 4, 2, 1), k=app.rng.randrange(1, 4))
        findings = [_delegate(app, turn, levels) for levels in depths]
        asked.append({"role": "user", "content": "Findings:\n" + "\n".join(findings)})
        with app.run("chain", "conclude", {"findings": len(findings)}) as chain:
            chain.output = app.llm(GPT_5, asked, turn.reply, params={"max_completion_tokens": 3_000}, hidden=5_750)
        app.tool("post_to_channel", {"channel": "#incidents", "text": turn.reply[:120] + "…"}, {"ok": True}, 260)
        agent.output = turn.reply


def _delegate(app: Recorder, turn: Turn, levels: int) -> str:
    """Let a specialist work through a hypothesis, and ask another specialist while levels are left."""
    rng = app.rng
    role, finding = rng.choice(list(_SPECIALISTS.items()))
    finding = finding.format_map(turn.facts)
    system = {"role": "system", "content": _PROMPTS["specialist"].format(role=role.replace("-", " "))}
    with app.run("agent", role, {"question": f"What explains it from your side? ({turn.facts['topic']})"}) as agent:
        with app.run("chain", "work_hypothesis", {"levels_left": levels}) as chain:
            evidence = [_query(app, turn) for _ in range(rng.randrange(1, 4))]
            asked = [system, {"role": "user", "content": f"{turn.question}\n\n" + "\n".join(evidence)}]
            answer = {"finding": finding, "evidence": len(evidence), "confidence": round(rng.uniform(0.55, 0.97), 2)}
            model = SONNET if rng.random() < 0.5 else GPT_4O
            app.llm(model, asked, json.dumps(answer), params={"max_tokens": 700}, hidden=rng.randrange(1_500, 6_500))
            if levels > 1:
                finding += " " + _delegate(app, turn, levels - 1)
            chain.output = answer
        agent.output = finding
    return finding


def _query(app: Recorder, turn: Turn) -> str:
    rng = app.rng
    name, query = rng.choice(_QUERIES)
    query = query.format_map(turn.facts)
    try:
        with app.run("tool", name, {"query": query, "window": "-30m"}) as tool:
            app.wait(640, 0.8)
            if rng.random() < 0.05:
                raise AppError(
                    "QueryTooExpensive", "query would scan 1.4 TB; narrow the window or add a filter", "ops.py"
                )
            rows = [{"key": f"sig-{rng.randrange(900):03}", "count": rng.randrange(3, 9_000)} for _ in range(3)]
            tool.output = {"rows": rows, "scanned_mb": rng.randrange(40, 2_400)}
    except AppError as failure:
        return f"{name}: failed, {failure.message}"
    return f"{name}: {json.dumps(rows)}"


def _week_turns(rng: Random, person: Person | None) -> list[Turn]:
    week = f"week {rng.randrange(40, 48)}"
    return [Turn(f"Voice of the customer, {week}", "", {"topic": "report", "week": week})]


def _weekly_report(app: Recorder, turn: Turn) -> None:
    """Hundreds of small calls beneath one chain: the widest trace of the demo."""
    rng = app.rng
    count = rng.randrange(60, 130)
    with app.run("chain", "voice-of-customer", {"week": turn.facts["week"], "comments": count}) as root:
        app.tool("load_comments", {"week": turn.facts["week"]}, {"comments": count}, 900)
        with app.run("chain", "map", {"batch": count}) as mapping:
            for _ in range(count):
                text = rng.choice(_COMMENTS)
                said = {
                    "summary": text[:70],
                    "theme": rng.choice(("crew", "delay", "baggage", "app", "seat")),
                    "mood": 1,
                }
                asked = [{"role": "system", "content": _PROMPTS["report"]}, {"role": "user", "content": text}]
                with suppress(AppError):
                    app.llm(HAIKU, asked, json.dumps(said, ensure_ascii=False), params={"max_tokens": 120})
            mapping.output = {"summaries": count}
        with app.run("chain", "reduce", {"summaries": count}) as reducing:
            themes = "1. Crew (31 %): “kept me posted every few hours”\n2. Delays (27 %): “nobody told us anything”"
            for part in range(3):
                asked = [
                    {"role": "system", "content": _PROMPTS["merge"]},
                    {"role": "user", "content": f"Part {part + 1}"},
                ]
                app.llm(GPT_4O_MINI, asked, themes, params={"temperature": 0.2}, hidden=7_000)
            reducing.output = themes
        root.output = themes


RESPONDER = Scene("incident-responder", CLOUD, Style.PYTHON, ("on-call",), "office", _responder, _alert_turns, False)
REPORT = Scene(
    "voice-of-customer", None, Style.PYTHON, ("weekly", "report"), "monday", _weekly_report, _week_turns, False
)
