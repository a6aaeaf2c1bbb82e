"""Runs and what belongs to them (DESIGN.md §4).

Tables that grow have the project first in their key and carry no foreign key, trigger or sequence, so that they can be
distributed by project. Bodies live apart, so no list, tree or aggregate ever reads one. Every index names its page.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q


class RunFlag:
    """Bits of `Run.flags`: what has been seen and where a value came from, as `ingest.fold` needs it to merge."""

    START = 1  # a start event was seen: type, name, input, parent and started_at are final
    END = 2
    ERROR = 4
    TYPE_FROM_START = 8
    NAME_FROM_START = 16
    INPUT_FROM_START = 32
    OWN_USER = 64  # user_id is the run's own, not inherited
    OWN_TEAM = 128
    OWN_ORGANIZATION = 256
    USER_FROM_START = 512
    ESTIMATED = 1024  # token counts are an estimate (a streamed chunk count, or counted here)
    STANDALONE_TOOL = 2048  # accepted although it names no parent (project switch, rule 6)
    TAGS_EDITED = 4096  # a person set the tags here; events no longer change them
    HAS_INPUT = 8192
    HAS_OUTPUT = 16384
    HAS_ERROR = 32768
    HAS_PARAMS = 65536
    HAS_METADATA = 131072
    PARAMS_FROM_START = 262144
    TAGS_FROM_START = 524288
    HOME_TEAM = 1048576  # team_id is from the end user's properties: not handed down to children
    HOME_ORGANIZATION = 2097152


class Run(models.Model):
    """One run. `started_at`, `ended_at` are the client's clock, `received_at` is ours (rule 15)."""

    pk = models.CompositePrimaryKey("project_id", "id")
    project_id = models.IntegerField()
    id = models.UUIDField()
    type = models.TextField(help_text="llm, chain, agent, tool, retriever, embed, chat, thread, custom-event, span, …")
    name = models.TextField(null=True)
    status = models.TextField(help_text="started, success or error")
    parent_id = models.UUIDField(null=True, help_text="as the client sent it; the parent may not be here yet")
    trace_id = models.UUIDField(
        null=True, help_text="topmost ancestor that is not a chat or thread, received or not; null for chat and thread"
    )
    chat_id = models.UUIDField(null=True, help_text="nearest chat (exchange) above")
    thread_id = models.UUIDField(null=True, help_text="the thread above, through chats; its own id on a thread")
    user_id = models.TextField(null=True, help_text="effective end user: own, else inherited (rule 8)")
    team_id = models.TextField(null=True)
    organization_id = models.TextField(null=True)
    tags = ArrayField(models.TextField(), null=True)
    metadata = models.JSONField(null=True, help_text="effective metadata for filters; verbatim text is in RunBody")
    template_id = models.TextField(null=True)
    runtime = models.TextField(null=True)
    started_at = models.DateTimeField(help_text="provisional (the end's time) until RunFlag.START is set")
    ended_at = models.DateTimeField(null=True, help_text="on a thread: its last activity")
    received_at = models.DateTimeField()
    duration_ms = models.BigIntegerField(null=True, help_text="ended_at - started_at when both are known, else null")
    input_tokens = models.IntegerField(null=True, help_text="including cache reads and writes (rule 11)")
    cache_read_tokens = models.IntegerField(null=True)
    cache_write_tokens = models.IntegerField(null=True)
    output_tokens = models.IntegerField(null=True, help_text="including reasoning")
    reasoning_tokens = models.IntegerField(null=True)
    cost = models.DecimalField(max_digits=20, decimal_places=10, null=True, help_text="USD; null is unknown, never 0")
    price_ref = models.TextField(
        null=True, help_text="which price made the cost, e.g. genai-prices 0.2.3: openai/gpt-4o"
    )
    repeat_of = models.UUIDField(null=True, help_text="another run reports the same call (otel-mapping.md §3)")
    sibling_of = models.UUIDField(null=True, help_text="the chat that this retry replaces")
    flags = models.IntegerField(default=0)

    class Meta:
        indexes = [
            # run list tabs, histogram of one type
            models.Index(F("project_id"), F("type"), F("started_at").desc(), F("id").desc(), name="run_list_by_type"),
            # run list "All", recompute of an hour's buckets
            models.Index(F("project_id"), F("started_at").desc(), F("id").desc(), name="run_list_all"),
            # trace page, sums of the trace list
            models.Index(F("project_id"), F("trace_id"), name="run_by_trace", condition=Q(trace_id__isnull=False)),
            # children in trees, late parents
            models.Index(F("project_id"), F("parent_id"), name="run_by_parent", condition=Q(parent_id__isnull=False)),
            # conversation page
            models.Index(F("project_id"), F("thread_id"), name="run_by_thread", condition=Q(thread_id__isnull=False)),
            # runs of one end user
            models.Index(
                F("project_id"),
                F("user_id"),
                F("started_at").desc(),
                name="run_by_user",
                condition=Q(user_id__isnull=False),
            ),
        ]


