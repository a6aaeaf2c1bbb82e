"""The lines a person pastes to send the first event, with key and address filled in. Pure: no Django."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

PYTHON = """\
export LUNARY_API_URL="{url}"
export LUNARY_PUBLIC_KEY={key}

# app.py: pip install lunary openai
import lunary
from openai import OpenAI

client = OpenAI()
lunary.monitor(client)   # every call from here on is a run
"""

JAVASCRIPT = """\
export LUNARY_API_URL="{url}"
export LUNARY_PUBLIC_KEY={key}

// app.mjs: npm install lunary openai
import OpenAI from "openai"
import {{ monitorOpenAI }} from "lunary/openai"

const openai = monitorOpenAI(new OpenAI())   // every call from here on is a run
"""

LANGCHAIN = """\
export LUNARY_API_URL="{url}"
export LUNARY_PUBLIC_KEY={key}

# app.py: pip install lunary langchain langchain-openai
from langchain_openai import ChatOpenAI
from lunary import LunaryCallbackHandler

model = ChatOpenAI(model="gpt-4o-mini", callbacks=[LunaryCallbackHandler()])
model.invoke("Hello")   # this call and all it leads to are runs of one trace
"""

CURL = """\
curl "{url}/v1/runs/ingest" \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{{"events": [
    {{"type": "llm", "event": "start", "runId": "{run_id}", "timestamp": "{start}",
     "name": "gpt-4o-mini", "userId": "ada", "input": [{{"role": "user", "content": "Hello"}}]}},
    {{"type": "llm", "event": "end", "runId": "{run_id}", "timestamp": "{end}",
     "output": {{"role": "assistant", "content": "Hello Ada."}}, "tokensUsage": {{"prompt": 8, "completion": 4}}}}
  ]}}'
"""

WHO_PAYS = """\
client.chat.completions.create(
    model="gpt-4o-mini",
    messages=messages,
    user_id="ines",
    metadata={"teamId": "claims", "organizationId": "halden-air"},
)
"""

TEMPLATES: dict[str, tuple[str, str]] = {
    "curl": ("curl", CURL),
    "python": ("Python", PYTHON),
    "javascript": ("JavaScript", JAVASCRIPT),
    "langchain": ("LangChain", LANGCHAIN),
}
DEFAULT = "python"

TOKEN = re.compile(
    r"""(?P<note>(?:^|(?<=\s))(?:\#|//)\s.*)"""
    r"""|(?P<text>"[^"\n]*")"""
    r"""|(?P<key>\b(?:export|import|from|const|new|curl)\b)"""
    r"""|(?P<value>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"""
)


@dataclass(frozen=True)
class Token:
    """A stretch of a line and what it is: key(word), text, note, value (the project's key), or nothing special."""

    kind: str
    text: str


@dataclass(frozen=True)
class Snippet:
    """The lines for one language, as text to copy and as tokens to show."""

    slug: str
    label: str
    text: str

    @property
    def lines(self) -> list[list[Token]]:
        """Return the tokens line by line."""
        return [list(_tokens(line)) for line in self.text.splitlines()]


def snippet(slug: str, url: str, key: str, now: datetime, run_id: str) -> Snippet:
    """Return the snippet for a language, or for the default where `slug` is unknown.

    The curl line sends a finished run of a second: `now` is when it began, `run_id` its id.
    """
    slug = slug if slug in TEMPLATES else DEFAULT
    label, template = TEMPLATES[slug]
    start, end = (moment.isoformat(timespec="milliseconds") for moment in (now, now + timedelta(seconds=1)))
    return Snippet(slug, label, template.format(url=url, key=key, run_id=run_id, start=start, end=end))


def _tokens(line: str) -> Iterator[Token]:
    at = 0
    for match in TOKEN.finditer(line):
        if match.start() > at:
            yield Token("", line[at : match.start()])
        yield Token(match.lastgroup or "", match.group())
        at = match.end()
    if at < len(line):
        yield Token("", line[at:])
