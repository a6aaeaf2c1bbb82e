"""One URL, one view, one template: the whole page, or the named fragments of it that htmx asked for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.template import Template, loader
from django.template.context import Context, make_context
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails

from lunary_dash.templatetags.components import FragmentNode


def wants_partial(request: HttpRequest) -> bool:
    """Tell whether htmx asked for a part of the page: not when boosted, not when restoring history."""
    htmx = cast(HtmxDetails | None, getattr(request, "htmx", None))
    return bool(htmx) and htmx is not None and not htmx.boosted and not htmx.history_restore_request


def render_page(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    partial: str | tuple[str, ...] | None = None,
    status: int = 200,
) -> HttpResponse:
    """Render the template, or only its `{% fragment %}`s named by `partial` when htmx wants a part.

    Several names are rendered one after the other, so that a table can bring its totals along out of band; inside a
    partial answer `partial` is true in the template: `<p id="total"{% if partial %} hx-swap-oob="true"{% endif %}>`.
    """
    if partial is not None and wants_partial(request):
        names = (partial,) if isinstance(partial, str) else partial
        html = render_fragments(request, template, context, names)
    else:
        with _holding(request, context) as held:
            html = _compiled(template).render(held)
    response = HttpResponse(html, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def render_fragments(request: HttpRequest, template: str, context: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the HTML of the named fragments of a page template; LookupError names one that is not there."""
    compiled = _compiled(template)
    nodes = cast(list[FragmentNode], compiled.nodelist.get_nodes_by_type(FragmentNode))
    fragments = {node.name: node for node in nodes}
    missing = [name for name in names if name not in fragments]
    if missing:
        raise LookupError(f"{template} has no fragment {', '.join(missing)}")
    with (
        _holding(request, {**context, "partial": True}) as bound,
        bound.render_context.push_state(compiled),
        bound.bind_template(compiled),
    ):
        return "".join(fragments[name].render(bound) for name in names)


def _compiled(template: str) -> Template:
    return cast(Template, cast(Any, loader.get_template(template)).template)


@contextmanager
def _holding(request: HttpRequest, values: Mapping[str, Any]) -> Iterator[Context]:
    """Give values to a template, and let go of them when it is rendered.

    A context and its layers refer to each other, so that whatever they hold, be it the 50 000 runs of a trace, would
    otherwise stay in memory until a full garbage collection, which is rare here (see webserver.GARBAGE_AFTER).
    """
    context = make_context(dict(values), request=request)
    try:
        yield context
    finally:
        context.dicts.clear()
