"""A project with a trace and a conversation, and browsers of the people who may or may not see them."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from projects.models import Project
from runs.models import Message, Run
from tests import make
from tests.make import People
from traces import summaries


@dataclass(frozen=True)
class Site:
    """The project, its people, and addresses below it."""

    project: Project
    people: People

    def url(self, path: str) -> str:
        return f"/p/{self.project.public_id}/{path}"

    def client(self, person: str = "member") -> Client:
        return make.client_for(None if person == "anonymous" else getattr(self.people, person))

    def get(self, path: str, person: str = "member", **headers: str) -> str:
        response = self.client(person).get(self.url(path), headers=headers)
        assert response.status_code == 200, f"{response.status_code} {response.headers.get('Location', '')}"
        return response.content.decode()


def summarise(project: Project) -> None:
    """Make summaries of all the project's traces, which rows that a test stores by itself don't ask for."""
    roots = Run.objects.filter(project_id=project.pk, id=F("trace_id")).values_list("id", flat=True)
    summaries.recompute(project.pk, list(roots))


@dataclass(frozen=True)
class Talk:
    """A conversation of two turns, the second retried once."""

    thread: Run
    chats: list[Run]
    messages: list[Message]
    agent: Run


@pytest.fixture
def site(db: None) -> Site:
    people = make.workspace_with_people()
    site = Site(make.project(people), people)
    make.end_user(site.project, "ines", name="Inès Moreau", plan="Flex")
    return site


@pytest.fixture
def agent(site: Site) -> Run:
    """Return the root of a trace: an agent with a model call, and a chain with a failed tool."""
    root = make.run(site.project, "agent", name="claims-agent", user_id="ines", team_id="desk", tags=["web"])
    make.child(root, site.project, "llm", name="gpt-4.1", cost=Decimal("0.25"), input_tokens=1000, output_tokens=50)
    chain = make.child(root, site.project, "chain", name="plan")
    make.child(chain, site.project, "tool", name="fetch_tariff", status="error")
    make.child(chain, site.project, "llm", name="granite", cost=None, input_tokens=7, output_tokens=0)
    make.child(chain, site.project, "span", name="POST /x")
    return root


@pytest.fixture
def talk(site: Site) -> Talk:
    project, began = site.project, timezone.now() - timedelta(hours=2)

    def at(seconds: int) -> dict[str, object]:
        return {"started_at": began + timedelta(seconds=seconds)}

    thread = make.run(project, "thread", id="the thread", user_id="ines", tags=["support"], duration_ms=90_000, **at(0))
    inside = {"thread_id": thread.id, "parent_id": thread.id}
    first = make.run(project, "chat", **inside, **at(0))
    second = make.run(project, "chat", **inside, **at(60))
    retry = make.run(project, "chat", sibling_of=second.id, **inside, **at(85))
    said: list[tuple[Run, int, str, str]] = [
        (first, 0, "in", "Where is my order 5521?"),
        (first, 4, "out", "It left our warehouse **yesterday**."),
        (second, 60, "in", "When will it arrive?"),
        (second, 62, "out", "On Friday."),
        (retry, 85, "out", "On Friday before noon."),
    ]
    messages = [
        make.message(project, thread.id, text, side=side, at=began + timedelta(seconds=second), chat_id=chat.id)
        for chat, second, side, text in said
    ]
    make.run(project, "custom-event", name="opened-tracking-page", **inside, **at(80))
    agent = make.run(
        project,
        "agent",
        name="order-agent",
        thread_id=thread.id,
        chat_id=first.id,
        parent_id=first.id,
        trace_id=make.run_id("answering"),
        id="answering",
        **at(1),
    )
    make.child(agent, project, "llm", name="gpt-4.1")
    return Talk(thread, [first, second, retry], messages, agent)


def ids(count: int) -> list[UUID]:
    """Return ids in order."""
    return [UUID(int=10_000 + number) for number in range(count)]
