"""ingest.write: what is stored does not depend on order, splitting, repetition or concurrency (rules 1, 3, 8, 14)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.events import Batch, FeedbackEvent, Kind, LogEvent, MessageEvent, RunEvent, Usage, UserSeen
from ingest.write import store
from projects import keys
from projects.models import KeyKind, Project
from runs.ids import run_id as canonical_id
from runs.ids import sdk_hash
from runs.models import EndUser, Feedback, LedgerEntry, Message, Run, RunBody, RunLog, StaleHour
from tests import make
from tests.ingest.event_sets import (
    EPOCH_US,
    IDS,
    MESSAGE_IDS,
    THREADS,
    batch_of,
    feedback_events,
    log_events,
    message_events,
    run_events,
    sightings,
)

NOW = datetime(2026, 11, 21, 18, tzinfo=UTC)
everything = st.lists(
    run_events(parents=[*MESSAGE_IDS[:3], *THREADS[:1]]) | message_events() | feedback_events | log_events | sightings,
    min_size=1,
    max_size=14,
)
slow = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
TABLES = (Run, RunBody, Message, Feedback, RunLog)


def picture(project: Project) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of a project, without what may differ: whose they are and when they were received."""
    return {
        model.__name__: [
            {key: value for key, value in row.items() if key not in {"project_id", "received_at"}}
            for row in getattr(model, "with_marks", model._default_manager)
            .filter(project_id=project.pk)
            .order_by("pk")
            .values()
        ]
        for model in TABLES
    }


def parts(events: Sequence[object], random: Random) -> list[Batch]:
    """Return the events shuffled, some of them twice, in batches of random size."""
    dealt = list(events) + random.sample(list(events), len(events) // 2)
    random.shuffle(dealt)
    batches = []
    while dealt:
        size = random.randint(1, len(dealt))
        batches.append(batch_of(dealt[:size]))
        dealt = dealt[size:]
    return batches


def send(project: Project, *batches: Batch) -> None:
    for batch in batches:
        store(project.pk, batch, NOW, None)


def with_key(project: Project) -> Project:
    """Give the project its public key, which Lunary's Python SDK hashes ids with."""
    keys.forget()
    keys.create(project, KeyKind.PUBLIC, "public", text=str(project.public_id))
    return project


def start(run_id: str, **fields: Any) -> RunEvent:
    return RunEvent(**{"kind": Kind.START, "run_id": run_id, "at": EPOCH_US, "type": "agent", **fields})


def message(message_id: str, side: str = "in", **fields: Any) -> MessageEvent:
    known = {"thread_id": THREADS[0], "at": EPOCH_US, "role": "user" if side == "in" else "assistant", "body": '"hi"'}
    return MessageEvent(**{"message_id": message_id, "side": side, **known, **fields})


@pytest.mark.django_db
@slow
@given(everything, st.integers())
def test_any_order_split_and_repetition_stores_the_same_rows(events: list[object], seed: int) -> None:
    whole, pieces = make.project(), make.project()
    send(whole, batch_of(events))
    send(pieces, *parts(events, Random(seed)))
    assert picture(pieces) == picture(whole)


@pytest.mark.django_db
@slow
@given(everything, st.integers())
def test_the_ledger_counts_each_stored_run_once(events: list[object], seed: int) -> None:
    project = make.project()
    send(project, *parts(events, Random(seed)))
    booked = LedgerEntry.objects.filter(project_id=project.pk).aggregate(Sum("runs"))["runs__sum"] or 0
    assert booked == Run.objects.filter(project_id=project.pk).count()


@pytest.mark.django_db(transaction=True)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(everything, st.integers())
def test_concurrent_writers_store_the_same_rows(events: list[object], seed: int) -> None:
    whole, shared = make.project(), make.project()
    send(whole, batch_of(events))

    def write(batch: Batch) -> None:
        try:
            send(shared, batch)
        finally:
            connections["default"].close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, parts(events, Random(seed))))
    assert picture(shared) == picture(whole)


