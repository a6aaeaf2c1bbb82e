"""Search inside a trace: a panel above the tree, and the same as a page of its own."""

from dataclasses import dataclass
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from lunary_dash.htmx import render_page, wants_partial
from projects.access import project_page
from projects.models import Project
from traces import queries
from traces.address import Address, uuids
from traces.find_queries import Found, Stop, search
from traces.hits import Hits, hits
from traces.tree import Forest

AT_ONCE = 5000
"""Runs up to which a trace's page searches while it is made; the hits of a larger one come after it."""
LIST = "traces/_hits.html"


@dataclass(frozen=True)
class Panel:
    """What the panel says of a search."""

    address: Address
    hits: Hits
    found: Found
    begins: int  # runs that were left out before the search began
    on: UUID | None  # the run behind which the search can go on

    @property
    def text(self) -> str:
        """Return what was searched for."""
        return self.address.find

    @property
    def page_to(self) -> str:
        """Return the beginning of the query of another part of the list: the run it begins with is appended."""
        return f"{self.address}&hits="

    @property
    def further(self) -> str:
        """Return the query of the search that goes on behind what was searched."""
        return self.address.searching(self.on)

    @property
    def from_start(self) -> str:
        """Return the query of the search from the first run on."""
        return self.address.searching(None)

    @property
    def seen(self) -> int:
        """Return how many runs were searched."""
        return self.found.searched - self.begins

    @property
    def is_slow(self) -> bool:
        """Tell whether it took too long."""
        return self.found.stop is Stop.SLOW

    @property
    def is_part(self) -> bool:
        """Tell whether there may be more hits than these."""
        return self.on is not None


@require_GET
@project_page()
def trace_find(request: HttpRequest, project: Project, trace_id: UUID) -> HttpResponse:
    """Show where the text of `find` occurs in a trace: the panel for htmx, else a page that lists the hits.

    The rest of the address is that of the trace's page; `hits` names the run with which the list begins.
    """
    address = Address.parse(request.GET)
    start = next(uuids(request.GET.getlist("hits")[-1:]), None)
    if wants_partial(request):
        forest = queries.forest(project.pk, trace_id)
        if forest is None:
            raise Http404("trace not found")
        context = {"panel": panel(project, forest, address, start), "address": address, "trace_id": trace_id}
        return render_page(request, LIST, context | {"partial": True})
    trace = queries.trace(project.pk, trace_id)
    if trace is None:
        raise Http404("trace not found")
    context = {"trace": trace, "address": address, "trace_id": trace_id, "alone": True}
    context["panel"] = panel(project, trace.forest, address, start)
    return render_page(request, "traces/find.html", context)


def panel_at_once(project: Project, forest: Forest, address: Address) -> Panel | None:
    """Return the panel where the address asks for one and the trace is small enough to be searched by the way."""
    return panel(project, forest, address) if address.find and len(forest) <= AT_ONCE else None


def panel(project: Project, forest: Forest, address: Address, start: UUID | None = None) -> Panel:
    """Return the panel of the search that an address asks for."""
    since, chosen = forest.find(address.since), forest.find(address.run)
    begins = since.position + 1 if since else 0
    found = search(project.pk, forest, address.find, begins)
    goes_on = found.stop is not Stop.END and found.searched > begins
    return Panel(
        address=address,
        hits=hits(found.hits, chosen.position if chosen else None, start),
        found=found,
        begins=begins,
        on=forest.node(found.searched - 1).id if goes_on else None,
    )
