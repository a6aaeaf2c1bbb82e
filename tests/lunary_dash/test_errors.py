"""Every error has a page for people and JSON for scripts, and tells neither what broke inside."""

import logging

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.lunary_dash.probe_urls")]


@pytest.fixture
def visitor() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("status", [400, 403, 413])
def test_an_error_page_says_what_happened_and_what_to_do(visitor: Client, status: int) -> None:
    response = visitor.get(f"/broken/{status}")
    page = response.content.decode()
    assert response.status_code == status
    assert f'<p class="ink-3">{status}</p>' in page
    assert response["X-Request-ID"] in page
    assert "secret detail" not in page


def test_an_unknown_address_is_404_for_anybody(visitor: Client) -> None:
    assert visitor.get("/nowhere").status_code == 404


def test_somebody_logged_in_sees_errors_inside_the_frame() -> None:
    person = make.workspace_with_people().owner
    page = make.client_for(person).get("/nowhere").content.decode()
    assert 'id="sidebar"' in page


@pytest.mark.parametrize(("status", "words"), [(500, "Something broke here"), (503, "can’t be reached")])
def test_a_fault_needs_no_database_and_gives_an_id_to_quote(
    visitor: Client,
    status: int,
    words: str,
    caplog: pytest.LogCaptureFixture,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(0), caplog.at_level(logging.ERROR, logger="lunary_dash.errors"):
        response = visitor.get(f"/broken/{status}")
    page = response.content.decode()
    assert response.status_code == status
    assert words in page
    assert "secret detail" not in page
    assert response["X-Request-ID"] in page
    assert response["X-Request-ID"] in caplog.text
    assert response.get("Retry-After") == ("5" if status == 503 else None)


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/v1/nowhere", 404, "Not Found"),
        ("/prefix//v1/nowhere", 404, "Not Found"),
        ("/v1/broken/500", 500, "Internal Server Error"),
        ("/v1/broken/503", 503, "Service Unavailable"),
    ],
)
def test_scripts_get_one_json_shape(visitor: Client, path: str, status: int, title: str) -> None:
    response = visitor.get(path)
    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    assert set(response.json()) == {"error", "message"}
    assert response.json()["error"] == title
    assert "secret detail" not in response.content.decode()


def test_an_address_for_forms_explains_itself_to_somebody_who_typed_it(visitor: Client) -> None:
    response = visitor.get("/logout")
    assert response.status_code == 405
    assert response["Allow"] == "POST"
    assert "button or link" in response.content.decode()


def test_a_form_from_an_old_page_is_refused_with_advice() -> None:
    response = Client(enforce_csrf_checks=True).post("/login", {"email": "a@example.com", "password": "x"})
    assert response.status_code == 403
    assert "out of date" in response.content.decode()
