"""The app that registers the wiring's template tags and management commands with Django."""

from django.apps import AppConfig


class WiringConfig(AppConfig):
    """`lunary_dash` as an app: no models, only wiring."""

    name = "lunary_dash"
    label = "wiring"
