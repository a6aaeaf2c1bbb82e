from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    """Find a held event by its run without reading all of them; made beside running writers."""

    atomic = False

    dependencies = [("ingest", "0001_first")]

    operations = [
        AddIndexConcurrently(
            "rejection",
            models.Index(F("project_id"), F("run_id"), name="rejection_by_run", condition=Q(run_id__isnull=False)),
        ),
    ]
