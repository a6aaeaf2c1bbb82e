"""A throwaway PostgreSQL and Valkey for one run of the tests, started only where the environment names none."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from lunary_dash.supervisor import postgres, valkey

START_SECONDS = 30


def _wait(server: postgres.Cluster | valkey.Broker, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.ready(child):
        assert time.monotonic() < deadline, f"{server} did not start: see {server.log}"
        time.sleep(0.02)


def _forget(child: subprocess.Popen[bytes], place: Path, owner: int) -> None:
    if os.getpid() == owner:
        child.send_signal(signal.SIGQUIT)  # at once, but with shared memory given back
        child.wait()
        shutil.rmtree(place, ignore_errors=True)


def provide() -> dict[str, str]:
    """Start what DATABASE_URL and REDIS_URL leave open and return the settings to use.

    LUNARY_DASH_PG=system takes the machine's own PostgreSQL instead of the wheel's.
    """
    place = Path(tempfile.mkdtemp(prefix="lunary-dash-tests-"))
    place.chmod(0o711)
    settings = {"DATA_DIR": str(place)}
    if not os.environ.get("DATABASE_URL"):
        system_only = os.environ.get("LUNARY_DASH_PG") == "system"
        cluster = postgres.cluster(place, durable=False, system_only=system_only)
        cluster.create()
        server = cluster.start()
        atexit.register(_forget, server, place, os.getpid())
        _wait(cluster, server)
        settings["DATABASE_URL"] = cluster.url
    if not os.environ.get("REDIS_URL"):
        broker = valkey.broker(place)
        if broker:
            queue = broker.start()
            atexit.register(_forget, queue, place, os.getpid())
            _wait(broker, queue)
            settings["REDIS_URL"] = broker.url
    return settings
