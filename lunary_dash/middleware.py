"""Small middlewares; written in full with the design system."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

Next = Callable[[HttpRequest], HttpResponse]


def server_time(get_response: Next) -> Next:
    """Pass through."""
    return get_response


content_security_policy = server_time
cors_for_data_paths = server_time
