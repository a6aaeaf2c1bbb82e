"""Rows for tests, one short call each. Values that a test doesn't name are ordinary and the same every time."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from django.test import Client
from django.utils import timezone

from projects.models import Account, Membership, Project, Role, Workspace
from runs.models import EndUser, Feedback, Message, Run, RunBody, RunFlag, RunLog, Side, StaleHour, UsageBucket

_numbers = count(1)


@dataclass(frozen=True)
class People:
    """The people every tenant-bound page is asked by; `stranger` owns another workspace."""

    workspace: Workspace
    owner: Account
    member: Account
    viewer: Account
    billing: Account
    stranger: Account


def run_id(text: str) -> UUID:
    """Return the id that stands for `text` in tests: the same in every run of the suite."""
    return uuid5(NAMESPACE_URL, text)


def account(name: str = "someone") -> Account:
    """Return a stored account without a usable password (tests log in with force_login)."""
    return Account.objects.create_user(email=f"{name}-{next(_numbers)}@example.com", name=name.title())


def workspace_with_people(name: str = "Aster Labs") -> People:
    """Return a workspace with one account per role, and a stranger who owns a workspace of their own."""
    workspace = Workspace.objects.create(name=name)
    roles = {role: account(role.value) for role in (Role.OWNER, Role.MEMBER, Role.VIEWER, Role.BILLING)}
    for role, person in roles.items():
        Membership.objects.create(workspace=workspace, account=person, role=role)
    stranger = account("stranger")
    elsewhere = Workspace.objects.create(name="Elsewhere")
    Membership.objects.create(workspace=elsewhere, account=stranger, role=Role.OWNER)
    return People(workspace, roles[Role.OWNER], roles[Role.MEMBER], roles[Role.VIEWER], roles[Role.BILLING], stranger)


def people(project: Project) -> People:
    """Add one account per role to the project's own workspace, and a stranger elsewhere."""
    made = workspace_with_people()
    Membership.objects.filter(workspace=made.workspace).update(workspace=project.workspace)
    made.workspace.delete()
    return People(project.workspace, made.owner, made.member, made.viewer, made.billing, made.stranger)


def client_for(person: Account | None) -> Client:
    """Return a browser in which that account is logged in; None: nobody is."""
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


def project(workspace: Workspace | People | None = None, name: str = "Concierge", **fields: Any) -> Project:
    """Return a project past its onboarding, in the given workspace or in a new one."""
    if isinstance(workspace, People):
        workspace = workspace.workspace
    if workspace is None:
        workspace = Workspace.objects.create(name="Aster Labs")
    return Project.objects.create(workspace=workspace, name=name, **({"first_event_at": timezone.now()} | fields))


def run(project: Project, type: str = "llm", **fields: Any) -> Run:
    """Return a stored run: an hour old, one second long, successful and priced if it is an LLM call.

    `duration_ms` moves `ended_at`; a status of "started" leaves both empty. A root's trace id is its own id.
    """
    run_uuid = fields.pop("id", None) or uuid4()
    if isinstance(run_uuid, str):
        run_uuid = run_id(run_uuid)
    status = fields.setdefault("status", "success")
    started = fields.setdefault("started_at", timezone.now() - timedelta(hours=1))
    duration = fields.pop("duration_ms", None if status == "started" else 1000)
    fields.setdefault("ended_at", None if duration is None else started + timedelta(milliseconds=duration))
    fields.setdefault("name", {"llm": "gpt-4o-mini", "embed": "text-embedding-3-small"}.get(type, f"a {type}"))
    fields.setdefault("received_at", started)
    fields.setdefault("flags", RunFlag.START | RunFlag.NAME_FROM_START)
    if fields.get("parent_id") is None and type not in ("chat", "thread", "custom-event"):
        fields.setdefault("trace_id", run_uuid)
    if type == "llm" and status == "success":
        fields.setdefault("input_tokens", 100)
        fields.setdefault("output_tokens", 20)
        fields.setdefault("cost", Decimal("0.0012"))
    if type == "thread":
        fields.setdefault("thread_id", run_uuid)
    return Run.objects.create(project_id=project.pk, id=run_uuid, type=type, duration_ms=duration, **fields)


def child(parent: Run, project: Project, type: str = "llm", **fields: Any) -> Run:
    """Return a run beneath `parent`, in its trace, chat and thread."""
    inherited = {"trace_id": parent.trace_id or parent.id, "chat_id": parent.chat_id, "thread_id": parent.thread_id}
    return run(project, type, **(inherited | {"parent_id": parent.id, "started_at": parent.started_at} | fields))


def text(value: Any) -> str | None:
    """Return the JSON text a client would have sent for `value`; None is absent."""
    return None if value is None else json.dumps(value, ensure_ascii=False)


def body(of: Run, input: Any = None, output: Any = None, **fields: Any) -> RunBody:
    """Store what a run carried. Python values become JSON text; `metadata` is the merged object."""
    metadata = fields.pop("metadata", None)
    return RunBody.objects.create(
        project_id=of.project_id,
        run_id=of.id,
        input=text(input),
        output=text(output),
        metadata=None if metadata is None else {"0": text(metadata)},
        **{key: text(value) for key, value in fields.items()},
    )


def message(project: Project, thread_id: UUID, content: Any, side: str = Side.IN, **fields: Any) -> Message:
    """Store one message of a thread; `content` is the text, or the message object as sent."""
    role = fields.pop("role", "user" if side == Side.IN else "assistant")
    whole = content if isinstance(content, dict) else {"role": role, "content": content}
    return Message.objects.create(
        project_id=project.pk,
        id=fields.pop("id", None) or uuid4(),
        side=side,
        thread_id=thread_id,
        at=fields.pop("at", None) or timezone.now() - timedelta(hours=1),
        role=role,
        body=json.dumps(whole, ensure_ascii=False),
        **fields,
    )


def feedback(
    project: Project, run_id: UUID, key: str = "thumb", value: Any = "up", at: datetime | None = None
) -> Feedback:
    """Store one key of feedback on a run or message."""
    return Feedback.objects.create(
        project_id=project.pk, run_id=run_id, key=key, value=value, at=at or datetime(2026, 1, 1, tzinfo=UTC)
    )


def log(of: Run, message: str = "looked it up", level: str = "info", extra: Any = None) -> RunLog:
    """Store a log line of a run."""
    return RunLog.objects.create(
        project_id=of.project_id,
        run_id=of.id,
        at=of.started_at,
        digest=next(_numbers),
        level=level,
        message=message,
        extra=text(extra),
    )


def end_user(project: Project, id: str = "ines", **props: Any) -> EndUser:
    """Store an end user seen just now."""
    now = timezone.now()
    return EndUser.objects.create(project_id=project.pk, id=id, props=props, first_seen=now, last_seen=now)


def stale(*runs: Run) -> None:
    """Mark the hours of these runs for recomputing, as every writing transaction does; rollups know them then."""
    for project_id, hour in {
        (one.project_id, one.started_at.replace(minute=0, second=0, microsecond=0)) for one in runs
    }:
        StaleHour.objects.create(project_id=project_id, hour=hour, id=uuid4(), marked_at=timezone.now())


def usage(project: Project, type: str, name: str, runs: int = 1) -> UsageBucket:
    """Store an hourly sum of this hour, as rollups make them."""
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    figures = ("errors", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    nothing = dict.fromkeys((*figures, "cost", "unpriced", "duration_ms", "timed"), 0)
    return UsageBucket.objects.create(
        project_id=project.pk, hour=hour, type=type, name=name, team_id="", organization_id="", runs=runs, **nothing
    )
