"""Hourly sums by type: what headlines read, instead of adding up the buckets of every model, team and organization."""

from django.db import migrations, models

# Hours that have buckets get their sums with the next recompute.
MARK = """
    INSERT INTO runs_stalehour (project_id, hour, id, marked_at)
    SELECT project_id, hour, gen_random_uuid(), now() FROM runs_usagebucket GROUP BY project_id, hour"""


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0002_rollups_by_group"),
    ]

    operations = [
        migrations.CreateModel(
            name="HourSum",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "project_id", "hour", "type", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("project_id", models.IntegerField()),
                ("hour", models.DateTimeField()),
                ("type", models.TextField()),
                ("runs", models.IntegerField()),
                ("errors", models.IntegerField()),
                ("input_tokens", models.BigIntegerField()),
                ("cache_read_tokens", models.BigIntegerField()),
                ("cache_write_tokens", models.BigIntegerField()),
                ("output_tokens", models.BigIntegerField()),
                ("reasoning_tokens", models.BigIntegerField()),
                ("cost", models.DecimalField(decimal_places=10, max_digits=20)),
                ("unpriced", models.IntegerField(help_text="successful LLM and embedding runs whose cost is unknown")),
            ],
        ),
        migrations.RunSQL(MARK, migrations.RunSQL.noop),
    ]
