"""The WSGI application that web servers load."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from lunary_dash.corrections import with_chunked_bodies, with_plain_paths

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunary_dash.settings")

application = with_plain_paths(with_chunked_bodies(get_wsgi_application(), settings.INGEST_BODY_LIMIT))

from ingest.pulse import pulse  # noqa: E402 - Django must be set up first

pulse.start()
