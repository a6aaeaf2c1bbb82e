"""Users' days by team and organization, and latency histograms.

The rollups can be recomputed from runs at any time, so the old table of users' days is dropped rather than changed: its
rows lack the team that the new key needs.
"""

import django.contrib.postgres.fields
from django.db import migrations, models

KEY = ("project_id", "day", "user_id", "team_id", "organization_id")


class Migration(migrations.Migration):
    dependencies = [("runs", "0001_first")]

    operations = [
        migrations.DeleteModel(name="UserDay"),
        migrations.CreateModel(
            name="UserDay",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(*KEY, blank=True, editable=False, primary_key=True, serialize=False),
                ),
                ("project_id", models.IntegerField()),
                ("day", models.DateField()),
                ("user_id", models.TextField()),
                ("team_id", models.TextField()),
                ("organization_id", models.TextField()),
                ("runs", models.IntegerField()),
                ("errors", models.IntegerField()),
                ("threads", models.IntegerField(help_text="conversations begun")),
                ("tokens", models.BigIntegerField()),
                ("cost", models.DecimalField(decimal_places=10, max_digits=20)),
                (
                    "unpriced",
                    models.IntegerField(help_text="successful LLM and embedding runs whose cost is unknown"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LatencyBucket",
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
                ("bins", django.contrib.postgres.fields.ArrayField(models.SmallIntegerField(), size=None)),
                (
                    "runs",
                    django.contrib.postgres.fields.ArrayField(
                        models.IntegerField(), size=None, help_text="how many runs each bin holds"
                    ),
                ),
            ],
        ),
        migrations.AlterField(
            model_name="usagebucket",
            name="unpriced",
            field=models.IntegerField(help_text="successful LLM and embedding runs whose cost is unknown"),
        ),
    ]
