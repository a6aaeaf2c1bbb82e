"""The comparison of two traces, and the page that offers what to compare a trace with."""

from typing import Any, cast
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET
from django_htmx.middleware import HtmxDetails

from lunary_dash.htmx import render_page, wants_partial
from projects.access import project_page
from projects.models import Project
from traces import compare
from traces.address import uuids
from traces.compare_address import Chosen, CompareAddress
from traces.compare_rows import ROWS, shows_everything, table

PAGE = "traces/compare.html"


@require_GET
@project_page()
def trace_compare(request: HttpRequest, project: Project) -> HttpResponse:
    """Show two traces as one; `?trace=` twice, or ids in another form than a trace's own, lead to `?a=&b=`."""
    ticked = request.GET.getlist("trace")
    texts = ticked or [text for name in ("a", "b") if (text := request.GET.get(name, "").strip())]
    if len(texts) != 2:
        return _pick(request, project, texts, too_many=len(texts) > 2)
    a, b = (next(uuids([text]), None) for text in texts)
    if a and b and not ticked and [str(a), str(b)] == texts:
        address = CompareAddress.parse(a, b, request.GET)
        if wants_partial(request) and _target(request) == "drawer" and address.pair and not address.pair.lone:
            context = _detail(project, address, address.pair) | {"address": address}
            return render_page(request, PAGE, context, partial="detail")
        if found := compare.comparison(project.pk, a, b):
            return _compared(request, project, address, found)
    return _resolved(request, project, texts, is_ticked=bool(ticked))


def _resolved(request: HttpRequest, project: Project, texts: list[str], *, is_ticked: bool) -> HttpResponse:
    """Lead to the traces that two texts mean, the earlier first where they were ticked; 404 where one means none."""
    traces = [compare.trace_of(project.pk, text) for text in texts]
    known = [trace for trace in traces if trace]
    if len(known) < 2:
        missing = [text for text, trace in zip(texts, traces, strict=True) if trace is None]
        return _pick(request, project, texts, missing=missing)
    a, b = compare.in_order_of_start(project.pk, known) if is_ticked else known
    return redirect(f"{request.path}{CompareAddress.parse(a, b, request.GET)}")


def _compared(
    request: HttpRequest, project: Project, address: CompareAddress, found: compare.Comparison
) -> HttpResponse:
    pair = address.pair
    chosen = found.alignment.find(pair.any) if pair else None
    everything = shows_everything(found.alignment, asked=address.everything)
    shown = table(
        found.alignment,
        found.texts,
        everything=everything,
        opened=frozenset(address.opened),
        start=address.start,
        chosen=chosen,
    )
    context = {"comparison": found, "address": address, "table": shown, "everything": everything}
    context |= {"loaded": _loaded(request) + len(shown.lines), "rows": ROWS}
    if wants_partial(request) and _target(request) != "drawer":
        return render_page(request, PAGE, context, partial="lines")
    if pair and chosen is not None:
        both = found.alignment.pair(chosen)
        whole = Chosen(both.left.id if both.left else None, both.right.id if both.right else None)
        context |= _detail(project, address, whole if pair.lone else pair) | {"chosen": str(whole)}
    return render_page(request, PAGE, context, partial="detail")


def _detail(project: Project, address: CompareAddress, pair: Chosen) -> dict[str, Any]:
    """Return the pair with its payloads; Http404 where a run is not in its trace."""
    detail = compare.pair_detail(project.pk, address.a, address.b, pair.left, pair.right)
    if detail is None:
        raise Http404("run not found")
    return {"detail": detail}


def _target(request: HttpRequest) -> str | None:
    return cast(HtmxDetails, getattr(request, "htmx", None)).target


def _loaded(request: HttpRequest) -> int:
    """Return how many lines the page holds already, as its own link says."""
    text = request.GET.get("loaded", "")
    return min(int(text), ROWS) if text.isdecimal() and len(text) < 6 else 0


def _pick(
    request: HttpRequest,
    project: Project,
    texts: list[str],
    *,
    too_many: bool = False,
    missing: list[str] | None = None,
) -> HttpResponse:
    """Say what is needed for a comparison and offer it; 404 where an id is not known here."""
    found = [trace for text in texts[:3] if (trace := compare.trace_of(project.pk, text))]
    trace = found[0] if len(found) == 1 else None
    context: dict[str, Any] = {"missing": missing or [], "too_many": len(texts) if too_many else 0, "trace_id": trace}
    context |= {"given": [*texts, "", ""][:2], "ticked": found if too_many else []}
    if trace:
        root, offered = compare.candidates(project.pk, trace)
        context |= {"root": root, "candidates": offered}
    return render_page(request, "traces/compare_pick.html", context, status=404 if missing else 200)


@require_GET
@project_page()
def trace_compare_with(request: HttpRequest, project: Project, trace_id: UUID) -> HttpResponse:
    """Offer traces to compare this one with: the same agent's before and after, or any by its id or address."""
    root, offered = compare.candidates(project.pk, trace_id)
    if root is None and compare.trace_of(project.pk, str(trace_id)) != trace_id:
        raise Http404("trace not found")
    context = {"trace_id": trace_id, "root": root, "candidates": offered}
    return render_page(request, "traces/compare_pick.html", context, partial="offer")
