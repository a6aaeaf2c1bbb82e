"""How long a page waits for a question whose cost depends on what was asked: text search, counts over a long range."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction


class TooSlowError(Exception):
    """The database did not answer in time: ask for a shorter range, or fewer words."""


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Give every statement inside at most `seconds`; raise TooSlowError when one takes longer. Reads only."""
    nested = connection.in_atomic_block
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(int(seconds * 1000))])
            yield
            if nested:  # the setting ends with the transaction, and that goes on
                with connection.cursor() as cursor:
                    cursor.execute("SELECT set_config('statement_timeout', '0', true)")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == "57014":  # query_canceled
            raise TooSlowError from error
        raise
