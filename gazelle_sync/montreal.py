"""The two clocks of a run: the order of reading, and Montreal's days.

Somebody types 0001-01-01 or 9999-12-31 sooner or later, so the arithmetic of days stops at the ends of the calendar
instead of overflowing: the first day takes in every instant before the second, and the last day has no end.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MONTREAL = ZoneInfo("America/Toronto")
"""The shop's wall clock. PostgreSQL and the tz database know Montreal by this name."""

_DAY = timedelta(days=1)


def montreal_day(instant: datetime) -> date:
    """The day that an instant belongs to in Montreal."""
    try:
        return instant.astimezone(MONTREAL).date()
    except OverflowError:  # the first hours of year 1, which Montreal spends in the year before
        return date.min


def montreal_time(instant: datetime) -> datetime:
    """An instant (aware) on Montreal's wall clock; the first hours of year 1 as they are."""
    try:
        return instant.astimezone(MONTREAL)
    except OverflowError:
        return instant


def midnight(day: date) -> datetime:
    """The instant at which a Montreal day begins, in UTC (a day has 23, 24 or 25 hours)."""
    if day == date.min:
        return datetime.min.replace(tzinfo=UTC)
    return datetime(day.year, day.month, day.day, tzinfo=MONTREAL).astimezone(UTC)


def day_after(day: date) -> date:
    """The next calendar day; after the last that there is comes the last."""
    return min(day, date.max - _DAY) + _DAY


def day_window(day: date) -> tuple[datetime, datetime | None]:
    """The instants between which a Montreal day lies, closed and open; the calendar's last day has no end."""
    return midnight(day), None if day == date.max else midnight(day_after(day))


def earlier(instant: datetime, span: timedelta) -> datetime:
    """An instant (aware UTC) so much earlier, or the first that there is: a watermark can be set by hand."""
    return max(instant, datetime.min.replace(tzinfo=UTC) + span) - span


def parse_instant(value: object) -> datetime | None:
    """An ISO-8601 instant as aware UTC; None where there is none, or where it has no zone."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
        return instant.astimezone(UTC) if instant.tzinfo is not None else None
    except (ValueError, OverflowError):  # the latter for the first and the last day that Python knows
        return None
