"""A program as a user would write it: Lunary's real SDK, a monitored OpenAI client, an agent, a chat thread.

Run by test_python_sdk with LUNARY_API_URL and LUNARY_PUBLIC_KEY set as `make run` prints them. The model is a stub on
loopback, so that nothing leaves the machine; prints the ids that the program holds. The SDK sends every half second and
once more at the end; when it does, and when it is answered, is printed to stderr in seconds of the machine's clock.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import lunary
import requests
from openai import OpenAI

ANSWER = "Take the train at nine."


class StubModel(BaseHTTPRequestHandler):
    """Answers every chat completion the same way."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_795_000_000,
            "model": "gpt-4o-2024-08-06",
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}},
            ],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Timed(requests.Session):
    """What `requests.post` makes for each request of the SDK."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        sent = time.monotonic()
        answer = super().send(request, **options)
        print(json.dumps({"sent": sent, "answered": time.monotonic()}), file=sys.stderr, flush=True)
        return answer


def main() -> None:
    """Run the agent, hold the conversation, and print what the program knows."""
    requests.sessions.Session = Timed  # type: ignore[misc]
    model = ThreadingHTTPServer(("127.0.0.1", 0), StubModel)
    threading.Thread(target=model.serve_forever, daemon=True).start()
    client = OpenAI(api_key="none", base_url=f"http://127.0.0.1:{model.server_port}/v1")
    lunary.monitor(client)

    @lunary.tool(name="search_trains")
    def search_trains(start: str, end: str) -> list[dict[str, Any]]:
        return [{"train": "IC 523", "from": start, "to": end}]

    @lunary.chain(name="plan_route")
    def plan_route(question: str) -> str:
        answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": question}])
        return answer.choices[0].message.content or ""

    @lunary.agent(name="travel-agent")
    def travel_agent(place: str) -> str:
        route = plan_route(f"How do I get to {place}?")
        return f"{route} ({search_trains('Lisbon', place)[0]['train']})"

    thread = lunary.open_thread(tags=["web"])
    asked = thread.track_message({"role": "user", "content": "How do I get to Porto?"}, user_id="ines")
    with (
        lunary.identify("ines", user_props={"name": "Inès Moreau", "email": "ines@example.com"}),
        lunary.tags(["travel"]),
        lunary.parent(asked),
    ):
        said = travel_agent("Porto")
    answered = thread.track_message({"role": "assistant", "content": said}, user_id="ines")
    lunary.track_feedback(answered, {"thumb": "up", "comment": "quick"})
    print(json.dumps({"thread": thread.id, "asked": asked, "answered": answered, "said": said}), flush=True)


if __name__ == "__main__":
    main()
