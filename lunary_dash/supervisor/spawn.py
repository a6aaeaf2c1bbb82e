"""Start a child process that can't outlive its parent, and that may be somebody other than root."""

import ctypes
import enum
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

NOBODY = 65534
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
REFUSED = 97
"""Exit status of a child that could not become what it should."""


class Identity(enum.Enum):
    """Who the child is. PostgreSQL refuses root; the other two are ways around that."""

    SELF = "self"
    NAMESPACE = "namespace"
    """`nobody` inside a user namespace, root's own files outside: nothing has to be copied or given away."""
    NOBODY = "nobody"
    """Really `nobody`: for containers that forbid user namespaces."""


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _become(identity: Identity) -> None:
    if identity is Identity.NAMESPACE:
        if _libc().unshare(CLONE_NEWUSER):
            os._exit(REFUSED)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{NOBODY} 0 1"), ("gid_map", f"{NOBODY} 0 1")):
            with open(f"/proc/self/{name}", "w") as handle:
                handle.write(text)
    elif identity is Identity.NOBODY:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def _before_exec(identity: Identity, death: signal.Signals) -> Callable[[], None]:
    """Return what the child does between fork and exec; nothing in it may take a lock."""
    parent = os.getpid()
    libc = _libc()

    def prepare() -> None:
        try:
            _become(identity)
        except OSError:
            os._exit(REFUSED)
        if sys.platform == "linux":
            libc.prctl(PR_SET_PDEATHSIG, int(death), 0, 0, 0)  # after the change of identity, which clears it
            if os.getppid() != parent:
                os._exit(REFUSED)

    return prepare


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    identity: Identity = Identity.SELF,
    death: signal.Signals = signal.SIGTERM,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, so that Ctrl-C reaches only the supervisor.

    The child gets the signal `death` when the calling thread's process dies, however it dies (Linux only).
    Output is appended to `log`, or discarded.
    """
    output = open(log, "ab") if log else None  # noqa: SIM115
    try:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            env=dict(environment) if environment is not None else None,
            start_new_session=True,
            preexec_fn=_before_exec(identity, death),
            pass_fds=tuple(pass_fds),
            cwd="/" if identity is not Identity.SELF else None,
        )
    finally:
        if output:
            output.close()
