"""The domain: runs, their bodies, end users, prices, rollups, the ledger."""

from django.apps import AppConfig


class RunsConfig(AppConfig):
    """Django's registration of the app."""

    name = "runs"

    def ready(self) -> None:
        """Let a project's deletion take its rows along; models can't be imported before this."""
        from projects import deletion
        from runs import ledger, tasks

        deletion.holdings.append(ledger.held)
        deletion.departures.append(tasks.begin_deletions)
