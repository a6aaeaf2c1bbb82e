"""What every test has: real servers, settings that need no collectstatic, and no leftovers."""

import os
from pathlib import Path

import hypothesis
import pytest
from django.conf import settings

from lunary_dash import env
from tests import servers
from tests.browser import find_chromium

# How long an example takes says nothing on a machine that does something else as well.
hypothesis.settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy machine")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start the servers once, in the process that starts the others; workers inherit the environment.

    pytest-django has read the settings by now, so they are told as well.
    """
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        os.environ.update(servers.provide())
    settings.DATABASES["default"].update(env.database(os.environ.get("DATABASE_URL", "postgresql:///lunary_dash")))
    settings.REDIS_URL = os.environ.get("REDIS_URL", "")
    settings.CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL") or env.broker(settings.REDIS_URL)
    settings.DATA_DIR = Path(os.environ.get("DATA_DIR", settings.DATA_DIR))
    settings.STATIC_ROOT = settings.DATA_DIR / "static"
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # 100 times quicker, tests only


def pytest_report_header(config: pytest.Config) -> str:
    """Say what the tests run on."""
    return f"database: {settings.DATABASES['default']['HOST']}, browser: {find_chromium() or 'none'}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --only-database, for a second run on another PostgreSQL."""
    parser.addoption("--only-database", action="store_true", help="leave out tests that never reach the database")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out browser tests where there is no browser; the summary says so, and REQUIRE_BROWSER=1 forbids it."""
    left_out = [item for item in items if item.get_closest_marker("browser") and not find_chromium()]
    if left_out and os.environ.get("REQUIRE_BROWSER"):
        raise pytest.UsageError("no Chromium found for the browser tests: install it, or set CHROMIUM to its path")
    if config.getoption("only_database"):
        left_out += [item for item in items if not _reaches_database(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def _reaches_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool(item.get_closest_marker("django_db") or fixtures & {"db", "transactional_db", "live_server"})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say plainly what did not run."""
    if not find_chromium():
        terminalreporter.write_line(
            "The browser tests did not run: no Chromium found. Install one (apt-get install chromium), "
            "or set CHROMIUM to its path.",
            yellow=True,
        )
