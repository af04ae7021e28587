"""Montreal's days, and the instants that a shop's calendar holds.

Somebody types 0001-01-01 or 9999-12-31 sooner or later. A reconciler refuses an instant outside 1900 to 2199, which is
a mistyped year. Whatever else reads instants (of the API or the database) reads such a one as the nearest end, so that
no arithmetic of days overflows and nothing stops for it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MONTREAL = ZoneInfo("America/Toronto")
"""The shop's wall clock. PostgreSQL and the tz database know Montreal by this name."""

FIRST = datetime(1900, 1, 1, tzinfo=UTC)
LAST = datetime(2200, 1, 1, tzinfo=UTC)
"""The ends of the calendar: a sound instant is not before the first, and before the last."""


def within_calendar(instant: datetime) -> datetime:
    """An instant (aware) in UTC, or the end of the calendar that it lies beyond."""
    return min(max(instant, FIRST), LAST).astimezone(UTC)


def montreal_day(instant: datetime) -> date:
    """The day that an instant of the calendar belongs to in Montreal."""
    return instant.astimezone(MONTREAL).date()


def midnight(day: date) -> datetime:
    """The instant at which a Montreal day begins, in UTC (a day has 23, 24 or 25 hours)."""
    return within_calendar(datetime(day.year, day.month, day.day, tzinfo=MONTREAL))


def day_window(day: date) -> tuple[datetime, datetime]:
    """The instants between which a Montreal day of the calendar lies, closed and open."""
    return midnight(day), midnight(min(day, LAST.date()) + timedelta(days=1))


def parse_instant(value: object) -> datetime | None:
    """An ISO-8601 instant as aware UTC within the calendar; None where there is none, or where it has no zone."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return within_calendar(instant) if instant.tzinfo is not None else None