@pytest.mark.django_db
def test_equal_ids_in_two_projects_do_not_disturb_each_other() -> None:
    one, two = make.project(), make.project()
    send(one, Batch(runs=[start(IDS[0], name="one")]))
    send(two, Batch(runs=[start(IDS[0], name="two"), start(IDS[1], parent_id=IDS[0])]))
    assert Run.objects.get(project_id=one.pk).name == "one"
    assert Run.objects.get(project_id=two.pk, id=IDS[0]).name == "two"


@pytest.mark.django_db
def test_a_late_parent_takes_its_whole_sub_tree_along() -> None:
    project = make.project()
    send(
        project, Batch(runs=[start(IDS[2], parent_id=IDS[1], type="llm"), start(IDS[3], parent_id=IDS[2], type="tool")])
    )
    assert {str(run.trace_id) for run in Run.objects.filter(project_id=project.pk)} == {IDS[1]}
    send(project, Batch(runs=[start(IDS[1], parent_id=IDS[0], user_id="ann", metadata='{"teamId":"t"}')]))
    send(project, Batch(runs=[start(IDS[0])]))
    rows = Run.objects.filter(project_id=project.pk).order_by("id")
    assert {str(run.trace_id) for run in rows} == {IDS[0]}
    assert [run.user_id for run in rows] == [None, "ann", "ann", "ann"]
    assert [run.team_id for run in rows] == [None, "t", "t", "t"]


@pytest.mark.django_db
def test_runs_find_their_exchange_before_and_after_the_message() -> None:
    project = make.project()
    send(project, Batch(runs=[start(IDS[0], parent_id=MESSAGE_IDS[1])]))
    send(project, Batch(messages=[message(MESSAGE_IDS[0], user_id="ann")]))
    send(project, Batch(messages=[message(MESSAGE_IDS[1], "out", at=EPOCH_US + 9)]))
    send(project, Batch(runs=[start(IDS[1], parent_id=MESSAGE_IDS[0])]))
    for run in Run.objects.filter(project_id=project.pk, type="agent"):
        assert (str(run.chat_id), str(run.thread_id), run.user_id) == (MESSAGE_IDS[0], THREADS[0], "ann")
        assert run.trace_id == run.id


@pytest.mark.django_db
def test_ids_in_raw_and_hashed_form_meet_in_either_order() -> None:
    for hashed_first in (True, False):
        project = with_key(make.project())
        raw = "thr-1"
        hashed = sdk_hash(raw, str(project.public_id))
        canonical = canonical_id(raw)
        assert canonical is not None
        from_python = Batch(
            messages=[message(MESSAGE_IDS[0], thread_id=hashed)],
            runs=[start(IDS[0], parent_id=hashed)],
            feedback=[FeedbackEvent(run_id=hashed, at=EPOCH_US, values={"thumb": "up"})],
            logs=[LogEvent(run_id=hashed, at=EPOCH_US, level="info", message="seen")],
        )
        from_js = Batch(messages=[message(MESSAGE_IDS[1], "out", thread_id=canonical, at=EPOCH_US + 5)], held_ids={raw})
        send(project, *((from_python, from_js) if hashed_first else (from_js, from_python)))
        threads = Run.objects.filter(project_id=project.pk, type="thread")
        assert [str(thread.id) for thread in threads] == [canonical]
        assert str(Run.objects.get(project_id=project.pk, id=IDS[0]).thread_id) == canonical
        assert Message.objects.filter(project_id=project.pk, thread_id=canonical).count() == 2
        assert str(Feedback.objects.get(project_id=project.pk).run_id) == canonical
        assert str(RunLog.objects.get(project_id=project.pk).run_id) == canonical


