"""Wiring: settings, URLs, Celery, WSGI, the supervisor, and the few modules that know no app."""

from lunary_dash.celery import app as celery_app

__all__ = ["celery_app"]
