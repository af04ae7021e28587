"""Converts instants to days in Montreal and back, and limits instants to the calendar, 1900 to 2199.

People sometimes mistype a year, such as 0001 or 9999. A reconciler refuses an instant outside the calendar. All other
code that reads instants, from the API or the database, replaces such a one by the nearest end of the calendar, so that
date arithmetic cannot overflow.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

MONTREAL = ZoneInfo("America/Toronto")
"""The shop's wall clock. PostgreSQL and the tz database know Montreal by this name."""

FIRST = datetime(1900, 1, 1, tzinfo=UTC)
LAST = datetime(2200, 1, 1, tzinfo=UTC)
"""The calendar: from `FIRST`, included, to `LAST`, excluded."""


def within_calendar(instant: datetime) -> datetime:
    """An aware instant in UTC, or the nearest end of the calendar if it is outside."""
    if instant.tzinfo is UTC and FIRST.year <= instant.year < LAST.year:
        return instant  # nearly all are
    return min(max(instant, FIRST), LAST).astimezone(UTC)


def montreal_day(instant: datetime) -> date:
    """The date in Montreal of an instant within the calendar."""
    return instant.astimezone(MONTREAL).date()


def wall_clock(instant: datetime) -> datetime:
    """What Montreal's clock shows at an instant, without a zone."""
    return instant.astimezone(MONTREAL).replace(tzinfo=None, fold=0)


def montreal_offset(instant: datetime) -> timedelta:
    """How far Montreal's clock is from UTC at an instant: 4 hours less in summer, 5 in winter."""
    return instant.astimezone(MONTREAL).utcoffset() or timedelta()


@cache
def clock_changes(year: int) -> tuple[datetime, ...]:
    """The instants of a year at which Montreal's clock changes, in UTC, to the hour."""
    hour = timedelta(hours=1)
    days = [datetime(year, 1, 1, tzinfo=UTC) + n * 24 * hour for n in range(366)]
    return tuple(
        next(after for n in range(1, 25) if montreal_offset(after := day + n * hour) != montreal_offset(day))
        for day, following in pairwise(days)
        if montreal_offset(day) != montreal_offset(following)
    )


def midnight(day: date) -> datetime:
    """The instant at which a Montreal day begins, in UTC (a day has 23, 24 or 25 hours)."""
    return within_calendar(datetime(day.year, day.month, day.day, tzinfo=MONTREAL))


def day_window(day: date) -> tuple[datetime, datetime]:
    """The instants at which a Montreal day begins (included) and ends (excluded), in UTC."""
    return midnight(day), midnight(min(day, LAST.date()) + timedelta(days=1))


def parse_instant(value: object) -> datetime | None:
    """An ISO-8601 text as an aware UTC instant within the calendar; None if it is not one, or has no time zone."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return within_calendar(instant) if instant.tzinfo is not None else None
