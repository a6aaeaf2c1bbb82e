"""Marks of threads whose summaries must be recomputed; writers leave them from now on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0004_stale_traces"),
    ]

    operations = [
        migrations.CreateModel(
            name="StaleThread",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "project_id", "thread_id", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("project_id", models.IntegerField()),
                ("thread_id", models.UUIDField()),
                ("id", models.UUIDField()),
                ("marked_at", models.DateTimeField()),
            ],
        ),
    ]
