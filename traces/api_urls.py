"""Addresses of the data API about threads, below /v1/."""

from django.urls import path

from runs.api_http import route
from traces import api

urlpatterns = [
    path("threads", route(GET=api.list_threads)),
    path("threads/<id:thread_id>", route(GET=api.read_thread)),
]
