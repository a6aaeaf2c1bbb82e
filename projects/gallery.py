"""Sample content for the gallery of components at /gallery."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from lunary_dash.paging import Page
from lunary_dash.templatetags.components import TYPES
from projects.forms import NewKeyForm, NewProjectForm


@dataclass(frozen=True)
class SampleRun:
    """A made-up row of a list."""

    type: str
    name: str
    model: str
    status: str
    user: str
    duration_ms: int
    tokens: int | None
    cost: Decimal | None


def samples() -> dict[str, Any]:
    """Return what the gallery's template shows."""
    rows = [
        SampleRun("llm", "route-request", "gpt-4.1", "started", "Pavel Horák", 2_100, 7_268, None),
        SampleRun(
            "llm", "draft-reply", "claude-sonnet-4-5", "success", "Jonas Eklund", 8_500, 2_794, Decimal("0.0247")
        ),
        SampleRun("tool", "issue_refund", "", "success", "Inès Moreau", 1_800, None, Decimal(0)),
        SampleRun("llm", "classify-claim", "gpt-4.1-mini", "error", "Inès Moreau", 1_300, 6_995, Decimal("0.00004")),
        SampleRun("agent", "claims-agent", "", "success", "Inès Moreau", 252_400, 43_624, Decimal("1799.11")),
    ]
    bad = NewProjectForm({"name": ""})
    bad.is_valid()
    return {
        "rows": rows,
        "page": Page(rows=rows, older="b2xkZXI", newer=None),
        "types": list(TYPES),
        "bad_form": bad,
        "key_form": NewKeyForm(),
        "now": timezone.now(),
        "earlier": timezone.now() - timedelta(minutes=5),
        "code": '{\n  "role": "user",\n  "content": "Can I get the fare back, and the train?"\n}',
    }
