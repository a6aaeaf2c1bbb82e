"""Addresses of the write side: where clients send, and the page that shows what could not be stored."""

from django.urls import re_path

from ingest import views

urlpatterns = [
    re_path(r"^(?:.*/)?v1/runs/ingest/?$", views.runs_ingest, name="runs_ingest"),
    re_path(r"^(?:.*/)?api/report/?$", views.legacy_report, name="legacy_report"),
]
