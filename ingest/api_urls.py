"""Addresses of the data API about refused events, below /v1/."""

from django.urls import path

from ingest import api
from runs.api_http import route

urlpatterns = [
    path("ingest/rejections", route(GET=api.list_rejections)),
]
