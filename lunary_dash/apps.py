"""The app that registers the wiring's template tags and management commands with Django."""

from django.apps import AppConfig


class WiringConfig(AppConfig):
    """`lunary_dash` as an app: no models, only wiring."""

    name = "lunary_dash"
    label = "wiring"

    def ready(self) -> None:
        """Load the Celery application, so that every task belongs to it; not earlier, as the supervisor needs none."""
        from lunary_dash import celery  # noqa: F401
