"""The embedded PostgreSQL in the places and identities that people have."""

import os
import signal
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from lunary_dash.supervisor import binaries, postgres
from lunary_dash.supervisor.problems import StartError
from lunary_dash.supervisor.sockets import socket_directory
from lunary_dash.supervisor.spawn import Identity
from tests.supervisor.instances import until

IDENTITIES = [Identity.NAMESPACE, Identity.NOBODY] if os.geteuid() == 0 else [Identity.SELF]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory that `nobody` can reach too, as a container's volume would be."""
    for directory in [tmp_path, *tmp_path.parents]:
        if directory.stat().st_uid == os.geteuid() and directory != Path(directory.anchor):
            directory.chmod(directory.stat().st_mode | 0o011)
    return tmp_path


def _up(cluster: postgres.Cluster) -> subprocess.Popen[bytes]:
    child = cluster.start()
    until(lambda: cluster.ready(child), 30, "PostgreSQL")
    return child


def _down(child: subprocess.Popen[bytes], number: signal.Signals = signal.SIGINT) -> None:
    child.send_signal(number)
    child.wait(20)


@pytest.mark.parametrize("identity", IDENTITIES)
def test_rows_survive_kill_9_under_each_identity(place: Path, identity: Identity) -> None:
    cluster = replace(postgres.cluster(place), identity=identity)
    cluster.create()
    child = _up(cluster)
    with psycopg.connect(cluster.url) as link:
        link.execute("CREATE TABLE kept AS SELECT 1 AS one")
    _down(child, signal.SIGKILL)
    child = _up(cluster)
    with psycopg.connect(cluster.url) as link:
        assert link.execute("SELECT one FROM kept").fetchone() == (1,)
        assert link.execute("SHOW listen_addresses").fetchone() == ("",)
    _down(child)


def test_a_deep_data_directory_gets_its_socket_elsewhere(place: Path) -> None:
    deep = place / ("deep" * 20) / ("deeper" * 10)
    deep.mkdir(parents=True)
    cluster = postgres.cluster(deep, durable=False)
    assert stat.S_IMODE(cluster.sockets.stat().st_mode) == 0o700
    cluster.create()
    child = _up(cluster)
    with psycopg.connect(cluster.url) as link:
        assert link.execute("SELECT 1").fetchone() == (1,)
    _down(child)
    cluster.sockets.rmdir()


def test_an_interrupted_setup_is_begun_again(place: Path) -> None:
    (place / "postgres.new").mkdir()
    (place / "postgres.new" / "PG_VERSION").write_text("18\n")
    cluster = postgres.cluster(place, durable=False)
    assert cluster.create()
    assert not cluster.create()
    assert not (place / "postgres.new").exists()


def test_a_socket_directory_somebody_else_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to(tmp_path)
    with pytest.raises(StartError, match="is not a directory"):
        socket_directory(tmp_path)


def test_data_of_another_major_version_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(StartError, match=r"was written by PostgreSQL 9, and only .+ is installed"):
        binaries.choose_postgres(data)


def test_no_postgresql_at_all_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries, "DEBIAN", tmp_path)
    with pytest.raises(StartError, match="no PostgreSQL 15 or newer to be had"):
        binaries.choose_postgres(tmp_path / "postgres", system_only=True)


def test_the_wheel_comes_before_the_system(tmp_path: Path) -> None:
    assert binaries.choose_postgres(tmp_path).bundled
