"""Public links for tests, and what somebody without a session sees behind them."""

from django.test import Client

from runs.models import Run
from tests.traces.conftest import Site
from traces import shares

HTMX = {"HX-Request": "true"}
DETAIL = HTMX | {"HX-Target": "detail"}


def share(site: Site, trace: Run, **shows: bool) -> str:
    """Return the token of a new link."""
    wanted = {"show_people": False, "show_bodies": True} | shows
    shares.create(site.project, trace.id, site.people.owner, **wanted, life=shares.LIVES["7"])
    return str(shares.links(site.project.pk, trace.id)[0].token)


def opened(token: str, query: str = "", headers: dict[str, str] | None = None, status: int = 200) -> str:
    """Return the public page as somebody without a session sees it."""
    answer = Client().get(f"/shared/{token}{query}", headers=headers)
    assert answer.status_code == status, answer.content[:300]
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer["X-Robots-Tag"]
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "Set-Cookie" not in answer
    return str(answer.content.decode())


def details(site: Site, token: str, root: Run) -> list[str]:
    """Return the detail of every run of a trace, as htmx gets it and as a page."""
    runs = Run.objects.filter(project_id=site.project.pk, trace_id=root.id).values_list("id", flat=True)
    return [opened(token, f"?run={run}", headers) for run in runs for headers in (None, DETAIL)]
