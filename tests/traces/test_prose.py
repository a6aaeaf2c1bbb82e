"""traces.prose: what strangers write becomes HTML that can do nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import relaxed
from traces.prose import LONGEST, TAGS, html

OUTWARD = 'target="_blank" rel="noopener noreferrer nofollow"'


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("a **b** `c`", "<p>a <strong>b</strong> <code>c</code></p>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("~~gone~~", "<p><s>gone</s></p>"),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>"),
        ("[a](https://a.example)", f'<p><a href="https://a.example" {OUTWARD}>a</a></p>'),
        (
            "at https://a.example/x?y=1.",
            f'<p>at <a href="https://a.example/x?y=1" {OUTWARD}>https://a.example/x?y=1</a>.</p>',
        ),
        ("![seat](https://a.example/s.png)", f'<p><a href="https://a.example/s.png" {OUTWARD}>image: seat</a></p>'),
        ("![seat](/s.png)", "<p>seat</p>"),
        ("[a](javascript:alert(1))", "<p>[a](javascript:alert(1))</p>"),
        ("`https://a.example`", "<p><code>https://a.example</code></p>"),
    ],
)
def test_markdown_is_rendered(text: str, rendered: str) -> None:
    attributes = 'rel="noopener noreferrer nofollow" target="_blank"'
    assert html(text).strip().replace(attributes, OUTWARD) == rendered


@pytest.mark.parametrize("address", ["/logout", "//a.example", "logout", "?x=1", "ftp://a.example", "data:text/html,x"])
def test_no_link_leads_into_this_site_or_to_odd_schemes(address: str) -> None:
    assert "href" not in html(f"[a]({address}) <{address}>")


def test_tables_lists_and_code_keep_their_shape() -> None:
    made = html("|a|b|\n|-:|-|\n|1|2|\n\n3. x\n4. y\n\n```py\nx < 1\n```")
    assert "<td>1</td>" in made
    assert '<ol start="3">' in made
    assert "<pre><code>x &lt; 1\n</code></pre>" in made
    assert "style" not in made


def test_a_text_too_long_to_parse_is_shown_as_it_is() -> None:
    made = html("**x** <i>\n" * LONGEST)
    assert "<strong>" not in made
    assert "<i>" not in made
    assert "**x** &lt;i&gt;<br>" in made.replace("&#32;", " ")


@relaxed
@given(st.text(alphabet=st.sampled_from("<>[]()!*_`~|-#'\"&;:/=. \nabhrefscipt"), max_size=200))
def test_nothing_but_known_tags_and_attributes_comes_out(text: str) -> None:
    for tag, attributes in re.findall(r"</?([a-zA-Z0-9]+)((?:\s+[\w-]+(?:=\"[^\"]*\")?)*)\s*/?>", html(text)):
        assert tag in TAGS
        assert set(re.findall(r'([\w-]+)="', attributes)) <= {"href", "title", "rel", "target", "start"}
