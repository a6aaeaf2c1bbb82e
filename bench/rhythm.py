"""When people are at work: instants over a span of days, by hour of the day and day of the week (UTC)."""

from datetime import datetime, timedelta
from itertools import accumulate
from random import Random

_OFFICE = (1, 1, 1, 1, 1, 2, 6, 18, 40, 52, 55, 48, 36, 46, 54, 52, 44, 30, 16, 9, 6, 4, 2, 1)
_SHOP = (6, 4, 3, 2, 3, 6, 12, 20, 26, 30, 32, 34, 36, 34, 32, 32, 34, 38, 44, 50, 52, 46, 30, 14)
_NIGHT = (0, 0, 90, 60, *[0] * 20)
_MORNING = (0, 0, 0, 0, 0, 0, 80, *[0] * 17)
_HOURS = {"office": _OFFICE, "shop": _SHOP, "night": _NIGHT, "monday": _MORNING}
_WEEKDAYS = {
    "office": (10, 11, 11, 10, 8, 2, 1),
    "shop": (8, 8, 8, 9, 10, 12, 13),
    "night": (1, 1, 1, 1, 1, 1, 1),
    "monday": (1, 0, 0, 0, 0, 0, 0),
}


class Calendar:
    """Draws instants of one rhythm in the `days` before `now`; traffic grows by a third over the span."""

    def __init__(self, rhythm: str, now: datetime, days: int) -> None:
        self._now = now
        self._hours = [now - timedelta(hours=back) for back in range(24 * days, 0, -1)]
        weights = (
            _HOURS[rhythm][hour.hour] * _WEEKDAYS[rhythm][hour.weekday()] * (1 + position / len(self._hours) / 3)
            for position, hour in enumerate(self._hours)
        )
        self._sums = list(accumulate(weights))

    def draw(self, rng: Random) -> datetime:
        """Return one instant; each hour ends at the same minute as `now`, so the last minutes are alive too."""
        hour = rng.choices(self._hours, cum_weights=self._sums)[0]
        return hour + timedelta(seconds=rng.uniform(0, 3_600))
