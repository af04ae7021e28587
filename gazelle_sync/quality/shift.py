"""Why instants are off: a pure diagnosis from pairs of what should stand there and what does.

An earlier system moved a whole calendar by five hours, and a trigger that compensated moved it by ten more. Each way to
go wrong leaves a pattern of its own, so each is a hypothesis: a function that says what a row would hold if it were
true. Whichever explains most of the rows that are off is named, then the next for what is left, and so on.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from functools import cache, partial
from itertools import pairwise

from gazelle_sync.montreal import MONTREAL
from gazelle_sync.warehouse.calendar_ends import is_end

LEAST_ALIKE = 2
"""So many rows that are off in the same way are a pattern; a single one is anybody's edit."""
STANDARD = timedelta(hours=-5)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Cause(enum.Enum):
    """What went wrong."""

    UTC_READ_AS_LOCAL = "UTC read as local time"
    LOCAL_STORED_AS_UTC = "local time stored as UTC"
    CONVERTED_TWICE = "converted twice"
    SUMMER_IGNORED = "daylight saving ignored"
    WINTER_IGNORED = "daylight saving taken for the whole year"
    DATE_LOST = "the time was moved and the date was not"
    DATE_MOVED = "the date was moved and the time was not"
    CONSTANT = "a constant shift"
    SCATTERED = "no pattern"
    MISSING = "nothing stands there"


@dataclass(frozen=True, slots=True)
class Pair:
    """One row.

    Attributes:
        external_id: Of the record.
        instant: The true instant, aware UTC: it decides which season the row belongs to.
        expected: What should stand there; naive or aware, like `found`.
        found: What does; None where nothing does.
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
        if self.found is None:
            return f"{self.external_id}: {self.expected:%Y-%m-%d %H:%M} → —"
        shift = signed_hours(self.found - self.expected)
        return f"{self.external_id}: {self.expected:%Y-%m-%d %H:%M} → {self.found:%Y-%m-%d %H:%M} ({shift})"


@dataclass(frozen=True)
class Pattern:
    """Rows that are off in the same way.

    Attributes:
        cause: In which.
        shift: By how much, where it is the same for all.
        since: The Montreal day of the clock change after which the rows lie, where only one season is off.
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
        total: Rows that were looked at.
        patterns: What they have wrong, the most frequent first; empty where all are right.
    """

    total: int
    patterns: tuple[Pattern, ...]

    @property
    def off(self) -> int:
        """Rows that are off."""
        return sum(len(pattern.pairs) for pattern in self.patterns)


@dataclass(frozen=True)
class _Hypothesis:
    cause: Cause
    found: Callable[[Pair], Sequence[datetime]]
    shift: timedelta | None = None


def diagnose(pairs: Sequence[Pair]) -> Diagnosis:
    """Name what is wrong with rows.

    Args:
        pairs: All rows, the right ones too: whether only the summer is off shows in those that are not.
    """
    missing = tuple(pair for pair in pairs if pair.found is None)
    left = [pair for pair in pairs if pair.is_off and pair.found is not None]
    has_right = any(not pair.is_off for pair in pairs)
    patterns: list[Pattern] = []
    while left:
        best = max(_hypotheses(left), key=lambda hypothesis: sum(map(_explains(hypothesis), left)))
        explained = [pair for pair in left if _explains(best)(pair)]
        if len(explained) < LEAST_ALIKE and len(left) > 1:
            patterns.append(Pattern(Cause.SCATTERED, None, None, tuple(left)))
            break
        patterns.append(Pattern(best.cause, best.shift, _since(best.cause, explained, has_right), tuple(explained)))
        left = [pair for pair in left if not _explains(best)(pair)]
    if missing:
        patterns.append(Pattern(Cause.MISSING, None, None, missing))
    return Diagnosis(len(pairs), tuple(patterns))


def montreal_offset(instant: datetime) -> timedelta:
    """How far Montreal's clock is from UTC at an instant; always behind."""
    try:
        return instant.astimezone(MONTREAL).utcoffset() or STANDARD
    except OverflowError:  # the first hours of year 1
        return STANDARD


@cache
def clock_changes(year: int) -> tuple[datetime, ...]:
    """The instants of a year at which Montreal's clock changes, aware UTC; none where Python's calendar ends."""
    if not MINYEAR < year < MAXYEAR:
        return ()
    months = [datetime(year, month, 1, tzinfo=UTC) for month in range(1, 13)] + [datetime(year + 1, 1, 1, tzinfo=UTC)]
    return tuple(
        _change_between(first, last)
        for first, last in pairwise(months)
        if montreal_offset(first) != montreal_offset(last)
    )


def _change_between(first: datetime, last: datetime) -> datetime:
    """The full hour at which the clock changes between two instants."""
    while last - first > HOUR:
        middle = first + (last - first) // HOUR // 2 * HOUR
        if montreal_offset(middle) == montreal_offset(first):
            first = middle
        else:
            last = middle
    return last


