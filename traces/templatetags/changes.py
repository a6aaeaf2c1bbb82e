"""Figures of two runs, and their change: a sign always, a true minus, "=" where there is none."""

from decimal import Decimal

from django import template

from lunary_dash.templatetags import figures

register = template.Library()

MINUS = "\u2212"
Number = int | Decimal | None
WRITTEN = {"duration": figures.duration, "count": figures.count, "money": figures.money}


@register.filter
def in_unit(number: Number, unit: str) -> str:
    """Return a figure in its unit (duration, count or money); — where there is none."""
    return figures.NONE if number is None else WRITTEN[unit](number)


@register.filter
def change(number: Number, unit: str) -> str:
    """Return a change in its unit: +1.2 s, −3, +$0.0120, = for none; nothing where it is not known."""
    if number is None:
        return ""
    if number == 0:
        return "="
    return f"{MINUS if number < 0 else '+'}{WRITTEN[unit](abs(number))}"


@register.filter
def change_share(share: float | None) -> str:
    """Return a change as a share of one: +12.5 %, −54 %, ×12 beyond a tenfold; nothing where it is not known or 0."""
    if not share:
        return ""
    if share >= 9:
        return f"×{figures.count(round(share + 1))}"
    percent = abs(share) * 100
    digits = f"{percent:.1f}" if percent < 9.95 else f"{percent:.0f}"
    return f"{MINUS if share < 0 else '+'}{digits}\u00a0%"
