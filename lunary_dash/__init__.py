"""Wiring: settings, URLs, Celery, WSGI, the supervisor, and the few modules that know no app."""
