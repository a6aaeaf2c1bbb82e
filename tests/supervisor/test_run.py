"""One command, real services: what a person sees and what stays behind."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervisor.instances import ROOT, STOP_SECONDS, Copy, running, until


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    with running(Copy(tmp_path_factory.mktemp("copy"))) as started:
        yield started


def test_connection_json_is_for_its_owner_only_and_holds_what_scripts_need(copy: Copy) -> None:
    mode = stat.S_IMODE((copy.data_dir / "connection.json").stat().st_mode)
    assert mode == 0o600
    assert set(copy.connection) == {"url", "email", "password", "project_id", "public_key", "private_key"}
    assert copy.connection["url"] == copy.url
    assert all(copy.connection.values())


def test_a_second_start_in_the_same_directory_says_where_the_first_runs(copy: Copy) -> None:
    second = Copy(copy.data_dir).command()
    assert second.returncode == 1
    assert f"already running at {copy.url}" in second.stderr
    assert second.stderr.count("\n") == 1
    assert copy.get() < 500


def test_commands_beside_it_find_its_database(copy: Copy) -> None:
    environment = {name: value for name, value in copy.environment.items() if name != "PORT"}
    asked = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "shell",
            "-v0",
            "-c",
            "from projects.models import Account; print(Account.objects.get())",
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.strip()


def test_nothing_but_the_web_server_listens_on_the_network(copy: Copy) -> None:
    listening = {
        link
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if (fields := line.split())[3] == "0A"
        for link in [f"socket:[{fields[9]}]"]
    }
    open_by = {
        pid
        for pid in copy.pids()
        for descriptor in Path(f"/proc/{pid}/fd").iterdir()
        if os.path.islink(descriptor) and os.readlink(descriptor) in listening
    }
    assert open_by <= {*copy.pids("manage.py web"), *copy.pids("lunary_dash.supervisor")}
    assert stat.S_IMODE((copy.data_dir / "run").stat().st_mode) == 0o700


def test_the_readmes_curl_line_makes_a_run(copy: Copy) -> None:
    found = re.search(r"-d '(\{.*?\})'\n```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found
    keys = copy.connection
    assert copy.ask("/v1/runs/ingest", keys["public_key"], found[1])["results"][0]["success"]
    [run] = copy.ask("/v1/runs", keys["private_key"])["data"]
    assert run["name"] == "gpt-4o-mini"
    assert run["output"] == {"role": "assistant", "content": "Hello Ines."}


def test_what_is_killed_is_started_again(copy: Copy) -> None:
    killed = {words: copy.pids(words) for words in ("valkey-server", "manage.py worker", "manage.py beat")}
    for pids in killed.values():
        os.kill(pids[0], signal.SIGKILL)

    def all_anew() -> bool:
        return all(set(copy.pids(words)) - set(pids) for words, pids in killed.items())

    until(all_anew, 20, f"all of {list(killed)} are started again")


def test_sigterm_stops_everything_and_the_next_start_is_quick(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    with running(copy):
        kept = copy.connection
        assert copy.stop() < STOP_SECONDS
        assert copy.pids() == []
        started = time.monotonic()
        copy.start()
        print(f"second start: {time.monotonic() - started:.1f} s")
        assert copy.get("/") < 500
        assert copy.connection == kept
        assert copy.stop(signal.SIGINT) < STOP_SECONDS
        assert copy.pids() == []


def test_kill_9_of_the_supervisor_leaves_no_process_and_the_next_start_works(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    with running(copy):
        copy.stop(signal.SIGKILL)
        # Started at once, while the old servers are still on their way out.
        copy.start()
        assert copy.get() < 500
        copy.stop(signal.SIGKILL)
        until(lambda: not copy.pids(), STOP_SECONDS, f"processes left: {copy.pids()}")


def test_stop_ends_a_copy_from_another_terminal(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    assert "nothing runs" in copy.command(["stop"]).stdout
    with running(copy):
        assert f"stopped {copy.url}" in copy.command(["stop"]).stdout
        until(lambda: not copy.pids(), 1, "the supervisor too is gone")


def test_a_taken_port_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        copy = Copy(tmp_path, port=other.getsockname()[1])
        said = copy.command()
    assert said.returncode == 1
    assert f"port {copy.port} on 127.0.0.1 is taken" in said.stderr
    assert said.stderr.count("\n") == 1
    assert copy.pids() == []


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"PORT": "eighty"}, "PORT='eighty' is not a whole number"),
        ({"HOST": "203.0.113.7"}, "HOST=203.0.113.7 is no address of this machine"),
        ({"DATA_DIR": "/proc/nowhere"}, "DATA_DIR /proc/nowhere can't be used"),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL must start with postgresql://"),
    ],
)
def test_a_setting_that_cannot_work_is_one_line(tmp_path: Path, environment: dict[str, str], words: str) -> None:
    said = Copy(tmp_path, None, **environment).command()
    assert said.returncode == 1
    assert words in said.stderr
    assert said.stderr.count("\n") == 1
