"""Why instants are off: a pure diagnosis from pairs of what should be there and what is.

An earlier system moved a whole calendar by five hours, and a trigger that compensated moved it by ten more. Each way to
go wrong leaves a pattern of its own. So each row that is off names everything that could explain it; the explanation
that most rows share is reported, then the next for the rows that are left, and so on.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from functools import cache

from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import MONTREAL, montreal_day
from gazelle_sync.warehouse.calendar_ends import is_calendar_end

LEAST_ALIKE = 2
"""So many rows that are off in the same way are a pattern; a single one is anybody's edit."""
STANDARD = timedelta(hours=-5)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Cause(enum.Enum):
    """What went wrong, in words."""

    UTC_READ_AS_LOCAL = Message("UTC read as local time")
    LOCAL_STORED_AS_UTC = Message("local time stored as UTC")
    CONVERTED_TWICE = Message("converted twice")
    SUMMER_IGNORED = Message("daylight saving ignored")
    WINTER_IGNORED = Message("daylight saving taken for the whole year")
    DATE_LOST = Message("the time was moved and the date was not")
    DATE_MOVED = Message("the date was moved and the time was not")
    CONSTANT = Message("a constant shift")
    SCATTERED = Message("without a pattern (edited by hand?)")
    MISSING = Message("nothing stands there")


CONVERSIONS = {
    -1: Cause.UTC_READ_AS_LOCAL,
    1: Cause.LOCAL_STORED_AS_UTC,
    -2: Cause.CONVERTED_TWICE,
    2: Cause.CONVERTED_TWICE,
}
"""How often UTC was turned into Montreal's time (if negative, the other way round) → what that is called."""
HOURS: dict[float, Cause] = {
    **dict.fromkeys((4, 5), Cause.UTC_READ_AS_LOCAL),
    **dict.fromkeys((-4, -5), Cause.LOCAL_STORED_AS_UTC),
    **dict.fromkeys((8, 9, 10, -8, -9, -10), Cause.CONVERTED_TWICE),
}
"""Hours by which all rows were moved → what that is called."""
Explanation = tuple[Cause, timedelta | None, int]
"""A cause, by how much where that is the same for all rows, and otherwise by which conversion (0: by none)."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One row.

    Attributes:
        external_id: Of the record.
        instant: The true instant, aware UTC: it decides which season the row belongs to.
        expected: What should be there; naive or aware, like `found`.
        found: What is; None where nothing is.
    """

    external_id: str
    instant: datetime
    expected: datetime
    found: datetime | None

    @property
    def is_off(self) -> bool:
        """Whether the two differ."""
        return self.found != self.expected

    def __str__(self) -> str:
        expected = f"{self.external_id}: {self.expected:%Y-%m-%d %H:%M}"
        if self.found is None:
            return f"{expected} → —"
        return f"{expected} → {self.found:%Y-%m-%d %H:%M} ({signed_hours(self.found - self.expected)})"


@dataclass(frozen=True)
class Pattern:
    """Rows that are off in the same way.

    Attributes:
        cause: In which.
        shift: By how much, where it is the same for all.
        since: The Montreal day of the clock change before the first row, where only one season is off.
        pairs: The rows.
    """

    cause: Cause
    shift: timedelta | None
    since: date | None
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a column of instants.

    Attributes:
        total: Rows that were compared.
        patterns: What is wrong with them; empty where all are right.
    """

    total: int
    patterns: tuple[Pattern, ...]

    @property
    def off(self) -> int:
        """Rows that are off."""
        return sum(len(pattern.pairs) for pattern in self.patterns)


def diagnose(pairs: Sequence[Pair]) -> Diagnosis:
    """Name what is wrong with rows.

    Args:
        pairs: All rows, the right ones too: whether only one season is off shows in those that are not.
    """
    missing = tuple(pair for pair in pairs if pair.found is None)
    left = [(pair, _explanations(pair, pair.found)) for pair in pairs if pair.is_off and pair.found is not None]
    has_right = any(not pair.is_off for pair in pairs)
    patterns: list[Pattern] = []
    while left:
        # Of two that explain as many rows the first is taken, and each row names the one that says most first.
        ((best, _),) = Counter(explanation for _, named in left for explanation in named).most_common(1)
        explained = tuple(pair for pair, named in left if best in named or _is_beyond(pair))
        cause, shift, _ = best
        if len(explained) < LEAST_ALIKE and len(left) > 1:
            patterns.append(Pattern(Cause.SCATTERED, None, None, tuple(pair for pair, _ in left)))
            break
        patterns.append(Pattern(cause, shift, _since(cause, explained) if has_right else None, explained))
        left = [(pair, named) for pair, named in left if best not in named and not _is_beyond(pair)]
    if missing:
        patterns.append(Pattern(Cause.MISSING, None, None, missing))
    return Diagnosis(len(pairs), tuple(patterns))


def montreal_offset(instant: datetime) -> timedelta:
    """How far Montreal's clock is from UTC at an instant: never ahead of it."""
    return instant.astimezone(MONTREAL).utcoffset() or timedelta()


