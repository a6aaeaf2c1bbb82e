"""A private directory for Unix sockets, short enough for the kernel."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from lunary_dash.supervisor.problems import StartError
from lunary_dash.supervisor.spawn import NOBODY

LONGEST = 106
"""Bytes in a Unix socket's path, without the closing zero; macOS allows four fewer."""
LONGEST_NAME = len("/.s.PGSQL.5432.lock")


def socket_directory(data_dir: Path) -> Path:
    """Return a 0700 directory for sockets: `data_dir`/run, or one under the system's temp when that is too deep.

    Raises StartError when somebody else made a directory of that name.
    """
    inside = data_dir / "run"
    if len(os.fsencode(inside)) + LONGEST_NAME <= LONGEST - 4:
        directory = inside
    else:
        name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
        directory = Path(tempfile.gettempdir()) / f"lunary-dash-{os.geteuid()}-{name}"
    directory.mkdir(mode=0o700, exist_ok=True)
    about = directory.lstat()
    if not stat.S_ISDIR(about.st_mode):
        raise StartError(f"{directory} is not a directory: remove it")
    given_away = os.geteuid() == 0 and about.st_uid == NOBODY  # see postgres.Cluster
    if about.st_uid == os.geteuid():
        directory.chmod(0o700)
    elif not given_away:
        raise StartError(f"{directory} belongs to another user: remove it, or set DATA_DIR to a shorter path")
    return directory
