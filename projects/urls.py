"""Addresses of people, workspaces and projects."""

from django.urls import path

from projects import settings_views, sign_in, views, workspace_views

urlpatterns = [
    path("", views.home, name="home"),
    path("login", sign_in.sign_in, name="login"),
    path("logout", sign_in.sign_out, name="logout"),
    path("set-password/<str:account_code>/<str:token>", sign_in.set_password, name="set_password"),
    path("profile", views.profile, name="profile"),
    path("theme", views.set_theme, name="theme"),
    path("gallery", views.gallery, name="gallery"),
    path("w/<int:workspace_id>/", workspace_views.workspace, name="workspace"),
    path("w/<int:workspace_id>/projects/new", workspace_views.project_new, name="project_new"),
    path("w/<int:workspace_id>/members", workspace_views.invite, name="member_invite"),
    path("w/<int:workspace_id>/members/<int:membership_id>/role", workspace_views.change_role, name="member_role"),
    path("w/<int:workspace_id>/members/<int:membership_id>/remove", workspace_views.remove, name="member_remove"),
    path("w/<int:workspace_id>/members/<int:membership_id>/link", workspace_views.new_link, name="member_link"),
    path("p/<uuid:project_id>/settings", settings_views.project_settings, name="project_settings"),
    path("p/<uuid:project_id>/settings/tools", settings_views.accept_tools, name="project_accept_tools"),
    path("p/<uuid:project_id>/settings/delete", settings_views.delete, name="project_delete"),
    path("p/<uuid:project_id>/keys", settings_views.key_list, name="project_keys"),
    path("p/<uuid:project_id>/keys/<int:key_id>/revoke", settings_views.revoke_key, name="key_revoke"),
    path("p/<uuid:project_id>/keys/<int:key_id>/rotate", settings_views.rotate_key, name="key_rotate"),
]
