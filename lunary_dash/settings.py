"""Settings, all from the environment (see the table in README.md); a malformed value stops the process."""

from pathlib import Path
from typing import Any

from celery.schedules import crontab

from lunary_dash import env

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.text("DATA_DIR", "var"))
if not DATA_DIR.is_absolute():
    DATA_DIR = BASE_DIR / DATA_DIR

RUNNING = env.running(DATA_DIR)
DEBUG = env.boolean("DEBUG")
SECRET_KEY = env.text("SECRET_KEY") or env.secret_file(DATA_DIR / "secret_key")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "*")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
CSRF_FAILURE_VIEW = "lunary_dash.errors.csrf_failed"
PUBLIC_URL = env.text("PUBLIC_URL").rstrip("/")
BEHIND_TLS = env.boolean("BEHIND_TLS", default=PUBLIC_URL.startswith("https://"))

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "lunary_dash.apps.WiringConfig",
    "projects",
    "runs",
    "ingest",
    "traces",
    "users",
]

MIDDLEWARE = [
    "lunary_dash.addresses.with_whole_ids",
    "lunary_dash.middleware.server_time",
    "django.middleware.security.SecurityMiddleware",
    "lunary_dash.middleware.content_security_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "lunary_dash.middleware.cors_for_data_paths",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "lunary_dash.middleware.explain_wrong_method",
]

ROOT_URLCONF = "lunary_dash.urls"
WSGI_APPLICATION = "lunary_dash.wsgi.application"
APPEND_SLASH = False

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "projects.shell.shell",
            ],
            "builtins": [
                "lunary_dash.templatetags.figures",
                "lunary_dash.templatetags.components",
            ],
        },
    },
]

DATABASE_URL = env.text("DATABASE_URL", RUNNING.get("DATABASE_URL", "postgresql:///lunary_dash"))
DATABASES: dict[str, Any] = {
    "default": env.database(DATABASE_URL)
    | {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "DISABLE_SERVER_SIDE_CURSORS": True},
}
# Ingest repeats a few statements; psycopg keeps them prepared per connection (0 queries through a proxy: set it high).
DATABASES["default"]["OPTIONS"].setdefault("prepare_threshold", env.integer("DATABASE_PREPARE_AFTER", 3))
# Compiling a page's query takes 90 ms, running it less; our own PostgreSQL has this in its configuration.
DATABASES["default"]["OPTIONS"].setdefault("options", "-c jit=off")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "projects.Account"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 30
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

REDIS_URL = env.text("REDIS_URL", RUNNING.get("REDIS_URL", ""))
# A rate limit that forgets on restart is no loss, so the cache never depends on Redis being there.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "lunary-dash"},
}

CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", env.broker(REDIS_URL))
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "recompute rollups": {"task": "runs.tasks.recompute_rollups", "schedule": 1.0, "options": {"expires": 5}},
    "recompute summaries": {"task": "traces.tasks.recompute_summaries", "schedule": 1.0, "options": {"expires": 5}},
    "recompute thread summaries": {
        "task": "traces.tasks.recompute_thread_summaries",
        "schedule": 1.0,
        "options": {"expires": 5},
    },
    "finish deletions": {"task": "runs.tasks.finish_deletions", "schedule": 30.0, "options": {"expires": 30}},
    "look again at deletions": {"task": "runs.tasks.look_again_at_deletions", "schedule": crontab(hour=2, minute=47)},
    "verify ledgers": {"task": "runs.tasks.verify_ledgers", "schedule": crontab(hour=3, minute=17)},
    "verify summaries": {"task": "traces.tasks.verify_summaries", "schedule": crontab(hour=3, minute=37)},
    "verify thread summaries": {
        "task": "traces.tasks.verify_thread_summaries",
        "schedule": crontab(hour=3, minute=57),
    },
    "purge held events": {"task": "ingest.tasks.purge_held_events", "schedule": crontab(hour=4, minute=7)},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")
if CELERY_BROKER_URL.startswith("filesystem://"):
    _queue = DATA_DIR / "queue"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_queue),
        "data_folder_out": str(_queue),
        "control_folder": str(DATA_DIR / "queue-control"),
        "polling_interval": 0.1,
    }

LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(DATA_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG

INGEST_BODY_LIMIT = env.integer("INGEST_BODY_LIMIT_MB", 20, minimum=1, maximum=512) * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = INGEST_BODY_LIMIT
REJECTION_DAYS = env.integer("REJECTION_DAYS", 30, minimum=1, maximum=3650)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "WARNING")},
}
