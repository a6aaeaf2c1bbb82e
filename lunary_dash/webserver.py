"""gunicorn, configured: threads for slow clients, kept-alive connections, code shared between processes."""

import gc
import threading
from typing import Any

from django.db import connections
from gunicorn.app.base import BaseApplication

from lunary_dash import env

KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 s that proxies keep a connection, so that a proxy never writes into one being closed."""

LONGEST_ADDRESS = 8_190
"""Characters of a request's first line, gunicorn's most: clients' own ids are long once they are percent-encoded."""

GARBAGE_AFTER = 20_000
"""Objects made before the collector looks: a batch of events makes thousands that reference counting frees anyway."""


def options(fd: int | None) -> dict[str, Any]:
    """Return gunicorn's settings; `fd` is an inherited listening socket, else HOST and PORT are bound."""
    host = env.text("HOST", "127.0.0.1")
    place = f"[{host}]" if ":" in host and not host.startswith("[") else host
    port = env.integer("PORT", 8000, minimum=1, maximum=65_535)
    return {
        "bind": [f"fd://{fd}" if fd is not None else f"{place}:{port}"],
        "worker_class": "gthread",
        "workers": env.integer("WEB_WORKERS", 2, minimum=1, maximum=64),
        "threads": env.integer("WEB_THREADS", 8, minimum=1, maximum=256),
        "graceful_timeout": env.integer("WEB_GRACE_SECONDS", 30, minimum=1, maximum=600),
        "keepalive": KEEP_ALIVE_SECONDS,
        "timeout": 120,
        "backlog": 2048,
        "limit_request_line": LONGEST_ADDRESS,
        "preload_app": True,
        "control_socket_disable": True,
        "loglevel": "warning",
        "pre_fork": before_fork,
        "post_worker_init": load_prices,
    }


def before_fork(arbiter: Any, worker: Any) -> None:
    """Share everything loaded so far, and no database connection, with the worker to come."""
    connections.close_all()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER, 20, 20)


def load_prices(worker: Any) -> None:
    """Read the price table beside the first requests: it takes half a second that no first event should wait for."""
    from runs import pricing

    threading.Thread(target=pricing.warm, name="prices", daemon=True).start()


class Server(BaseApplication):  # type: ignore[misc]
    """The application as gunicorn wants it."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        super().__init__()

    def load_config(self) -> None:
        """Apply our settings; gunicorn.conf.py and GUNICORN_CMD_ARGS are not read."""
        for name, value in options(self._fd).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the WSGI application, with its addresses resolved so that no first visitor waits for that."""
        from django.urls import get_resolver

        from lunary_dash.wsgi import application

        get_resolver().url_patterns  # noqa: B018
        return application


def serve(fd: int | None = None) -> None:
    """Serve until SIGTERM; never returns."""
    Server(fd).run()
