"""Runs by end user, team and organization."""

from django.apps import AppConfig


class UsersConfig(AppConfig):
    """Django's registration of the app."""

    name = "users"
