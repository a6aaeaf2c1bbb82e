"""Addresses of runs, below /p/<project>/. A run's page takes any form of its id; its parts take the stored one."""

from django.urls import include, path

from runs import views

urlpatterns = [
    path("", include("runs.overview_urls")),
    path("", include("runs.demo_urls")),
    path("runs", views.run_list, name="run_list"),
    path("runs/facets", views.run_facets, name="run_facets"),
    path("runs/figures", views.run_figures, name="run_figures"),
    path("runs/news", views.run_news, name="run_news"),
    path("runs/<uuid:run_id>/raw/<str:field>", views.run_raw, name="run_raw"),
    path("runs/<uuid:run_id>/media/<str:field>/<int:number>", views.run_media, name="run_media"),
    path("runs/<uuid:run_id>/feedback", views.run_feedback, name="run_feedback"),
    path("runs/<uuid:run_id>/tags", views.run_tags, name="run_tags"),
    path("runs/<uuid:run_id>/delete", views.run_delete, name="run_delete"),
    path("runs/<id:run_id>", views.run_page, name="run_page"),
]
