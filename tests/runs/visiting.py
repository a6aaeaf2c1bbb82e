"""Asking for pages of runs as a person or as htmx does."""

from typing import Any

from django.test import Client
from django.urls import reverse

from projects.models import Project


def at(name: str, project: Project, *args: Any) -> str:
    """Return an address of the project."""
    return reverse(name, args=[project.public_id, *args])


def text_of(response: Any) -> str:
    """Return a page's HTML."""
    assert response.status_code == 200, response.content[:500]
    return str(response.content.decode())


def htmx(client: Client, address: str, target: str = "table") -> str:
    """Return what htmx gets for an element."""
    return text_of(client.get(address, headers={"HX-Request": "true", "HX-Target": target}))
