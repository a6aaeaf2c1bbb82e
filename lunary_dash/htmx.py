"""One URL, one view, one template: the whole page, or the named fragments of it that htmx asked for."""

from collections.abc import Mapping
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.template import Template, loader
from django.template.context import make_context
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
        html = loader.render_to_string(template, dict(context), request=request)
    response = HttpResponse(html, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def render_fragments(request: HttpRequest, template: str, context: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the HTML of the named fragments of a page template; LookupError names one that is not there."""
    compiled = cast(Template, cast(Any, loader.get_template(template)).template)
    nodes = cast(list[FragmentNode], compiled.nodelist.get_nodes_by_type(FragmentNode))
    fragments = {node.name: node for node in nodes}
    missing = [name for name in names if name not in fragments]
    if missing:
        raise LookupError(f"{template} has no fragment {', '.join(missing)}")
    bound = make_context({**context, "partial": True}, request=request)
    with bound.render_context.push_state(compiled), bound.bind_template(compiled):
        return "".join(fragments[name].render(bound) for name in names)
