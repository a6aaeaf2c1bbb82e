"""Addresses of the data API about end users, below /v1/."""

from django.urls import path

from runs.api_http import route
from users import api

urlpatterns = [
    path("external-users", route(GET=api.list_users)),
    path("external-users/<id:user_id>", route(GET=api.read_user)),
]
