"""Keys: found quickly, refused once revoked, sealed at rest, and still able to hash ids."""

import uuid

import pytest
from django.db import connection
from django.test import RequestFactory, override_settings
from pytest_django import DjangoAssertNumQueries

from projects import keys
from projects.founding import Founded, found_project, found_workspace
from projects.models import ApiKey, KeyKind
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def founded() -> Founded:
    keys.forget()
    return found_project(found_workspace("Aster Labs", make.account("owner")), "Concierge")


def test_a_project_begins_with_its_id_as_public_key_and_a_private_key(founded: Founded) -> None:
    public, private = keys.find(founded.public_key), keys.find(founded.private_key)
    assert founded.public_key == str(founded.project.public_id)
    assert public is not None
    assert private is not None
    assert (public.kind, private.kind) == ("public", "private")
    assert public.project_id == private.project_id == founded.project.pk
    assert private.public_id == founded.project.public_id
    uuid.UUID(founded.private_key)


def test_a_key_is_found_whatever_its_case_and_surrounding_blanks(founded: Founded) -> None:
    assert keys.find(f"  {founded.public_key.upper()} ") == keys.find(founded.public_key)


@pytest.mark.parametrize("text", ["", "nonsense", "9b2d6c1e-44f0-4d0e-8f6e-0c6f0e3b7a51", "\ud800", "a" * 10_000])
def test_what_is_no_key_is_nobodys(founded: Founded, text: str) -> None:
    assert keys.find(text) is None


def test_looking_again_costs_nothing_for_hits_and_misses(
    founded: Founded, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    wrong = str(uuid.uuid4())
    with django_assert_num_queries(2):
        keys.find(founded.public_key)
        keys.find(wrong)
    with django_assert_num_queries(0):
        keys.find(founded.public_key)
        keys.find(wrong)


def test_a_revoked_key_is_refused_and_still_hashes(founded: Founded) -> None:
    key = ApiKey.objects.get(project=founded.project, kind=KeyKind.PRIVATE)
    keys.revoke(key)
    assert keys.find(founded.private_key) is None
    assert set(keys.hashing_texts(founded.project.pk)) == {founded.public_key, founded.private_key}


def test_rotation_replaces_a_key_by_one_of_the_same_kind_and_name(founded: Founded) -> None:
    key = ApiKey.objects.get(project=founded.project, kind=KeyKind.PRIVATE)
    new, text = keys.rotate(key, by=None)
    assert keys.find(founded.private_key) is None
    holder = keys.find(text)
    assert holder is not None
    assert holder.key_id == new.pk
    assert (new.kind, new.name) == (key.kind, key.name)


def test_no_key_is_stored_readable(founded: Founded) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(k::text, ' ') FROM projects_apikey k")
        stored = cursor.fetchone()[0]
    assert founded.private_key not in stored
    assert founded.public_key not in stored


def test_a_private_key_is_never_shown_again(founded: Founded) -> None:
    with pytest.raises(ValueError, match="shown once"):
        keys.public_text(ApiKey.objects.get(project=founded.project, kind=KeyKind.PRIVATE))


def test_keys_sealed_with_an_older_secret_still_open(founded: Founded) -> None:
    from django.conf import settings

    with override_settings(SECRET_KEY="a new secret", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        keys.forget()
        assert founded.private_key in keys.hashing_texts(founded.project.pk)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"Authorization": "Bearer abc"}, "abc"),
        ({"Authorization": "bearer  abc "}, "abc"),
        ({"X-API-Key": "xyz"}, "xyz"),
        ({"Authorization": "Basic abc", "X-API-Key": "xyz"}, "xyz"),
        ({"Authorization": "Bearer"}, None),
        ({}, None),
    ],
)
def test_keys_come_as_bearer_or_x_api_key(headers: dict[str, str], found: str | None) -> None:
    assert keys.from_request(RequestFactory().get("/", headers=headers)) == found
