"""Every address of the site. Pages of a project live below /p/<project>/, the data API below /v1/."""

from django.urls import include, path

from ingest import onboarding

urlpatterns = [
    path("", include("ingest.urls")),
    path("", include("projects.urls")),
    path("p/<uuid:project_id>/", onboarding.project_home, name="project_home"),
    path("p/<uuid:project_id>/connect", onboarding.project_connect, name="project_connect"),
    path("p/<uuid:project_id>/", include("runs.urls")),
    path("p/<uuid:project_id>/", include("traces.urls")),
    path("p/<uuid:project_id>/", include("users.urls")),
    path("v1/", include("runs.api_urls")),
    path("v1/", include("traces.api_urls")),
    path("v1/", include("users.api_urls")),
    path("v1/", include("ingest.api_urls")),
]

handler400 = "lunary_dash.errors.bad_request"
handler403 = "lunary_dash.errors.forbidden"
handler404 = "lunary_dash.errors.not_found"
handler500 = "lunary_dash.errors.server_error"
