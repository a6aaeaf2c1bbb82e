"""A run's own page, its payloads, and what people change on it, through the front door."""

import base64
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.utils import timezone

from projects import keys
from projects.models import KeyKind, Project
from runs import ids
from runs.models import Feedback, Run, RunFlag
from tests import make
from tests.runs.visiting import at, text_of

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>"


# A run's page --------------------------------------------------------------------------------------------------------


def test_a_run_page_shows_what_it_carried(member: Client, project: Project, run: Run) -> None:
    page = text_of(member.get(at("run_page", project, run.id)))
    for words in ("Where is my bag?", "In Nice.", "Inès Moreau", "lang:", "Why this cost?", "gpt-4o"):
        assert words in page
    assert "temperature" in text_of(member.get(f"{at('run_page', project, run.id)}?tab=params"))
    assert "looked it up" in text_of(member.get(f"{at('run_page', project, run.id)}?tab=logs"))
    assert "&quot;role&quot;: &quot;user&quot;" in text_of(member.get(f"{at('run_page', project, run.id)}?tab=raw"))


def test_a_run_is_found_by_every_form_of_its_id(member: Client, project: Project) -> None:
    _, key = keys.create(project, KeyKind.PRIVATE, "sdk")
    hashed = make.run(project, id=UUID(ids.run_id("my/own id") or ""), name="by the server")
    signed = make.run(project, id=UUID(ids.sdk_hash("thr-1", key)), name="by the SDK")
    for raw, run in (("my/own id", hashed), ("thr-1", signed), (str(hashed.id).upper(), hashed)):
        led = member.get(at("run_page", project, raw))
        assert led["Location"] == at("run_page", project, run.id)


def test_a_messages_id_leads_to_its_chat(member: Client, project: Project) -> None:
    thread = make.run(project, "thread")
    chat = make.run(project, "chat", thread_id=thread.id)
    said = make.message(project, thread.id, "hi", chat_id=chat.id)
    assert member.get(at("run_page", project, said.id))["Location"] == at("run_page", project, chat.id)


def test_an_unknown_id_says_what_was_looked_for(member: Client, project: Project) -> None:
    missing = member.get(at("run_page", project, "not-there"))
    assert missing.status_code == 404
    assert b"not-there" in missing.content
    assert at("ingest_health", project).encode() in missing.content


def test_a_parent_that_is_not_here_yet_is_said(member: Client, project: Project) -> None:
    orphan = make.run(project, "tool", parent_id=uuid4(), trace_id=uuid4())
    page = text_of(member.get(at("run_page", project, orphan.id)))
    assert "Parent not received yet" in page
    assert "root not received yet" in page


def test_a_step_knows_its_place_in_trace_and_thread(member: Client, project: Project) -> None:
    thread = make.run(project, "thread")
    first = make.run(project, "chat", thread_id=thread.id, started_at=timezone.now() - timedelta(hours=2))
    chat = make.run(project, "chat", thread_id=thread.id)
    agent = make.run(project, "agent", name="desk", chat_id=chat.id, thread_id=thread.id)
    step = make.child(agent, project, "llm", started_at=agent.started_at + timedelta(seconds=1))
    page = text_of(member.get(at("run_page", project, step.id)))
    assert "desk" in page
    assert "step 2 of 2" in page
    assert "turn 2 of 2" in page
    assert "turn 1 of 2" in text_of(member.get(at("run_page", project, first.id)))


def test_errors_flags_and_repeats_are_said(member: Client, project: Project) -> None:
    failed = make.run(project, status="error")
    make.body(failed, error={"message": "rate limited", "stack": "Traceback\n  line"})
    page = text_of(member.get(at("run_page", project, failed.id)))
    assert "rate limited" in page
    assert "Stack, 2 lines" in page
    flagged = make.run(project, "tool", flags=RunFlag.STANDALONE_TOOL, repeat_of=failed.id)
    page = text_of(member.get(at("run_page", project, flagged.id)))
    assert "Standalone tool." in page
    assert "Reports the same call" in page
    guessed = make.run(project, flags=RunFlag.ESTIMATED)
    assert "~100" in text_of(member.get(at("run_page", project, guessed.id)))


