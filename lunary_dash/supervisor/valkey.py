"""The embedded Valkey: the broker, on a private Unix socket. What is lost with it, beat queues again."""

import contextlib
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lunary_dash.supervisor import binaries
from lunary_dash.supervisor.problems import explain
from lunary_dash.supervisor.sockets import socket_directory
from lunary_dash.supervisor.spawn import spawn


@dataclass(frozen=True)
class Broker:
    """A Valkey or Redis program, its files and its socket."""

    program: Path
    data: Path
    socket: Path
    log: Path

    @property
    def url(self) -> str:
        """Return the REDIS_URL (as redis-py reads it)."""
        return f"unix://{self.socket}?db=0"

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server as a child; wait for `ready` before using it."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        settings = {
            "--port": "0",
            "--unixsocket": str(self.socket),
            "--unixsocketperm": "700",
            "--dir": str(self.data),
            "--appendonly": "yes",
            "--save": "",
            "--loglevel": "warning",
        }
        words = [word for pair in settings.items() for word in pair]
        return spawn([self.program, *words], log=self.log, death=signal.SIGTERM)

    def ready(self, child: subprocess.Popen[bytes]) -> bool:
        """Tell whether `child` answers. Raises StartError when it has ended instead."""
        if child.poll() is not None:
            raise explain("Valkey would not start", self.log)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
            link.settimeout(1)
            link.connect(str(self.socket))
            link.sendall(b"PING\r\n")
            return link.recv(64).startswith(b"+PONG")
        return False


def broker(data_dir: Path) -> Broker | None:
    """Return the broker below `data_dir`, or None where no Valkey or Redis is to be had."""
    program = binaries.find_valkey()
    if program is None:
        return None
    logs = data_dir / "log"
    logs.mkdir(mode=0o700, exist_ok=True)
    return Broker(program, data_dir / "valkey", socket_directory(data_dir) / "valkey.sock", logs / "valkey.log")
