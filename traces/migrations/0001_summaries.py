"""Summaries of traces, which the list filters and sorts by. The table is new, so its indexes are made at once.

Traces that are there already are marked stale, and the next recomputes fill their summaries in, some thousands a
second; until then the list says how far behind it is. What a process of the version before stores after this ran is
found by the nightly verification (`manage.py verify_traces` does it at once).
"""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.db import migrations, models

MARK = """
    INSERT INTO runs_staletrace (project_id, trace_id, id, marked_at)
    SELECT project_id, id, gen_random_uuid(), now() FROM runs_run WHERE id = trace_id AND type IN ('agent', 'chain')"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("runs", "0004_stale_traces"),
    ]

    operations = [
        migrations.CreateModel(
            name="TraceSummary",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "project_id", "trace_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("project_id", models.IntegerField()),
                ("trace_id", models.UUIDField()),
                ("type", models.TextField(help_text="of the root: agent or chain")),
                ("started_at", models.DateTimeField(help_text="of the root: where the list has it")),
                (
                    "duration_ms",
                    models.BigIntegerField(help_text="from the first start to the last start or end that is known"),
                ),
                ("runs", models.IntegerField()),
                ("errors", models.IntegerField()),
                ("tokens", models.BigIntegerField(help_text="input and output")),
                (
                    "cost",
                    models.DecimalField(
                        decimal_places=10, help_text="USD; null: no cost is known", max_digits=30, null=True
                    ),
                ),
                ("priced", models.IntegerField(help_text="runs whose cost is in `cost`")),
                ("unknown", models.IntegerField(help_text="successful LLM and embedding runs whose cost is unknown")),
                (
                    "contains",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        help_text="what ran inside: tool:search, model:gpt-4o, agent:claims; with more: where names are left out",
                        size=None,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        models.F("project_id"),
                        models.OrderBy(models.F("started_at"), descending=True),
                        models.OrderBy(models.F("trace_id"), descending=True),
                        name="trace_by_time",
                    ),
                    models.Index(
                        models.F("project_id"),
                        models.OrderBy(models.F("duration_ms"), descending=True),
                        models.OrderBy(models.F("trace_id"), descending=True),
                        name="trace_by_duration",
                    ),
                    models.Index(
                        models.F("project_id"),
                        models.OrderBy(models.F("runs"), descending=True),
                        models.OrderBy(models.F("trace_id"), descending=True),
                        name="trace_by_runs",
                    ),
                    models.Index(
                        models.F("project_id"),
                        models.OrderBy(models.F("tokens"), descending=True),
                        models.OrderBy(models.F("trace_id"), descending=True),
                        name="trace_by_tokens",
                    ),
                    models.Index(
                        models.F("project_id"),
                        models.OrderBy(models.F("cost"), descending=True, nulls_last=True),
                        models.OrderBy(models.F("trace_id"), descending=True),
                        name="trace_by_cost",
                    ),
                    django.contrib.postgres.indexes.GinIndex(
                        fastupdate=False, fields=["contains"], name="trace_by_content"
                    ),
                ],
            },
        ),
        migrations.RunSQL(MARK, migrations.RunSQL.noop),
    ]
