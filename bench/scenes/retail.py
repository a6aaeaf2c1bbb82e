"""Fjord & Loom: the support bot of a shop (JavaScript SDK, streamed answers) and its nightly catalog writer."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from bench.llms import EMBED, GEMINI_FLASH, GPT_4O_MINI, HAIKU
from bench.people import RETAIL, Person
from bench.scenes.talk import Prose, Scene, Turn
from bench.sdk import AppError, Recorder, Style

_PROSE = Prose("retail")
_PROMPTS: dict[str, str] = _PROSE["prompts"]
_TRANSLATIONS: dict[str, str] = _PROSE["translations"]
_ITEMS = (
    ("Runö wool throw", "undyed Gotland wool", "130 × 180 cm", "€129"),
    ("Hav linen pillowcase", "stonewashed linen", "50 × 70 cm", "€39"),
    ("Tjörn blanket", "lambswool and mohair", "140 × 200 cm", "€169"),
    ("Skär table runner", "half-bleached linen", "45 × 150 cm", "€49"),
    ("Vinga cushion cover", "felted merino", "50 × 50 cm", "€59"),
    ("Ask tea towel", "organic half-linen", "50 × 75 cm", "€18"),
    ("Lo bath sheet", "waffle-woven linen", "100 × 150 cm", "€79"),
)


def _facts(rng: Random, person: Person | None) -> dict[str, str]:
    item, material, size, price = rng.choice(_ITEMS)
    return {
        "first": person.name.split()[0] if person else "there",
        "order": f"FL-{rng.randrange(550_000, 689_999)}",
        "tracking": f"{rng.randrange(10**11, 10**12)}SE",
        "day": rng.choice(("Thursday", "Friday", "Saturday")),
        "item": item,
        "material": material,
        "size": size,
        "price": price,
    }


def _support_turns(rng: Random, person: Person | None) -> list[Turn]:
    turns = _PROSE.turns("support", rng, person, _facts(rng, person))
    return turns[: rng.randrange(1, 4)]


def _support(app: Recorder, turn: Turn) -> None:
    facts = turn.facts
    with app.run("agent", "loom-support", turn.question) as agent:
        messages = [{"role": "system", "content": _PROMPTS["bot"]}, {"role": "user", "content": _asked(turn)}]
        arguments = json.dumps({"orderId": facts["order"]})
        app.llm(
            GPT_4O_MINI,
            messages,
            None,
            calls=[(f"call_{facts['tracking']}", "lookupOrder", arguments)],
            params={"tool_choice": "auto"},
            hidden=1_800,
        )
        order = _lookup(app, turn)
        if facts["topic"] in {"returns", "damaged"}:
            with app.run("chain", "startReturn", {"orderId": facts["order"]}) as chain:
                app.tool("checkReturnWindow", {"orderId": facts["order"]}, {"daysLeft": app.rng.randrange(4, 58)}, 40)
                label = {"label": f"RET-{facts['order'][3:]}", "carrier": "PostNord"}
                chain.output = app.tool("createReturnLabel", {"orderId": facts["order"]}, label, 350)
        if facts["topic"] == "care":
            _care_guide(app, turn)
        messages.append({"role": "user", "content": f"Order: {json.dumps(order, ensure_ascii=False)}"})
        streamed = app.rng.random() < 0.12
        app.llm(GPT_4O_MINI, messages, turn.reply, params={"stream": True}, hidden=1_800, streamed=streamed)
        agent.output = turn.reply


def _asked(turn: Turn) -> Any:
    if turn.facts["topic"] != "damaged":
        return turn.question
    photo = f"https://photos.fjord-and-loom.example/returns/{turn.facts['order']}.jpg"
    return [{"type": "text", "text": turn.question}, {"type": "image_url", "image_url": {"url": photo}}]


def _lookup(app: Recorder, turn: Turn) -> Any:
    facts = turn.facts
    found = {
        "orderId": facts["order"],
        "status": "in_transit",
        "carrier": "PostNord",
        "tracking": facts["tracking"],
        "lines": [{"sku": f"FLW-{len(facts['item']) * 37}", "name": facts["item"], "price": facts["price"], "qty": 1}],
    }
    for attempt in range(2):
        try:
            with app.run("tool", "lookupOrder", {"orderId": facts["order"]}) as tool:
                app.wait(95)
                if app.rng.random() < (0.04 if attempt == 0 else 0.25):
                    raise AppError("TimeoutError", "order service: no answer after 5000 ms", "tools/orders.mjs")
                tool.output = found
                return found
        except AppError:
            app.log("warn", "lookupOrder failed, trying once more", {"orderId": facts["order"], "attempt": attempt + 1})
    raise AppError("OrderServiceDown", f"order {facts['order']} could not be read", "agents/support.mjs")


def _care_guide(app: Recorder, turn: Turn) -> None:
    with app.run("retriever", "careGuides", turn.question) as retriever:
        app.embed(EMBED, turn.question)
        text = f"{turn.facts['item']} ({turn.facts['material']}): wool programme, 30 °C at most, dry flat."
        retriever.output = [{"pageContent": text, "metadata": {"source": "care/wool.md", "score": 0.91}}]


def _product_turns(rng: Random, person: Person | None) -> list[Turn]:
    return _PROSE.turns("products", rng, person, _facts(rng, person))


def _catalog(app: Recorder, turn: Turn) -> None:
    rng = app.rng
    products: Sequence[dict[str, str]] = [_facts(rng, None) for _ in range(rng.randrange(4, 12))]
    with app.run("chain", "catalog-writer", {"products": len(products), "season": "winter"}) as root:
        for facts in products:
            with app.run("chain", "write_product", {"name": facts["item"], "material": facts["material"]}) as chain:
                chain.output = _product(app, turn, facts)
        root.output = {"published": len(products)}


def _product(app: Recorder, turn: Turn, facts: dict[str, str]) -> Any:
    written = next(iter(_PROSE.turns("products", app.rng, None, facts)))
    asked = [{"role": "system", "content": _PROMPTS["catalog"]}, {"role": "user", "content": written.question}]
    app.llm(HAIKU, asked, written.reply, params={"temperature": 0.7, "max_tokens": 400}, tags=["catalog"], template=31)
    for language in app.rng.sample(sorted(_TRANSLATIONS), 2):
        with app.run("chain", "translate", {"language": language}) as chain:
            prompt = _PROMPTS["translate"].format(language=language)
            asked = [{"role": "system", "content": prompt}, {"role": "user", "content": written.reply}]
            text = _TRANSLATIONS[language].format_map(facts)
            chain.output = app.llm(GEMINI_FLASH, asked, text, params={"temperature": 0.2})
    app.tool("publish", {"sku": facts["order"], "languages": 3}, {"revision": app.rng.randrange(2, 40)}, 180)
    return {"words": len(written.reply.split()), "languages": 3}


SUPPORT = Scene("loom-support", RETAIL, Style.JAVASCRIPT, ("support", "web"), "shop", _support, _support_turns)
CATALOG = Scene("catalog-writer", None, Style.PYTHON, ("nightly",), "night", _catalog, _product_turns, False)
