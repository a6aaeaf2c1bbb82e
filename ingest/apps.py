"""The write side: HTTP in, rows out."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """Django's registration of the app."""

    name = "ingest"

    def ready(self) -> None:
        """Tell the frame what to say beside Ingest health; models can't be imported before this."""
        from ingest.onboarding import held_note
        from projects import shell

        shell.notes["ingest_health"] = held_note
