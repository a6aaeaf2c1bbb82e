"""Addresses of users, teams and organizations, below /p/<project>/."""

from django.urls import path

from users import views

urlpatterns = [
    path("users", views.user_list, name="user_list"),
    path("teams", views.team_list, name="team_list"),
    path("organizations", views.organization_list, name="organization_list"),
    path("users/<id:user_id>", views.user_page, name="user_page"),
]
