"""Addresses of the app; filled in by its pages."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
