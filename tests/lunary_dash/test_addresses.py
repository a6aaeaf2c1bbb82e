"""Which slashes of an address belong to an id: those that were sent as %2F, and no other."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from django.urls.converters import PathConverter
from hypothesis import given, settings
from hypothesis import strategies as st

from lunary_dash.addresses import SENT, decode, marked, path_as_sent, with_whole_ids
from lunary_dash.corrections import with_plain_paths

TEXTS = st.text(min_size=1).filter(lambda text: not any("\ud800" <= each <= "\udfff" for each in text))


def seen(target: str, **environ: Any) -> str:
    """Return `path_info` as the URLconf gets it for a request's target, through all that corrects it."""
    found: list[str] = []

    def django(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        request = HttpRequest()
        request.META = environ
        request.path_info = environ["PATH_INFO"].encode("latin-1").decode()

        def look(request: HttpRequest) -> HttpResponse:
            found.append(request.path_info)
            return HttpResponse()

        with_whole_ids(look)(request)
        return []

    with_plain_paths(django)({"PATH_INFO": decode(target.partition("?")[0]), "RAW_URI": target, **environ}, print)
    return found[0]


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["", "/related", "/feedback"]))
def test_any_id_is_read_from_the_data_api_s_addresses(id: str, word: str) -> None:
    match = resolve(seen(f"/v1/runs/{quote(id, safe='')}{word}"))
    if word or id not in ("count", "usage", "ingest"):
        assert match.kwargs == {"run_id": id}
    assert match.route.endswith(f"runs/<id:run_id>{word}") or id in ("count", "usage", "ingest")


@settings(deadline=None)
@given(TEXTS)
def test_any_id_is_read_from_a_page_s_address(id: str) -> None:
    project = "3b1b4d0e-0000-0000-0000-000000000000"
    for place, name in (("threads", "thread_id"), ("users", "user_id")):
        assert resolve(seen(f"/p/{project}/{place}/{quote(id, safe='')}")).kwargs[name] == id


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/v1/runs/a/feedback", "/v1/runs/a/feedback"),
        ("/v1/runs/a%2ffeedback?x=/%2F", "/v1/runs/a\udc2ffeedback"),
        ("//v1//runs///%2F%2Fa%2F", "/v1/runs/\udc2f\udc2fa\udc2f"),
        ("/lunary/v1/runs/a%2Fb", "/v1/runs/a\udc2fb"),
        ("http://somewhere:8000/v1/runs/a%2Fb", "/v1/runs/a\udc2fb"),
        ("/p/1/users/a%2Fv1%2Fb", "/p/1/users/a\udc2fv1\udc2fb"),
        ("/v1/runs/50%25%2F%F0%9F%9A%82", "/v1/runs/50%\udc2f🚂"),
        ("/v1/runs/%FF%2F", "/v1/runs/%FF\udc2f"),
    ],
)
def test_a_slash_sent_as_2f_is_marked(target: str, path: str) -> None:
    decoded = decode(target.split("?")[0].removeprefix("http://somewhere:8000"))
    if "%FF" in target:
        assert marked("/v1/runs/%FF%2F") == path
    else:
        assert seen(target, PATH_INFO=decoded) == path


def test_a_path_that_was_rewritten_or_not_kept_is_taken_as_it_is() -> None:
    assert path_as_sent({"PATH_INFO": "/v1/runs/a/b"}) == "/v1/runs/a/b"
    assert path_as_sent({"PATH_INFO": "/v1/runs/50%2F"}) == "/v1/runs/50%252F"
    assert path_as_sent({"PATH_INFO": "/elsewhere", "RAW_URI": "/v1/a%2Fb"}) == "/elsewhere"
    mounted = {"SCRIPT_NAME": "/my dash", "PATH_INFO": "/v1/runs/a/b"}
    assert path_as_sent({**mounted, "RAW_URI": "/my%20dash/v1/runs/a%2Fb"}) == "/v1/runs/a%2Fb"
    assert path_as_sent({**mounted, "REQUEST_URI": "/my%20dash/v1/runs/a%2Fb?x"}) == "/v1/runs/a%2Fb"
    assert path_as_sent(mounted) == "/v1/runs/a/b"


def test_requests_without_such_a_slash_are_left_alone() -> None:
    request = HttpRequest()
    request.path_info = "/as it is"
    request.META = {SENT: "/v1/runs/a"}
    with_whole_ids(lambda request: HttpResponse())(request)
    assert request.path_info == "/as it is"


def test_no_address_takes_slashes_in_another_way() -> None:
    assert [pattern for pattern in _patterns(get_resolver()) if _has_path_converter(pattern)] == []


def _patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    for each in resolver.url_patterns:
        if isinstance(each, URLResolver):
            yield from _patterns(each)
        else:
            yield each


def _has_path_converter(pattern: URLPattern) -> bool:
    return any(isinstance(each, PathConverter) for each in pattern.pattern.converters.values())
