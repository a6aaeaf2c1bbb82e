"""Addresses of the data API about traces and threads, below /v1/."""

from django.urls import path

from runs.api_http import route
from traces import api, export_views

urlpatterns = [
    path("traces/<id:trace_id>/otlp", route(GET=export_views.read_trace_otlp)),
    path("traces/<id:trace_id>", route(GET=export_views.read_trace)),
    path("threads", route(GET=api.list_threads)),
    path("threads/<id:thread_id>", route(GET=api.read_thread)),
]
