"""Markdown of strangers as HTML that is safe to show. Pure: no Django.

Raw HTML is text, images are links (nothing is loaded from elsewhere until somebody clicks), links go to absolute
addresses only and tell nobody where they came from. The sanitiser behind it doesn't trust the renderer.
"""

import re
from collections.abc import MutableMapping, Sequence
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

LONGEST = 20_000
"""Characters rendered; some texts take a parser far longer than their length suggests."""
SCHEMES = ("https://", "http://", "mailto:")
TAGS = frozenset(
    (
        *("p", "br", "hr", "a", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li"),
        *("table", "thead", "tbody", "tr", "th", "td", "h1", "h2", "h3", "h4", "h5", "h6"),
    )
)
_BARE_LINK = re.compile(r"https?://[^\s<>\"'`\u201c\u201d]*[^\s<>\"'`\u201c\u201d.,;:!?)\]}]")


def html(text: str) -> str:
    """Return the text as sanitised HTML; a text longer than LONGEST as paragraphs without any markup."""
    rendered = _MARKDOWN.render(text) if len(text) <= LONGEST else _plain(text)
    return nh3.clean(
        rendered,
        tags=set(TAGS),
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        attribute_filter=_allowed,
        url_schemes={"https", "http", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _allowed(tag: str, attribute: str, value: str) -> str | None:
    """Return None for an address within this site: nothing an end user writes may lead a reader there unseen."""
    return None if attribute == "href" and not _is_absolute(value) else value


def _is_absolute(address: str) -> bool:
    return address.strip().lower().startswith(SCHEMES)


def _plain(text: str) -> str:
    return f"<p>{'<br>'.join(nh3.clean_text(line) for line in text.splitlines())}</p>"


def _as_link(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    """Draw an image as a link that names it."""
    token = tokens[index]
    source = str(token.attrGet("src") or "")
    name = token.content or source.rsplit("/", 1)[-1] or source
    if not _is_absolute(source):
        return nh3.clean_text(name)
    return f'<a href="{nh3.clean_text(source)}">image: {nh3.clean_text(name)}</a>'


def _link_bare_addresses(state: StateCore) -> None:
    """Turn addresses in plain text into links."""
    for block in state.tokens:
        if block.type != "inline" or not block.children or "://" not in block.content:
            continue
        depth, children = 0, []
        for token in block.children:
            depth += {"link_open": 1, "link_close": -1}.get(token.type, 0)
            children += _linked(token) if token.type == "text" and depth == 0 else [token]
        block.children = children


def _linked(token: Token) -> list[Token]:
    pieces, end = [], 0
    for match in _BARE_LINK.finditer(token.content):
        pieces += [
            Token("text", "", 0, content=token.content[end : match.start()]),
            Token("link_open", "a", 1, attrs={"href": match[0]}),
            Token("text", "", 0, content=match[0]),
            Token("link_close", "a", -1),
        ]
        end = match.end()
    return [*pieces, Token("text", "", 0, content=token.content[end:])]


_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
_MARKDOWN.add_render_rule("image", _as_link)
_MARKDOWN.core.ruler.push("link_bare_addresses", _link_bare_addresses)
