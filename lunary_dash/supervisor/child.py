"""One process to keep alive."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SLOWEST_SECONDS = 10.0
STEADY_SECONDS = 30.0
"""After so long a life an end is news again, not one more failure in a row."""
LOG_LIMIT_BYTES = 20 * 2**20


@dataclass
class Child:
    """A process, how to start it, how to know that it works, and how often it failed in a row."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    is_ready: Callable[[subprocess.Popen[bytes]], bool]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started: float = 0.0
    due: float = field(default=0.0)

    def launch(self) -> None:
        """Start the process now."""
        self.trim_log()
        self.process = self.start()
        self.started = time.monotonic()

    def ready(self) -> bool:
        """Tell whether the process works by now. Raises StartError when it has ended instead."""
        return self.process is not None and self.is_ready(self.process)

    def ended(self) -> int | None:
        """Return how the process ended (negative: by that signal), once; None while it lives or is known to be gone."""
        if self.process is None or self.process.poll() is None:
            return None
        code = self.process.returncode
        self.process = None
        self.retry_later()
        return code

    def retry_later(self) -> None:
        """Put off the next start: 0.1 s, then twice as long for each failure in a row, at most 10 s."""
        now = time.monotonic()
        self.failures = 0 if now - self.started > STEADY_SECONDS else self.failures + 1
        self.due = now + min(SLOWEST_SECONDS, 0.05 * 2**self.failures)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if there is one."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """End the process and everything in its session at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    @property
    def gone(self) -> bool:
        """Tell whether nothing is left to stop."""
        return self.process is None or self.process.poll() is not None

    def trim_log(self) -> None:
        """Keep one older log when the current one is long. Writers append, so cutting it under them is safe."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_LIMIT_BYTES:
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
                os.truncate(self.log, 0)
