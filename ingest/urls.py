"""Addresses of the write side: where clients send, a project's first steps, and what could not be stored."""

from django.urls import path, re_path

from ingest import health_views, onboarding, views

urlpatterns = [
    re_path(r"^(?:.*/)?v1/runs/ingest/?$", views.runs_ingest, name="runs_ingest"),
    re_path(r"^(?:.*/)?api/report/?$", views.legacy_report, name="legacy_report"),
    path("p/<uuid:project_id>/", onboarding.project_home, name="project_home"),
    path("p/<uuid:project_id>/connect", onboarding.project_connect, name="project_connect"),
    path("p/<uuid:project_id>/ingest", health_views.ingest_health, name="ingest_health"),
    path("p/<uuid:project_id>/ingest/replay", health_views.replay_reason, name="rejection_replay_reason"),
    path("p/<uuid:project_id>/ingest/<uuid:rejection_id>", health_views.rejection_page, name="rejection_page"),
    path("p/<uuid:project_id>/ingest/<uuid:rejection_id>/replay", health_views.replay_one, name="rejection_replay"),
]
