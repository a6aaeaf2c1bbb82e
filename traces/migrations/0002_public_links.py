"""Public links to traces: a small table, made by people, not by traffic."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("traces", "0001_summaries"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="TraceShare",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("project_id", models.IntegerField()),
                ("trace_id", models.UUIDField()),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("sealed_token", models.TextField(editable=False)),
                (
                    "show_people",
                    models.BooleanField(default=False, help_text="end users, their properties, teams, organizations"),
                ),
                (
                    "show_bodies",
                    models.BooleanField(default=True, help_text="what the runs carried, not only names and figures"),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["project_id", "trace_id"], name="share_by_trace")],
            },
        ),
    ]
