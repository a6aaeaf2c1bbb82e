"""One running copy: its address, its data directory, and the lock that keeps a second one out."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lunary_dash import env
from lunary_dash.supervisor.problems import StartError, disk_full

ROOT = Path(__file__).resolve().parent.parent.parent
LEAST_FREE_BYTES = 100 * 2**20
"""An empty cluster takes 40 MB, its write-ahead log 16 more."""
STOP_SECONDS = 10
PORT_SECONDS = 5
"""How long the web server of a supervisor that was killed may still hold the port."""


@dataclass(frozen=True)
class Instance:
    """What tells one copy on this machine from another."""

    host: str
    port: int
    data_dir: Path
    public_url: str = ""

    @classmethod
    def from_environment(cls) -> "Instance":
        """Read HOST, PORT, DATA_DIR and PUBLIC_URL as settings.py does."""
        return cls(
            host=env.text("HOST", "127.0.0.1"),
            port=env.integer("PORT", 8000, minimum=1, maximum=65_535),
            data_dir=ROOT / env.text("DATA_DIR", "var"),
            public_url=env.text("PUBLIC_URL").rstrip("/"),
        )

    @property
    def url(self) -> str:
        """Return the address people and SDKs on this machine use."""
        if self.public_url:
            return self.public_url
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"

    def make_data_dir(self) -> None:
        """Make DATA_DIR. Raises StartError when that can't be, or when its disk is full."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.data_dir).free
        except OSError as error:
            raise StartError(f"DATA_DIR {self.data_dir} can't be used: {error.strerror}") from error
        if not os.access(self.data_dir, os.W_OK | os.X_OK):
            raise StartError(f"DATA_DIR {self.data_dir} can't be used: it belongs to another user")
        if free < LEAST_FREE_BYTES:
            raise disk_full(self.data_dir)

    def listen(self, *, patient: bool) -> socket.socket:
        """Return the listening socket that every web process of this copy inherits.

        With `patient`, wait for an earlier web server of our own to let go. Raises StartError when the port is taken.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deadline = time.monotonic() + (PORT_SECONDS if patient else 0)
        while True:
            try:
                listener.bind((self.host, self.port))
                listener.listen(2048)
                return listener
            except PermissionError:
                raise StartError(f"port {self.port} needs root: set PORT to 1024 or higher") from None
            except socket.gaierror:
                raise StartError(f"HOST={self.host} is no address of this machine") from None
            except OSError as error:
                if error.errno == 99:  # EADDRNOTAVAIL
                    raise StartError(f"HOST={self.host} is no address of this machine") from None
                if time.monotonic() > deadline:
                    raise StartError(
                        f"port {self.port} on {self.host} is taken by another program: "
                        f"choose another, for example PORT={self.port + 1} make run"
                    ) from None
            time.sleep(0.05)


class Lock:
    """DATA_DIR/lock, held as long as a supervisor lives; its text says who holds it and where that one answers."""

    def __init__(self, instance: Instance) -> None:
        self.path = instance.data_dir / "lock"
        self._instance = instance
        self._descriptor = -1

    def take(self) -> bool:
        """Take the lock; return whether its last holder was killed rather than stopped.

        Raises StartError, saying where the other copy runs, when somebody has it.
        """
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = self.holder()
            raise StartError(
                f"already running at {holder.get('url', 'an unknown address')} (process {holder.get('pid', '?')}) with "
                f"its data in {self._instance.data_dir}: `make stop` ends it, DATA_DIR and PORT start another beside it"
            ) from None
        killed = bool(self.holder())
        self.tell({})
        return killed

    def tell(self, environment: Mapping[str, str]) -> None:
        """Write down where this copy answers, and the settings that reach its servers (see env.running)."""
        about = {"pid": os.getpid(), "url": self._instance.url, "environment": dict(environment)}
        self._write(json.dumps(about))

    def release(self) -> None:
        """Say that the end was orderly, and let go."""
        self._write("")
        os.close(self._descriptor)

    def holder(self) -> dict[str, Any]:
        """Return what the lock's last holder wrote; empty after an orderly end."""
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self.path.read_text())
            return found if isinstance(found, dict) else {}
        return {}

    def _write(self, text: str) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)


def stop(instance: Instance) -> str:
    """Stop the copy that runs in `instance`'s data directory and return what happened, in one line."""
    lock = Lock(instance)
    try:
        descriptor = os.open(lock.path, os.O_RDWR)
    except OSError:
        return f"nothing runs in {instance.data_dir}"
    try:
        holder = lock.holder()
        deadline = time.monotonic() + STOP_SECONDS
        asked = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return f"stopped {holder['url']}" if asked else f"nothing runs in {instance.data_dir}"
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StartError(f"process {holder.get('pid')} did not stop within {STOP_SECONDS} s") from None
            if not asked and "pid" in holder:
                os.kill(int(holder["pid"]), signal.SIGTERM)
                asked = True
            time.sleep(0.05)
    finally:
        os.close(descriptor)
