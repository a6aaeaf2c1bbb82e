"""Events of Lunary's protocol, sent through the decoder in one line."""

import json
from typing import Any

from ingest import lunary
from ingest.events import Batch, MessageEvent, RunEvent

RECEIVED = 1_795_000_000_000_000
RUN = "3b1b4d0e-0000-4000-8000-000000000001"
SENT = "2026-11-21T16:06:29.684069+00:00"
AT = 1_795_277_189_684_069


def decoded(*events: Any) -> lunary.Decoded:
    """Return the events as one decoded request."""
    return lunary.decode(json.dumps({"events": events}).encode(), RECEIVED)


def batch(*events: Any) -> Batch:
    """Return what the events say about the request's own project."""
    return decoded(*events).groups[None].batch


def run(**fields: Any) -> RunEvent:
    """Return what one event of a run says."""
    event = {"type": "llm", "event": "start", "runId": RUN, "timestamp": SENT} | fields
    return batch(event).runs[0]


def message(**fields: Any) -> MessageEvent:
    """Return what one chat event says."""
    event = {"type": "thread", "event": "chat", "runId": "m-1", "parentRunId": "t-1", "timestamp": SENT} | fields
    return batch(event).messages[0]
