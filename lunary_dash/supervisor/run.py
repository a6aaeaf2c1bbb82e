"""`make run`: bring everything up, say where it is, keep it alive, take it down."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lunary_dash import env
from lunary_dash.supervisor import postgres, terminal, valkey
from lunary_dash.supervisor.child import Child
from lunary_dash.supervisor.freshness import Stamp, fingerprint
from lunary_dash.supervisor.instance import ROOT, Instance, Lock
from lunary_dash.supervisor.interrupts import Interrupts, StopRequested
from lunary_dash.supervisor.problems import StartError, disk_full, explain, tells_of_full_disk
from lunary_dash.supervisor.spawn import spawn

START_SECONDS = 60
RECOVERY_SECONDS = 600
"""PostgreSQL may have to replay its log after a crash; more than this needs a person."""
GRACE_SECONDS = 2.5
"""Web and worker get so long to finish what they do; then they are killed, so that all is over within 5 s."""
SERVER_SECONDS = 1.5
POLL_SECONDS = 0.02
WATCH_SECONDS = 30.0
TOLD = ("DATABASE_URL", "REDIS_URL")


class Supervisor:
    """All processes of one instance. Use `run`."""

    def __init__(self, instance: Instance, interrupts: Interrupts) -> None:
        self.instance = instance
        self._interrupts = interrupts
        self._logs = instance.data_dir / "log"
        self._children: list[Child] = []
        self._environment = dict(os.environ) | {
            "DATA_DIR": str(instance.data_dir),
            "HOST": instance.host,
            "PORT": str(instance.port),
            "WEB_GRACE_SECONDS": "2",
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, lock: Lock, *, after_kill: bool) -> None:
        """Start everything, report, and watch until asked to stop; whatever was started is stopped on the way out."""
        started = time.monotonic()
        listener = self.instance.listen(patient=after_kill)
        try:
            self._logs.mkdir(mode=0o700, exist_ok=True)
            self._start_database()
            self._start_broker()
            lock.tell({name: value for name, value in self._environment.items() if name in TOLD})
            self._prepare()
            self._start_web(listener)
            self._start_background()
            terminal.welcome(self.instance, time.monotonic() - started)
            self._watch()
        except StopRequested:
            terminal.say("\nStopping …")
        finally:
            self._interrupts.ignore_further()
            self._stop_all()
            listener.close()
            lock.release()
        terminal.say("Stopped.")

    def _start_database(self) -> None:
        if env.text("DATABASE_URL"):
            terminal.step("PostgreSQL", "the one DATABASE_URL names")
            return
        system_only = env.text("LUNARY_DASH_PG") == "system"
        cluster = postgres.cluster(self.instance.data_dir, system_only=system_only)
        with terminal.working(f"PostgreSQL {cluster.programs.version}"):
            if cluster.create():
                self._stamp.clear()
            child = Child("PostgreSQL", cluster.start, cluster.ready, cluster.log, signal.SIGINT)
            self._bring_up(child, RECOVERY_SECONDS)
        if not cluster.data.is_relative_to(self.instance.data_dir):
            terminal.step("", f"its data are in {cluster.data}, which the user nobody can reach")
        self._environment["DATABASE_URL"] = cluster.url

    def _start_broker(self) -> None:
        if env.text("REDIS_URL") or env.text("CELERY_BROKER_URL"):
            terminal.step("Broker", "the one the environment names")
            return
        broker = valkey.broker(self.instance.data_dir)
        if broker:
            try:
                with terminal.working("Valkey"):
                    self._bring_up(Child("Valkey", broker.start, broker.ready, broker.log), START_SECONDS)
                self._environment["REDIS_URL"] = broker.url
                return
            except StartError as error:
                terminal.say(f"  {error}")
                self._children = [child for child in self._children if child.name != "Valkey"]
        terminal.step("Broker", f"files in {terminal.short(self.instance.data_dir / 'queue')}, for want of a Valkey")

    @property
    def _stamp(self) -> Stamp:
        return Stamp(self.instance.data_dir / "prepared")

    def _prepare(self) -> None:
        """Migrate, collect static files, make the first account; skipped when our own database has seen this source."""
        value = fingerprint(ROOT)
        static = Path(env.text("STATIC_ROOT", str(self.instance.data_dir / "static"))) / "staticfiles.json"
        if not env.text("DATABASE_URL") and static.exists() and self._stamp.matches(value):
            return
        with terminal.working("Database and static files"):
            log = self._logs / "prepare.log"
            log.write_bytes(b"")
            child = self._python("prepare", "--url", self.instance.url, log=log)
            while child.poll() is None:
                try:
                    self._interrupts.wait(1)
                except StopRequested:
                    child.kill()
                    raise
            if child.returncode:
                raise explain("the database could not be prepared", log)
        self._stamp.set(value)

    def _start_web(self, listener: socket.socket) -> None:
        descriptor = listener.fileno()
        web = Child(
            "web",
            lambda: self._python("web", "--fd", str(descriptor), log=self._logs / "web.log", pass_fds=(descriptor,)),
            lambda _: _answers(listener),
            self._logs / "web.log",
        )
        with terminal.working("Web"):
            self._bring_up(web, START_SECONDS)

    def _start_background(self) -> None:
        for name in ("worker", "beat"):
            log = self._logs / f"{name}.log"
            child = Child(name, self._starter(name, log), lambda _: True, log)
            self._bring_up(child, START_SECONDS)

    def _starter(self, name: str, log: Path) -> Callable[[], subprocess.Popen[bytes]]:
        # Tasks may be killed at any time (they are safe to run twice), and must not outlive the supervisor.
        return lambda: self._python(name, log=log, death=signal.SIGKILL)

    def _python(
        self,
        *words: str,
        log: Path,
        death: signal.Signals = signal.SIGTERM,
        pass_fds: tuple[int, ...] = (),
    ) -> subprocess.Popen[bytes]:
        command: list[str | Path] = [sys.executable, ROOT / "manage.py", *words]
        return spawn(command, log=log, environment=self._environment, death=death, pass_fds=pass_fds)

    def _bring_up(self, child: Child, seconds: float) -> None:
        self._children.append(child)
        child.launch()
        deadline = time.monotonic() + seconds
        while not child.ready():
            if child.gone:
                raise explain(f"{child.name} would not start", child.log)
            if time.monotonic() > deadline:
                raise explain(f"{child.name} was not ready within {seconds:.0f} s", child.log)
            self._interrupts.wait(POLL_SECONDS)

    def _watch(self) -> None:
        """Start again whatever ends, forever. Raises StopRequested."""
        while True:
            due = [child.due for child in self._children if child.process is None]
            pause = min([WATCH_SECONDS, *(moment - time.monotonic() for moment in due)])
            self._interrupts.wait(max(0.0, pause))
            for child in self._children:
                self._look_after(child)

    def _look_after(self, child: Child) -> None:
        code = child.ended()
        if code is not None:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
            if tells_of_full_disk(child.log):
                how += f", as {disk_full(self.instance.data_dir)}"
            terminal.say(f"{terminal.clock()} {child.name} {how}; starting it again (log: {terminal.short(child.log)})")
        if child.process is None and child.due <= time.monotonic():
            try:
                child.launch()
            except (OSError, StartError) as error:
                terminal.say(f"{terminal.clock()} {child.name} would not start: {error}")
                child.retry_later()
        child.trim_log()

    def _stop_all(self) -> None:
        """Stop web, worker and beat together, then the servers they use; kill what does not listen."""
        servers = [child for child in self._children if child.name in {"PostgreSQL", "Valkey"}]
        workers = [child for child in self._children if child not in servers]
        _stop(workers, GRACE_SECONDS)
        _stop(servers, SERVER_SECONDS)


def _stop(children: list[Child], seconds: float) -> None:
    for child in children:
        child.signal(child.stop_signal)
    deadline = time.monotonic() + seconds
    while not all(child.gone for child in children) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for child in children:
        child.kill()  # its session too: a web worker that missed its master's end
        if child.process is not None:
            child.process.wait()


def _answers(listener: socket.socket) -> bool:
    """Tell whether the web server answers a request, with whatever status but an error of its own."""
    host, port = listener.getsockname()[:2]
    link = http.client.HTTPConnection({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port, timeout=1)  # noqa: S104
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(link):
        link.request("GET", "/v1/health")
        return link.getresponse().status < 500
    return False
