"""Small parts of a trace's rows that a page repeats hundreds of times: drawn once, then named."""

from functools import lru_cache

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from lunary_dash.templatetags.components import TYPES, css_name, drawing
from lunary_dash.templatetags.figures import duration, money_exact, tokens
from traces.lines import Row

register = template.Library()

MARKS = ("circle-x", "loader", "chevron-right", "chevrons-down", "chevron-up", "corner-down-right")
OTHER = "circle-dot"


@register.simple_tag
@lru_cache(maxsize=1)
def tree_icons() -> SafeString:
    """Return the drawings that rows refer to, once per page."""
    names = sorted({icon for icon, _ in TYPES.values()} | {OTHER, *MARKS})
    symbols = format_html_join(
        "",
        '<symbol id="i-{}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75"'
        ' stroke-linecap="round" stroke-linejoin="round">{}</symbol>',
        ((name, drawing(name)) for name in names),
    )
    return format_html('<svg class="visually-hidden" width="0" height="0" aria-hidden="true">{}</svg>', symbols)


@register.simple_tag
@lru_cache(maxsize=64)
def mark(name: str, size: int = 14) -> SafeString:
    """Return one of the drawings in its text's colour, hidden from screen readers."""
    return format_html(
        '<svg class="icon" width="{}" height="{}" aria-hidden="true"><use href="#i-{}"/></svg>', size, size, name
    )


@register.filter
@lru_cache(maxsize=256)
def type_mark(run_type: str) -> SafeString:
    """Return the drawing of a run type in its colour, named for screen readers."""
    name, word = TYPES.get(run_type, (OTHER, run_type))
    return format_html(
        '<svg class="icon type type-{}" width="14" height="14" role="img" aria-label="{}"><use href="#i-{}"/></svg>',
        css_name(run_type),
        word,
        name,
    )


@register.filter
@lru_cache(maxsize=256)
def type_class(run_type: str) -> str:
    """Return a run type as a part of a class name."""
    return css_name(run_type)


@register.filter
def row_title(row: Row) -> str:
    """Return what a row says when pointed at: when it began, and the figures that are its own, not its sub-tree's."""
    said = [f"starts after {duration(row.offset_ms)}" if row.offset_ms else "starts the trace"]
    own = "own " if row.is_sum else ""
    if row.node.tokens is not None:
        said.append(f"{own}tokens {tokens(row.node.tokens)}")
    if row.node.cost is not None:
        said.append(f"{own}cost {money_exact(row.node.cost)}")
    if row.is_critical:
        said.append(f"critical path, {duration(row.critical_ms)} its own" if row.critical_ms else "critical path")
    return " · ".join(said)
