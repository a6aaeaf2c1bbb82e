"""What clients send is set right before Django sees it: chunked bodies, double slashes, path prefixes."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import pytest

from lunary_dash.corrections import with_chunked_bodies, with_plain_paths

LIMIT = 100


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with what reached it."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [])
    return [environ.get("SCRIPT_NAME", "").encode(), environ.get("PATH_INFO", "").encode(), body]


def ask(app: Callable[..., Any], **environ: Any) -> tuple[str, list[bytes]]:
    statuses: list[str] = []
    body = app({"wsgi.input": BytesIO(), **environ}, lambda status, headers: statuses.append(status))
    return statuses[0], list(body)


@pytest.mark.parametrize(
    ("sent", "prefix", "path"),
    [
        ("/v1/runs/ingest", "", "/v1/runs/ingest"),
        ("//v1/runs/ingest", "", "/v1/runs/ingest"),
        ("//v1//runs///ingest", "", "/v1/runs/ingest"),
        ("/lunary/v1/runs/ingest", "/lunary", "/v1/runs/ingest"),
        ("/a/b//v1/template_versions/latest", "/a/b", "/v1/template_versions/latest"),
        ("/api/report", "", "/api/report"),
        ("/x//api/report", "/x", "/api/report"),
        ("/p/3b1b4d0e/users/v1/runs", "", "/p/3b1b4d0e/users/v1/runs"),
        ("/p/3b1b4d0e/users/a//v1/b", "", "/p/3b1b4d0e/users/a//v1/b"),
        ("/login", "", "/login"),
        ("//login", "", "//login"),
        ("/static/v1/x/v1/y", "/static", "/v1/x/v1/y"),
    ],
)
def test_data_paths_are_found_behind_slashes_and_prefixes(sent: str, prefix: str, path: str) -> None:
    _, (script_name, path_info, _) = ask(with_plain_paths(application), PATH_INFO=sent)
    assert (script_name.decode(), path_info.decode()) == (prefix, path)


def test_a_chunked_body_gets_its_length() -> None:
    app = with_chunked_bodies(application, LIMIT)
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": BytesIO(b"x" * 40)}
    assert ask(app, **chunked)[1][2] == b"x" * 40
    assert ask(app, **{**chunked, "wsgi.input": BytesIO(b"x" * 5000)})[1][2] == b"x" * (LIMIT + 1)


def test_a_body_with_a_length_is_left_alone() -> None:
    app = with_chunked_bodies(application, LIMIT)
    assert ask(app, CONTENT_LENGTH="3", **{"wsgi.input": BytesIO(b"abc")})[1][2] == b"abc"


def test_a_broken_chunk_is_400() -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("bad chunk")

    app = with_chunked_bodies(application, LIMIT)
    status, body = ask(app, HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input": Broken()})
    assert status == "400 Bad Request"
    assert b"chunked" in body[0]
