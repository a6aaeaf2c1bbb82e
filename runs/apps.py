"""The domain: runs, their bodies, end users, prices, rollups, the ledger."""

from django.apps import AppConfig


class RunsConfig(AppConfig):
    """Django's registration of the app."""

    name = "runs"
