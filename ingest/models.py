"""What the write side keeps for people: refused events and how each key is doing."""

from django.db import models
from django.db.models import F


class Rejection(models.Model):
    """An event that could not be stored, held with its raw text until REJECTION_DAYS are over (rule 4)."""

    pk = models.CompositePrimaryKey("project_id", "id")
    project_id = models.IntegerField()
    id = models.UUIDField(
        help_text="deterministic: UUIDv5 of project, reason code and raw text, so a repeat is one row"
    )
    key_id = models.IntegerField(null=True)
    run_id = models.TextField(null=True, help_text="as sent")
    code = models.TextField(help_text="machine name of the reason, e.g. standalone-tool")
    reason = models.TextField(help_text="what a person reads, and what the client was answered")
    event = models.TextField(help_text="the event as received")
    received_at = models.DateTimeField()
    times = models.IntegerField(default=1)
    replayed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # Ingest health page, newest first
            models.Index(F("project_id"), F("received_at").desc(), F("id"), name="rejection_newest"),
            # "Where is my event?", and holding what follows about a refused tool run
            models.Index(
                F("project_id"), F("run_id"), name="rejection_by_run", condition=models.Q(run_id__isnull=False)
            ),
        ]


class KeyPulse(models.Model):
    """Per key and minute: events accepted and refused, and the client's clock against ours; flushed once a second."""

    pk = models.CompositePrimaryKey("project_id", "key_id", "minute")
    project_id = models.IntegerField()
    key_id = models.IntegerField(help_text="0: no key of ours (legacy reports)")
    minute = models.DateTimeField()
    accepted = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0)
    last_event_at = models.DateTimeField()
    skew_ms = models.BigIntegerField(null=True, help_text="our clock minus the newest event's timestamp, last request")
