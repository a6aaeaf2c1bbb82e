"""Recorded traffic of real clients (tests/corpus): a scenario's requests, and its expectations asked of the API."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
Json = dict[str, Any]

# DESIGN.md rule 11: `prompt` includes cached tokens. Lunary's Anthropic wrapper reports 18 beside 300 written and 1 200
# read; the expectation quotes the wrapper (see docs/adr/0009), so it is restated here in our convention.
TOKENS_OF_RULE_11 = {
    ("lunary-python/anthropic-sync", "r1"): {
        "prompt": 1518,
        "cachedPrompt": 1200,
        "cacheWrite": 300,
        "completion": 9,
    }
}
TOKEN_NAMES = {"prompt": "prompt", "completion": "completion", "cached": "cachedPrompt", "reasoning": "reasoning"}


class Reader(Protocol):
    """The data API of one project."""

    def get(self, path: str) -> Any:
        """Return the JSON answer of a GET, which must be 200."""


@dataclass(frozen=True)
class Scenario:
    """One recorded scenario."""

    name: str

    @property
    def folder(self) -> Path:
        return CORPUS / self.name

    @cached_property
    def expected(self) -> Json:
        loaded: Json = json.loads((self.folder / "expect.json").read_text())
        return loaded

    @cached_property
    def requests(self) -> list[tuple[str, bytes]]:
        """Return (path, body) of each request that had a body, in the order in which they were sent."""
        meta = json.loads((self.folder / "meta.json").read_text())
        return [
            (request["path"], (self.folder / request["file"]).read_bytes())
            for request in meta["requests"]
            if "file" in request
        ]

    @property
    def events(self) -> list[bytes]:
        """Return a request for each single event."""
        return [
            json.dumps({"events": [event]}).encode()
            for _, body in self.requests
            for event in json.loads(body)["events"]
        ]

    @property
    def has_standalone_tool(self) -> bool:
        """Say whether a tool run names no parent, which a project must have chosen to accept (rule 6)."""
        return any(run["type"] == "tool" and run["parent"] is None for run in self.expected.get("runs", []))


def scenarios(source: str) -> list[Scenario]:
    """Return the scenarios of sources whose name begins with `source`."""
    return [
        Scenario(f"{path.parent.name}/{path.name}") for path in sorted(CORPUS.glob(f"{source}*/*")) if path.is_dir()
    ]


def compare(scenario: Scenario, reader: Reader) -> None:
    """Assert everything that expect.json says of the project that the scenario was sent to."""
    expected = scenario.expected
    runs = every_run(reader)
    _compare_counts(expected, runs)
    matched = _match_runs(scenario, runs, reader)
    _compare_logs(expected, matched, reader)
    _compare_users(expected, reader)
    conversations = _conversations(reader)
    for thread in expected.get("threads", []):
        assert any(_same_thread(thread, conversation) for conversation in conversations), (thread, conversations)
    for feedback in expected.get("feedback", []):
        assert _feedback_on(feedback["on"], conversations) == feedback["value"]


def every_run(reader: Reader) -> list[Json]:
    """Return every run of the project, walking the cursor."""
    runs: list[Json] = []
    cursor = ""
    while True:
        page = reader.get(f"/v1/runs?type=all&limit=50{cursor}")
        runs += page["data"]
        if page["nextCursor"] is None:
            return [reader.get(f"/v1/runs/{run['id']}") for run in runs]
        cursor = f"&cursor={page['nextCursor']}"


def _compare_counts(expected: Json, runs: list[Json]) -> None:
    found: dict[str, int] = {}
    for run in runs:
        found[run["type"]] = found.get(run["type"], 0) + 1
    if "counts" in expected:
        assert {kind: found.get(kind, 0) for kind in expected["counts"]} == expected["counts"]
        if expected.get("exhaustive"):
            assert found == expected["counts"]
    for kind, number in expected.get("counts_at_least", {}).items():
        assert found.get(kind, 0) >= number


def _match_runs(scenario: Scenario, runs: list[Json], reader: Reader) -> dict[str, Json]:
    """Return {ref: run}: each expectation is met by a run of its own, parents before children."""
    matched: dict[str, Json] = {}
    pending = list(scenario.expected.get("runs", []))
    while pending:
        ready = [e for e in pending if e["parent"] in (None, "*", *matched) or str(e["parent"]).startswith("message:")]
        assert ready, f"parents that are not there: {pending}"
        for expectation in ready:
            free = [run for run in runs if run["id"] not in {taken["id"] for taken in matched.values()}]
            complaints = []
            for run in free:
                complaint = _complaint(scenario, expectation, run, matched, reader)
                if complaint is None:
                    matched[expectation["ref"]] = run
                    break
                complaints.append(f"{run['type']} {run['name']}: {complaint}")
            else:
                raise AssertionError(f"{scenario.name}: nothing is {expectation}; {complaints}")
            pending.remove(expectation)
    return matched


def _complaint(scenario: Scenario, expected: Json, run: Json, matched: dict[str, Json], reader: Reader) -> str | None:
    """Return the first thing that keeps `run` from being what is expected, or None."""
    for name in ("type", "name", "status"):
        if name in expected and expected[name] not in ("*", run[name]):
            return f"{name} is {run[name]}"
    if "status_one_of" in expected and run["status"] not in expected["status_one_of"]:
        return f"status is {run['status']}"
    checks = (_parent_differs, _who_differs, _values_differ, _texts_differ)
    for check in checks:
        complaint = check(expected, run, matched, reader)
        if complaint:
            return complaint
    return _tokens_differ(scenario, expected, run)


def _parent_differs(expected: Json, run: Json, matched: dict[str, Json], reader: Reader) -> str | None:
    parent = expected["parent"]
    if parent == "*":
        return None
    if parent is None:
        return f"has parent {run['parentRunId']}" if run["parentRunId"] else None
    if parent.startswith("message:"):
        texts = {m["id"]: m["content"] for thread in _conversations(reader) for m in thread["messages"]}
        return None if texts.get(run["parentRunId"]) == parent.removeprefix("message:") else "hangs elsewhere"
    return None if run["parentRunId"] == matched[parent]["id"] else f"has parent {run['parentRunId']}"


def _who_differs(expected: Json, run: Json, matched: dict[str, Json], reader: Reader) -> str | None:
    user = run["user"]["externalId"] if run["user"] else None
    if "user" in expected and expected["user"] != user:
        return f"user is {user}"
    if "tags" in expected and (expected["tags"] or []) != (run["tags"] or []):
        return f"tags are {run['tags']}"
    if "template" in expected and str(expected["template"]) != str(run["templateVersionId"]):
        return f"template is {run['templateVersionId']}"
    if "feedback" in expected and expected["feedback"] != run["feedback"]:
        return f"feedback is {run['feedback']}"
    return None


def _values_differ(expected: Json, run: Json, matched: dict[str, Json], reader: Reader) -> str | None:
    for name in ("metadata", "params"):
        have = run[name] or {}
        for key, value in expected.get(name, {}).items():
            if have.get(key) != value:
                return f"{name}.{key} is {have.get(key)!r}"
    for name in ("input", "output"):
        if name in expected and _without_nulls(run[name]) != expected[name]:
            return f"{name} is {run[name]}"
    return None


def _texts_differ(expected: Json, run: Json, matched: dict[str, Json], reader: Reader) -> str | None:
    for key, texts in expected.items():
        if key.endswith("_contains") and not key.endswith("_not_contains"):
            shown = _shown(run[key.removesuffix("_contains")])
            missing = [text for text in texts if text not in shown]
            if missing:
                return f"{key} lacks {missing}"
    if any(text in _shown(run["output"]) for text in expected.get("output_not_contains", [])):
        return "output holds what it must not"
    if len(_shown(run["output"])) < expected.get("output_length_at_least", 0):
        return "output is too short"
    if expected.get("error_has_stack") and not (run["error"] or {}).get("stack"):
        return "no stack"
    return None


def _tokens_differ(scenario: Scenario, expected: Json, run: Json) -> str | None:
    wanted = TOKENS_OF_RULE_11.get((scenario.name, expected["ref"])) or {
        TOKEN_NAMES[name]: count for name, count in expected.get("tokens", {}).items()
    }
    have = {name: run["tokens"][name] for name in wanted}
    return None if have == wanted else f"tokens are {have}"


def _shown(value: Any) -> str:
    """Return a payload as text in which strings can be searched, also those inside JSON texts."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text + " " + " ".join(_strings(value))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _compare_logs(expected: Json, matched: dict[str, Json], reader: Reader) -> None:
    for line in expected.get("logs", []):
        run = reader.get(f"/v1/runs/{matched[line['run']]['id']}")
        assert (line["level"], line["message"]) in {(log["level"], log["message"]) for log in run["logs"]}


