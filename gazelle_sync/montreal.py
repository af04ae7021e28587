"""Converts instants to days in Montreal and back, and limits instants to the calendar, 1900 to 2199.

People sometimes mistype a year, such as 0001 or 9999. A reconciler refuses an instant outside the calendar. All other
code that reads instants, from the API or the database, replaces such a one by the nearest end of the calendar, so that
date arithmetic cannot overflow.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from gazelle_sync.i18n.translator import Translator

MONTREAL = ZoneInfo("America/Toronto")
"""The shop's wall clock. PostgreSQL and the tz database know Montreal by this name."""

FIRST = datetime(1900, 1, 1, tzinfo=UTC)
LAST = datetime(2200, 1, 1, tzinfo=UTC)
"""The calendar: from `FIRST`, included, to `LAST`, excluded."""
HOUR, WEEK = timedelta(hours=1), timedelta(weeks=1)


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


def spoken_day(say: Translator, day: date) -> str:
    """A day as people say it: `Tuesday, December 1`, `mardi 1er décembre`; with the year where it is not this one."""
    return say.date(day, year=day.year != montreal_day(datetime.now(UTC)).year)


def spoken_instant(say: Translator, instant: datetime, *, year: bool = True) -> str:
    """Day and time by Montreal's clock: `Tuesday, December 1, 7:00`, `mardi 1er décembre, 7 h`.

    Args:
        say: In whose language.
        instant: Aware.
        year: Whether the year is said where it is not this one.
    """
    at = wall_clock(within_calendar(instant))
    day = spoken_day(say, at.date()) if year else say.date(at.date(), year=False)
    return f"{day}, {say.time(at.time())}"


def spoken_lately(say: Translator, instant: datetime) -> str:
    """Of an instant of today the time alone: `13:30`, `13 h 30`; else as `spoken_instant`."""
    at = wall_clock(within_calendar(instant))
    is_today = at.date() == montreal_day(datetime.now(UTC))
    return say.time(at.time()) if is_today else spoken_instant(say, instant)


def montreal_offset(instant: datetime) -> timedelta:
    """How far Montreal's clock is from UTC at an instant: 4 hours less in summer, 5 in winter."""
    return instant.astimezone(MONTREAL).utcoffset() or timedelta()


@cache
def clock_changes(year: int) -> tuple[datetime, ...]:
    """The instants of a year at which Montreal's clock changes, in UTC, to the hour; never twice in a week."""
    weeks = [datetime(year, 1, 1, tzinfo=UTC) + n * WEEK for n in range(54)]
    changes = [_change_after(begin) for begin, end in pairwise(weeks) if montreal_offset(begin) != montreal_offset(end)]
    return tuple(change for change in changes if change.year == year)


def _change_after(begin: datetime) -> datetime:
    """The hour of the week after an instant from which on the clock is another."""
    before = montreal_offset(begin)
    hours = range(WEEK // HOUR)
    return begin + bisect_left(hours, True, key=lambda n: montreal_offset(begin + n * HOUR) != before) * HOUR


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
