"""Clients that keep sending, and remember exactly what was acknowledged."""

import contextlib
import http.client
import json
import threading
import uuid
from datetime import UTC, datetime
from types import TracebackType

BATCH = 10
PAUSE_SECONDS = 0.05
"""Between attempts while nobody answers, as a client would wait."""


def _events(ids: list[str]) -> bytes:
    now = datetime.now(UTC).isoformat()
    events = [
        {"type": "llm", "event": event, "runId": run, "timestamp": now, "name": "gpt-4o-mini", **body}
        for run in ids
        for event, body in (
            ("start", {"input": [{"role": "user", "content": f"hello from {run}"}]}),
            ("end", {"output": {"role": "assistant", "content": "hi"}, "tokensUsage": {"prompt": 5, "completion": 1}}),
        )
    ]
    return json.dumps({"events": events}).encode()


class Load:
    """Threads that send batches of runs until the block ends; `acknowledged` is what was answered `success`."""

    def __init__(self, port: int, key: str, clients: int = 3) -> None:
        self.acknowledged: set[str] = set()
        self.failures = 0
        self._port = port
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send_on, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send_on(self) -> None:
        while not self._stop.is_set():
            link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(link):
                while not self._stop.is_set() and self._send(link):
                    pass
            self._stop.wait(PAUSE_SECONDS)

    def _send(self, link: http.client.HTTPConnection) -> bool:
        """Send one batch; return whether the connection is worth keeping."""
        ids = [str(uuid.uuid4()) for _ in range(BATCH)]
        try:
            link.request("POST", "/v1/runs/ingest", _events(ids), self._headers)
            answer = link.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            self.failures += 1
            raise
        if answer.status != http.HTTPStatus.OK:
            self.failures += 1
            return False
        results = json.loads(said)["results"]
        refused = {result["id"] for result in results if not result["success"]}
        self.acknowledged |= set(ids) - refused
        return True
