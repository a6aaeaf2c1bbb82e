"""What the address of a users, teams or organizations list asks for, and the addresses it leads to."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from projects.models import Project
from runs import spans
from users.queries import SORTS, Level, Within

RANGES = (("24h", "24 h"), ("7d", "7 d"), ("30d", "30 d"), ("90d", "90 d"), ("all", "All"))
DEFAULT_SORT = "cost"
LONGEST = 500  # characters of a search or an id
VIEWS = {Level.USER: "user_list", Level.TEAM: "team_list", Level.ORGANIZATION: "organization_list"}
# A level's ids in run lists, and the level that one of its rows opens.
FILTERS = {Level.USER: "user", Level.TEAM: "team", Level.ORGANIZATION: "organization"}
BELOW = {Level.ORGANIZATION: Level.TEAM, Level.TEAM: Level.USER}


@dataclass(frozen=True)
class Address:
    """A list as its address says it. `team` and `organization` narrow it to one of them ('' is unattributed)."""

    level: Level
    range: str
    search: str = ""
    sort: str = DEFAULT_SORT
    team: str | None = None
    organization: str | None = None

    @classmethod
    def read(cls, request: HttpRequest, level: Level) -> "Address":
        """Return what the request asks for; what can't be read is as if it weren't there."""
        query = request.GET
        sort, range_ = query.get("sort", DEFAULT_SORT), query.get("range", spans.DEFAULT)
        return cls(
            level,
            range=range_ if range_ in dict(RANGES) else spans.DEFAULT,
            search=_clean(query.get("q", "")).strip(),
            sort=sort if sort in SORTS and (sort != "seen" or level is Level.USER) else DEFAULT_SORT,
            team=_group(query.get("team")),
            organization=_group(query.get("organization")),
        )

    @property
    def since(self) -> datetime | None:
        """Return where the range begins; None: all time. The same moment as in run lists of the same range."""
        return spans.relative(self.range, timezone.now()).since

    @property
    def within(self) -> Within:
        """Return which facts the list is about."""
        return Within(self.since, self.team, self.organization)

    @property
    def said_range(self) -> str:
        """Return the range in words."""
        return spans.named(self.range)

    @property
    def narrowing(self) -> dict[str, str]:
        """Return the team and organization that narrow the list, as every link carries them on."""
        both = {"organization": self.organization, "team": self.team}
        return {name: value for name, value in both.items() if value is not None}

    def list_link(self, project: Project, level: Level, **changes: str | None) -> str:
        """Return the address of a list with the same range and narrowing."""
        query = {"range": self.range, **self.narrowing, **changes}
        kept = {name: value for name, value in query.items() if value is not None}
        return f"{reverse(VIEWS[level], args=[project.public_id])}?{urlencode(kept)}"

    def runs_link(self, project: Project, **filters: Any) -> str:
        """Return the address of the runs behind a figure of this list."""
        query = {"range": self.range, "type": "all", **self.narrowing, **filters}
        return f"{reverse('run_list', args=[project.public_id])}?{urlencode(query, doseq=True)}"

    def without(self, name: str) -> "Address":
        """Return the list without one narrowing: team or organization."""
        return replace(self, team=None) if name == "team" else replace(self, organization=None)


def _clean(text: str) -> str:
    """Return text that PostgreSQL takes."""
    return text[:LONGEST].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _group(text: str | None) -> str | None:
    return None if text is None else _clean(text)
