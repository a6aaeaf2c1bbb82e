"""What is kept about traces beside their runs."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F
from django.utils import timezone


class TraceSummary(models.Model):
    """Sums of one trace whose root is an agent or a chain, recomputed from its runs, never incremented (rule 13).

    Made by `traces.summaries` from the marks in `runs.StaleTrace`. A trace without its root, or of another type, has
    none: it is not in the list. Plain spans and repeated reports of a call count in no sum (rule 9), but do in the
    duration, which is the whole trace's.
    """

    pk = models.CompositePrimaryKey("project_id", "trace_id")
    project_id = models.IntegerField()
    trace_id = models.UUIDField()
    type = models.TextField(help_text="of the root: agent or chain")
    started_at = models.DateTimeField(help_text="of the root: where the list has it")
    duration_ms = models.BigIntegerField(help_text="from the first start to the last start or end that is known")
    runs = models.IntegerField()
    errors = models.IntegerField()
    tokens = models.BigIntegerField(help_text="input and output")
    cost = models.DecimalField(max_digits=30, decimal_places=10, null=True, help_text="USD; null: no cost is known")
    priced = models.IntegerField(help_text="runs whose cost is in `cost`")
    unknown = models.IntegerField(help_text="successful LLM and embedding runs whose cost is unknown")
    contains = ArrayField(
        models.TextField(),
        help_text="what ran inside: tool:search, model:gpt-4o, agent:claims; with more: where names are left out",
    )

    class Meta:
        indexes = [
            # trace list: filters on totals, newest first
            models.Index(F("project_id"), F("started_at").desc(), F("trace_id").desc(), name="trace_by_time"),
            # trace list sorted by duration, runs, tokens, cost
            models.Index(F("project_id"), F("duration_ms").desc(), F("trace_id").desc(), name="trace_by_duration"),
            models.Index(F("project_id"), F("runs").desc(), F("trace_id").desc(), name="trace_by_runs"),
            models.Index(F("project_id"), F("tokens").desc(), F("trace_id").desc(), name="trace_by_tokens"),
            models.Index(
                F("project_id"),
                F("cost").desc(nulls_last=True),
                F("trace_id").desc(),
                name="trace_by_cost",
            ),
            # trace list: contains a tool, model or agent
            GinIndex(fields=["contains"], fastupdate=False, name="trace_by_content"),
        ]


class TraceShare(models.Model):
    """A public link to one trace: whoever has its token may read, until it ends or somebody revokes it.

    Found by the token's SHA-256, so the table opens nothing; the token itself is sealed, so it can be copied again.
    """

    project_id = models.IntegerField()
    trace_id = models.UUIDField()
    digest = models.CharField(max_length=64, unique=True, editable=False)
    sealed_token = models.TextField(editable=False)
    show_people = models.BooleanField(default=False, help_text="end users, their properties, teams, organizations")
    show_bodies = models.BooleanField(default=True, help_text="what the runs carried, not only names and figures")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # a trace's share menu, the project's list of public links
            models.Index(fields=["project_id", "trace_id"], name="share_by_trace"),
        ]


class ThreadSummary(models.Model):
    """What lists know of one conversation, recomputed from its messages and runs, never incremented (rule 13).

    Made by `traces.thread_summaries` from the marks in `runs.StaleThread`. Whose it is and when it was active are the
    thread's own row's; tokens and costs are those of the runs beneath it that count (rule 9).
    """

    pk = models.CompositePrimaryKey("project_id", "thread_id")
    project_id = models.IntegerField()
    thread_id = models.UUIDField()
    first = models.TextField(help_text="what a person said first, on one line and cut; '' where nobody did")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(help_text="last activity")
    duration_ms = models.BigIntegerField(help_text="from the first to the last sign of life")
    user_id = models.TextField(null=True)
    team_id = models.TextField(null=True)
    organization_id = models.TextField(null=True)
    tags = ArrayField(models.TextField(), null=True)
    exchanges = models.IntegerField(
        help_text="turns as the conversation's page numbers them: retries are no further ones"
    )
    messages = models.IntegerField()
    retries = models.IntegerField()
    tokens = models.BigIntegerField(help_text="input and output")
    cost = models.DecimalField(max_digits=30, decimal_places=10, null=True, help_text="USD; null: no cost is known")
    priced = models.IntegerField(help_text="runs whose cost is in `cost`")
    unknown = models.IntegerField(help_text="successful LLM and embedding runs whose cost is unknown")
    thumbs_up = models.IntegerField(help_text="on the thread, its messages, exchanges and runs")
    thumbs_down = models.IntegerField()
    comments = models.IntegerField()
    signals = ArrayField(models.TextField(), help_text="kinds of traces.signals that were found, the worst first")
    signal_turns = ArrayField(models.IntegerField(), help_text="the first turn of each signal; 0: the thread at large")
    signal_times = ArrayField(models.IntegerField(), help_text="how often each signal was found")
    slowest_ms = models.BigIntegerField(null=True, help_text="the longest answered exchange")
    slowest_turn = models.IntegerField(help_text="whose it is; 0: none")

    class Meta:
        indexes = [
            # thread list: filters on what only the summary knows, latest activity first
            models.Index(F("project_id"), F("ended_at").desc(), F("thread_id").desc(), name="thread_by_activity"),
            # thread list sorted by messages, tokens, cost
            models.Index(F("project_id"), F("messages").desc(), F("thread_id").desc(), name="thread_by_messages"),
            models.Index(F("project_id"), F("tokens").desc(), F("thread_id").desc(), name="thread_by_tokens"),
            models.Index(
                F("project_id"), F("cost").desc(nulls_last=True), F("thread_id").desc(), name="thread_by_cost"
            ),
            # thread list: has a signal
            GinIndex(fields=["signals"], fastupdate=False, name="thread_by_signal"),
        ]
