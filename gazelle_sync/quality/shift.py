"""Why instants are wrong: a pure diagnosis from pairs of an expected and a found value.

An earlier system moved a whole calendar by five hours, and a trigger that compensated moved it by ten more. Each kind
of mistake leaves its own pattern. So for each wrong row all possible explanations are listed; the one that most rows
share is reported, then the next for the rows that are left, and so on.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import MONTREAL, montreal_day
from gazelle_sync.warehouse.calendar_ends import is_calendar_end

LEAST_ALIKE = 2
"""So many rows that are wrong in the same way are a pattern; a single one may be somebody's edit."""
STANDARD = timedelta(hours=-5)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Cause(enum.Enum):
    """What went wrong, as a sentence."""

    UTC_READ_AS_LOCAL = Message("UTC read as local time")
    LOCAL_STORED_AS_UTC = Message("local time stored as UTC")
    CONVERTED_TWICE = Message("converted twice")
    SUMMER_IGNORED = Message("daylight saving ignored")
    WINTER_IGNORED = Message("daylight saving taken for the whole year")
    DATE_LOST = Message("the time was moved and the date was not")
    DATE_MOVED = Message("the date was moved and the time was not")
    CONSTANT = Message("a constant shift")
    SCATTERED = Message("without a pattern (edited by hand?)")
    MISSING = Message("no value")


CONVERSIONS = {
    -1: Cause.UTC_READ_AS_LOCAL,
    1: Cause.LOCAL_STORED_AS_UTC,
    -2: Cause.CONVERTED_TWICE,
    2: Cause.CONVERTED_TWICE,
}
"""How often UTC was converted to Montreal's time (negative: the other way round) → the cause."""
HOURS = {
    times * offset: cause for times, cause in CONVERSIONS.items() for offset in (-4 * HOUR, -5 * HOUR)
} | dict.fromkeys((-9 * HOUR, 9 * HOUR), Cause.CONVERTED_TWICE)
"""By how much all rows were moved → the cause. Montreal is 4 h behind UTC in summer, 5 h in winter."""


class Explanation(NamedTuple):
    """A possible explanation of one wrong row; rows with the same one form a pattern.

    Attributes:
        cause: What happened.
        shift: By how much, where that is the same for all rows.
        conversions: How often UTC was converted to Montreal's time, where the shift depends on the season.
    """

    cause: Cause
    shift: timedelta | None = None
    conversions: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """One row.

    Attributes:
        external_id: Of the record.
        instant: The true instant, aware UTC: it decides which season the row belongs to.
        expected: The right value; naive or aware, like `found`.
        found: The value that is there, or None.
    """

    external_id: str
    instant: datetime
    expected: datetime
    found: datetime | None

    @property
    def is_off(self) -> bool:
        """Whether the two differ."""
        return self.found != self.expected

    @property
    def is_beyond(self) -> bool:
        """Whether it was moved outside the calendar and is read as its end: then any shift is possible."""
        return self.found is not None and is_calendar_end(self.found) and abs(self.found - self.expected) < DAY

    def __str__(self) -> str:
        expected = f"{self.external_id}: {self.expected:%Y-%m-%d %H:%M}"
        if self.found is None:
            return f"{expected} → —"
        return f"{expected} → {self.found:%Y-%m-%d %H:%M} ({signed_hours(self.found - self.expected)})"


class Pattern(NamedTuple):
    """Rows that are wrong in the same way.

    Attributes:
        cause: What happened to them.
        shift: By how much, where it is the same for all.
        since: The Montreal day of the clock change before the first row, where only one season is wrong.
        pairs: The rows.
    """

    cause: Cause
    shift: timedelta | None
    since: date | None
    pairs: Sequence[Pair]


