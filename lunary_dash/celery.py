"""The Celery application; tasks live in each app's tasks.py and are found by name."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunary_dash.settings")

app = Celery("lunary_dash")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["runs"], related_name="demo")
