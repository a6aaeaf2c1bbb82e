"""Runs as trees and as threads."""

from django.apps import AppConfig


class TracesConfig(AppConfig):
    """Django's registration of the app."""

    name = "traces"