def signed_hours(shift: timedelta) -> str:
    """A shift as a person writes it: `+5 h`, `+4 h 30`."""
    minutes = round(abs(shift).total_seconds() / 60)
    rest = f" {minutes % 60:02}" if minutes % 60 else ""
    return f"{'−' if shift < timedelta() else '+'}{minutes // 60} h{rest}"  # noqa: RUF001 - a minus sign, for people


def _explains(hypothesis: _Hypothesis) -> Callable[[Pair], bool]:
    def explains(pair: Pair) -> bool:
        try:
            return pair.is_off and pair.found in hypothesis.found(pair)
        except OverflowError:  # beyond the first or the last day that Python knows
            return pair.found is not None and is_end(pair.found)

    return explains


def _hypotheses(left: Sequence[Pair]) -> Iterator[_Hypothesis]:
    """Ways to go wrong, the one that says most first: of two that explain as many rows the first is taken."""
    for hour in (HOUR, -HOUR):
        yield _Hypothesis(Cause.SUMMER_IGNORED, partial(_in_season, hour, True), hour)
        yield _Hypothesis(Cause.WINTER_IGNORED, partial(_in_season, hour, False), hour)
    yield _Hypothesis(Cause.DATE_MOVED, _date_moved)
    common = [shift for shift, _ in Counter(p.found - p.expected for p in left if p.found).most_common(3)]
    for shift in common:
        yield _Hypothesis(_cause_of(shift), partial(_moved, shift), shift)
    yield _Hypothesis(Cause.UTC_READ_AS_LOCAL, partial(_moved_by_offsets, -1))
    yield _Hypothesis(Cause.LOCAL_STORED_AS_UTC, partial(_moved_by_offsets, 1))
    yield _Hypothesis(Cause.CONVERTED_TWICE, partial(_moved_by_offsets, -2))
    yield _Hypothesis(Cause.CONVERTED_TWICE, partial(_moved_by_offsets, 2))
    for shift in dict.fromkeys(map(_within_a_day, common)):
        yield _Hypothesis(Cause.DATE_LOST, partial(_time_moved, partial(_moved, shift)), shift)
    for times in (-1, 1):
        yield _Hypothesis(Cause.DATE_LOST, partial(_time_moved, partial(_moved_by_offsets, times)))


def _in_season(shift: timedelta, summer: bool, pair: Pair) -> list[datetime]:
    is_summer = montreal_offset(pair.instant) != STANDARD
    return [pair.expected + shift if is_summer is summer else pair.expected]


def _moved(shift: timedelta, pair: Pair) -> list[datetime]:
    return [pair.expected + shift]


def _moved_by_offsets(times: int, pair: Pair) -> list[datetime]:
    """By the hours of the season, or as a program converts: within hours of a clock change the two differ."""
    spans = [
        times * montreal_offset(pair.instant),
        *(_converted(times, pair.instant, fold) - pair.instant for fold in (0, 1)),
    ]
    return [pair.expected + span for span in spans]


def _converted(times: int, instant: datetime, fold: int) -> datetime:
    """UTC turned into Montreal's time so many times; if negative, UTC's digits read as Montreal's so many times.

    Args:
        times: How often, and which way.
        instant: Aware UTC.
        fold: Which of the two a repeated hour is taken for.
    """
    for _ in range(abs(times)):
        if times > 0:
            instant += montreal_offset(instant)
        else:
            instant -= instant.replace(tzinfo=MONTREAL, fold=fold).utcoffset() or STANDARD
    return instant


def _date_moved(pair: Pair) -> list[datetime]:
    """The day of Montreal beside the time of UTC."""
    return [datetime.combine((pair.instant + montreal_offset(pair.instant)).date(), pair.expected.timetz())]


def _time_moved(move: Callable[[Pair], Sequence[datetime]], pair: Pair) -> list[datetime]:
    """The moved time on the day that was not moved."""
    return [datetime.combine(pair.expected.date(), moved.timetz()) for moved in move(pair)]


def _cause_of(shift: timedelta) -> Cause:
    """What a shift that is the same for all rows comes from; Montreal is 5 h behind UTC in winter, 4 h in summer."""
    hours = shift / HOUR
    if hours in (4, 5):
        return Cause.UTC_READ_AS_LOCAL
    if hours in (-4, -5):
        return Cause.LOCAL_STORED_AS_UTC
    if abs(hours) in (8, 9, 10):
        return Cause.CONVERTED_TWICE
    if shift % DAY == timedelta():
        return Cause.DATE_MOVED
    return Cause.CONSTANT


def _within_a_day(shift: timedelta) -> timedelta:
    """The same time of day with the smallest shift: +19 h is 5 h less whose date stayed."""
    rest = shift % DAY
    return rest - DAY if rest > DAY / 2 else rest


def _since(cause: Cause, off: Sequence[Pair], has_right: bool) -> date | None:
    """The day of the clock change before the first row that is off, where only one season is."""
    if cause not in (Cause.SUMMER_IGNORED, Cause.WINTER_IGNORED) or not has_right:
        return None
    first = min(pair.instant for pair in off)
    before = [change for year in (first.year - 1, first.year) for change in clock_changes(year) if change <= first]
    return before[-1].astimezone(MONTREAL).date() if before else None
