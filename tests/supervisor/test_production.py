"""The same code as separate processes, against an operator's PostgreSQL and Redis."""

import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from tests.supervisor.instances import ROOT, Copy, until


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Yield the name of an empty database on the session's server."""
    name = f"production_{uuid.uuid4().hex[:8]}"
    server = settings.DATABASES["default"]
    reach = {
        "host": server["HOST"],
        "port": server["PORT"] or None,
        "user": server["USER"],
        "password": server["PASSWORD"],
    }
    with psycopg.connect(dbname="postgres", autocommit=True, **reach) as link:
        link.execute(f'CREATE DATABASE "{name}"')
        yield name
        link.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def copy(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """Yield a copy whose servers somebody else runs."""
    server = settings.DATABASES["default"]
    port = f"&port={server['PORT']}" if server["PORT"] else ""
    url = f"postgresql://{server['USER']}:{server['PASSWORD']}@/{database}?host={server['HOST']}{port}"
    place = tmp_path_factory.mktemp("production")
    environment = {"DATABASE_URL": url, "REDIS_URL": settings.REDIS_URL, "WEB_GRACE_SECONDS": "2"}
    copy = Copy(place, None, **environment)
    yield copy
    copy.end()


def _manage(copy: Copy, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "manage.py", *words], cwd=ROOT, env=copy.environment)


def test_two_machines_may_prepare_at_the_same_moment(copy: Copy) -> None:
    both = [_manage(copy, "prepare", "--url", copy.url) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    assert copy.connection["url"] == copy.url
    with psycopg.connect(copy.environment["DATABASE_URL"]) as link:
        assert link.execute("SELECT count(*) FROM projects_account").fetchone() == (1,)
        assert link.execute("SELECT count(*) FROM projects_project").fetchone() == (1,)


def test_a_web_process_of_its_own_serves_pages_with_static_files_and_ends_on_sigterm(copy: Copy) -> None:
    web = _manage(copy, "web")
    try:
        until(lambda: copy.get() == 200, 60, "the web process answers")
        assert copy.get("/login") == 200
        manifest = json.loads((Path(copy.environment["DATA_DIR"]) / "static" / "staticfiles.json").read_text())
        sheet = next(name for source, name in manifest["paths"].items() if source.endswith("tokens.css"))
        assert copy.get(f"/static/{sheet}") == 200
    finally:
        web.terminate()
    assert web.wait(20) == 0


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_worker_and_beat_end_on_sigterm(copy: Copy, name: str) -> None:
    process = _manage(copy, name)
    try:
        until(lambda: _talks_to_broker(process.pid), 60, f"{name} is connected")
    finally:
        process.terminate()
    assert process.wait(20) == 0


def _talks_to_broker(pid: int) -> bool:
    """Tell whether a process has more sockets open than one: a connection, and Celery's own."""
    links: list[str] = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            links.append(os.readlink(link))
    return any(link.startswith("socket:") for link in links)
