"""Note when a project is deleted and when it is empty: people wait for the mark, not for a million rows."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("projects", "0002_sign_in_failures")]

    operations = [
        migrations.AddField(
            model_name="project",
            name="going_at",
            field=models.DateTimeField(
                editable=False, help_text="deleted by a person: nobody sees it, its keys are refused", null=True
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="gone_at",
            field=models.DateTimeField(
                editable=False, help_text="found empty: only this row and its books are left", null=True
            ),
        ),
    ]