@pytest.mark.django_db
def test_a_run_started_under_a_hashed_id_and_ended_under_the_raw_one_is_one_run() -> None:
    for raw_first in (True, False):
        project = with_key(make.project())
        raw = "7f3ad0c2-41be-4c0e-9a55-2be1f08a61c9"
        hashed = sdk_hash(raw, str(project.public_id))
        begun = Batch(runs=[start(hashed, name="planner", input='"x"', metadata='{"a":1}')])
        ended = Batch(runs=[RunEvent(kind=Kind.END, run_id=raw, at=EPOCH_US + 5, type="agent", output='"y"')])
        send(project, *((ended, begun) if raw_first else (begun, ended)))
        send(project, Batch(feedback=[FeedbackEvent(run_id=raw, at=EPOCH_US, values={"thumb": "up"})], held_ids={raw}))
        run = Run.objects.get(project_id=project.pk)
        body = RunBody.objects.get(project_id=project.pk)
        assert (str(run.id), run.name, run.status, run.metadata) == (raw, "planner", "success", {"a": 1})
        assert (str(body.run_id), body.input, body.output) == (raw, '"x"', '"y"')
        assert LedgerEntry.objects.filter(project_id=project.pk).aggregate(Sum("runs"))["runs__sum"] == 1


@pytest.mark.django_db
def test_a_message_told_twice_has_the_same_tags_in_one_request_and_in_two() -> None:
    few, more = (message(MESSAGE_IDS[0], tags=tags, thread_tags=tags) for tags in (("a",), ("a", "b")))
    found: list[Any] = []
    for batches in (
        [Batch(messages=[few, more])],
        [Batch(messages=[few]), Batch(messages=[more])],
        [Batch(messages=[more]), Batch(messages=[few])],
    ):
        project = make.project()
        send(project, *batches)
        found += Message.objects.filter(project_id=project.pk).values_list("tags", "thread_tags")
    assert found == [(["a", "b"], ["a", "b"])] * 3


@pytest.mark.django_db
def test_feedback_merges_by_key_in_order_of_time_and_null_removes() -> None:
    project = make.project()
    for at, values in ((3, {"thumb": "down"}), (1, {"thumb": "up", "comment": "nice"}), (2, {"comment": None})):
        send(project, Batch(feedback=[FeedbackEvent(run_id=IDS[0], at=EPOCH_US + at, values=values)]))
    assert dict(Feedback.objects.filter(project_id=project.pk).values_list("key", "value")) == {
        "thumb": "down",
        "comment": None,
    }


@pytest.mark.django_db
def test_a_users_props_merge_and_give_runs_without_a_team_theirs() -> None:
    project = make.project()
    send(project, Batch(runs=[start(IDS[0], user_id="ann")], users=[UserSeen(user_id="ann", at=EPOCH_US)]))
    seen = UserSeen(user_id="ann", at=EPOCH_US + 1, props={"name": "Ann", "teamId": "t9"})
    send(project, Batch(users=[seen]))
    send(project, Batch(users=[UserSeen(user_id="ann", at=EPOCH_US, props={"name": "Older", "plan": "pro"})]))
    user = EndUser.objects.get(project_id=project.pk)
    assert user.props == {"name": "Ann", "teamId": "t9", "plan": "pro"}
    send(project, Batch(runs=[start(IDS[1], user_id="ann"), start(IDS[2], user_id="ann", metadata='{"teamId":"own"}')]))
    teams = dict(Run.objects.filter(project_id=project.pk).values_list("id", "team_id"))
    assert [teams[key] for key in sorted(teams)] == ["t9", "t9", "own"]


@pytest.mark.django_db
def test_cost_is_there_at_once_even_when_the_end_names_no_model() -> None:
    project = make.project()
    send(project, Batch(runs=[start(IDS[0], type="llm", name="gpt-4o")]))
    ended = RunEvent(kind=Kind.END, run_id=IDS[0], at=EPOCH_US + 5, type="llm", usage=Usage(input=1000, output=500))
    send(project, Batch(runs=[ended]))
    assert f"{Run.objects.get(project_id=project.pk).cost:f}" == "0.0075000000"


@pytest.mark.django_db
def test_an_unknown_model_has_an_unknown_cost() -> None:
    project = make.project()
    event = start(IDS[0], type="llm", name="nobody-sells-this", usage=Usage(input=5, output=5))
    send(project, Batch(runs=[event]))
    assert Run.objects.get(project_id=project.pk).cost is None