class RunBody(models.Model):
    """What a run carried, as JSON text exactly as sent (rule 7; NUL and lone surrogates are U+FFFD, NaN is "NaN")."""

    pk = models.CompositePrimaryKey("project_id", "run_id")
    project_id = models.IntegerField()
    run_id = models.UUIDField()
    input = models.TextField(null=True)
    output = models.TextField(null=True)
    error = models.TextField(null=True)
    params = models.TextField(null=True)
    metadata = models.JSONField(
        null=True, help_text="{rank of the event: metadata as JSON text}; merged in rank order it is the run's metadata"
    )
    usage = models.TextField(null=True, help_text="token usage as the client sent it")


class RunLog(models.Model):
    """A log line that a client tied to a run; the digest makes a repeated request harmless."""

    pk = models.CompositePrimaryKey("project_id", "run_id", "at", "digest")
    project_id = models.IntegerField()
    run_id = models.UUIDField()
    at = models.DateTimeField()
    digest = models.BigIntegerField()
    level = models.TextField()
    message = models.TextField()
    extra = models.TextField(null=True, help_text="JSON text")


class Feedback(models.Model):
    """One key of a run's or message's feedback: the newest value wins, null is a removed key (rule 3).

    Shown on a run: the rows whose run_id is the run, its chat, a message of its chat, or its trace root.
    """

    pk = models.CompositePrimaryKey("project_id", "run_id", "key")
    project_id = models.IntegerField()
    run_id = models.UUIDField(help_text="a run, or a chat message")
    key = models.TextField()
    value = models.JSONField(null=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            # feedback filter of the lists
            models.Index(
                F("project_id"),
                F("key"),
                F("value"),
                F("run_id"),
                name="feedback_filter",
                condition=Q(key__in=["thumb", "thumbs"]),
            ),
        ]


class Score(models.Model):
    """A label and value that a client's evaluation gave a run (PATCH /v1/runs/{id}/score)."""

    pk = models.CompositePrimaryKey("project_id", "run_id", "label")
    project_id = models.IntegerField()
    run_id = models.UUIDField()
    label = models.TextField()
    value = models.JSONField()
    comment = models.TextField(null=True)
    at = models.DateTimeField()


class Alias(models.Model):
    """Another form of an id that people hold (rule 2): every incoming id found here is replaced by `canonical`."""

    pk = models.CompositePrimaryKey("project_id", "alias")
    project_id = models.IntegerField()
    alias = models.UUIDField()
    canonical = models.UUIDField()


class Side(models.TextChoices):
    """Which half of an exchange a message belongs to; a mark is no message: it only names the thread and its facts."""

    IN = "in"
    OUT = "out"
    MARK = "mark"


class Said(models.Manager["Message"]):
    """Messages that somebody said: what every page and answer reads."""

    def get_queryset(self) -> models.QuerySet["Message"]:
        """Return messages without marks."""
        return super().get_queryset().exclude(side=Side.MARK)


class Message(models.Model):
    """One message of a conversation. Exchanges (runs of type chat) are folded from a thread's messages (rule 10)."""

    pk = models.CompositePrimaryKey("project_id", "id", "side")
    project_id = models.IntegerField()
    id = models.UUIDField()
    side = models.TextField(choices=Side.choices, help_text="in: user, system · out: assistant, tool")
    thread_id = models.UUIDField(null=True, help_text="null while only a legacy answer without its thread is here")
    chat_id = models.UUIDField(null=True, help_text="the exchange it was folded into")
    at = models.DateTimeField()
    role = models.TextField()
    is_retry = models.BooleanField(default=False)
    body = models.TextField(help_text="the message as sent, JSON text")
    user_id = models.TextField(null=True)
    tags = ArrayField(models.TextField(), null=True)
    thread_tags = ArrayField(models.TextField(), null=True)
    metadata = models.TextField(null=True, help_text="JSON text as sent")
    thread_metadata = models.TextField(null=True, help_text="JSON text as sent")

    objects = Said()
    with_marks = models.Manager["Message"]()

    class Meta:
        indexes = [
            # conversation page, folding
            models.Index(F("project_id"), F("thread_id"), F("at"), name="message_by_thread"),
        ]


class EndUser(models.Model):
    """A person (or team) who uses the customer's app, named by `userId`; first and last seen to the minute."""

    pk = models.CompositePrimaryKey("project_id", "id")
    project_id = models.IntegerField()
    id = models.TextField()
    props = models.JSONField(default=dict)
    props_at = models.JSONField(default=dict, help_text="{key: epoch µs of the event that set it}: newest wins per key")
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        indexes = [
            # users list
            models.Index(F("project_id"), F("last_seen").desc(), F("id"), name="end_user_by_last_seen"),
        ]


