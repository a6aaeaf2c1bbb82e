"""Rule 5, the hard way: under load, every part is killed in turn; what was acknowledged is there afterwards."""

import contextlib
import os
import signal
from collections.abc import Iterator

import psycopg
import pytest

from tests.faults.load import Load
from tests.supervisor.instances import Copy, running, until

ENOUGH = 200
RECOVERY_SECONDS = 60


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    with running(Copy(tmp_path_factory.mktemp("faults"))) as started:
        yield started


def _stored(copy: Copy) -> set[str]:
    with psycopg.connect(copy.database_url) as link:
        return {str(found) for (found,) in link.execute("SELECT id FROM runs_run")}


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # the death of one may have ended another
            os.kill(pid, signal.SIGKILL)


def _more(load: Load) -> None:
    """Wait until clearly more has been acknowledged than now."""
    goal = len(load.acknowledged) + ENOUGH
    until(lambda: len(load.acknowledged) >= goal, RECOVERY_SECONDS, f"{ENOUGH} more runs acknowledged")


@pytest.mark.parametrize(
    "victim",
    ["manage.py web", "manage.py worker", "manage.py beat", "valkey-server", "bin/postgres"],
)
def test_kill_9_loses_no_acknowledged_run(copy: Copy, victim: str) -> None:
    with Load(copy.port, copy.connection["public_key"]) as load:
        _more(load)
        before = copy.pids(victim)
        assert before
        _kill(before)
        _more(load)
        until(lambda: set(copy.pids(victim)) - set(before), RECOVERY_SECONDS, f"{victim} is started again")
    assert load.acknowledged - _stored(copy) == set()


def test_kill_9_of_all_at_once_and_a_new_start_lose_nothing(copy: Copy) -> None:
    with Load(copy.port, copy.connection["public_key"]) as load:
        _more(load)
        assert copy.process
        _kill([copy.process.pid, *copy.pids()])
        copy.process.wait()
        assert copy.process.stdout
        copy.process.stdout.close()
        copy.start()
        _more(load)
    assert load.failures
    assert load.acknowledged - _stored(copy) == set()


def test_postgresql_may_be_killed_again_and_again(copy: Copy) -> None:
    with Load(copy.port, copy.connection["public_key"], clients=2) as load:
        _more(load)
        for _ in range(3):
            [postmaster, *_] = until(lambda: copy.pids("bin/postgres"), RECOVERY_SECONDS, "PostgreSQL is back")
            os.kill(postmaster, signal.SIGKILL)
            _more(load)
    assert load.acknowledged - _stored(copy) == set()
