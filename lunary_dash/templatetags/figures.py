"""Figures as people read them: units kept, thin space between thousands, unknown told apart from not applicable."""

import datetime as dt
from decimal import Decimal, InvalidOperation

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

THIN = "\u202f"  # narrow no-break space: between thousands
NBSP = "\u00a0"  # between a number and its unit
NONE = "—"

Number = int | float | Decimal


@register.filter
def count(value: object) -> str:
    """Return a whole number with thin spaces between thousands: 48 213; — for None."""
    number = _number(value)
    return NONE if number is None else _grouped(f"{number:.0f}")


@register.filter
def tokens(value: object) -> str:
    """Return a token count like `count`; — where there is none."""
    return count(value)


@register.filter
def compact(value: object) -> str:
    """Return a number to four digits with its magnitude: 9 804, 12.4 k, 182.4 M, 1.2 bn."""
    number = _number(value)
    if number is None:
        return NONE
    for limit, divisor, unit in ((999_950_000, 10**9, "bn"), (999_950, 10**6, "M"), (10**4, 1000, "k")):
        if abs(number) >= limit:
            return f"{_trimmed(number / divisor)}{NBSP}{unit}"
    return _grouped(f"{number:.0f}")


@register.filter
def duration(milliseconds: object) -> str:
    """Return milliseconds as 800 ms, 9.1 s, 4 m 12 s, 2 h 24 m or 3 d 4 h; — for None."""
    number = _number(milliseconds)
    if number is None:
        return NONE
    sign = "-" if number < 0 else ""
    ms = round(abs(number))
    if ms < 1000:
        return f"{sign}{ms}{NBSP}ms"
    if ms < 59_950:
        return f"{sign}{ms / 1000:.1f}{NBSP}s"
    seconds = round(ms / 1000)
    for size, unit, smaller_size, smaller in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            return f"{sign}{_grouped(str(whole))}{NBSP}{unit} {rest // smaller_size}{NBSP}{smaller}"
    raise AssertionError("a minute or more is in the table above")


@register.filter
def money(dollars: object) -> str:
    """Return US dollars: $1 799.11, $0.0195, <$0.0001; `unknown` for None, which is never 0 (rule 12)."""
    number = _number(dollars)
    if number is None:
        return "unknown"
    sign, size = ("-" if number < 0 else ""), abs(number)
    if size == 0:
        return "$0"
    if size <= Decimal("0.00005"):
        return f"{sign}<$0.0001"
    return f"{sign}${_grouped(f'{size:.4f}' if size < 1 else f'{size:.2f}')}"


@register.filter
def money_exact(dollars: object) -> str:
    """Return US dollars with at least six decimals and up to the ten that are stored: $0.001973."""
    number = _number(dollars)
    if number is None:
        return "unknown"
    sign = "-" if number < 0 else ""
    whole, _, decimals = f"{abs(number):.10f}".partition(".")
    return f"{sign}${_grouped(whole)}.{decimals.rstrip('0').ljust(6, '0')}"


@register.filter
def percent(share: object) -> str:
    """Return a share of one as a percentage with one decimal: 0.018 → 1.8 %; — for None."""
    number = _number(share)
    return NONE if number is None else f"{number * 100:.1f}{NBSP}%"


@register.filter
def clock(moment: dt.datetime | None) -> str | SafeString:
    """Return a `<time>` as short as today allows: 14:31:58, 20 Nov 14:31:58, 20 Nov 2025 14:31."""
    if moment is None:
        return NONE
    local, today = timezone.localtime(moment), timezone.localtime()
    if local.date() == today.date():
        return _time(local, f"{local:%H:%M:%S}")
    if local.year == today.year:
        return _time(local, f"{local.day} {local:%b %H:%M:%S}")
    return _time(local, f"{local.day} {local:%b %Y %H:%M}")


@register.filter
def moment(value: dt.datetime | None) -> str | SafeString:
    """Return a `<time>` to the millisecond, for detail panes: 20 Nov 2026, 14:31:20.418."""
    if value is None:
        return NONE
    local = timezone.localtime(value)
    return _time(local, f"{local.day} {local:%b %Y, %H:%M:%S}.{local.microsecond // 1000:03d}")


@register.filter
def day(value: dt.datetime | dt.date | None) -> str:
    """Return a date as people write it: 20 Nov 2026."""
    if value is None:
        return NONE
    local = timezone.localtime(value) if isinstance(value, dt.datetime) else value
    return f"{local.day} {local:%b %Y}"


@register.filter
def ago(value: dt.datetime | None) -> str | SafeString:
    """Return a `<time>` as its age: just now, 8 s ago, 5 min ago, 3 h ago, 4 d ago, then the date."""
    if value is None:
        return NONE
    local = timezone.localtime(value)
    seconds = int((timezone.now() - value).total_seconds())
    if seconds < 2:
        return _time(local, "just now")
    for limit, size, unit in ((60, 1, "s"), (3_600, 60, "min"), (86_400, 3_600, "h"), (30 * 86_400, 86_400, "d")):
        if seconds < limit:
            return _time(local, f"{seconds // size}{NBSP}{unit} ago")
    return _time(local, day(value))


def _time(local: dt.datetime, text: str) -> SafeString:
    full = f"{local.day} {local:%b %Y, %H:%M:%S}.{local.microsecond // 1000:03d} {local:%Z}"
    return format_html('<time datetime="{}" title="{}">{}</time>', local.isoformat(), full, text)


def _number(value: object) -> Decimal | None:
    """Return the value as a Decimal, None for None, blank and anything that is no number."""
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _grouped(digits: str) -> str:
    whole, dot, decimals = digits.partition(".")
    return f"{int(whole):,}".replace(",", THIN) + dot + decimals


def _trimmed(number: Decimal) -> str:
    return _grouped(f"{number:.1f}").removesuffix(".0")