@cache
def clock_changes(year: int) -> tuple[datetime, ...]:
    """The instants of a year at which Montreal's clock changes, aware UTC; none where Python's calendar ends."""
    if not MINYEAR < year < MAXYEAR:
        return ()
    days = [datetime(year, 1, 1, tzinfo=UTC) + n * DAY for n in range(365)]
    return tuple(
        next(hour for n in range(1, 25) if montreal_offset(hour := day + n * HOUR) != montreal_offset(day))
        for day in days
        if montreal_offset(day) != montreal_offset(day + DAY)
    )


def signed_hours(shift: timedelta) -> str:
    """A shift as a person writes it: `+5 h`, `+4 h 30`."""
    minutes = round(abs(shift).total_seconds() / 60)
    rest = f" {minutes % 60:02}" if minutes % 60 else ""
    return f"{'−' if shift < timedelta() else '+'}{minutes // 60} h{rest}"  # noqa: RUF001 - a minus sign, for people


def _explanations(pair: Pair, found: datetime) -> list[Explanation]:
    """All that could explain a row that is off, the one that says most first."""
    shift = found - pair.expected
    spans = {times: _spans(pair.instant, times) for times in CONVERSIONS}
    named: list[Explanation] = []
    if abs(shift) == HOUR:
        is_winter = montreal_offset(pair.instant) == STANDARD
        named.append((Cause.WINTER_IGNORED if is_winter else Cause.SUMMER_IGNORED, shift, 0))
    if found == datetime.combine(montreal_day(pair.instant), pair.expected.timetz()):
        named.append((Cause.DATE_MOVED, None, 0))
    named.append((_cause_of(shift), shift, 0))
    named += [(cause, None, times) for times, cause in CONVERSIONS.items() if shift in spans[times]]
    if found.date() == pair.expected.date():
        named.append((Cause.DATE_LOST, (shift + DAY / 2) % DAY - DAY / 2, 0))  # +19 h is 5 h less whose date stayed
        once = [times for times in (-1, 1) if any((shift - span) % DAY == timedelta() for span in spans[times])]
        named += [(Cause.DATE_LOST, None, times) for times in once]
    return named


def _cause_of(shift: timedelta) -> Cause:
    """What a shift that is the same for all rows comes from; Montreal is 5 h behind UTC in winter, 4 h in summer."""
    if shift % DAY == timedelta():
        return Cause.DATE_MOVED
    return HOURS.get(shift / HOUR, Cause.CONSTANT)


def _spans(instant: datetime, times: int) -> list[timedelta]:
    """How far conversions move an instant: by the season's hours, or as a program converts digits.

    Within hours of a clock change the two differ, and so do the two readings of a repeated hour.
    """
    spans = [times * montreal_offset(instant)]
    for fold in (0, 1):
        moved = instant
        for _ in range(abs(times)):
            local = moved.astimezone(MONTREAL) if times > 0 else moved.replace(tzinfo=MONTREAL, fold=fold)
            moved = local.replace(tzinfo=UTC, fold=0) if times > 0 else local.astimezone(UTC)
        spans.append(moved - instant)
    return spans


def _is_beyond(pair: Pair) -> bool:
    """Whether a row was moved out of the calendar and is read as its end: any shift may have done it."""
    return pair.found is not None and is_calendar_end(pair.found) and abs(pair.found - pair.expected) < DAY


def _since(cause: Cause, off: Sequence[Pair]) -> date | None:
    """The day of the clock change before the first row that is off, where only one season is."""
    if cause not in (Cause.SUMMER_IGNORED, Cause.WINTER_IGNORED):
        return None
    first = min(pair.instant for pair in off)
    before = [change for year in (first.year - 1, first.year) for change in clock_changes(year) if change <= first]
    return montreal_day(before[-1]) if before else None