class LedgerEntry(models.Model):
    """Append-only billing ledger (rule 14): how many runs of a type one request stored for the first time.

    Less those that it found to be part of another run: they were counted when they were stored (docs/adr/0010).
    """

    pk = models.CompositePrimaryKey("project_id", "id")
    project_id = models.IntegerField()
    id = models.UUIDField()
    key_id = models.IntegerField(null=True, help_text="ApiKey that sent them")
    received_at = models.DateTimeField()
    type = models.TextField()
    runs = models.IntegerField()

    class Meta:
        indexes = [
            # month's count in the sidebar, billing page
            models.Index(F("project_id"), F("received_at"), name="ledger_by_time"),
        ]


class Deletion(models.Model):
    """How many stored runs left the tables again, and why; ledger = stored + deleted."""

    pk = models.CompositePrimaryKey("project_id", "id")
    project_id = models.IntegerField()
    id = models.UUIDField()
    at = models.DateTimeField()
    reason = models.TextField(help_text="deleted, demo, …")
    type = models.TextField()
    runs = models.IntegerField()


class StaleHour(models.Model):
    """A mark that an hour's buckets must be recomputed.

    Each writing transaction adds its own row, so none is lost: the recompute deletes exactly the marks whose runs its
    snapshot sees.
    """

    pk = models.CompositePrimaryKey("project_id", "hour", "id")
    project_id = models.IntegerField()
    hour = models.DateTimeField()
    id = models.UUIDField()
    marked_at = models.DateTimeField()


class StaleTrace(models.Model):
    """A mark that a trace's summary must be recomputed: one per writing transaction and trace, as of `StaleHour`."""

    pk = models.CompositePrimaryKey("project_id", "trace_id", "id")
    project_id = models.IntegerField()
    trace_id = models.UUIDField()
    id = models.UUIDField()
    marked_at = models.DateTimeField()


class StaleThread(models.Model):
    """A mark that a thread's summary must be recomputed: one per writing transaction and thread, as of `StaleHour`."""

    pk = models.CompositePrimaryKey("project_id", "thread_id", "id")
    project_id = models.IntegerField()
    thread_id = models.UUIDField()
    id = models.UUIDField()
    marked_at = models.DateTimeField()


class UsageBucket(models.Model):
    """Sums of one hour (by started_at), recomputed from runs, never incremented (rule 13). '' means none."""

    pk = models.CompositePrimaryKey("project_id", "hour", "type", "name", "team_id", "organization_id")
    project_id = models.IntegerField()
    hour = models.DateTimeField()
    type = models.TextField()
    name = models.TextField()
    team_id = models.TextField()
    organization_id = models.TextField()
    runs = models.IntegerField()
    errors = models.IntegerField()
    input_tokens = models.BigIntegerField()
    cache_read_tokens = models.BigIntegerField()
    cache_write_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    cost = models.DecimalField(max_digits=20, decimal_places=10)
    unpriced = models.IntegerField(help_text="successful LLM and embedding runs whose cost is unknown")
    duration_ms = models.BigIntegerField()
    timed = models.IntegerField(help_text="runs with a duration")


class HourSum(models.Model):
    """Sums of one hour by type alone, from its buckets: what headlines and histograms read, a fraction of them."""

    pk = models.CompositePrimaryKey("project_id", "hour", "type")
    project_id = models.IntegerField()
    hour = models.DateTimeField()
    type = models.TextField()
    runs = models.IntegerField()
    errors = models.IntegerField()
    input_tokens = models.BigIntegerField()
    cache_read_tokens = models.BigIntegerField()
    cache_write_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    cost = models.DecimalField(max_digits=20, decimal_places=10)
    unpriced = models.IntegerField(help_text="successful LLM and embedding runs whose cost is unknown")


class LatencyBucket(models.Model):
    """Durations of one hour's runs as a mergeable histogram, so that percentiles come from rollups.

    Bin n holds durations of 1.04ⁿ ms to 1.04ⁿ⁺¹ ms: its middle is within 2 % of each (runs.rollups.BIN_BASE).
    """

    pk = models.CompositePrimaryKey("project_id", "hour", "type")
    project_id = models.IntegerField()
    hour = models.DateTimeField()
    type = models.TextField()
    bins = ArrayField(models.SmallIntegerField())
    runs = ArrayField(models.IntegerField(), help_text="how many runs each bin holds")


class UserDay(models.Model):
    """Sums of one end user's UTC day within a team and organization, recomputed with the day's stale hours.

    '' means none: the rows of a day, unattributed ones included, add up to the project's.
    """

    pk = models.CompositePrimaryKey("project_id", "day", "user_id", "team_id", "organization_id")
    project_id = models.IntegerField()
    day = models.DateField()
    user_id = models.TextField()
    team_id = models.TextField()
    organization_id = models.TextField()
    runs = models.IntegerField()
    errors = models.IntegerField()
    threads = models.IntegerField(help_text="conversations begun")
    tokens = models.BigIntegerField()
    cost = models.DecimalField(max_digits=20, decimal_places=10)
    unpriced = models.IntegerField(help_text="successful LLM and embedding runs whose cost is unknown")