@pytest.mark.parametrize("tab", ["", "params", "logs", "raw"])
def test_hostile_text_stays_text(member: Client, project: Project, tab: str) -> None:
    run = make.run(
        project, name=EVIL, user_id=EVIL, team_id=EVIL, organization_id=EVIL, tags=[EVIL], status="error", runtime=EVIL
    )
    make.body(
        run,
        [{"role": EVIL, "name": EVIL, "content": [{"type": "text", "text": EVIL}, {"type": "tool_use", "name": EVIL}]}],
        {EVIL: [EVIL]},
        error={"message": EVIL, "stack": EVIL},
        params={EVIL: EVIL},
        metadata={EVIL: EVIL},
    )
    make.log(run, EVIL, level=EVIL, extra={EVIL: EVIL})
    make.feedback(project, run.id, key="comment", value=EVIL)
    make.feedback(project, run.id, key=EVIL, value=EVIL)
    for address in (
        f"{at('run_page', project, run.id)}?tab={tab}",
        f"{at('run_list', project)}?tab={tab}&peek={run.id}&facets=1&name={EVIL}",
    ):
        page = text_of(member.get(address))
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;" in page


# Raw and media -------------------------------------------------------------------------------------------------------


def test_raw_is_byte_for_byte_and_harmless(member: Client, project: Project) -> None:
    run = make.run(project)
    body = make.body(run)
    body.input = f'{{"z":  1.50, "a": "{EVIL}", "e": "\\u00e9"}}'
    body.save(update_fields=["input"])
    raw = member.get(at("run_raw", project, run.id, "input"))
    assert raw.getvalue().decode() == body.input
    assert raw["Content-Type"] == "text/plain; charset=utf-8"
    assert raw["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in raw["Content-Security-Policy"]
    saved = member.get(f"{at('run_raw', project, run.id, 'input')}?download=1")
    assert saved["Content-Disposition"].startswith("attachment")
    assert member.get(at("run_raw", project, run.id, "output")).status_code == 404
    assert member.get(at("run_raw", project, run.id, "project_id")).status_code == 404


@pytest.mark.parametrize(
    ("kind", "served"),
    [
        ("image/png", "image/png"),
        ("image/svg+xml", "application/octet-stream"),
        ("text/html", "application/octet-stream"),
    ],
)
def test_media_are_served_as_what_browsers_may_show(member: Client, project: Project, kind: str, served: str) -> None:
    run = make.run(project)
    link = f"data:{kind};base64,{base64.b64encode(b'bytes').decode()}"
    make.body(run, [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": link}}]}])
    page = text_of(member.get(at("run_page", project, run.id)))
    assert at("run_media", project, run.id, "input", 0) in page
    media = member.get(at("run_media", project, run.id, "input", 0))
    assert (media.content, media["Content-Type"]) == (b"bytes", served)
    assert media["X-Content-Type-Options"] == "nosniff"
    assert media.has_header("Content-Disposition") == (served != kind)


def test_a_large_payload_is_cut_and_says_so(member: Client, project: Project) -> None:
    run = make.run(project)
    make.body(run, "x" * 200_000)
    response = member.get(at("run_page", project, run.id))
    assert len(response.content) < 150_000
    assert "The first 64 KB of 195.3\u00a0KB of input" in text_of(response)


# Changes -------------------------------------------------------------------------------------------------------------


def test_feedback_is_given_changed_and_taken_back(member: Client, project: Project, run: Run) -> None:
    address = at("run_feedback", project, run.id)
    ahead = timezone.now() + timedelta(days=1)
    make.feedback(project, run.id, value="down", at=ahead)
    back = member.post(address, {"thumb": "up", "next": at("run_list", project)})
    assert back["Location"] == at("run_list", project)
    stored = Feedback.objects.get(run_id=run.id, key="thumb")
    assert stored.value == "up"
    assert stored.at > ahead  # a repeat of the client's event can't undo it
    fragment = text_of(member.post(address, {"comment": "kind"}, headers={"HX-Request": "true"}))
    assert "kind" in fragment
    assert "<html" not in fragment
    member.post(address, {"thumb": "none"})
    assert Feedback.objects.get(run_id=run.id, key="thumb").value is None
    assert Feedback.objects.get(run_id=run.id, key="comment").value == "kind"


def test_a_form_never_leads_to_another_site(member: Client, project: Project, run: Run) -> None:
    for away in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        back = member.post(at("run_feedback", project, run.id), {"thumb": "up", "next": away})
        assert back["Location"] == at("run_page", project, run.id)


def test_tags_that_a_person_sets_are_marked_so(member: Client, project: Project, run: Run) -> None:
    member.post(at("run_tags", project, run.id), {"tags": " web, urgent,web,, "})
    stored = Run.objects.get(id=run.id)
    assert stored.tags == ["web", "urgent"]
    assert stored.flags & RunFlag.TAGS_EDITED
    assert stored.flags & RunFlag.START
