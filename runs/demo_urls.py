"""Addresses of the demo, below /p/<project>/."""

from django.urls import path

from runs import demo_views

urlpatterns = [
    path("demo", demo_views.demo_progress, name="demo_progress"),
    path("demo/load", demo_views.demo_load, name="demo_load"),
    path("demo/remove", demo_views.demo_remove, name="demo_remove"),
]
