"""Models the imagined apps call: how fast they are, how their SDK wrapper words messages, answers and usage."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any


def tokens(content: Any) -> int:
    """Estimate a text's tokens: four characters of Latin script, one and a half of any other."""
    if content is None:
        return 0
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    latin = sum(character < "\u0250" for character in text)
    return int(latin / 4 + (len(text) - latin) / 1.5) + 1


@dataclass(frozen=True)
class Model:
    """A model as its provider's wrapper reports it."""

    name: str
    tokens_per_second: float
    first_token_ms: float
    anthropic: bool = False
    reasoning: bool = False

    def messages(self, messages: Sequence[Mapping[str, Any]], *, python: bool) -> list[dict[str, Any]]:
        """Return the input of a start event: OpenAI's Python wrapper sends each message's unset keys as null."""
        if not python or self.anthropic:
            return [dict(message) for message in messages]
        unset = {"refusal": None, "audio": None, "tool_calls": None, "tool_call_id": None}
        return [
            {"role": message["role"], "content": message.get("content")} | unset | dict(message) for message in messages
        ]

    def answer(self, text: str | None, calls: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
        """Return the output of an end event; `calls` are (id, tool, arguments as JSON text)."""
        if self.anthropic:
            blocks: list[dict[str, Any]] = [{"text": text, "type": "text"}] if text else []
            blocks += [
                {"id": i, "name": tool, "input": json.loads(args), "type": "tool_use"} for i, tool, args in calls
            ]
            stop = "tool_use" if calls else "end_turn"
            return {"role": "assistant", "content": blocks, "model": self.name, "stop_reason": stop}
        made = [{"id": i, "function": {"arguments": args, "name": tool}, "type": "function"} for i, tool, args in calls]
        return {"role": "assistant", "content": text, "refusal": None, "audio": None, "tool_calls": made or None}

    def usage(
        self, rng: Random, prompt: int, made: int, *, streamed: bool
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return tokensUsage and metadata of an end event.

        Anthropic's wrapper leaves cached tokens out of `prompt`, OpenAI's counts them in; a streamed call only knows
        the number of its chunks.
        """
        if streamed:
            return {"completion": made, "prompt": None}, None
        if self.reasoning:
            made += rng.randrange(2, 14) * 64
        cached = prompt // 128 * 128 if prompt > 1_024 and rng.random() < 0.55 else 0
        if not self.anthropic:
            return {"completion": made, "prompt": prompt, "promptCached": cached}, None
        written = cached // 4 if rng.random() < 0.15 else 0
        read = cached - written
        usage = {"prompt": prompt - cached, "completion": made, "promptCached": cached}
        return usage, {
            "model": self.name,
            "stopReason": "end_turn",
            "serviceTier": "standard",
            "cacheCreationInputTokens": written,
            "cacheReadInputTokens": read,
        }


GPT_4O = Model("gpt-4o", 78, 420)
GPT_4O_MINI = Model("gpt-4o-mini", 110, 310)
GPT_41 = Model("gpt-4.1-2025-04-14", 92, 460)
GPT_5 = Model("gpt-5", 70, 1_900, reasoning=True)
O4_MINI = Model("o4-mini", 120, 2_400, reasoning=True)
SONNET = Model("claude-sonnet-4-5", 74, 780, anthropic=True)
HAIKU = Model("claude-haiku-4-5", 150, 390, anthropic=True)
GEMINI_FLASH = Model("gemini-2.5-flash", 190, 340)
HOUSE = Model("aster-rank-8b", 210, 90)  # self-hosted: no price list knows it, so its cost is unknown
EMBED = Model("text-embedding-3-small", 1, 70)
