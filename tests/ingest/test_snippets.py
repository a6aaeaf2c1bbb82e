"""The lines people paste: complete, and what they send is accepted."""

import json
import re
from datetime import UTC, datetime

import pytest

from ingest import snippets

KEY = "f1efecf7-55c4-4c45-b7ba-f8c824cf663b"
URL = "https://dash.example"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def made(slug: str) -> snippets.Snippet:
    return snippets.snippet(slug, URL, KEY, NOW, "0197c3f2-8e41-7000-8000-000000000001")


@pytest.mark.parametrize("slug", list(snippets.TEMPLATES))
def test_every_snippet_carries_address_and_key(slug: str) -> None:
    assert URL in made(slug).text
    assert KEY in made(slug).text
    assert made(slug).slug == slug


def test_an_unknown_language_is_python() -> None:
    assert made("cobol") == made("python")


@pytest.mark.parametrize("slug", list(snippets.TEMPLATES))
def test_tokens_are_the_text_cut_up(slug: str) -> None:
    lines = ["".join(token.text for token in line) for line in made(slug).lines]
    assert "\n".join(lines) + "\n" == made(slug).text


def test_the_key_stands_out_and_an_address_is_no_comment() -> None:
    kinds = {token.text: token.kind for line in made("python").lines for token in line}
    assert kinds[KEY] == "value"
    assert kinds[f'"{URL}"'] == "text"
    assert kinds["# every call from here on is a run"] == "note"


def test_the_python_snippet_is_python() -> None:
    for slug in ("python", "langchain"):
        program = "\n".join(line for line in made(slug).text.splitlines() if not line.startswith("export"))
        compile(program, slug, "exec")


def test_the_curl_line_sends_one_finished_run() -> None:
    body = re.search(r"-d '(.*)'", made("curl").text, re.DOTALL)
    assert body is not None
    start, end = json.loads(body[1])["events"]
    assert start["runId"] == end["runId"]
    assert (start["event"], end["event"]) == ("start", "end")
    assert datetime.fromisoformat(end["timestamp"]) > datetime.fromisoformat(start["timestamp"]) == NOW