def _compare_users(expected: Json, reader: Reader) -> None:
    for user in expected.get("users", []):
        found = {known["externalId"]: known for known in reader.get("/v1/external-users")["data"]}
        props = found[user["id"]]["props"]
        assert {key: props.get(key) for key in user.get("props", {})} == user.get("props", {})


def _conversations(reader: Reader) -> list[Json]:
    return [reader.get(f"/v1/threads/{thread['id']}") for thread in reader.get("/v1/threads")["data"]]


def _same_thread(expected: Json, thread: Json) -> bool:
    said = [[message["role"], message["content"]] for message in thread["messages"]]
    again = [[s["role"], s["content"]] for message in thread["messages"] for s in message.get("siblings", [])]
    metadata = thread["metadata"] or {}
    return (
        said == expected["messages"]
        and again == expected.get("retries", [])
        and [event["name"] for event in thread["customEvents"]] == expected.get("custom_events", [])
        and ("tags" not in expected or thread["tags"] == expected["tags"])
        and ("user" not in expected or (thread["user"] or {}).get("externalId") == expected["user"])
        and all(metadata.get(key) == value for key, value in expected.get("metadata", {}).items())
    )


def _feedback_on(place: str, conversations: list[Json]) -> Any:
    """Return the feedback of the message that `place` ("message 'TEXT'") names."""
    text = place.removeprefix("message '").removesuffix("'")
    messages = [m for thread in conversations for m in thread["messages"]]
    messages += [sibling for message in messages for sibling in message.get("siblings", [])]
    (found,) = [message for message in messages if message["content"] == text]
    return found.get("feedback")
