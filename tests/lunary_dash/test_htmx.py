"""One template answers as a page or as its named fragments; small tags behave."""

import gc
import weakref

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.template import Context, Template, TemplateSyntaxError
from django.test import RequestFactory
from django_htmx.middleware import HtmxDetails

from lunary_dash.htmx import render_fragments, render_page, wants_partial
from lunary_dash.templatetags import components

SAMPLE = "projects/onboarding.html"


def request(path: str = "/", **headers: str) -> HttpRequest:
    made = RequestFactory().get(path, headers=headers)
    made.htmx = HtmxDetails(made)  # type: ignore[attr-defined]
    made.user = AnonymousUser()
    return made


def test_partial_means_htmx_and_not_boosted_and_not_a_history_restore() -> None:
    assert not wants_partial(request())
    assert wants_partial(request(**{"HX-Request": "true"}))
    assert not wants_partial(request(**{"HX-Request": "true", "HX-Boosted": "true"}))
    assert not wants_partial(request(**{"HX-Request": "true", "HX-History-Restore-Request": "true"}))


@pytest.mark.django_db
def test_a_page_is_whole_without_htmx_and_a_fragment_with_it() -> None:
    whole = render_page(request(), "projects/nowhere.html", {})
    assert whole.content.decode().startswith("<!doctype html>")
    assert whole["Vary"] == "HX-Request"
    with pytest.raises(LookupError, match="no fragment table"):
        render_page(request(**{"HX-Request": "true"}), "projects/nowhere.html", {}, partial="table")


@pytest.mark.django_db
def test_fragments_of_a_page_are_found_through_its_blocks_and_know_they_are_partial() -> None:
    project = {"public_id": "f1efecf7-55c4-4c45-b7ba-f8c824cf663b"}
    html = render_fragments(request(), SAMPLE, {"poll": "/p/x/", "since": 5, "project": project}, ("waiting",))
    assert html.strip().startswith('<div id="waiting"')
    assert "<html" not in html


@pytest.mark.django_db
@pytest.mark.parametrize("partial", [None, "waiting"])
def test_what_a_page_showed_is_let_go_of_at_once(partial: str | None) -> None:
    class Large:
        public_id = "f1efecf7-55c4-4c45-b7ba-f8c824cf663b"

    shown = Large()
    left = weakref.ref(shown)
    context = {"poll": "/p/x/", "since": 5, "project": shown}
    gc.disable()
    try:
        render_page(request(**({"HX-Request": "true"} if partial else {})), SAMPLE, context, partial=partial)
        context.clear()
        del shown
        assert left() is None
    finally:
        gc.enable()


def test_a_fragment_wants_one_name() -> None:
    with pytest.raises(TemplateSyntaxError):
        Template("{% fragment %}{% endfragment %}")


def test_query_links_keep_the_query_and_start_paging_over() -> None:
    context = Context({"request": request("/runs?type=llm&tag=a&tag=b&cursor=xyz&status=error")})
    assert components.query_link(context, status=None, user="ann b") == "?type=llm&tag=a&tag=b&user=ann+b"
    assert components.query_link(context, tag=["c", "", "d"], cursor="n") == (
        "?type=llm&status=error&tag=c&tag=d&cursor=n"
    )


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Inès Moreau", "IM"), ("ines.moreau@example.org", "IM"), ("u_42", "U4"), ("ada", "A"), ("", ""), (None, "")],
)
def test_initials(name: object, letters: str) -> None:
    assert components.initials(name) == letters


def test_run_types_and_status_come_with_words_and_cannot_inject() -> None:
    assert 'aria-label="LLM"' in components.type_icon("llm")
    assert "<script>" not in components.type_icon("<script>x")
    assert 'class="icon type type-script-x"' in components.type_icon("<script>x")
    assert ">Success</span>" in components.status("success")
    assert "status-error" in components.status("error")
    assert "&lt;b&gt;" in components.status("<b>")


def test_an_icon_is_hidden_unless_it_has_a_label() -> None:
    assert 'aria-hidden="true"' in components.icon("x")
    assert 'role="img" aria-label="Close"' in components.icon("x", label="Close")
    with pytest.raises(FileNotFoundError):
        components.icon("no-such-icon")
