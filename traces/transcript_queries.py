"""What a transcript reads: the bodies of one page's cards, each bounded and all of them together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import BigIntegerField, Case, F, Func, QuerySet, TextField, When
from django.db.models.functions import Left

from runs import bodies
from runs.models import RunBody
from traces.transcript import Card, Kind, Page
from traces.transcript_words import Body, Text

WHOLE = {Kind.MODEL: 1024 * 1024}
"""Bytes up to which a body is read whole, by kind of card; ROOM_EACH for the others."""
ROOM_EACH = 64 * 1024
BEGINNING = 8 * 1024
"""Characters that are read of a longer one."""
ROOM = 8 * 1024 * 1024
"""Bytes of whole bodies that one page reads; what comes after is read as its beginning."""
FIELDS = ("input", "output")
Sizes = dict[UUID, tuple[int, int]]


def texts(project_id: int, page: Page) -> dict[UUID, Body]:
    """Return the bodies that telling a page needs, in two or three queries: sizes first, then what fits."""
    wanted = _wanted(page)
    stored = RunBody.objects.filter(project_id=project_id, run_id__in=list(wanted))
    sizes: Sizes = {
        run_id: (given or 0, made or 0) for run_id, given, made in stored.values_list("run_id", *map(_size, FIELDS))
    }
    whole = _fitting(wanted, sizes)
    columns = [_bounded(name, [run_id for run_id, fits in whole.items() if fits[n]]) for n, name in enumerate(FIELDS)]
    rows = stored.values_list("run_id", *columns, Left("error", BEGINNING))
    events = _metadata(stored, [card.id for card in page.cards if card.kind is Kind.EVENT])
    return {
        run_id: Body(
            input=_text(given, sizes[run_id][0], whole=whole[run_id][0]),
            output=_text(made, sizes[run_id][1], whole=whole[run_id][1]),
            error=_text(error, 0, whole=len(error or "") < BEGINNING),
            metadata=events.get(run_id),
        )
        for run_id, given, made, error in rows
        if run_id in sizes
    }


def _wanted(page: Page) -> dict[UUID, int]:
    """Return the runs to be read, the most important first, each with the bytes up to which it is read whole."""
    top = page.level.top
    around: Sequence[Card] = [*page.earlier_calls, *([page.later_call] if page.later_call else [])]
    wanted = {card.id: WHOLE.get(card.kind, ROOM_EACH) for card in (*page.cards, *around)}
    return ({top.id: WHOLE[Kind.MODEL]} if top else {}) | wanted


def _fitting(wanted: Mapping[UUID, int], sizes: Sizes) -> dict[UUID, tuple[bool, bool]]:
    """Return of each run which of its two fields are read whole."""
    left, whole = ROOM, {}
    for run_id, most in wanted.items():
        fits = []
        for size in sizes.get(run_id, (0, 0)):
            fits.append(size <= min(most, left))
            left -= size if fits[-1] else 0
        whole[run_id] = (fits[0], fits[1])
    return whole


def _text(text: str | None, size: int, *, whole: bool) -> Text | None:
    return None if text is None else Text(text, size, cut=not whole)


def _size(name: str) -> Func:
    return Func(F(name), function="octet_length", output_field=BigIntegerField())


def _bounded(name: str, whole: Iterable[UUID]) -> Case:
    return Case(When(run_id__in=list(whole), then=F(name)), default=Left(name, BEGINNING), output_field=TextField())


def _metadata(stored: QuerySet[RunBody], events: list[UUID]) -> dict[UUID, str | None]:
    rows: Any = stored.filter(run_id__in=events).values_list("run_id", "metadata") if events else ()
    return {run_id: bodies.metadata(ranked) for run_id, ranked in rows}
