"""The small parts every page is made of: icons, status, run types, fragments and links that keep the query."""

import re
import time
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django import template
from django.conf import settings
from django.template.base import NodeList, Parser, Token
from django.template.context import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from lunary_dash.keyboard import groups as keys_of

register = template.Library()

SVG_BODY = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)

# Run type → (icon, word). Types nobody foresaw are shown by their own name.
TYPES: dict[str, tuple[str, str]] = {
    "agent": ("bot", "Agent"),
    "chain": ("workflow", "Chain"),
    "llm": ("sparkles", "LLM"),
    "tool": ("wrench", "Tool"),
    "retriever": ("book-open", "Retriever"),
    "embed": ("waypoints", "Embedding"),
    "thread": ("messages-square", "Thread"),
    "chat": ("message-circle", "Chat"),
    "custom-event": ("flag", "Event"),
    "span": ("minus", "Span"),
}

# Run status → (icon, word, class)
STATUSES: dict[str, tuple[str, str, str]] = {
    "success": ("circle-check", "Success", "status-ok"),
    "error": ("circle-x", "Error", "status-error"),
    "started": ("loader", "Running", "status-running"),
}

PAGING_PARAMETERS = ("cursor", "page")


class FragmentNode(template.Node):
    """A named part of a page that can be rendered alone; in the page itself it is invisible."""

    def __init__(self, name: str, nodelist: NodeList) -> None:
        self.name = name
        self.nodelist = nodelist

    def render(self, context: Context) -> SafeString:
        """Render what the fragment holds."""
        return self.nodelist.render(context)


@register.tag
def fragment(parser: Parser, token: Token) -> FragmentNode:
    """`{% fragment table %} … {% endfragment %}`: what `render_page(…, partial="table")` renders alone."""
    parts = token.split_contents()
    if len(parts) != 2:
        raise template.TemplateSyntaxError("fragment takes one bare name: {% fragment table %}")
    nodelist = parser.parse(("endfragment",))
    parser.delete_first_token()
    return FragmentNode(parts[1], nodelist)


@register.simple_tag
def icon(name: str, size: int = 16, label: str = "", **classes: str) -> SafeString:
    """Return an icon inline, drawn in the text's colour; hidden from screen readers unless it has a label.

    `{% icon "bot" %}`, `{% icon "x" size=14 label="Close" %}`, `{% icon "bot" class="type-agent" %}`.
    """
    words = f"icon {classes.get('class', '')}".strip()
    hidden = format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    return format_html(
        '<svg class="{}" width="{}" height="{}" viewBox="0 0 24 24" fill="none" stroke="currentColor"'
        ' stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" focusable="false" {}>{}</svg>',
        words,
        size,
        size,
        hidden,
        drawing(name),
    )


@register.simple_tag
def type_icon(run_type: str, size: int = 16) -> SafeString:
    """Return the icon of a run type in its colour, named for screen readers."""
    name, word = TYPES.get(run_type, ("circle-dot", run_type))
    return icon(name, size=size, label=word, **{"class": f"type type-{css_name(run_type)}"})


@register.filter
def type_word(run_type: str) -> str:
    """Return a run type as people call it: llm → LLM."""
    return TYPES.get(run_type, ("", run_type))[1]


@register.simple_tag
def status(value: str, word: bool = True) -> SafeString:  # noqa: FBT001 - a template argument
    """Return a run's status as icon and word; plain success keeps its word grey so that errors stand out."""
    name, text, class_name = STATUSES.get(value, ("circle-dot", value, "status-other"))
    if not word:
        return format_html('<span class="status {}">{}</span>', class_name, icon(name, size=14, label=text))
    return format_html('<span class="status {}">{}{}</span>', class_name, icon(name, size=14), text)


@register.simple_tag(takes_context=True)
def query_link(context: Context, **changes: Any) -> str:
    """Return the current URL's query with changes: None or "" removes, a list repeats; paging starts over.

    `<a href="{% query_link type='llm' status=None %}">`. The path stays, so the link begins with `?`.
    """
    query = context["request"].GET.copy()
    for name in PAGING_PARAMETERS:
        query.pop(name, None)
    for name, value in changes.items():
        query.pop(name, None)
        values = value if isinstance(value, list | tuple) else [value]
        query.setlist(name, [str(one) for one in values if one not in (None, "")])
    return "?" + urlencode([(name, value) for name, values in query.lists() for value in values])


@register.simple_tag(takes_context=True)
def server_time(context: Context) -> str:
    """Return how long this request has taken up to here: 23 ms."""
    started = getattr(context.get("request"), "started", None)
    return "" if started is None else f"{max(1, round((time.perf_counter() - started) * 1000))}\u00a0ms"


@register.inclusion_tag("components/keys.html", takes_context=True)
def keyboard(context: Context) -> dict[str, Any]:
    """Show the sheet that lists the keys of this page, by the name of its URL."""
    match = getattr(context.get("request"), "resolver_match", None)
    return {"groups": keys_of((match and match.url_name) or "")}


@register.filter
def initials(name: object) -> str:
    """Return the one or two letters of an avatar: Inès Moreau → IM, ines.moreau@example.org → IM."""
    words = re.findall(r"\w+", str(name or "").partition("@")[0].replace("_", " "))
    return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)).upper()


@register.filter
def words(text: str) -> list[str]:
    """Split text at blanks, for `{% for name in "a b c"|words %}`."""
    return text.split()


@register.filter
def style_path(name: str) -> str:
    """Return the static path of a style sheet: tables → css/tables.css."""
    return f"css/{name}.css"


@register.filter
def script_path(name: str) -> str:
    """Return the static path of a script: copy → js/copy.js."""
    return f"js/{name}.js"


@register.filter
def css_name(value: object) -> str:
    """Return any text as a safe class name part: run types come from clients."""
    return re.sub(r"[^a-z0-9-]+", "-", str(value).lower()).strip("-") or "other"


@lru_cache(maxsize=256)
def drawing(name: str) -> SafeString:
    """Return the inside of an icon's SVG file; raises FileNotFoundError naming an icon that isn't there."""
    path = settings.BASE_DIR / "templates" / "icons" / f"{name}.svg"
    match = SVG_BODY.search(path.read_text())
    if match is None:
        raise ValueError(f"{path} is not an SVG drawing")
    return mark_safe(re.sub(r"\s*\n\s*", "", match.group(1)))  # noqa: S308 - our own files
