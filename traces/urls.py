"""Addresses of the trace and thread pages, below /p/<project>/. Ids may be in any form (rule 2), slashes included."""

from django.urls import path

from traces import (
    compare_views,
    export_views,
    find_views,
    findings_views,
    list_views,
    share_views,
    thread_export_views,
    thread_list_views,
    thread_views,
    transcript_views,
    views,
    walk_views,
)

urlpatterns = [
    path("traces", list_views.trace_list, name="trace_list"),
    path("traces/facets", list_views.trace_facets, name="trace_facets"),
    path("traces/shares", share_views.trace_shares, name="trace_shares"),
    path("traces/shares/<int:share_id>/revoke", share_views.share_revoke, name="share_revoke"),
    path("traces/<uuid:trace_id>/share", share_views.trace_share, name="trace_share"),
    path("traces/<uuid:trace_id>/export.json", export_views.trace_export, name="trace_export"),
    path("traces/<uuid:trace_id>/otlp.json", export_views.trace_otlp, name="trace_otlp"),
    path("traces/<uuid:trace_id>/findings", findings_views.trace_findings, name="trace_findings"),
    path("traces/<uuid:trace_id>/transcript", transcript_views.trace_transcript, name="trace_transcript"),
    path("traces/<uuid:trace_id>/find", find_views.trace_find, name="trace_find"),
    path("traces/<uuid:trace_id>/neighbours", walk_views.trace_neighbours, name="trace_neighbours"),
    path("traces/<uuid:trace_id>/neighbour/<str:side>", walk_views.trace_neighbour, name="trace_neighbour"),
    path("traces/compare", compare_views.trace_compare, name="trace_compare"),
    path("traces/<uuid:trace_id>/compare-with", compare_views.trace_compare_with, name="trace_compare_with"),
    path("traces/<uuid:trace_id>/alive", views.trace_alive, name="trace_alive"),
    path("traces/<id:trace_id>", views.trace_page, name="trace_page"),
    path("threads", thread_list_views.thread_list_page, name="thread_list"),
    path("threads/export", thread_export_views.threads_export, name="thread_exports"),
    path("threads/export.jsonl", thread_export_views.threads_jsonl, name="thread_exports_file"),
    path("threads/<uuid:thread_id>/export.md", thread_export_views.thread_markdown, name="thread_markdown"),
    path("threads/<uuid:thread_id>/export.json", thread_export_views.thread_json, name="thread_json"),
    path("threads/<uuid:thread_id>/export.jsonl", thread_export_views.thread_jsonl, name="thread_jsonl"),
    path("threads/facets", thread_list_views.thread_facets, name="thread_facets"),
    path(
        "threads/<uuid:thread_id>/messages/<uuid:message_id>/feedback",
        thread_views.thread_feedback,
        name="thread_feedback",
    ),
    path("threads/<id:thread_id>", thread_views.thread_page, name="thread_page"),
]
