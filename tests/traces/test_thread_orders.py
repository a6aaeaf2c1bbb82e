"""Thread summaries equal a recount after any order of messages, runs, feedback, aliases, teams and deletions."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.events import FeedbackEvent, UserSeen
from projects.models import Project
from runs import feedback
from runs.deletion import delete_run
from runs.ids import sdk_hash
from runs.models import StaleThread
from tests.ingest.event_sets import EPOCH_US, IDS, MESSAGE_IDS, THREADS, message_events, run_events
from tests.traces.thread_recounts import HELD, project_with_key, recount, shown, store, stored
from traces import thread_summaries
from traces.models import ThreadSummary

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project() -> Project:
    return project_with_key()


feedback_events = st.builds(
    FeedbackEvent,
    run_id=st.sampled_from([*IDS[:3], *MESSAGE_IDS[:4], *HELD]),
    at=st.just(EPOCH_US),
    values=st.dictionaries(
        st.sampled_from(["thumb", "thumbs", "comment"]), st.none() | st.sampled_from(["up", "down"]), min_size=1
    ),
)
sightings = st.builds(
    UserSeen, user_id=st.sampled_from(["ann", "ben"]), at=st.just(EPOCH_US), props=st.none() | st.just({"teamId": "t9"})
)
events = st.lists(
    st.one_of(
        run_events(ids=IDS[:3], parents=MESSAGE_IDS[:3]),
        st.tuples(run_events(ids=HELD, parents=MESSAGE_IDS[:2]), st.integers(0, 1)),
        message_events(),
        message_events(),
        feedback_events,
        sightings,
    ),
    min_size=1,
    max_size=5,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("store"), events),
        st.tuples(st.just("store, then recompute"), events),
        st.tuples(st.just("store, then recompute"), events),
        st.tuples(st.just("delete"), st.sampled_from([*IDS[:3], *HELD, *MESSAGE_IDS, *THREADS])),
        st.tuples(st.just("hold"), st.sampled_from([*HELD, *MESSAGE_IDS[:2]])),
        st.tuples(st.just("judge"), st.sampled_from([*IDS[:3], *MESSAGE_IDS, *THREADS])),
        st.tuples(st.just("killed"), st.none()),
    ),
    min_size=3,
    max_size=12,
)


@given(steps=steps)
@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
def test_whatever_is_stored_judged_moved_and_deleted_ends_equal_to_a_recount(
    project: Project, steps: list[tuple[str, Any]]
) -> None:
    for what, value in steps:
        _take_step(project, what, value)
        expected = recount(project)
        assert shown(thread_summaries.current(project.pk, list(expected))) == expected
        assert thread_summaries.verify(project).holds, what  # nothing changes without a mark
    thread_summaries.recompute_stale()
    assert stored(project) == recount(project)
    assert not StaleThread.objects.exists()
    _wipe(project)


def _take_step(project: Project, what: str, value: Any) -> None:
    if what == "killed":
        with pytest.raises(KeyboardInterrupt):
            _die_recomputing()
    elif what == "delete":
        delete_run(project.pk, UUID(value))
    elif what == "hold":
        store(project, held=[value])
    elif what == "judge":
        feedback.give(project.pk, UUID(value), {"thumb": "down"}, datetime.now(UTC))
    else:
        store(project, *(_as_sent(project, event) for event in value))
        if what != "store":
            thread_summaries.recompute_stale()


def _die_recomputing() -> None:
    with transaction.atomic():
        thread_summaries.recompute_stale()
        raise KeyboardInterrupt


def _as_sent(project: Project, event: Any) -> object:
    """Return the event with its id in the form that the SDK would send."""
    if not isinstance(event, tuple):
        return event
    found, form = event
    return msgspec.structs.replace(
        found, run_id=sdk_hash(found.run_id, str(project.public_id)) if form else found.run_id
    )


def _wipe(project: Project) -> None:
    """Empty the project for the next example."""
    tables = ("run", "runbody", "alias", "message", "feedback", "staletrace", "stalethread", "stalehour", "enduser")
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DELETE FROM runs_{table} WHERE project_id = %s", [project.pk])
    ThreadSummary.objects.all().delete()
