"""The Celery application; tasks live in each app's tasks.py and are found by name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery, Task
from django.conf import settings
from kombu import Connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunary_dash.settings")

app = Celery("lunary_dash")
app.config_from_object("django.conf:settings", namespace="CELERY")
if app.conf.broker_url.startswith("filesystem://"):  # kombu reads its folders and doesn't make them
    for name in ("data_folder_in", "data_folder_out", "control_folder"):
        Path(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS[name])).mkdir(parents=True, exist_ok=True)
app.autodiscover_tasks()
app.autodiscover_tasks(["runs"], related_name="demo")

BROKER_SECONDS = 1.0
"""How long a request waits for the broker to take a connection, and for each of its answers."""


def enqueue(task: Task[Any, Any], *args: Any) -> None:
    """Hand a task to the broker, or raise kombu.exceptions.OperationalError within a second or two.

    Workers wait for a broker that is away, and so would whoever sends a task by Celery's own means: a person waits for
    a page. The connection is made for this message, so that one that broke long ago is not found out first.
    """
    impatient = {"max_retries": 0, "socket_connect_timeout": BROKER_SECONDS, "socket_timeout": BROKER_SECONDS}
    options = app.conf.broker_transport_options | impatient
    with Connection(app.conf.broker_url, connect_timeout=BROKER_SECONDS, transport_options=options) as connection:
        task.apply_async(args, producer=app.amqp.Producer(connection, auto_declare=False), retry=False)
