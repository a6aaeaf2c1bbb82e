"""Every address of the site. Pages of a project live below /p/<project>/, the data API below /v1/."""

from django.urls import include, path, re_path, register_converter

from ingest import onboarding
from lunary_dash.addresses import IdConverter

register_converter(IdConverter, "id")

DATA = r"^(?:.*?/)??v1/"
"""SDKs append /v1/… to their base address, which may bring a path or end in a slash of its own."""

urlpatterns = [
    path("", include("ingest.urls")),
    path("", include("projects.urls")),
    path("", include("traces.shared_urls")),
    path("p/<uuid:project_id>/", onboarding.project_home, name="project_home"),
    path("p/<uuid:project_id>/connect", onboarding.project_connect, name="project_connect"),
    path("p/<uuid:project_id>/", include("runs.urls")),
    path("p/<uuid:project_id>/", include("traces.urls")),
    path("p/<uuid:project_id>/", include("users.urls")),
    re_path(DATA, include("runs.api_urls")),
    re_path(DATA, include("traces.api_urls")),
    re_path(DATA, include("users.api_urls")),
    re_path(DATA, include("ingest.api_urls")),
]

handler400 = "lunary_dash.errors.bad_request"
handler403 = "lunary_dash.errors.forbidden"
handler404 = "lunary_dash.errors.not_found"
handler500 = "lunary_dash.errors.server_error"