def diagnose(pairs: Sequence[Pair]) -> list[Pattern]:
    """Group wrong rows by what happened to them; empty where all are right.

    Args:
        pairs: All rows, the right ones too: whether only one season is off shows in those that are not.
    """
    left = [(pair, list(_explanations(pair, pair.found))) for pair in pairs if pair.is_off and pair.found is not None]
    is_all_off = all(pair.is_off for pair in pairs)
    patterns: list[Pattern] = []
    while left:
        # Of two that explain as many rows the first is taken: each row lists the most specific one first.
        ((best, _),) = Counter(explanation for _, named in left for explanation in named).most_common(1)
        explained = [pair for pair, named in left if best in named or pair.is_beyond]
        if len(explained) < LEAST_ALIKE and len(left) > 1:
            best, explained = Explanation(Cause.SCATTERED), [pair for pair, _ in left]
        since = None if is_all_off else _since(best.cause, explained)
        patterns.append(Pattern(best.cause, best.shift, since, explained))
        covered = set(explained)
        left = [(pair, named) for pair, named in left if pair not in covered]
    if missing := [pair for pair in pairs if pair.found is None]:
        patterns.append(Pattern(Cause.MISSING, None, None, missing))
    return patterns


def rows_off(patterns: Sequence[Pattern]) -> int:
    """How many rows are off."""
    return sum(len(pattern.pairs) for pattern in patterns)


def montreal_offset(instant: datetime) -> timedelta:
    """How far Montreal's clock is from UTC at an instant: never ahead of it."""
    return instant.astimezone(MONTREAL).utcoffset() or timedelta()


@cache
def clock_changes(year: int) -> tuple[datetime, ...]:
    """The instants of a year at which Montreal's clock changes, aware UTC."""
    days = [datetime(year, 1, 1, tzinfo=UTC) + n * DAY for n in range(365)]
    return tuple(
        next(hour for n in range(1, 25) if montreal_offset(hour := day + n * HOUR) != montreal_offset(day))
        for day, following in pairwise(days)
        if montreal_offset(day) != montreal_offset(following)
    )


def signed_hours(shift: timedelta) -> str:
    """A shift as a person writes it: `+5 h`, `+4 h 30`."""
    minutes = round(abs(shift).total_seconds() / 60)
    rest = f" {minutes % 60:02}" if minutes % 60 else ""
    return f"{'−' if shift < timedelta() else '+'}{minutes // 60} h{rest}"  # noqa: RUF001 - a minus sign, for people


def _explanations(pair: Pair, found: datetime) -> Iterator[Explanation]:
    """Everything that could explain a wrong row, the most specific first."""
    shift = found - pair.expected
    spans = {times: _spans(pair.instant, times) for times in CONVERSIONS}
    if abs(shift) == HOUR:
        is_winter = montreal_offset(pair.instant) == STANDARD
        yield Explanation(Cause.WINTER_IGNORED if is_winter else Cause.SUMMER_IGNORED, shift)
    if found == datetime.combine(montreal_day(pair.instant), pair.expected.timetz()):
        yield Explanation(Cause.DATE_MOVED)
    yield Explanation(HOURS.get(shift, Cause.CONSTANT if shift % DAY else Cause.DATE_MOVED), shift)
    for times, cause in CONVERSIONS.items():
        if shift in spans[times]:
            yield Explanation(cause, conversions=times)
    if found.date() == pair.expected.date():
        yield Explanation(Cause.DATE_LOST, (shift + DAY / 2) % DAY - DAY / 2)  # +19 h is 5 h less with the date kept
        for times in (-1, 1):
            if any(not (shift - span) % DAY for span in spans[times]):
                yield Explanation(Cause.DATE_LOST, conversions=times)


def _spans(instant: datetime, times: int) -> tuple[timedelta, timedelta]:
    """How far conversions move an instant: by the season's hours, and as a program converts digits.

    The two differ within hours of a clock change.
    """
    moved = instant
    for _ in range(abs(times)):
        if times > 0:
            moved = moved.astimezone(MONTREAL).replace(tzinfo=UTC, fold=0)
        else:
            moved = moved.replace(tzinfo=MONTREAL).astimezone(UTC)
    return times * montreal_offset(instant), moved - instant


def _since(cause: Cause, off: Sequence[Pair]) -> date | None:
    """The day of the clock change before the first row that is off, where only one season is."""
    if cause not in (Cause.SUMMER_IGNORED, Cause.WINTER_IGNORED):
        return None
    first = min(pair.instant for pair in off)
    before = [change for year in (first.year - 1, first.year) for change in clock_changes(year) if change <= first]
    return montreal_day(before[-1]) if before else None
