"""Events as Lunary's SDKs send them, for pages that need something to show."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any


def made_id(name: str) -> str:
    """Return the id that stands for `name`: the same in every run of the suite."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def run_events(kind: str, name: str, key: str, ago: float, **more: Any) -> list[dict[str, Any]]:
    """Return the start and the end of a run that began `ago` seconds ago; `error` makes it fail, `took` is seconds."""
    began = datetime.now(UTC) - timedelta(seconds=ago)
    took, error = more.pop("took", 0.5), more.pop("error", None)
    parent = more.pop("parent", None)
    whole = {"type": kind, "runId": made_id(key), "parentRunId": parent and made_id(parent), "name": name}
    start = whole | {"event": "start", "timestamp": began.isoformat(), "input": f"question {key}"} | more
    end = whole | {"event": "end", "timestamp": (began + timedelta(seconds=took)).isoformat()}
    end |= {"event": "error", "error": error} if error else {"output": f"answer {key}"}
    if kind == "llm" and not error:
        end["tokensUsage"] = {"prompt": 100 + int(ago), "completion": 10}
    return [start, end]


def said(role: str, text: str, key: str, thread: str, ago: float) -> dict[str, Any]:
    """Return a message of a thread."""
    at = datetime.now(UTC) - timedelta(seconds=ago)
    return {
        "type": "thread",
        "event": "chat",
        "runId": made_id(key),
        "parentRunId": made_id(thread),
        "timestamp": at.isoformat(),
        "userId": "ines",
        "message": {"id": made_id(key), "role": role, "content": text},
    }
