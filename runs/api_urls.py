"""Addresses of the data API about runs, below /v1/. Ids are taken as they come: clients' own may hold anything."""

from django.urls import path

from runs import api, api_templates
from runs.api_http import route

urlpatterns = [
    path("health", route(GET=api.health)),
    path("openapi", route(GET=api.describe)),
    path("runs", route(GET=api.list_runs)),
    path("runs/count", route(GET=api.count_runs)),
    path("runs/usage", route(GET=api.usage)),
    path("runs/<id:run_id>/related", route(GET=api.related_runs)),
    path("runs/<id:run_id>/feedback", route(GET=api.read_feedback, PATCH=api.give_feedback)),
    path("runs/<id:run_id>/tags", route(PATCH=api.set_tags)),
    path("runs/<id:run_id>/score", route(PATCH=api.set_score)),
    path("runs/<id:run_id>", route(GET=api.read_run, DELETE=api.delete_run)),
    path("template_versions/latest", route(GET=api_templates.latest_template)),
    path("template-versions/latest", route(GET=api_templates.latest_template)),
    path("templates/latest", route(GET=api_templates.latest_templates)),
    path("datasets/<id:slug>", route(GET=api_templates.dataset)),
]
