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
from datetime import date, datetime, timedelta
from itertools import combinations_with_replacement
from typing import NamedTuple

from gazelle_sync.i18n.translator import Message, Translator
from gazelle_sync.montreal import clock_changes, montreal_day, montreal_offset, spoken_day

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

    def shown(self, say: Translator) -> str:
        """Both wall clocks, and how far apart they are: for a person."""
        expected, found = (
            None if at is None else f"{spoken_day(say, at.date())}, {say.time(at.time())}"
            for at in (self.expected, self.found)
        )
        apart = "" if self.found is None else f" ({signed_hours(self.found - self.expected)})"
        return f"{self.external_id}: {expected} → {found or '—'}{apart}"


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


def diagnose(suspects: Sequence[Pair], total: int) -> list[Pattern]:
    """Group wrong rows by what happened to them; empty where all are right.

    Args:
        suspects: Rows, all the wrong ones among them.
        total: How many rows there are.
    """
    off = [pair for pair in suspects if pair.is_off]
    left = [(pair, list(_explanations(pair, pair.found))) for pair in off if pair.found is not None]
    patterns: list[Pattern] = []
    while left:
        # Of two that explain as many rows the first is taken: each row lists the most specific one first.
        ((best, _),) = Counter(explanation for _, named in left for explanation in named).most_common(1)
        explained = [pair for pair, named in left if best in named]
        if len(explained) < LEAST_ALIKE and len(left) > 1:
            best, explained = Explanation(Cause.SCATTERED), [pair for pair, _ in left]
        since = _since(best.cause, explained) if len(off) < total else None
        patterns.append(Pattern(best.cause, best.shift, since, explained))
        covered = set(explained)
        left = [(pair, named) for pair, named in left if pair not in covered]
    if missing := [pair for pair in off if pair.found is None]:
        patterns.append(Pattern(Cause.MISSING, None, None, missing))
    return patterns


def rows_off(patterns: Sequence[Pattern]) -> int:
    """How many rows are off."""
    return sum(len(pattern.pairs) for pattern in patterns)


def signed_hours(shift: timedelta) -> str:
    """A shift as a person writes it: `+5 h`, `+4 h 30`."""
    minutes = round(abs(shift).total_seconds() / 60)
    rest = f" {minutes % 60:02}" if minutes % 60 else ""
    return f"{'−' if shift < timedelta() else '+'}{minutes // 60} h{rest}"  # noqa: RUF001 - a minus sign, for people


def _explanations(pair: Pair, found: datetime) -> Iterator[Explanation]:
    """Everything that could explain a wrong row, the most specific first."""
    shift = found - pair.expected
    in_season = {times: _shifts(times, _offsets_around(pair.instant)) for times in CONVERSIONS}
    if abs(shift) == HOUR:
        is_winter = montreal_offset(pair.instant) == STANDARD
        yield Explanation(Cause.WINTER_IGNORED if is_winter else Cause.SUMMER_IGNORED, shift)
    if found == datetime.combine(montreal_day(pair.instant), pair.expected.timetz()):
        yield Explanation(Cause.DATE_MOVED)
    yield Explanation(EVEN.get(shift, Cause.CONSTANT if shift % DAY else Cause.DATE_MOVED), shift)
    for times, cause in CONVERSIONS.items():
        if shift in in_season[times]:
            yield Explanation(cause, conversions=times)
    if found.date() == pair.expected.date():
        yield Explanation(Cause.DATE_LOST, (shift + DAY / 2) % DAY - DAY / 2)  # +19 h is 5 h less with the date kept
        for times in (-1, 1):
            if any(not (shift - moved) % DAY for moved in in_season[times]):
                yield Explanation(Cause.DATE_LOST, conversions=times)


def _offsets_around(instant: datetime) -> set[timedelta]:
    """Montreal's offset; both in the hours around a clock change, where programs differ in which one they take."""
    return {montreal_offset(instant + half_a_day) for half_a_day in (-DAY / 2, timedelta(), DAY / 2)}


def _shifts(times: int, offsets: set[timedelta]) -> set[timedelta]:
    """By how much so many conversions move an instant."""
    sign = 1 if times > 0 else -1
    return {sign * sum(taken, timedelta()) for taken in combinations_with_replacement(offsets, abs(times))}


EVEN = {shift: cause for times, cause in CONVERSIONS.items() for shift in _shifts(times, {STANDARD, STANDARD + HOUR})}
"""By how much all rows were moved, whatever their season → the cause."""


def _since(cause: Cause, off: Sequence[Pair]) -> date | None:
    """The day of the clock change before the first row that is off, where only one season is."""
    if cause not in (Cause.SUMMER_IGNORED, Cause.WINTER_IGNORED):
        return None
    first = min(pair.instant for pair in off)
    before = [change for year in (first.year - 1, first.year) for change in clock_changes(year) if change <= first]
    return montreal_day(before[-1]) if before else None
