"""The Celery application; tasks live in each app's tasks.py and are found by name."""

import os
from pathlib import Path

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunary_dash.settings")

app = Celery("lunary_dash")
app.config_from_object("django.conf:settings", namespace="CELERY")
if app.conf.broker_url.startswith("filesystem://"):  # kombu reads its folders and doesn't make them
    for name in ("data_folder_in", "data_folder_out", "control_folder"):
        Path(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS[name])).mkdir(parents=True, exist_ok=True)
app.autodiscover_tasks()
app.autodiscover_tasks(["runs"], related_name="demo")
