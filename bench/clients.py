"""Sends events as SDKs do: keep-alive connections to the public ingest endpoint, each request waiting for its 200."""

import http.client
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

PATIENCE_SECONDS = 60.0
"""How long a server that says 503 or can't be reached is asked again."""


class SendError(Exception):
    """The server won't take the events; the text says what it answered."""


class _Result(msgspec.Struct):
    success: bool
    error: str | None = None


class _Answer(msgspec.Struct):
    results: list[_Result]


_read_answer = msgspec.json.Decoder(_Answer).decode


class Client:
    """One kept-alive connection. Not for several threads at a time."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "127.0.0.1", parts.port, timeout=120)
        self._path = parts.path.rstrip("/") + "/v1/runs/ingest"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def send(self, body: bytes) -> list[str]:
        """Post one batch and return the reasons of refused events; raise SendError when the batch isn't stored.

        A request that got no answer is repeated: storing twice changes nothing.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                status, answer = self._post(body)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                status, answer = 0, str(error).encode()
            if status == 200:
                return [result.error or "refused" for result in _read_answer(answer).results if not result.success]
            if status not in {0, 502, 503} or time.monotonic() > deadline:
                raise SendError(f"{status or 'no answer'}: {answer[:300].decode(errors='replace')}")
            time.sleep(0.5)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        self._connection.request("POST", self._path, body, self._headers)
        response = self._connection.getresponse()
        return response.status, response.read()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


@dataclass
class Tally:
    """What has been sent and acknowledged so far."""

    events: int = 0
    begun: int = 0  # start events
    refused: list[str] = field(default_factory=list)
    failure: Exception | None = None


class _Crew:
    """Threads that send what is put into `waiting`; after a failure they only empty it."""

    def __init__(self, url: str, key: str, connections: int) -> None:
        self.waiting: queue.Queue[list[dict[str, Any]] | None] = queue.Queue(maxsize=2 * connections)
        self.tally = Tally()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(url, key), daemon=True) for _ in range(connections)]
        for thread in self._threads:
            thread.start()

    def _work(self, url: str, key: str) -> None:
        client = Client(url, key)
        while (batch := self.waiting.get()) is not None:
            if self.tally.failure is None:
                self._send(client, batch)
        client.close()

    def _send(self, client: Client, batch: list[dict[str, Any]]) -> None:
        try:
            refused = client.send(msgspec.json.encode({"events": batch}))
        except SendError as error:
            self.tally.failure = error
            return
        with self._lock:
            self.tally.events += len(batch)
            self.tally.begun += sum(event["event"] == "start" for event in batch)
            self.tally.refused += refused

    def leave(self) -> None:
        """Let the threads finish what waits, and end."""
        for _ in self._threads:
            self.waiting.put(None)
        for thread in self._threads:
            thread.join()


def send_all(
    url: str,
    key: str,
    batches: Iterable[list[dict[str, Any]]],
    connections: int = 4,
    report: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Send all batches over parallel connections; `report` is called after each and may raise to stop everything.

    Raises SendError when the server refuses a whole batch.
    """
    crew = _Crew(url, key, connections)
    try:
        for batch in batches:
            if crew.tally.failure is not None:
                break
            crew.waiting.put(batch)
            report(crew.tally)
    finally:
        crew.leave()
    if crew.tally.failure is not None:
        raise crew.tally.failure
    report(crew.tally)
    return crew.tally
