"""Ranges of figures as people type them: `>=5`, `<2s`, `0.1..0.5`, `5k`, `unknown`."""

import re
from decimal import Decimal

from runs.conditions import Bounds

LARGEST = Decimal(10) ** 15
_NUMBER = r"\$?(\d{1,20}(?:\.\d{1,12})?)\s*([a-zA-Z]*)"
_ONE = re.compile(rf"(>=|<=|>|<|=|≥|≤)?\s*{_NUMBER}")
_BETWEEN = re.compile(rf"{_NUMBER}\s*(?:\.\.|…|–)\s*{_NUMBER}")

SECONDS = {"": 1000, "ms": 1, "s": 1000, "sec": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000}
COUNTS = {"": 1, "k": 1000, "m": 1_000_000}
DOLLARS = {"": 1, "usd": 1}


def read(text: str, units: dict[str, int]) -> Bounds:
    """Return the range in the column's unit (`units`: how many of it a suffix means); ValueError says what would do."""
    text = text.strip()
    if text in ("unknown", "none"):
        return Bounds(unknown=True)
    if match := _BETWEEN.fullmatch(text):
        low, high = _value(match[1], match[2], units), _value(match[3], match[4], units)
        return Bounds(low=min(low, high), high=max(low, high))
    if match := _ONE.fullmatch(text):
        return _bound(match[1] or "=", _value(match[2], match[3], units))
    raise ValueError("write it like >=5, <2, 1..10 or unknown")


def _bound(sign: str, value: Decimal) -> Bounds:
    if sign in (">=", "≥", ">"):
        return Bounds(low=value, low_open=sign == ">")
    if sign in ("<=", "≤", "<"):
        return Bounds(high=value, high_open=sign == "<")
    return Bounds(low=value, high=value)


def _value(digits: str, suffix: str, units: dict[str, int]) -> Decimal:
    factor = units.get(suffix.lower())
    if factor is None:
        raise ValueError(f"“{suffix}” is no unit here: use {', '.join(unit for unit in units if unit)}")
    value = Decimal(digits) * factor
    if value > LARGEST:
        raise ValueError("that number is too large")
    return value


def say(text: str, unit: str = "") -> str:
    """Return the range as words for a chip: `≥ 5 s`, `0.1 to 0.5`, `unknown`."""
    text = text.strip()
    if text in ("unknown", "none"):
        return "unknown"
    if match := _BETWEEN.fullmatch(text):
        return f"{match[1]} {match[2]} to {match[3]} {match[4] or unit}".replace("  ", " ").strip()
    match = _ONE.fullmatch(text)
    if not match:
        return text
    sign = {">=": "≥", "<=": "≤", "=": "is", "": "is"}.get(match[1] or "", match[1])
    return f"{sign} {match[2]} {match[3] or unit}".strip()
