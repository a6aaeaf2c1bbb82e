"""A real copy of everything, started as a person would, in a directory and on a port of its own."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 90
STOP_SECONDS = 5
"""What the issue promises."""
OURS = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "DATA_DIR", "PUBLIC_URL", "HOST", "PORT")

T = TypeVar("T")


def until(wanted: Callable[[], T], seconds: float, what: str) -> T:
    """Return the first true answer of `wanted`, asked again and again; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := wanted()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Copy:
    """One instance: start it, ask it, end it in several ways, and look at its processes."""

    def __init__(self, data_dir: Path, port: int | None = None, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {name: value for name, value in os.environ.items() if name not in OURS}
        self.environment |= {"DATA_DIR": str(data_dir), "PORT": str(self.port), **environment}
        self.process: subprocess.Popen[str] | None = None

    def command(self, words: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run the supervisor to its end and return what it said."""
        return subprocess.run(
            [sys.executable, "-m", "lunary_dash.supervisor", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )

    def start(self) -> str:
        """Start it and return what it said by the time it was up."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lunary_dash.supervisor"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout
        said = ""
        for line in self.process.stdout:
            said += line
            if "Ctrl-C stops everything" in line:
                return said
        raise AssertionError(f"did not start:\n{said}\n{self.logs()}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send the supervisor a signal; return after how many seconds it was gone."""
        assert self.process
        started = time.monotonic()
        self.process.send_signal(number)
        assert self.process.stdout
        self.process.stdout.read()
        self.process.wait(START_SECONDS)
        self.process.stdout.close()
        return time.monotonic() - started

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        if self.process:
            self.process.kill()
            self.process.wait()
            if self.process.stdout:
                self.process.stdout.close()
        until(lambda: not self.pids(), 2 * STOP_SECONDS, f"processes left: {self.pids()}")

    def pids(self, *words: str) -> list[int]:
        """Return the processes of this copy whose command line has all the words."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if command and self._is_ours(place, command) and all(word in command for word in words):
                    found.append(int(place.name))
        return sorted(found)

    def _is_ours(self, place: Path, command: str) -> bool:
        mark = str(self.data_dir)
        if mark in command or os.readlink(place / "cwd").startswith(mark):
            return True
        return f"DATA_DIR={mark}\0".encode() in (place / "environ").read_bytes()

    def get(self, path: str = "/v1/health") -> int:
        """Return the status of a page, or 0 when nobody answers."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            with contextlib.closing(link):
                link.request("GET", path)
                return link.getresponse().status
        return 0

    def ask(self, path: str, key: str, body: str | None = None) -> Any:
        """Send `body` (or ask, without one) with a key, and return the JSON of the answer."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(link):
            link.request("POST" if body else "GET", path, body, headers)
            return json.loads(link.getresponse().read())

    @property
    def connection(self) -> dict[str, Any]:
        """Return connection.json."""
        found: dict[str, Any] = json.loads((self.data_dir / "connection.json").read_text())
        return found

    @property
    def database_url(self) -> str:
        """Return the address of its PostgreSQL, as commands beside it find it."""
        return str(json.loads((self.data_dir / "lock").read_text())["environment"]["DATABASE_URL"])

    def logs(self) -> str:
        """Return the last words of every part, for a failing test."""
        logs = sorted((self.data_dir / "log").glob("*.log"))
        return "\n".join(f"--- {log.name}\n" + "\n".join(log.read_text().splitlines()[-15:]) for log in logs)


@contextlib.contextmanager
def running(copy: Copy) -> Iterator[Copy]:
    """Start a copy, and make sure that nothing of it stays."""
    try:
        copy.start()
        yield copy
    finally:
        copy.end()
