"""The page behind a public link: one trace, read-only, for anybody who has the link and nobody else."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET
from django_htmx.middleware import HtmxDetails

from lunary_dash.errors import error_page
from lunary_dash.htmx import render_page, wants_partial
from projects.access import zone_of
from projects.limits import address_of
from traces import alive, shares
from traces.address import Address
from traces.outline import branch, outline
from traces.shared import Shared
from traces.sieve import tally

PAGE = "traces/shared.html"
GONE = "This link leads nowhere: it is mistyped, was revoked, or has run out. Ask whoever sent it for a new one."
HEADERS = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
View = Callable[[HttpRequest, str], HttpResponse]


def _unlisted(view: View) -> View:
    """Keep every answer out of caches, search engines and referrers, refusals included."""

    @wraps(view)
    def with_headers(request: HttpRequest, token: str) -> HttpResponse:
        response = view(request, token)
        for name, value in HEADERS.items():
            response[name] = value
        return response

    return with_headers


@login_not_required
@require_GET
@_unlisted
def shared_trace(request: HttpRequest, token: str) -> HttpResponse:
    """Show the trace of a link; the same 404 whether the link never was, is revoked, has run out or lost its trace."""
    try:
        found = shares.find(token, address_of(request))
    except shares.TooManyMisses:
        response = error_page(request, 429, "Too many links that lead nowhere were tried from here. Wait ten minutes.")
        response["Retry-After"] = str(shares.MISS_SECONDS)
        return response
    if found is None:
        return _gone(request)
    shared = Shared(*found)
    with timezone.override(zone_of(shared.project.workspace)):
        if wants_partial(request):
            return _part(request, shared)
        return _page(request, shared)


def _page(request: HttpRequest, shared: Shared) -> HttpResponse:
    forest = shared.forest()
    if forest is None:
        return _gone(request)
    address = Address.parse(request.GET)
    chosen = forest.find(address.run)
    if address.run is not None and chosen is None:
        return _gone(request)
    selected = chosen or forest.node(0)
    user, team, organization = shared.head()
    now = timezone.now()
    pulse = alive.pulse(forest, now)
    context: dict[str, Any] = {
        "share": shared.share,
        "forest": forest,
        "sums": forest.sums,
        "address": address,
        "outline": outline(forest, address.ask(address.run, pulse.live_us(now))),
        "pulse": pulse,
        "tally": tally(forest),
        "selected": selected.id,
        "is_chosen": chosen is not None,
        "shown": shared.run(selected.id),
        "user": user,
        "team": team,
        "organization": organization,
    }
    return render_page(request, PAGE, context)


def _part(request: HttpRequest, shared: Shared) -> HttpResponse:
    """Answer htmx: the detail of a run, or the lines of a list that is opened."""
    address = Address.parse(request.GET)
    if cast(HtmxDetails, getattr(request, "htmx", None)).target == "detail":
        shown = shared.run(address.run or shared.share.trace_id)
        if shown is None:
            return _gone(request)
        context = {"share": shared.share, "shown": shown, "address": address, "is_chosen": True}
        return render_page(request, PAGE, context, partial="detail")
    forest = shared.forest()
    if forest is None:
        return _gone(request)
    now = timezone.now()
    lines = branch(forest, address.ask(address.run, alive.pulse(forest, now).live_us(now)))
    context = {"lines": lines, "address": address, "selected": address.run}
    return render_page(request, "traces/_lines.html", context)


def _gone(request: HttpRequest) -> HttpResponse:
    return error_page(request, 404, GONE)
