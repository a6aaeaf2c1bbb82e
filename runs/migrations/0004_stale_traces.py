"""Marks of traces whose summaries must be recomputed; writers leave them from now on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0003_hour_sums"),
    ]

    operations = [
        migrations.CreateModel(
            name="StaleTrace",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "project_id", "trace_id", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("project_id", models.IntegerField()),
                ("trace_id", models.UUIDField()),
                ("id", models.UUIDField()),
                ("marked_at", models.DateTimeField()),
            ],
        ),
    ]
