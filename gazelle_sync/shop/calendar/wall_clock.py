"""What a person reads off a clock in Montreal, as an instant.

One hour a year does not exist there, and one happens twice. Neither is guessed: the first is refused with the two
nearest times that exist, the second is asked about.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.montreal import FIRST, LAST, MONTREAL, clock_changes, wall_clock

WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(\.0+)?(Z|[+-]\d{2}:?\d{2})?")


class NoSuchTime(CommandRefused):
    """A time that is none, or that Montreal's clock did not show on that day."""


class TimeIsTwice(CommandRefused):
    """A time that Montreal's clock shows twice on that day.

    Attributes:
        choices: The two instants, aware UTC, in order: those of `fold` 0 and 1.
    """

    def __init__(self, message: str, choices: tuple[datetime, datetime]) -> None:
        super().__init__(message)
        self.choices = choices


def instant_of(text: str, fold: int | None = None) -> datetime:
    """The instant, aware UTC, of a time by Montreal's clock such as `2027-03-14 09:00`.

    Args:
        text: A day and a time; with an offset (`…T13:00Z`) it is an instant already.
        fold: Which of the two is meant where the time happens twice: 0 the first, 1 the second.

    Raises:
        NoSuchTime: It cannot be read, lies outside the calendar (1900 to 2199), or does not exist on that day.
        TimeIsTwice: It happens twice, and `fold` does not say which is meant.
    """
    wall = _read(text)
    if not FIRST.year <= wall.year < LAST.year:  # before any arithmetic, which has no days outside the years 1 to 9999
        raise _outside(text)
    if wall.tzinfo is not None:
        return _checked(wall.astimezone(UTC), text)
    first, second = (wall.replace(tzinfo=MONTREAL, fold=which) for which in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return _checked(first.astimezone(UTC), text)
    instants = (first.astimezone(UTC), second.astimezone(UTC))
    if wall_clock(instants[0]) != wall:
        # In the gap, the offset before it (fold 0) leads past it, and the offset after it (fold 1) to before it.
        change = next(one for one in clock_changes(wall.year) if instants[1] < one <= instants[0])
        raise NoSuchTime(
            gettext(
                "{time} does not exist in Montreal on that day: clocks go from {before} to {after}. The nearest times "
                "that exist are {last} and {after}.",
                time=text,
                before=f"{wall_clock(change - timedelta(seconds=1)) + timedelta(seconds=1):%H:%M}",
                after=f"{wall_clock(change):%Y-%m-%d %H:%M}",
                last=f"{wall_clock(change - timedelta(minutes=1)):%Y-%m-%d %H:%M}",
            )
        )
    if fold is None:
        raise TimeIsTwice(
            gettext(
                "{time} happens twice in Montreal on that day. Say which is meant: `--fold 0` is the first "
                "({first} UTC), `--fold 1` the second, an hour later ({second} UTC).",
                time=text,
                first=f"{instants[0]:%H:%M}",
                second=f"{instants[1]:%H:%M}",
            ),
            instants,
        )
    return instants[fold]


def wall_time(instant: datetime) -> datetime:
    """What Montreal's clock shows at an instant; aware, so that the second of two equal times is another."""
    return instant.astimezone(MONTREAL)


def _read(text: str) -> datetime:
    try:
        if WRITTEN.fullmatch(text.strip()):
            return datetime.fromisoformat(text.strip())
    except ValueError:
        pass
    raise NoSuchTime(gettext("{time} is no day and time: it should look like 2027-03-14 09:00.", time=repr(text)))


def _checked(instant: datetime, text: str) -> datetime:
    if FIRST <= instant < LAST:
        return instant
    raise _outside(text)


def _outside(text: str) -> NoSuchTime:
    return NoSuchTime(gettext("{time} lies outside the calendar, which goes from 1900 to 2199.", time=text))
