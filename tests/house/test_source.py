"""Rules about the source that no linter knows: layers, sizes, names, and nothing of one machine."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST = 400
NOT_OURS = ("static/vendor/", "tests/journeys/vendor/", "tests/corpus/", "static/plotly")
WORDLESS = {"utils", "util", "helpers", "helper", "common", "base", "services", "misc", "lib"}
SOURCE = {".py", ".html", ".css", ".js"}
# Put together here, so that this file does not contain what it looks for.
FORBIDDEN = [
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "npmjs" + ".org",
    "npmjs" + ".com",
    "extra-index" + "-url",
    "/work" + "/",
    "/root" + "/",
    "/home" + "/",
]


def _committed() -> list[Path]:
    """Return every file of the repository, whether or not this copy of it is a clone."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    hidden = {".venv", "var", ".git", "node_modules"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not hidden & set(path.relative_to(ROOT).parts)]


COMMITTED = _committed()
OURS = [path for path in COMMITTED if not str(path.relative_to(ROOT)).startswith(NOT_OURS)]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:  # an image, a protobuf body
        return ""


def test_imports_only_look_down() -> None:
    # In a process of its own, as it silences every logger of the one it runs in.
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_every_file_can_be_read_in_one_sitting() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in OURS
        if path.suffix in SOURCE
        and path.parent.name != "migrations"
        and (lines := len(_text(path).splitlines())) >= LONGEST
    }
    assert long == {}


def test_modules_are_named_after_what_they_know() -> None:
    modules = [path for path in OURS if path.suffix == ".py" and path.stem in WORDLESS]
    packages = [path for path in OURS if path.suffix == ".py" and WORDLESS & set(path.relative_to(ROOT).parts[:-1])]
    assert modules + packages == []


def test_nothing_names_a_registry_or_a_place_on_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in OURS
        for word in FORBIDDEN
        if word in _text(path) and path.suffix in {*SOURCE, ".toml", ".txt", ".in", ".md", ".yml", ".sh", ""}
    ]
    assert found == []


def test_locked_requirements_have_hashes_and_no_addresses() -> None:
    for name in ("requirements.txt", "requirements-test.txt"):
        lines = (ROOT / name).read_text().splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("-")]
        pins = [at for at, line in enumerate(lines) if re.match(r"[A-Za-z0-9]", line)]
        assert pins
        assert all("--hash=sha256:" in lines[at + 1] for at in pins)


def test_both_lock_files_agree() -> None:
    pin = re.compile(r"^([A-Za-z0-9_.\[\],-]+)==(\S+)", re.MULTILINE)
    runtime = dict(pin.findall((ROOT / "requirements.txt").read_text()))
    tests = dict(pin.findall((ROOT / "requirements-test.txt").read_text()))
    assert {name: version for name, version in runtime.items() if tests.get(name) != version} == {}


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
    found = [str(path.relative_to(ROOT)) for path in OURS if path.suffix in SOURCE and later.search(_text(path))]
    assert found == []
