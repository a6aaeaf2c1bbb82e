"""Make .venv and install a hashed requirements file into it, when that has not been done. Standard library only.

Run as `python3 -I lunary_dash/install.py .venv requirements.txt` by the Makefile, before any package is there.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

KEEP_LINES = 25
WHEEL_NAME = re.compile(r"^(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9_.-]+)")
STEP_SECONDS = 5.0


def fingerprint(requirements: Path) -> str:
    """Return what the stamp must say for the installation to be current: the pins and this Python."""
    return f"{hashlib.sha256(requirements.read_bytes()).hexdigest()} {sys.version_info[0]}.{sys.version_info[1]}\n"


def show(text: str, *, last: bool = False) -> None:
    """Show progress: on a terminal in one line, else a line now and then."""
    if sys.stdout.isatty():
        print(f"\r  {text:<70}", end="\n" if last else "", flush=True)
    else:
        print(f"  {text}", flush=True)


def make_venv(venv: Path, uv: str | None) -> None:
    """Make the virtual environment; stop with one sentence where this Python can't."""
    if (venv / "bin" / "python").exists():
        return
    show(f"Python {sys.version.split()[0]}: making {venv}")
    if uv:
        command = [uv, "venv", "--quiet", "--python", sys.executable, str(venv)]
    else:
        command = [sys.executable, "-m", "venv", str(venv)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if made.returncode == 0:
        return
    shutil.rmtree(venv, ignore_errors=True)
    said = made.stdout + made.stderr
    if "ensurepip" in said or "No module named venv" in said:
        minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
        sys.exit(f"This Python lacks its venv module. On Debian and Ubuntu: apt-get install python{minor}-venv")
    sys.exit(f"{venv} could not be made: {said.strip().splitlines()[-1] if said.strip() else 'no reason given'}")


def command_for(venv: Path, requirements: Path, uv: str | None) -> list[str]:
    """Return the command that installs exactly what the file pins."""
    python = str(venv / "bin" / "python")
    if uv:
        how = [uv, "pip", "install", "--python", python, "--compile-bytecode"]
    else:
        how = [python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    return [*how, "--require-hashes", "-r", str(requirements)]


def install(venv: Path, requirements: Path, uv: str | None) -> None:
    """Install with progress; on failure show the installer's last words."""
    total = len(re.findall(r"^[A-Za-z0-9_.-]+(?:\[[^]]*\])?==", requirements.read_text(), re.MULTILINE))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = command_for(venv, requirements, uv)
    show(f"installing about {total} packages from {requirements.name} with {'uv' if uv else 'pip'}")
    started = shown = time.monotonic()
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as child:
        assert child.stdout is not None  # noqa: S101 - told so above
        said: list[str] = []
        seen: set[str] = set()
        for line in child.stdout:
            said = [*said, line.rstrip()][-KEEP_LINES:]
            found = WHEEL_NAME.match(line)
            if found:
                seen.add(found[1])
                if sys.stdout.isatty() or time.monotonic() - shown > STEP_SECONDS:
                    shown = time.monotonic()
                    show(f"fetching {min(len(seen), total)} of {total}: {found[1]}")
            elif line.startswith("Installing collected"):
                show("unpacking and compiling")
    if child.returncode:
        print("\n".join(["", *said]), file=sys.stderr)
        sys.exit(
            f"{requirements.name} could not be installed, for the reason above. Try again: what was fetched is kept."
        )
    show(f"packages installed in {time.monotonic() - started:.0f} s", last=True)


def main(venv: Path, requirements: Path) -> None:
    """Install `requirements` into `venv` unless its stamp says that this is done."""
    stamp = venv / f".installed-{requirements.stem}"
    wanted = fingerprint(requirements)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    uv = shutil.which("uv")
    make_venv(venv, uv)
    install(venv, requirements, uv)
    stamp.write_text(wanted)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; `make` goes on where it stopped.")
