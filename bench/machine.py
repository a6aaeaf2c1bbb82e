"""A throwaway instance to measure, and what its processes cost."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lunary_dash.supervisor import connection, postgres

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120
_TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """The bench can't measure; the text says why."""


@dataclass(frozen=True)
class Cpu:
    """CPU seconds, user and system, by part of the instance."""

    web: float
    postgres: float
    background: float  # worker, beat, Valkey, supervisor

    def __sub__(self, earlier: "Cpu") -> "Cpu":
        return Cpu(self.web - earlier.web, self.postgres - earlier.postgres, self.background - earlier.background)

    def __add__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.web + other.web, self.postgres + other.postgres, self.background + other.background)

    @property
    def total(self) -> float:
        """All parts together."""
        return self.web + self.postgres + self.background


@dataclass(frozen=True)
class Instance:
    """A running copy of the product."""

    pid: int
    url: str
    database_url: str
    project_id: str
    public_key: str
    private_key: str
    data_dir: Path

    def cpu(self) -> Cpu:
        """Return what the instance's processes have used since they started; ended children count."""
        parts = {"web": 0.0, "postgres": 0.0, "background": 0.0}
        for pid, part in _tree(self.pid, "background"):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                parts[part] += sum(map(int, fields[11:15])) / _TICKS  # utime, stime, and those of reaped children
        return Cpu(**parts)

    def web_memory(self) -> float:
        """Return the memory of the web processes in MB, what they share counted once (PSS)."""
        kilobytes = 0
        for pid, part in _tree(self.pid, "background"):
            if part == "web":
                with contextlib.suppress(OSError):
                    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                    kilobytes += int(text.partition("\nPss:")[2].split()[0])
        return kilobytes / 1000


@contextlib.contextmanager
def throwaway() -> Iterator[Instance]:
    """Start everything in an empty directory, yield it, stop it and delete the directory. Raises BenchError."""
    home = Path(tempfile.mkdtemp(prefix="lunary-bench-"))
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    environment |= {"DATA_DIR": str(home), "PORT": str(_free_port()), "HOST": "127.0.0.1", "PUBLIC_URL": ""}
    command = [sys.executable, "-m", "lunary_dash.supervisor"]
    log = home / "bench.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        yield _wait(process, home, log)
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        shutil.rmtree(home, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], home: Path, log: Path) -> Instance:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        known = connection.read(home)
        if known and _answers(known["url"]):
            database_url = postgres.cluster(home).url
            keys = (known["project_id"], known["public_key"], known["private_key"])
            return Instance(process.pid, known["url"], database_url, *keys, data_dir=home)
        time.sleep(0.1)
    raise BenchError(f"the instance did not start: {log.read_text(errors='replace')[-600:]}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/v1/health", timeout=2) as response:
            return bool(response.status == 200)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tree(pid: int, part: str) -> Iterator[tuple[int, str]]:
    """Name the process and all below it, with the part of the instance each belongs to."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if words[0].endswith(b"postgres") or words[0].startswith(b"postgres:"):
            part = "postgres"
        elif b"web" in words:
            part = "web"
        yield pid, part
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _tree(int(child), part)
