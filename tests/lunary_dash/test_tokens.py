"""The palette keeps AA contrast in both themes, and is the one the mockups give."""

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).parents[2] / "static/css/tokens.css").read_text()
PAIR = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")
TOKENS = {name: (light, dark) for name, light, dark in PAIR.findall(CSS)}

SURFACES = ["surface", "surface-side", "surface-sunk", "surface-raised"]
TEXT_PAIRS = [
    *[(ink, surface) for ink in ("ink", "ink-2", "ink-3") for surface in SURFACES],
    *[(colour, surface) for colour in ("accent", "ok", "error", "warn") for surface in ("surface", "surface-raised")],
    ("on-accent", "accent"), ("accent", "accent-soft"), ("ink", "accent-soft"), ("ink-2", "accent-soft"),
    ("ok", "ok-soft"), ("error", "error-soft"), ("warn", "warn-soft"), ("ink", "error-soft"), ("ink", "warn-soft"),
    ("warn", "surface-side"),
    *[(f"type-{kind}", surface) for kind in ("agent", "chain", "llm", "tool", "retriever", "embed", "thread")
      for surface in ("surface", "surface-raised")],
]  # fmt: skip


def luminance(colour: str) -> float:
    """Return the relative luminance as WCAG defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("text", "surface"), TEXT_PAIRS)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_is_readable(text: str, surface: str, theme: int) -> None:
    assert contrast(TOKENS[text][theme], TOKENS[surface][theme]) >= 4.5


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_the_focus_ring_stands_out(surface: str, theme: int) -> None:
    assert contrast(TOKENS["accent"][theme], TOKENS[surface][theme]) >= 3


def test_a_few_colours_are_those_of_the_mockups() -> None:
    assert TOKENS["accent"] == ("#3d55d4", "#93a4ff")
    assert TOKENS["ink-3"] == ("#666e7c", "#8891a0")
    assert TOKENS["type-llm"] == ("#0b7a75", "#4cc7bf")


def test_components_use_roles_and_never_raw_colours() -> None:
    folder = Path(__file__).parents[2] / "static/css"
    raw = {
        path.name: found
        for path in folder.rglob("*.css")
        if path.name not in {"tokens.css", "charts.css"}  # charts.css names what plotly drew, to put roles over it
        and (found := re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(", path.read_text()))
    }
    assert raw == {}
