"""What the strict content security policy and hostile payloads demand of every template and stylesheet."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html")) + sorted((ROOT / "templates").rglob("*.svg"))
SCRIPTS = [path for path in (ROOT / "static").rglob("*.js") if "vendor" not in path.parts]
SHEETS = [path for path in (ROOT / "static").rglob("*.css") if "vendor" not in path.parts]

INLINE = {
    "a script without src": re.compile(r"<script(?![^>]*\b(?:src=|type=.application/json))", re.IGNORECASE),
    "a style element": re.compile(r"<style\b", re.IGNORECASE),
    "a style attribute": re.compile(r"""<[^>]*\sstyle\s*=\s*["'{]""", re.IGNORECASE),
    "an event handler": re.compile(r"""<[^>]*\son[a-z]+\s*=\s*["'{]""", re.IGNORECASE),
    "a javascript: address": re.compile(r"javascript:", re.IGNORECASE),
    "htmx that needs eval": re.compile(r"""hx-(?:on|vals\s*=\s*["']js:|vars)\b|hx-trigger="[^"]*\["""),
}
UNESCAPED = re.compile(r"\|\s*safe\b|\|\s*safeseq\b|{%\s*autoescape\s+off")


def _without_comments(text: str) -> str:
    return re.sub(r"{#.*?#}|{%\s*comment.*?endcomment\s*%}", "", text, flags=re.DOTALL)


def test_there_are_templates() -> None:
    assert TEMPLATES
    assert SHEETS


@pytest.mark.parametrize("what", INLINE)
def test_no_template_has(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()[:80]}"
        for path in TEMPLATES
        if (match := INLINE[what].search(_without_comments(path.read_text())))
    ]
    assert found == []


def test_no_template_trusts_a_payload() -> None:
    found = [str(path.relative_to(ROOT)) for path in TEMPLATES if UNESCAPED.search(_without_comments(path.read_text()))]
    assert found == []


def test_no_page_fetches_from_elsewhere() -> None:
    elsewhere = re.compile(
        r"""(?:src|href|action)=["']?(?:https?:)?//|url\(\s*["']?(?:https?:)?//|@import\s+["']?https?:"""
    )
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()[:100]}"
        for path in [*TEMPLATES, *SHEETS]
        for line in path.read_text().splitlines()
        if elsewhere.search(line) and "xmlns" not in line and "<a " not in line
    ]
    assert found == []


def test_scripts_do_without_eval() -> None:
    risky = re.compile(r"\beval\(|new Function\(|\.innerHTML\s*=|document\.write\(|insertAdjacentHTML")
    assert [str(path.relative_to(ROOT)) for path in SCRIPTS if risky.search(path.read_text())] == []


def test_style_sheets_stay_in_their_layer() -> None:
    loose = [
        str(path.relative_to(ROOT))
        for path in SHEETS
        if path.name != "errors.css"  # for the page that is shown when nothing else may work
        and not re.match(r"\s*(?:/\*.*?\*/\s*)*(?:@layer|@charset)", path.read_text(), re.DOTALL)
    ]
    assert loose == []
