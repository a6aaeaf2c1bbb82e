"""Addresses of the trace and thread pages, below /p/<project>/. Ids may be in any form (rule 2), slashes included."""

from django.urls import path

from traces import thread_views, views

urlpatterns = [
    path("traces", views.trace_list, name="trace_list"),
    path("traces/<id:trace_id>", views.trace_page, name="trace_page"),
    path("threads", thread_views.thread_list, name="thread_list"),
    path(
        "threads/<uuid:thread_id>/messages/<uuid:message_id>/feedback",
        thread_views.thread_feedback,
        name="thread_feedback",
    ),
    path("threads/<id:thread_id>", thread_views.thread_page, name="thread_page"),
]
