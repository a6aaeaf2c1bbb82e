"""Conversations as Markdown: complete, readable, and nothing that anybody wrote becomes structure."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.traces.conftest import ids
from traces import thread_markdown
from traces.story import AttachedRow, ChatRow, EventRow, MessageRow, Story
from traces.thread import whole
from traces.thread_markdown import Head, Names, duration, fenced, label, money
from traces.tree import Sums

BEGAN = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
HOSTILE = [
    "```\n# no heading\n``````` and `more`",
    "<script>alert(1)</script></details>\n\n---\n[x](javascript:alert(1))",
    "\u202eright to left\u202c שלום مرحبا",
    "🙂👩‍👩‍👧\ud83d",
    "NUL \x00 and\r\nlines\rof all\u2028kinds",
    "x" * 50_000,
    "~~~\n    indented\n> quoted\n| a | b |\n|---|---|",
    "",
]


def row(number: int, side: str, content: Any, at: int, chat: UUID, **fields: Any) -> MessageRow:
    role = "user" if side == "in" else "assistant"
    body = content if isinstance(content, dict) else {"role": role, "content": content}
    return MessageRow(
        ids(99)[number], side, chat, BEGAN + timedelta(seconds=at), role, json.dumps(body), user_id="ines", **fields
    )


def document(story: Story, head: Head | None = None, names: Names | None = None) -> str:
    turns, between = whole(story)
    texts = iter([one.body for one in thread_markdown.reading_order(turns)])
    head, names = head or Head("Where is my order?"), names or Names({"ines": "Inès"})
    found = "".join(thread_markdown.document(head, turns, between, story.feedback, names, texts))
    assert next(texts, None) is None
    return found


def parsed(text: str) -> Any:
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)


def fences(text: str) -> list[str]:
    return [token.content for token in parsed(text) if token.type == "fence"]


def headings(text: str) -> list[str]:
    tokens = parsed(text)
    return [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]


def as_kept(text: str) -> str:
    """Return text as a Markdown file keeps it: one kind of line end, nothing that UTF-8 can't hold."""
    plain = text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return plain.replace("\r\n", "\n").replace("\r", "\n") + "\n"


A, B, C = (UUID(int=number) for number in (1, 2, 3))


def test_turns_retries_events_silences_and_feedback() -> None:
    messages = [
        row(0, "in", "Where is it?", 0, A),
        row(1, "out", "On its way.", 4, A),
        row(2, "in", "When?", 9_000, B),
        row(3, "out", "Friday.", 9_002, B),
        row(4, "out", "Friday noon.", 9_020, C),
    ]
    story = Story(
        messages=messages,
        chats=[ChatRow(A, BEGAN), ChatRow(B, BEGAN), ChatRow(C, BEGAN, B)],
        events=[EventRow(ids(1)[0], "opened-page", BEGAN + timedelta(seconds=60), {"page": "track*ing*"})],
        runs=[
            AttachedRow(
                A, UUID(int=7), BEGAN, Sums(tokens=120, cost=Decimal("0.0012"), priced=1, errors=1), ("gpt-4.1",)
            )
        ],
        feedback={messages[4].id: {"thumb": "down", "comment": "late\n# very"}},
    )
    text = document(story, names=Names({"ines": "Inès"}, lambda id: f"https://x/{id.int}"))
    assert headings(text) == [
        "Where is my order?",
        "Turn 1 · 2026-11-21 20:00:00 UTC",
        "Turn 2 · 2026-11-21 22:30:00 UTC",
        "Answer 1 of 2",
        "Answer 2 of 2 · retry",
    ]
    told = ["Where is it?", "On its way.", "When?", "Friday.", "Friday noon.", "late\n# very"]
    assert fences(text) == [f"{one}\n" for one in told]
    assert "**Inès (user)** · 2026-11-21 20:00:00 UTC" in text
    assert "Answered by: gpt-4.1 · 4.0 s · 120 tokens · $0.0012 · 1 error · trace <https://x/7>" in text
    assert "*Event: opened-page · 2026-11-21 20:01:00 UTC* · page: track\\*ing\\*" in text
    assert text.index("Event") < text.index("*2 h later*") < text.index("Turn 2")
    assert "Feedback: thumbs down\n" in text


def test_calls_results_and_media() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "find_order", "arguments": '{"id": 5521}'}}
    parts = [
        {"type": "image_url", "image_url": {"url": "https://example.com/a b.png"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
    ]
    messages = [
        row(0, "in", {"role": "user", "content": parts}, 0, A),
        row(1, "out", {"role": "assistant", "content": None, "tool_calls": [call]}, 1, A),
        row(2, "out", {"role": "tool", "tool_call_id": "c1", "content": '{"state": "sent"}'}, 2, A),
    ]
    text = document(Story(messages=messages))
    assert fences(text) == ["https://example.com/a b.png\n", '{"id": 5521}\n', '{"state": "sent"}\n']
    assert "Tool call: find\\_order (c1)\n\n```json" in text
    assert "Audio (audio/mp3, 3 bytes, sent inside the message)" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_text(text: str) -> None:
    messages = [row(0, "in", text, 0, A), row(1, "out", text, 1, A)]
    story = Story(
        messages=messages,
        events=[EventRow(ids(1)[0], text, BEGAN, {text[:50]: text})],
        feedback={messages[0].id: {"comment": text}},
    )
    found = document(story, Head(text, (("Tags", text), ("User", text))), Names({"ines": text}))
    found.encode()
    assert set(fences(found)) <= {as_kept(text)}
    assert len(fences(found)) == (3 if text else 0)
    tokens = [token for one in parsed(found) for token in (one, *(one.children or ()))]
    assert not {token.type for token in tokens} & {
        "html_block",
        "html_inline",
        "link_open",
        "table_open",
        "hr",
        "image",
    }
    assert [heading[:6] for heading in headings(found)[1:]] == ["Turn 1"]
    outside = as_kept(found)
    for one in set(fences(found)):
        outside = outside.replace(one, "")
    assert not set("\x00\u202e\u2028") & set(outside)


def test_an_empty_thread() -> None:
    assert headings(document(Story(messages=[]), Head(""))) == ["Thread"]


@given(st.text())
def test_a_fence_holds_any_text_and_nothing_else(text: str) -> None:
    found = fenced(text) + "# after\n"
    assert fences(found) == [as_kept(text)]
    assert headings(found) == ["after"]


@given(st.text(alphabet=st.sampled_from("`~#*_[]()<>!&|\\$ \n\t\x00\u202e-+.=:a1/"), max_size=40))
def test_a_label_is_plain_words(text: str) -> None:
    tokens = parsed(f"Feedback: {label(text)}\n")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    inline = tokens[1].children
    assert {token.type for token in inline} <= {"text", "text_special"}
    said = "".join(token.content for token in inline)
    words = text.replace("\x00", "\ufffd").replace("\u202e", " ")
    assert said.split() == f"Feedback: {words}".split()


@pytest.mark.parametrize(
    ("given", "said"),
    [(0, "0 ms"), (999, "999 ms"), (4_040, "4.0 s"), (252_000, "4 min 12 s"), (8_640_000, "2 h 24 min")],
)
def test_durations(given: int, said: str) -> None:
    assert duration(given) == said


@pytest.mark.parametrize(("given", "said"), [("0", "$0.00"), ("12.5000000000", "$12.50"), ("0.0012", "$0.0012")])
def test_money(given: str, said: str) -> None:
    assert money(Decimal(given)) == said
