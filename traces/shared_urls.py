"""Addresses that anybody may open who has them."""

from django.urls import path

from traces import shared_views

urlpatterns = [
    path("shared/<str:token>", shared_views.shared_trace, name="shared_trace"),
]
