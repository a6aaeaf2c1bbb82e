"""Bodies are unpacked within the limit, whatever their bytes."""

import gzip
import zlib
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from ingest.transport import Refused, read_body

PACKED: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


def read(body: bytes, encoding: str | None = None) -> bytes:
    headers = {} if encoding is None else {"Content-Encoding": encoding}
    return read_body(RequestFactory().post("/", body, content_type="application/json", headers=headers))


@given(st.binary(max_size=5000), st.sampled_from(["gzip", "deflate"]))
def test_what_was_packed_is_unpacked(body: bytes, encoding: str) -> None:
    assert read(PACKED[encoding](body), encoding) == body


@given(st.binary(min_size=1, max_size=300), st.sampled_from(["gzip", "deflate"]))
def test_any_bytes_are_unpacked_or_refused(body: bytes, encoding: str) -> None:
    with suppress(Refused):
        read(body, encoding)


def test_a_bomb_is_refused_before_it_is_unpacked(settings: object) -> None:
    bomb = gzip.compress(gzip.compress(b"0" * 200_000_000, 9), 9)
    assert len(bomb) < 2000
    with pytest.raises(Refused) as raised:
        read(gzip.decompress(bomb), "gzip")
    assert raised.value.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_an_empty_body_is_empty_however_it_is_called() -> None:
    assert read(b"", "gzip") == b""
