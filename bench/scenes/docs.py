"""Kestrel Cloud: a documentation assistant (a LangChain retrieval chain) and a reviewer of pull requests."""

import json
from random import Random

from bench.llms import EMBED, GPT_4O_MINI, GPT_5, HAIKU, HOUSE, SONNET
from bench.people import CLOUD, Person
from bench.scenes.talk import Prose, Scene, Turn
from bench.sdk import AppError, Recorder, Style

_PROSE = Prose("docs")
_PROMPTS: dict[str, str] = _PROSE["prompts"]
_PASSAGES: dict[str, str] = _PROSE["passages"]
_SERVICES = ("billing-api", "ingest-gateway", "notifications", "search-indexer", "auth-edge", "invoice-worker")


def _facts(rng: Random) -> dict[str, str]:
    return {
        "service": rng.choice(_SERVICES),
        "n": str(rng.choice((6, 12, 24, 40, 48, 64, 1_841, 2_204))),
        "minutes": str(rng.randrange(3, 19)),
        "line": str(rng.randrange(24, 310)),
    }


def _question_turns(rng: Random, person: Person | None) -> list[Turn]:
    return _PROSE.turns("questions", rng, person, _facts(rng))


def _review_turns(rng: Random, person: Person | None) -> list[Turn]:
    return _PROSE.turns("rules", rng, person, _facts(rng))


def _docs_assistant(app: Recorder, turn: Turn) -> None:
    rng = app.rng
    with app.run("chain", "RetrievalQA", {"question": turn.question}) as chain:
        question = turn.question
        if rng.random() < 0.5:
            question = _condense(app, turn)
        found = _retrieve(app, question)
        passages = "\n\n".join(f"[{rank}] {text}" for rank, text in enumerate(found, 1))
        with app.run("chain", "StuffDocumentsChain", {"question": question, "documents": len(found)}) as stuff:
            asked = [
                {"role": "system", "content": _PROMPTS["system"]},
                {"role": "user", "content": f"{passages}\n\nQuestion: {question}"},
            ]
            model = SONNET if rng.random() < 0.6 else HAIKU
            params = {"max_tokens": 1_024, "temperature": 0}
            app.llm(model, asked, turn.reply, params=params, hidden=rng.randrange(1_200, 8_500))
            stuff.output = turn.reply
        chain.output = {"answer": turn.reply, "sources": len(found)}


def _condense(app: Recorder, turn: Turn) -> str:
    asked = [{"role": "system", "content": _PROMPTS["condense"]}, {"role": "user", "content": turn.question}]
    with app.run("chain", "CondenseQuestion", turn.question) as chain:
        chain.output = app.llm(GPT_4O_MINI, asked, turn.question, params={"temperature": 0})
    return turn.question


def _retrieve(app: Recorder, question: str) -> list[str]:
    rng = app.rng
    hits = rng.sample(list(_PASSAGES.items()), 3)
    with app.run("retriever", "docs-index", question, metadata={"ls_retriever_name": "docs-index"}) as retriever:
        app.embed(EMBED, question)
        app.wait(28)
        if rng.random() < 0.01:
            raise AppError("IndexUnavailable", "shard 3 of docs-2026-11 is relocating", "retrieval/index.py")
        order = json.dumps([{"passage": rank, "score": round(0.94 - rank / 9, 2)} for rank in range(3)])
        asked = [{"role": "user", "content": f"Rank for: {question}\n" + "\n".join(text for _, text in hits)}]
        app.llm(HOUSE, asked, order, params={"temperature": 0})
        retriever.output = [
            {"page_content": text, "metadata": {"source": source, "score": round(0.94 - rank / 9, 2)}}
            for rank, (source, text) in enumerate(hits)
        ]
    return [text for _, text in hits]


def _reviewer(app: Recorder, turn: Turn) -> None:
    rng = app.rng
    with app.run("agent", "code-reviewer", turn.question) as agent:
        diff = app.tool("fetch_diff", {"pull_request": turn.facts["n"]}, _diff(turn), 310)
        with app.run("chain", "read_files", {"files": 3}) as chain:
            for path in rng.sample(("delivery.py", "backoff.py", "queries.py", "flags.py", "tests/test_flags.py"), 3):
                app.tool("read_file", {"path": path}, f"# {path}\n" + _diff(turn), 25)
            chain.output = {"files": 3, "lines": rng.randrange(200, 1_900)}
        if rng.random() < 0.12:
            app.log("warning", "diff is longer than 2 000 lines, reviewing the changed hunks only", {"lines": 2_418})
        with app.run("chain", "review", {"pull_request": turn.facts["n"]}) as chain:
            asked = [
                {"role": "system", "content": "Review like a careful colleague: correctness first, then operations."},
                {"role": "user", "content": f"{turn.question}\n\n{diff}"},
            ]
            hidden = rng.randrange(5_000, 34_000)
            chain.output = app.llm(GPT_5, asked, turn.reply, params={"max_completion_tokens": 4_000}, hidden=hidden)
        with app.run("tool", "post_review", {"pull_request": turn.facts["n"], "event": "COMMENT"}) as tool:
            app.wait(420)
            if rng.random() < 0.03:
                raise AppError("Forbidden", "403: review comments are locked for this pull request", "tools/forge.py")
            tool.output = {"comments": 2}
        agent.output = turn.reply


def _diff(turn: Turn) -> str:
    line = int(turn.facts["line"])
    return (
        f"@@ -{line},7 +{line},9 @@ class Dispatcher:\n"
        "     async def enqueue(self, delivery: Delivery) -> None:\n"
        "-        await self._send(delivery)\n"
        "+        delivery.attempt += 1\n"
        "+        delay = min(2 ** delivery.attempt, 300)\n"
        "+        await self._queue.put((time.time() + delay, delivery))\n"
    )


DOCS = Scene("docs-assistant", CLOUD, Style.LANGCHAIN, ("docs",), "office", _docs_assistant, _question_turns)
REVIEWER = Scene("code-reviewer", CLOUD, Style.PYTHON, ("review", "ci"), "office", _reviewer, _review_turns, False)
