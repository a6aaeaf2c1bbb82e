"""The door of the data API: private keys for scripts, the session for people who are logged in."""

import uuid
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase

from lunary_dash.errors import api_error
from projects import keys
from projects.access import Right, project_for
from projects.models import Project

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

Rest = ParamSpec("Rest")
ApiView = Callable[Concatenate[HttpRequest, Project, Rest], HttpResponseBase]


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The request proves no right to the project; the message is what Lunary's server says (protocol §2.1)."""


def data_api(public_ok: bool = False) -> Callable[[ApiView[Rest]], Callable[..., HttpResponseBase]]:  # noqa: FBT001
    """Hand the view the project its key belongs to, and turn refusals into the API's one error shape.

    Keys come as Bearer or X-API-Key; `public_ok` lets public keys in. A logged-in browser may name a project with
    `?projectId=`, from this site's own pages only.
    """

    def decorate(view: ApiView[Rest]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def with_project(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                return view(request, _project(request, public_ok=public_ok), *args, **kwargs)
            except Refused as refusal:
                return api_error(HTTPStatus.UNAUTHORIZED, str(refusal))
            except PermissionDenied:
                return api_error(HTTPStatus.FORBIDDEN, "You don't have access to this resource")
            except Http404 as missing:
                return api_error(HTTPStatus.NOT_FOUND, str(missing) or "Not Found")

        setattr(with_project, "csrf_exempt", True)  # noqa: B010 - sessions are checked for same origin below
        setattr(with_project, "login_required", False)  # noqa: B010
        return with_project

    return decorate


def _project(request: HttpRequest, *, public_ok: bool) -> Project:
    text = keys.from_request(request)
    if text is None:
        return _project_of_session(request)
    holder = keys.find(text)
    if holder is None:
        raise Refused("Invalid API key" if _is_uuid(text) else "Invalid access token")
    if holder.kind != "private" and not public_ok:
        raise Refused("This route requires a private API key")
    project = Project.objects.select_related("workspace").filter(pk=holder.project_id).first()
    if project is None:  # deleted while this process still remembers its key
        raise Refused("Invalid API key")
    return project


def _project_of_session(request: HttpRequest) -> Project:
    named = request.GET.get("projectId", "")
    if not request.user.is_authenticated or not _is_uuid(named) or not _from_own_page(request):
        raise Refused("Invalid access token")
    right = Right.READ if request.method in SAFE_METHODS else Right.WRITE
    return project_for(request, uuid.UUID(named), right)


def _from_own_page(request: HttpRequest) -> bool:
    """Tell whether a browser says the request comes from this site.

    The data paths answer any origin with credentials (browser SDKs need it), so a session must not be usable from
    another site. Writes need the browser's word; reads are refused only when it names another site.
    """
    origin = request.headers.get("Origin")
    own = f"{request.scheme}://{request.get_host()}"
    if origin is not None and origin != own:
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site not in {None, "same-origin", "none"}:
        return False
    return request.method in SAFE_METHODS or origin == own


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
