"""What every answer carries, and who may call the data paths from a browser."""

import pytest
from django.test import Client

from lunary_dash.middleware import CONTENT_SECURITY_POLICY

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.lunary_dash.probe_urls")]

ORIGIN = "https://app.example"


@pytest.mark.parametrize("path", ["/login", "/nowhere", "/v1/private"])
def test_every_answer_has_the_policy_an_id_and_its_time(path: str) -> None:
    response = Client().get(path)
    assert response["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert response["Server-Timing"].startswith("app;dur=")
    assert len(response["X-Request-ID"]) == 32


def test_a_callers_request_id_is_kept_when_it_is_plain() -> None:
    assert Client().get("/login", headers={"X-Request-ID": "build-17.a"})["X-Request-ID"] == "build-17.a"
    assert Client().get("/login", headers={"X-Request-ID": "<b>"})["X-Request-ID"] != "<b>"


@pytest.mark.parametrize("path", ["/v1/runs/ingest", "/prefix//v1/runs/ingest", "/lunary/v1/private", "/api/report"])
def test_a_preflight_is_answered_without_a_key(path: str) -> None:
    response = Client().options(path, headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"})
    assert response.status_code == 204
    assert response["Access-Control-Allow-Origin"] == ORIGIN
    assert response["Access-Control-Allow-Credentials"] == "true"
    assert set(response["Access-Control-Allow-Methods"].split(", ")) == {
        "GET", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"
    }  # fmt: skip
    assert {"Content-Type", "Authorization", "Accept"} <= set(response["Access-Control-Allow-Headers"].split(", "))


def test_a_refusal_on_a_data_path_can_be_read_by_the_page_that_asked() -> None:
    response = Client().get("/v1/private", headers={"Origin": ORIGIN})
    assert response.status_code == 401
    assert response["Access-Control-Allow-Origin"] == ORIGIN
    assert "Origin" in response["Vary"]


def test_pages_are_no_business_of_other_origins() -> None:
    assert "Access-Control-Allow-Origin" not in Client().get("/login", headers={"Origin": ORIGIN})


@pytest.mark.parametrize("page", ["users/v1", "users/v1/secret", "runs/v1/7", "threads/v1/x"])
def test_an_id_in_a_pages_address_opens_it_to_nobody(page: str) -> None:
    response = Client().get(f"/p/3b1b4d0e-0000-4000-8000-000000000001/{page}", headers={"Origin": ORIGIN})
    assert "Access-Control-Allow-Origin" not in response
    assert response["Location"].startswith("/login")