@pytest.mark.django_db
def test_an_end_before_its_start_has_no_duration_yet() -> None:
    project = make.project()
    send(project, Batch(runs=[RunEvent(kind=Kind.END, run_id=IDS[0], at=EPOCH_US + 2_000_000, type="agent")]))
    assert Run.objects.get(project_id=project.pk).duration_ms is None
    send(project, Batch(runs=[start(IDS[0])]))
    assert Run.objects.get(project_id=project.pk).duration_ms == 2000


@pytest.mark.django_db
def test_a_repeat_writes_nothing(django_assert_max_num_queries: Any) -> None:
    project = make.project()
    batch = Batch(runs=[start(IDS[0], name="a", metadata='{"k":1.0}')], messages=[message(MESSAGE_IDS[0])])
    send(project, batch)
    marks = StaleHour.objects.filter(project_id=project.pk).count()
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text FROM runs_run WHERE project_id = %s ORDER BY id", [project.pk])
        before = cursor.fetchall()
        send(project, batch)
        cursor.execute("SELECT xmin::text FROM runs_run WHERE project_id = %s ORDER BY id", [project.pk])
        assert cursor.fetchall() == before
    assert StaleHour.objects.filter(project_id=project.pk).count() == marks


@pytest.mark.django_db
def test_a_large_request_is_stored_in_parts() -> None:
    project = make.project()
    ids = [f"00000000-0000-4000-8000-{number:012x}" for number in range(1201)]
    send(project, Batch(runs=[start(run_id, parent_id=ids[0] if run_id != ids[0] else None) for run_id in ids]))
    assert Run.objects.filter(project_id=project.pk, trace_id=ids[0]).count() == 1201


@pytest.mark.django_db
def test_text_that_copy_could_misread_survives() -> None:
    project = make.project()
    odd = "\\N\t\r\n\\.{},\"'"
    send(project, Batch(runs=[start(IDS[0], name=odd, user_id="\\N", tags=(odd, "", "NULL"), input='"\\u0041\\\\"')]))
    run = Run.objects.get(project_id=project.pk)
    assert (run.name, run.user_id, run.tags) == (odd, "\\N", [odd, "", "NULL"])
    assert RunBody.objects.get(project_id=project.pk).input == '"\\u0041\\\\"'


@pytest.mark.django_db
def test_a_legacy_answer_finds_its_thread_by_its_question_in_either_order() -> None:
    for answer_first in (True, False):
        project = make.project()
        question = Batch(messages=[message(MESSAGE_IDS[0])])
        answer = Batch(messages=[message(MESSAGE_IDS[0], "out", thread_id=None, at=EPOCH_US + 5)])
        send(project, *((answer, question) if answer_first else (question, answer)))
        chat = Run.objects.get(project_id=project.pk, type="chat")
        assert (chat.status, str(chat.thread_id)) == ("success", THREADS[0])
        assert set(Message.objects.filter(project_id=project.pk).values_list("chat_id", flat=True)) == {chat.id}


@pytest.mark.django_db
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.builds(
            UserSeen,
            user_id=st.just("ann"),
            at=st.integers(0, 90).map(lambda second: EPOCH_US + second * 1_000_000),
            props=st.none() | st.dictionaries(st.sampled_from(["plan", "name"]), st.sampled_from(["x", "y"])),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(),
)
def test_a_users_props_do_not_depend_on_the_order_of_arrival(seen: list[UserSeen], seed: int) -> None:
    whole, pieces = make.project(), make.project()
    send(whole, Batch(users=seen))
    shuffled = Random(seed).sample(seen, len(seen))
    send(pieces, *(Batch(users=[one]) for one in shuffled))
    rows = [
        EndUser.objects.filter(project_id=project.pk).values("props", "props_at", "first_seen", "last_seen")
        for project in (whole, pieces)
    ]
    assert list(rows[0]) == list(rows[1])
