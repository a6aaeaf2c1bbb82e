"""Summaries of threads, and a mark on every thread that is there, so that the worker makes them."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.db import migrations, models

MARK = """
    INSERT INTO runs_stalethread (project_id, thread_id, id, marked_at)
    SELECT project_id, id, gen_random_uuid(), now() FROM runs_run WHERE type = 'thread'"""


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0005_stale_threads"),
        ("traces", "0002_public_links"),
    ]

    operations = [
        migrations.CreateModel(
            name="ThreadSummary",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "project_id", "thread_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("project_id", models.IntegerField()),
                ("thread_id", models.UUIDField()),
                (
                    "first",
                    models.TextField(help_text="what a person said first, on one line and cut; '' where nobody did"),
                ),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(help_text="last activity")),
                ("duration_ms", models.BigIntegerField(help_text="from the first to the last sign of life")),
                ("user_id", models.TextField(null=True)),
                ("team_id", models.TextField(null=True)),
                ("organization_id", models.TextField(null=True)),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), null=True, size=None),
                ),
                (
                    "exchanges",
                    models.IntegerField(
                        help_text="turns as the conversation's page numbers them: retries are no further ones"
                    ),
                ),
                ("messages", models.IntegerField()),
                ("retries", models.IntegerField()),
                ("tokens", models.BigIntegerField(help_text="input and output")),
                (
                    "cost",
                    models.DecimalField(
                        decimal_places=10, help_text="USD; null: no cost is known", max_digits=30, null=True
                    ),
                ),
                ("priced", models.IntegerField(help_text="runs whose cost is in `cost`")),
                ("unknown", models.IntegerField(help_text="successful LLM and embedding runs whose cost is unknown")),
                ("thumbs_up", models.IntegerField(help_text="on the thread, its messages, exchanges and runs")),
                ("thumbs_down", models.IntegerField()),
                ("comments", models.IntegerField()),
                (
                    "signals",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        help_text="kinds of traces.signals that were found, the worst first",
                        size=None,
                    ),
                ),
                (
                    "signal_turns",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(),
                        help_text="the first turn of each signal; 0: the thread at large",
                        size=None,
                    ),
                ),
                (
                    "signal_times",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), help_text="how often each signal was found", size=None
                    ),
                ),
                ("slowest_ms", models.BigIntegerField(help_text="the longest answered exchange", null=True)),
                ("slowest_turn", models.IntegerField(help_text="whose it is; 0: none")),
            ],
            options={
                "indexes": [
                    models.Index(
                        models.F("project_id"),
                        models.OrderBy(models.F("ended_at"), descending=True),
                        models.OrderBy(models.F("thread_id"), descending=True),
                        name="thread_by_activity",
                    ),
                    models.Index(
                        models.F("project_id"),
                        models.OrderBy(models.F("messages"), descending=True),
                        models.OrderBy(models.F("thread_id"), descending=True),
                        name="thread_by_messages",
                    ),
                    models.Index(
                        models.F("project_id"),
                        models.OrderBy(models.F("tokens"), descending=True),
                        models.OrderBy(models.F("thread_id"), descending=True),
                        name="thread_by_tokens",
                    ),
                    models.Index(
                        models.F("project_id"),
                        models.OrderBy(models.F("cost"), descending=True, nulls_last=True),
                        models.OrderBy(models.F("thread_id"), descending=True),
                        name="thread_by_cost",
                    ),
                    django.contrib.postgres.indexes.GinIndex(
                        fastupdate=False, fields=["signals"], name="thread_by_signal"
                    ),
                ],
            },
        ),
        migrations.RunSQL(MARK, migrations.RunSQL.noop),
    ]
