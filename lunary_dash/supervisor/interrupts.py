"""Waiting that a signal ends at once."""

import os
import select
import signal
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(Exception):  # noqa: N818 - not an error
    """Ctrl-C, SIGTERM or a closed terminal asked for an end."""


class Interrupts:
    """Turns signals into wake-ups: `wait` returns early when a child ended, and raises when asked to stop."""

    def __init__(self) -> None:
        self._stop = False
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in STOPPING:
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, self._on_child)

    def wait(self, seconds: float) -> None:
        """Wait so long, or until a child ends. Raises StopRequested."""
        if not self._stop:
            ready, _, _ = select.select([self._reader], [], [], seconds)
            if ready:
                os.read(self._reader, 512)
        if self._stop:
            raise StopRequested

    def ignore_further(self) -> None:
        """From now on stop requests change nothing: the end is under way."""
        self._stop = False
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop = True

    def _on_child(self, number: int, frame: FrameType | None) -> None:
        """Nothing: the wake-up is enough."""
