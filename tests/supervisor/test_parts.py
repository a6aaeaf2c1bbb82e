"""The supervisor's small parts, each on its own."""

import errno
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lunary_dash import env, install
from lunary_dash.supervisor import instance
from lunary_dash.supervisor.child import LOG_LIMIT_BYTES, Child
from lunary_dash.supervisor.connection import move, read, write
from lunary_dash.supervisor.freshness import Stamp, fingerprint
from lunary_dash.supervisor.instance import ROOT, Instance, Lock
from lunary_dash.supervisor.problems import StartError, explain, is_disk_full
from lunary_dash.supervisor.spawn import spawn


def _instance(data_dir: Path, host: str = "127.0.0.1", public_url: str = "") -> Instance:
    return Instance(host, 8000, data_dir, public_url)


@pytest.mark.parametrize(
    ("host", "public_url", "url"),
    [
        ("127.0.0.1", "", "http://127.0.0.1:8000"),
        ("0.0.0.0", "", "http://127.0.0.1:8000"),
        ("::1", "", "http://[::1]:8000"),
        ("::", "", "http://[::1]:8000"),
        ("10.0.0.9", "https://dash.example", "https://dash.example"),
    ],
)
def test_the_address_is_one_that_can_be_opened(tmp_path: Path, host: str, public_url: str, url: str) -> None:
    assert _instance(tmp_path, host, public_url).url == url


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "LEAST_FREE_BYTES", 2**62)
    with pytest.raises(StartError, match=r"the disk that holds .+ is full"):
        _instance(tmp_path).make_data_dir()


def test_a_full_disk_is_recognised_in_a_log_and_in_an_error(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_text("FATAL:  could not write to file: No space left on device\nbye\n")
    assert "is full" in str(explain("PostgreSQL would not start", log))
    assert is_disk_full(OSError(errno.ENOSPC, "No space left on device"))


def test_the_last_words_of_a_log_explain_an_end(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("starting\nKeyError: 'x'\n\n")
    assert str(explain("web would not start", log)) == f"web would not start: KeyError: 'x' (more in {log})"
    assert "it said nothing" in str(explain("web would not start", tmp_path / "none.log"))


def test_the_lock_keeps_others_out_and_remembers_a_kill(tmp_path: Path) -> None:
    first = Lock(_instance(tmp_path))
    assert first.take() is False
    with pytest.raises(StartError, match=r"already running at http://127\.0\.0\.1:8000"):
        Lock(_instance(tmp_path)).take()
    first.tell({"DATABASE_URL": "postgresql:///here"})
    assert env.running(tmp_path) == {"DATABASE_URL": "postgresql:///here"}
    first.release()
    assert env.running(tmp_path) == {}
    assert Lock(_instance(tmp_path)).take() is False


def test_a_holder_that_was_killed_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"pid": 1, "url": "http://127.0.0.1:8000"}')
    assert Lock(_instance(tmp_path)).take() is True


def test_connection_json_follows_the_address_and_stays_private(tmp_path: Path) -> None:
    write(tmp_path, {"url": "http://127.0.0.1:8000", "email": "a@b.c"})
    move(tmp_path, "http://127.0.0.1:9000")
    assert read(tmp_path) == {"url": "http://127.0.0.1:9000", "email": "a@b.c"}
    assert (tmp_path / "connection.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["connection.json"]


def test_the_fingerprint_changes_with_migrations_static_files_and_pins(tmp_path: Path) -> None:
    for name in ("requirements.txt", "runs/migrations/0001_first.py", "static/css/app.css"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("one")
        if name == "requirements.txt":
            before = fingerprint(tmp_path)
            continue
        after = fingerprint(tmp_path)
        assert after != before
        path.write_text("two")
        before = fingerprint(tmp_path)
        assert before != after
    assert fingerprint(ROOT) == fingerprint(ROOT)


def test_a_stamp_remembers_until_it_is_cleared(tmp_path: Path) -> None:
    stamp = Stamp(tmp_path / "prepared")
    assert not stamp.matches("x")
    stamp.set("x")
    assert stamp.matches("x")
    stamp.clear()
    stamp.clear()
    assert not stamp.matches("x")


def test_a_child_that_keeps_failing_is_started_less_and_less_often(tmp_path: Path) -> None:
    child = Child("web", lambda: spawn(["false"]), lambda _: True, tmp_path / "web.log")
    pauses = []
    for _ in range(10):
        child.started = time.monotonic()
        child.retry_later()
        pauses.append(child.due - time.monotonic())
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.2
    assert 9 < pauses[-1] <= 10
    child.started -= 60
    child.retry_later()
    assert child.failures == 0


def test_a_long_log_is_cut_and_one_older_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    with log.open("wb") as handle:
        handle.truncate(LOG_LIMIT_BYTES + 1)
    child = Child("web", lambda: spawn(["true"]), lambda _: True, log)
    child.trim_log()
    assert log.stat().st_size == 0
    assert (tmp_path / "web.log.1").stat().st_size == LOG_LIMIT_BYTES + 1


def test_a_child_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "from lunary_dash.supervisor.spawn import spawn; import os, sys\n"
        "print(spawn(['sleep', '300']).pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("redis", "broker"),
    [
        ("", "filesystem://"),
        ("redis://queue:6379/2", "redis://queue:6379/2"),
        ("unix:///run/valkey.sock?db=3", "redis+socket:///run/valkey.sock?virtual_host=3"),
    ],
)
def test_the_broker_is_spelled_as_kombu_wants_it(redis: str, broker: str) -> None:
    assert env.broker(redis) == broker


def test_a_task_goes_through_files_where_there_is_no_broker(tmp_path: Path) -> None:
    program = "import django; django.setup()\nfrom runs.tasks import recompute_rollups as task\ntask.delay()\n"
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "lunary_dash.settings",
        "CELERY_BROKER_URL": "filesystem://",
        "DATA_DIR": str(tmp_path),
    }
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True, timeout=60)
    assert len(list((tmp_path / "queue").iterdir())) == 1


def test_installing_is_skipped_when_the_pins_are_unchanged(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("django==5.2.1 --hash=sha256:00\n")
    venv = tmp_path / "venv"
    venv.mkdir()
    (venv / ".installed-requirements").write_text(install.fingerprint(requirements))
    install.main(venv, requirements)
    assert [path.name for path in venv.iterdir()] == [".installed-requirements"]
    assert hashlib.sha256(requirements.read_bytes()).hexdigest() in install.fingerprint(requirements)


def test_installing_insists_on_hashes_with_either_tool(tmp_path: Path) -> None:
    for uv in ("/usr/bin/uv", None):
        assert "--require-hashes" in install.command_for(tmp_path, tmp_path / "requirements.txt", uv)
