"""Addresses of the overview, below /p/<project>/."""

from django.urls import path

from runs import overview_views

urlpatterns = [
    path("overview", overview_views.overview, name="overview"),
    path("overview/<slug:chart>.csv", overview_views.overview_csv, name="overview_csv"),
]
