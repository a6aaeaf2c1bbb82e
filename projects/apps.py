"""Tenancy: accounts, workspaces, projects, memberships, keys."""

from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    """Django's registration of the app."""

    name = "projects"
