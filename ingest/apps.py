"""The write side: HTTP in, rows out."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """Django's registration of the app."""

    name = "ingest"
