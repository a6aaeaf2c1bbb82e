"""Logging in, the limit on failing, and one-time links."""

import re
from datetime import timedelta

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from projects import limits
from projects.models import Account, SignInFailure
from projects.sign_in import password_link
from tests import make

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


@pytest.fixture
def mira() -> Account:
    return Account.objects.create_user("Mira@Example.com", PASSWORD, name="Mira")


def attempt(client: Client, email: str = "mira@example.com", password: str = "wrong password", **extra: str) -> int:
    return client.post("/login", {"email": email, "password": password, **extra}).status_code


def test_the_right_password_leads_to_where_one_wanted_to_go(mira: Account) -> None:
    client = Client()
    asked = client.get("/profile")
    assert asked["Location"] == "/login?next=/profile"
    response = client.post("/login", {"email": "MIRA@example.com", "password": PASSWORD, "next": "/profile"})
    assert response["Location"] == "/profile"
    assert client.get("/profile").status_code == 200


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
def test_the_log_in_leads_to_no_other_site(mira: Account, target: str) -> None:
    response = Client().post("/login", {"email": mira.email, "password": PASSWORD, "next": target})
    assert response["Location"] == "/"


def test_unknown_e_mail_and_wrong_password_look_the_same(mira: Account) -> None:
    answers = [
        Client().post("/login", {"email": email, "password": "wrong password"}).content.decode()
        for email in (mira.email, "nobody@example.com")
    ]
    scrubbed = {re.sub(r'value="[^"]*"|[0-9a-f]{32}|\d+\sms', "", answer) for answer in answers}
    assert len(scrubbed) == 1
    assert "don’t fit" in answers[0]


@pytest.mark.parametrize("email", ["mira@example.com", "nobody@example.com"])
def test_an_e_mail_that_fails_too_often_is_paused_known_or_not(mira: Account, email: str) -> None:
    client = Client()
    statuses = [attempt(client, email) for _ in range(limits.TRIES_PER_EMAIL + 1)]
    assert statuses == [422] * limits.TRIES_PER_EMAIL + [429]
    refused = client.post("/login", {"email": email, "password": PASSWORD})
    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 600
    assert "Too many log-ins failed" in refused.content.decode()


def test_an_address_that_fails_with_many_e_mails_is_paused(mira: Account) -> None:
    client = Client(REMOTE_ADDR="192.0.2.7")
    for number in range(limits.TRIES_PER_ADDRESS):
        assert attempt(client, f"person{number}@example.com") == 422
    assert attempt(client, "one-more@example.com") == 429
    assert attempt(Client(REMOTE_ADDR="192.0.2.8"), mira.email, PASSWORD) == 302


def test_success_forgets_the_failures(mira: Account) -> None:
    client = Client()
    for _ in range(limits.TRIES_PER_EMAIL - 1):
        attempt(client)
    assert attempt(client, password=PASSWORD) == 302
    assert not SignInFailure.objects.filter(subject=limits._digest("email mira@example.com")).exists()
    assert attempt(Client()) == 422


def test_the_pause_ends(mira: Account) -> None:
    client = Client()
    for _ in range(limits.TRIES_PER_EMAIL):
        attempt(client)
    SignInFailure.objects.update(at=timezone.now() - limits.WINDOW - timedelta(seconds=1))
    assert attempt(client, password=PASSWORD) == 302


def test_behind_tls_the_address_is_what_the_proxy_saw(settings: Settings, rf: RequestFactory) -> None:
    request = rf.get("/login", headers={"X-Forwarded-For": "1.1.1.1, 203.0.113.9"})
    assert limits.address_of(request) == "127.0.0.1"
    settings.BEHIND_TLS = True
    assert limits.address_of(request) == "203.0.113.9"


def test_an_expired_session_leads_the_whole_page_to_the_log_in_not_a_fragment() -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/p/x/runs?type=llm"}
    response = Client().get("/profile", headers=headers, follow=True)
    assert response["HX-Redirect"] == "/login?next=%2Fp%2Fx%2Fruns%3Ftype%3Dllm"
    assert response.content == b""


def test_logging_out_is_a_post(mira: Account) -> None:
    client = make.client_for(mira)
    assert client.get("/logout").status_code == 405
    assert client.post("/logout")["Location"] == "/login"
    assert client.get("/profile").status_code == 302


def test_a_password_link_works_once(mira: Account, rf: RequestFactory) -> None:
    link = password_link(rf.get("/"), mira)
    path = link.removeprefix("http://testserver")
    client = Client()
    assert client.get(path).status_code == 200
    assert client.post(path, {"new_password": "short"}).status_code == 422
    assert client.post(path, {"new_password": "a long new password"})["Location"] == "/"
    assert client.get("/profile").status_code == 200
    assert Client().get(path).status_code == 404
    assert attempt(Client(), password="a long new password") == 302


@pytest.mark.parametrize("code", ["MQ", "!!!", "OTk5OTk5", "x" * 300])
def test_a_made_up_link_is_refused(mira: Account, code: str) -> None:
    assert Client().get(reverse("set_password", args=[code, "cabcde-0123456789abcdef"])).status_code == 404
