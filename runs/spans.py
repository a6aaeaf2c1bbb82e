"""Ranges of time in an address: `range=7d`, or `from` and `to`. Pure apart from the current time zone."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from django.utils import timezone

PRESETS: dict[str, str] = {
    "1h": "Last hour",
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "all": "All time",
}
DEFAULT = "7d"
_PRESET = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_WORDS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST = timedelta(days=3660)


@dataclass(frozen=True)
class Span:
    """A half-open range of client time; None is open. `preset` names a relative one, '' is a fixed one."""

    since: datetime | None = None
    until: datetime | None = None
    preset: str = ""

    def __str__(self) -> str:
        """Return the range in words."""
        if self.preset:
            return named(self.preset)
        since, until = (at and _clock(at) for at in (self.since, self.until))
        if since and until:
            return f"{since} – {until}"
        return f"Since {since}" if since else f"Until {until}"


def named(preset: str) -> str:
    """Return a preset's name."""
    if preset in PRESETS:
        return PRESETS[preset]
    return f"Last {preset[:-1]} {_WORDS[preset[-1]]}"


def relative(preset: str, now: datetime) -> Span:
    """Return the range up to now and beyond (clients' clocks may be ahead); ValueError for an unknown preset.

    It begins at a full minute, from a day on at a full hour, so that its figures can come from hourly sums.
    """
    if preset == "all":
        return Span(preset="all")
    match = _PRESET.fullmatch(preset)
    if not match or int(match[1]) == 0:
        raise ValueError("write it like 24h, 7d or all")
    length = int(match[1]) * _UNITS[match[2]]
    if length > LONGEST:
        raise ValueError("ten years is the longest range; “all” has no limit")
    since = (now - length).astimezone(UTC).replace(second=0, microsecond=0)
    return Span(since=since if length < timedelta(days=1) else since.replace(minute=0), preset=preset)


def moment(text: str, zone: tzinfo, *, end: bool = False) -> datetime:
    """Return a time in UTC: ISO 8601, a date, or epoch milliseconds; without an offset it is the reader's `zone`.

    A bare date as an `end` includes that day.
    """
    text = text.strip()
    try:
        if text.isdigit() and len(text) > 8:
            return _sane(datetime.fromtimestamp(int(text) / 1000, UTC))
        if len(text) == 10:
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            return _sane(datetime.combine(day, time(), zone))
        at = datetime.fromisoformat(text.replace(" ", "+") if " " in text[11:] else text)
        return _sane(at if at.tzinfo else at.replace(tzinfo=zone))
    except (ValueError, OverflowError, OSError):
        raise ValueError("write it like 2026-11-20 or 2026-11-20T14:30") from None


def _sane(at: datetime) -> datetime:
    if not 1970 <= at.year <= 9000:
        raise ValueError
    return at.astimezone(UTC)


def _clock(at: datetime) -> str:

    local = timezone.localtime(at)
    return f"{local.day} {local:%b}" if (local.hour, local.minute) == (0, 0) else f"{local.day} {local:%b %H:%M}"
