"""Count failed log-ins where every web process sees them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("projects", "0001_first")]

    operations = [
        migrations.CreateModel(
            name="SignInFailure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject",
                    models.CharField(
                        help_text="SHA-256 of the e-mail or address, so the table names nobody", max_length=64
                    ),
                ),
                ("at", models.DateTimeField()),
            ],
            options={"indexes": [models.Index(fields=["subject", "at"], name="sign_in_failures")]},
        ),
    ]
