"""The time ranges of figures: full hours, so that hourly sums answer them exactly, and the same hours as run lists.

A period's runs are those of a run list with the same `range`: from `since` on, with no end (clients' clocks may be
ahead). It is compared with the equally long one before it. Days are those of the reader's time zone where that is whole
hours from UTC, as hourly sums can't be cut finer; elsewhere they are UTC days.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from django.utils import timezone

from runs import spans

DEFAULT = spans.DEFAULT
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# How long, and how wide a point of its sparkline is.
LENGTHS: dict[str, tuple[timedelta, timedelta]] = {
    "24h": (DAY, HOUR),
    "7d": (7 * DAY, 6 * HOUR),
    "30d": (30 * DAY, DAY),
    "90d": (90 * DAY, 3 * DAY),
}


@dataclass(frozen=True)
class Step:
    """One bar of a chart: an hour or a day in the reader's zone, cut to the period; `until` None is open."""

    at: datetime
    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class Period:
    """A preset range that ends now."""

    preset: str
    since: datetime
    now: datetime
    zone: tzinfo

    @classmethod
    def named(cls, preset: str | None, now: datetime | None = None) -> "Period":
        """Return the period of that name, the default one where there is no such name."""
        name = preset if preset in LENGTHS else DEFAULT
        now = now or timezone.now()
        since = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - LENGTHS[name][0]
        return cls(name, since, now, _zone(since, now))

    @property
    def length(self) -> timedelta:
        """Return how long it is, and the one before it."""
        return LENGTHS[self.preset][0]

    @property
    def before(self) -> datetime:
        """Return the beginning of the period before."""
        return self.since - self.length

    @property
    def point(self) -> timedelta:
        """Return how wide a point of a sparkline is."""
        return LENGTHS[self.preset][1]

    @property
    def points(self) -> int:
        """Return how many full points a sparkline has; the one that is under way would only look like a fall."""
        return self.length // self.point

    @property
    def said_length(self) -> str:
        """Return the length in words: 7 days."""
        return spans.named(self.preset).removeprefix("Last ")

    @property
    def unit(self) -> str:
        """Return what a bar of a chart is: hour or day."""
        return "hour" if self.preset == "24h" else "day"

    @property
    def zone_name(self) -> str:
        """Return the zone's name for PostgreSQL and for people."""
        return getattr(self.zone, "key", "UTC")

    def __str__(self) -> str:
        """Return the range in words."""
        return spans.named(self.preset)

    def steps(self) -> Iterator[Step]:
        """Yield the bars of a chart in order, the first cut where the period begins, the last under way."""
        at = self._floor(self.since)
        while at <= self.now:
            following = self._after(at)
            last = following > self.now
            yield Step(at, max(at, self.since.astimezone(self.zone)), None if last else following)
            at = following

    def _floor(self, moment: datetime) -> datetime:
        local = moment.astimezone(self.zone).replace(minute=0, second=0, microsecond=0)
        return local if self.unit == "hour" else local.replace(hour=0)

    def _after(self, at: datetime) -> datetime:
        if self.unit == "hour":
            return (at.astimezone(UTC) + HOUR).astimezone(self.zone)
        return (at.replace(tzinfo=None) + DAY).replace(tzinfo=self.zone)  # the next midnight, on days of 23 hours too


def _zone(since: datetime, now: datetime) -> tzinfo:
    zone = timezone.get_current_timezone()
    whole = all((zone.utcoffset(at) or timedelta()) % HOUR == timedelta() for at in (since, now))
    return zone if whole and isinstance(zone, ZoneInfo) else UTC
