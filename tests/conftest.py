"""What every test has: real servers, settings that need no collectstatic, and no leftovers."""

import os
from pathlib import Path

import pytest
from django.conf import settings

from lunary_dash import env
from tests import servers


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start the servers once, in the process that starts the others; workers inherit the environment.

    pytest-django has read the settings by now, so they are told as well.
    """
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        os.environ.update(servers.provide())
    settings.DATABASES["default"].update(env.database(os.environ.get("DATABASE_URL", "postgresql:///lunary_dash")))
    settings.REDIS_URL = os.environ.get("REDIS_URL", "")
    settings.CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL", settings.CELERY_BROKER_URL)
    settings.DATA_DIR = Path(os.environ.get("DATA_DIR", settings.DATA_DIR))
    settings.STATIC_ROOT = settings.DATA_DIR / "static"
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # 100 times quicker, tests only
