"""What the documents say is what the source does."""

import ast
import json
import re
from pathlib import Path

from lunary_dash.version import version

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
READERS = {"text", "boolean", "integer", "words"}
SOURCES = [
    path
    for package in ("lunary_dash", "projects", "runs", "ingest", "traces", "users")
    for path in (ROOT / package).rglob("*.py")
]


def _read_variables() -> dict[str, str]:
    """Return every environment variable that is read through `env`, with its default where that is a constant."""
    found: dict[str, str] = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READERS):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "env" and node.args):
                continue
            name, *defaults = node.args
            assert isinstance(name, ast.Constant), f"{path}: a variable's name must be plain text"
            default = defaults[0].value if defaults and isinstance(defaults[0], ast.Constant) else ""
            found[str(name.value)] = found.get(str(name.value)) or str(default)
    return found


def _documented() -> dict[str, str]:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`)? ?\|", README, re.MULTILINE)
    return dict(rows)


def test_every_variable_is_in_the_readme_with_its_default() -> None:
    read = _read_variables()
    documented = _documented()
    assert set(documented) == set(read)
    assert {name: documented[name] for name, default in read.items() if default} == {
        name: default for name, default in read.items() if default
    }


def test_nothing_reads_the_environment_behind_its_back() -> None:
    allowed = {"env.py", "install.py", "run.py", "manage.py", "wsgi.py", "celery.py"}
    around = re.compile(r"os\.environ(?:\.get|\[)|os\.getenv")
    assert [path for path in SOURCES if path.name not in allowed and around.search(path.read_text())] == []


def test_every_link_to_a_file_leads_somewhere() -> None:
    broken = [
        f"{document.relative_to(ROOT)}: {link}"
        for document in DOCUMENTS
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text(), re.MULTILINE)
        if "://" not in link and not (document.parent / link).exists()
    ]
    assert broken == []


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for document in DOCUMENTS
        for name in re.findall(r"(?:^|`)(?:[A-Z_]+=\S+ )*make (?:-s )?([a-z-]+)", document.read_text(), re.MULTILINE)
    }
    assert named - targets == set()
    assert {"run", "stop", "test", "lint", "bench", "demo", "project"} <= named


def test_the_event_for_curl_is_json_and_whole() -> None:
    found = re.search(r"-d '(\{.*?\})'\n```", README, re.DOTALL)
    assert found
    events = json.loads(found[1])["events"]
    assert [event["event"] for event in events] == ["start", "end"]
    assert len({event["runId"] for event in events}) == 1


def test_the_version_is_the_changelogs() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", version())


def test_the_licence_is_apache_2() -> None:
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
