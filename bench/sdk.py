"""Records what Lunary's SDKs would send while an imagined app runs: their keys, their shapes, a clock of its own.

The shapes are those of lunary 1.4 for Python (all 22 keys, null when unset, ids hashed, ISO times) and for JavaScript
(unset keys left out, raw ids, epoch milliseconds), as recorded in tests/corpus.
"""

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from random import Random
from typing import Any

from bench.llms import Model, tokens
from bench.people import Person

Event = dict[str, Any]
Json = Any
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PYTHON_KEYS = (
    "event",
    "type",
    "name",
    "userId",
    "userProps",
    "tags",
    "threadTags",
    "runId",
    "parentRunId",
    "timestamp",
    "message",
    "input",
    "output",
    "error",
    "feedback",
    "runtime",
    "tokensUsage",
    "metadata",
    "params",
    "templateId",
    "appId",
    "threadMetadata",
)


class Style(Enum):
    """Which SDK speaks; the value is its `runtime`."""

    PYTHON = "lunary-py"
    LANGCHAIN = "langchain-py"
    JAVASCRIPT = "lunary-js"


class AppError(Exception):
    """An exception inside the imagined app: leaves a run through an error event, then travels on upwards."""

    def __init__(self, kind: str, message: str, where: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.where = where


@dataclass
class Open:
    """A run that has started; set `output` before its block ends."""

    id: str
    type: str
    name: str
    output: Json = None
    metadata: Json = None


class Recorder:
    """One process of an app: open runs nest, time passes only through `wait` and model calls."""

    def __init__(
        self,
        rng: Random,
        at: datetime,
        style: Style,
        person: Person | None = None,
        tags: Sequence[str] = (),
        *,
        flaky: float = 0.016,
    ) -> None:
        self.rng = rng
        self.events: list[Event] = []
        self.style = style
        self.person = person
        self.tags = list(tags)
        self.flaky = flaky
        self.runs = 0  # rows in runs_run that these events make: runs, exchanges, threads, custom events
        self._us = (at - _EPOCH) // timedelta(microseconds=1)
        self._open: list[str] = []
        self._thread: str | None = None
        self._thread_tags: list[str] | None = None
        self._thread_metadata: Mapping[str, Json] | None = None

    # -- time and ids

    @property
    def now(self) -> datetime:
        """The app's clock."""
        return _EPOCH + timedelta(microseconds=self._us)

    def wait(self, typical_ms: float, spread: float = 0.45) -> None:
        """Let time pass: log-normal around `typical_ms`, as latencies are."""
        self._us += max(40, int(1_000 * typical_ms * self.rng.lognormvariate(0, spread)))

    def new_id(self) -> str:
        """Return a fresh run id in the form that the SDK puts on the wire."""
        if self.style is Style.JAVASCRIPT:
            return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        return str(uuid.UUID(bytes=hashlib.sha256(self.rng.randbytes(16)).digest()[:16]))  # no version bits, as theirs

    # -- runs

    @contextmanager
    def run(
        self,
        kind: str,
        name: str,
        given: Json = None,
        *,
        params: Json = None,
        metadata: Json = None,
        tags: Sequence[str] | None = None,
    ) -> Iterator[Open]:
        """Open a run of type `kind` below the innermost open one; a root carries the person and the app's tags."""
        opened = Open(self.new_id(), kind, name)
        root = not self._open
        self.runs += 1
        self._send(
            "start",
            kind,
            opened.id,
            name=name,
            input=given,
            parentRunId=self._parent(),
            params=params if params is not None or self.style is Style.LANGCHAIN else {},
            metadata=metadata,
            tags=list(tags) if tags else (self.tags or None) if root else None,
            person=root,
        )
        self._open.append(opened.id)
        try:
            self.wait(1.5)
            yield opened
            self.wait(2.5)
        except AppError as trouble:
            self._open.pop()
            self._send("error", kind, opened.id, error=self._error(trouble, name))
            raise
        self._open.pop()
        self._send("end", kind, opened.id, name=name, output=opened.output, metadata=opened.metadata)

    def llm(
        self,
        model: Model,
        messages: Sequence[Mapping[str, Json]],
        answer: str | None,
        *,
        calls: Sequence[tuple[str, str, str]] = (),
        params: Json = None,
        hidden: int = 0,
        metadata: Json = None,
        tags: Sequence[str] | None = None,
        template: int | None = None,
        streamed: bool = False,
    ) -> str:
        """Call a model; `calls` are (id, tool, arguments as JSON), `hidden` prompt tokens of tool schemas and the like.

        Now and then the provider refuses (429 or a time-out); the app tries again, but not always. Raises AppError.
        """
        asked = model.messages(messages, python=self.style is not Style.JAVASCRIPT)
        if self.rng.random() < self.flaky:
            self._refused(model, asked, params)
        run_id = self.new_id()
        self.runs += 1
        self._send(
            "start",
            "llm",
            run_id,
            name=model.name,
            input=asked,
            parentRunId=self._parent(),
            params=params or {},
            metadata=metadata,
            tags=list(tags) if tags else (self.tags or None) if not self._open else None,
            templateId=template,
            person=not self._open,
        )
        prompt = hidden + sum(tokens(message.get("content")) + 4 for message in messages) + 3
        made = tokens(answer) + sum(tokens(arguments) + 12 for *_, arguments in calls) + 2
        self.wait(model.first_token_ms, 0.35)
        self.wait(1_000 * made / model.tokens_per_second, 0.2)
        answered = model.answer(answer, calls)
        usage, extra = model.usage(self.rng, prompt, made, streamed=streamed)
        self._send("end", "llm", run_id, name=model.name, output=answered, tokensUsage=usage, metadata=extra)
        return answer or ""

    def embed(self, model: Model, text: str) -> None:
        """Embed one text; the vector itself is never sent."""
        run_id = self.new_id()
        self.runs += 1
        self._send("start", "embed", run_id, name=model.name, input=text, parentRunId=self._parent(), params={})
        self.wait(model.first_token_ms)
        self._send(
            "end",
            "embed",
            run_id,
            name=model.name,
            output={"dimensions": 1536},
            tokensUsage={"prompt": tokens(text) + 2, "completion": 0},
        )

    def tool(self, name: str, given: Json, output: Json, typical_ms: float = 60.0) -> Json:
        """Call a function that only takes time."""
        with self.run("tool", name, given) as run:
            self.wait(typical_ms)
            run.output = output
        return output

    def log(self, level: str, message: str, extra: Json = None) -> None:
        """Write a log line of the innermost open run; like the SDK's, it has no id of its own."""
        self._send(level, "log", None, message=message, extra=extra, parentRunId=self._parent())

    def _refused(self, model: Model, asked: Json, params: Json) -> None:
        kind, text, seconds = self.rng.choice(
            (
                ("RateLimitError", f"Error code: 429 - Rate limit reached for {model.name}: requests per min.", 1.2),
                ("APITimeoutError", "Request timed out after 30.0 s.", 30.0),
                ("InternalServerError", "Error code: 529 - The provider is temporarily overloaded.", 2.5),
            )
        )
        run_id = self.new_id()
        self.runs += 1
        self._send(
            "start", "llm", run_id, name=model.name, input=asked, parentRunId=self._parent(), params=params or {}
        )
        self.wait(seconds * 1_000, 0.1)
        refusal = AppError(kind, text, "llm_client.py")
        self._send("error", "llm", run_id, error=self._error(refusal, model.name))
        if self.rng.random() < 0.3:
            raise refusal
        self.wait(900)

    def _error(self, trouble: AppError, name: str) -> Json:
        function = name.replace("-", "_").split(".")[-1]
        line = 20 + sum(map(ord, function)) % 180
        if self.style is Style.JAVASCRIPT:
            stack = (
                f"{trouble.kind}: {trouble.message}\n    at {function} (file:///app/src/{trouble.where}:{line}:17)\n"
                "    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)\n"
                "    at async Object.callAsync (file:///app/node_modules/unctx/dist/index.mjs:72:16)\n"
                "    at async handleTurn (file:///app/src/server.mjs:88:20)"
            )
        else:
            stack = (
                "Traceback (most recent call last):\n"
                '  File "/app/venv/lib/python3.11/site-packages/lunary/__init__.py", line 1557, in sync_wrapper\n'
                "    output = fn(*args, **kwargs)\n             ^^^^^^^^^^^^^^^^^^^\n"
                f'  File "/app/assistant/{trouble.where}", line {line}, in {function}\n'
                "    return client.call(payload, timeout=settings.UPSTREAM_TIMEOUT)\n"
                f"{trouble.kind}: {trouble.message}\n"
            )
        return {"message": trouble.message, "stack": stack}

    # -- conversations

    def open_thread(self, tags: Sequence[str], metadata: Mapping[str, Json] | None = None) -> str:
        """Begin a conversation; its messages follow through `say`."""
        self._thread = self.new_id()
        self._thread_tags = list(tags) or None
        self._thread_metadata = metadata
        self.runs += 1
        return self._thread

    def say(self, role: str, content: Json, *, is_retry: bool = False, opens: bool = False, **more: Json) -> str:
        """Track one message of the open thread and return its id; `opens` says that it begins an exchange."""
        message: Event = {"role": role, "content": content} | more
        if is_retry:
            message["is_retry" if self.style is not Style.JAVASCRIPT else "isRetry"] = True
        self.runs += opens or is_retry
        message_id = self.new_id()
        self._send("chat", "thread", message_id, message=message, **self._thread_fields())
        return message_id

    def happened(self, name: str, metadata: Json) -> None:
        """Track a custom event of the open thread."""
        self.runs += 1
        fields = self._thread_fields() | {"metadata": metadata}
        self._send("custom-event", "thread", self.new_id(), name=name, **fields)

    def feedback(self, run_id: str, values: Json) -> None:
        """Rate a run or a message."""
        self._send("feedback", None, run_id, feedback=values)

    @contextmanager
    def answering(self, message_id: str) -> Iterator[None]:
        """Make runs opened inside belong to the exchange of that message (`lunary.parent`)."""
        self._open.append(message_id)
        yield
        self._open.pop()

    def _thread_fields(self) -> Event:
        return {
            "parentRunId": self._thread,
            "threadTags": self._thread_tags,
            "metadata": self._thread_metadata,
            "threadMetadata": self._thread_metadata,
            "person": True,
        }

    # -- the wire

    def _parent(self) -> str | None:
        return self._open[-1] if self._open else None

    def _send(self, event: str, kind: str | None, run_id: str | None, *, person: bool = False, **fields: Json) -> None:
        who = self.person if person else None
        metadata = fields.pop("metadata", None)
        if who and event == "start":
            metadata = who.place | (metadata or {})
        self._us += self.rng.randrange(60, 400)
        if self.style is Style.JAVASCRIPT:
            self._us += 1_000
            at: Json = self._us // 1_000
        else:
            at = self.now.isoformat(timespec="microseconds")
        sent: Event = {
            "event": event,
            "type": kind,
            "userId": who.id if who else None,
            "userProps": who.props if who else None,
            "runId": run_id,
            "timestamp": at,
            "runtime": self.style.value,
            "metadata": metadata,
        } | fields
        if self.style is Style.JAVASCRIPT:
            sent = {key: value for key, value in sent.items() if value is not None or key == "type"}
        else:
            sent = {key: sent.get(key) for key in _PYTHON_KEYS}
        self.events.append(sent)
