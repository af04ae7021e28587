"""What moved a calendar is named: each way to go wrong leaves a pattern of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.montreal import FIRST, LAST, clock_changes, montreal_offset
from gazelle_sync.quality.shift import Cause, Pair, Pattern, rows_off, signed_hours
from gazelle_sync.quality.shift import diagnose as diagnose_suspects

HOUR = timedelta(hours=1)
MONTREAL = ZoneInfo("America/Toronto")
YEAR = [datetime(2025, 11, 20, 12, tzinfo=UTC) + timedelta(days=5 * n, hours=7 * n % 24) for n in range(60)]
"""A year of visits at all hours, winter and summer."""


def is_summer(instant: datetime) -> bool:
    return bool(instant.astimezone(MONTREAL).dst())


def on_its_day(instant: datetime, moved: datetime) -> datetime:
    return datetime.combine(instant.date(), moved.timetz())


def diagnose(every: list[Pair]) -> list[Pattern]:
    """What comes of the wrong rows alone, as the database finds them, is what comes of all."""
    found = diagnose_suspects([pair for pair in every if pair.is_off], len(every))
    assert found == diagnose_suspects(every, len(every))
    return found


def pairs(spoil: Callable[[datetime], datetime | None], instants: list[datetime] = YEAR) -> list[Pair]:
    return [Pair(f"evt_{n}", at, at, spoil(at)) for n, at in enumerate(instants)]


@pytest.mark.parametrize(
    ("spoil", "cause", "shift", "count"),
    [
        (lambda at: at + 5 * HOUR, Cause.UTC_READ_AS_LOCAL, 5 * HOUR, 60),
        (lambda at: at - montreal_offset(at), Cause.UTC_READ_AS_LOCAL, None, 60),
        (lambda at: at - 5 * HOUR, Cause.LOCAL_STORED_AS_UTC, -5 * HOUR, 60),
        (lambda at: at + montreal_offset(at), Cause.LOCAL_STORED_AS_UTC, None, 60),
        (lambda at: at + 10 * HOUR, Cause.CONVERTED_TWICE, 10 * HOUR, 60),
        (lambda at: at - 2 * montreal_offset(at), Cause.CONVERTED_TWICE, None, 60),
        (lambda at: at + 2 * montreal_offset(at), Cause.CONVERTED_TWICE, None, 60),
        (lambda at: at + HOUR if is_summer(at) else at, Cause.SUMMER_IGNORED, HOUR, 38),
        (lambda at: at if is_summer(at) else at - HOUR, Cause.WINTER_IGNORED, -HOUR, 22),
        (lambda at: on_its_day(at, at - 5 * HOUR), Cause.DATE_LOST, -5 * HOUR, 60),
        (lambda at: on_its_day(at, at + montreal_offset(at)), Cause.DATE_LOST, None, 60),
        (lambda at: datetime.combine(at.astimezone(MONTREAL).date(), at.timetz()), Cause.DATE_MOVED, None, 11),
        (lambda at: at + timedelta(days=1), Cause.DATE_MOVED, timedelta(days=1), 60),
        (lambda at: at + timedelta(minutes=37), Cause.CONSTANT, timedelta(minutes=37), 60),
        (lambda at: None, Cause.MISSING, None, 60),
    ],
    ids=[
        "five hours", "utc as local", "minus five", "local as utc", "ten hours", "twice", "twice back", "summer",
        "winter", "date lost", "date lost by season", "montreal's date", "a day", "minutes", "nothing",
    ],
)  # fmt: skip
def test_each_way_to_go_wrong_is_told_from_the_others(
    spoil: Callable[[datetime], datetime | None], cause: Cause, shift: timedelta | None, count: int
) -> None:
    (pattern,) = diagnose(pairs(spoil))
    assert (pattern.cause, pattern.shift, len(pattern.pairs)) == (cause, shift, count)


def read_as_local(at: datetime) -> datetime:
    """What a program does that takes UTC's digits for Montreal's."""
    return at.replace(tzinfo=MONTREAL).astimezone(UTC)


def as_local_digits(at: datetime) -> datetime:
    """What a program does that stores Montreal's digits as UTC."""
    return at.astimezone(MONTREAL).replace(tzinfo=UTC, fold=0)


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (read_as_local, Cause.UTC_READ_AS_LOCAL),
        (as_local_digits, Cause.LOCAL_STORED_AS_UTC),
        (lambda at: read_as_local(read_as_local(at)), Cause.CONVERTED_TWICE),
        (lambda at: as_local_digits(as_local_digits(at)), Cause.CONVERTED_TWICE),
        (lambda at: on_its_day(at, read_as_local(at)), Cause.DATE_LOST),
    ],
    ids=["utc as local", "local as utc", "twice", "twice back", "date lost"],
)
def test_one_cause_is_no_mixture_in_the_hours_around_clock_changes(
    spoil: Callable[[datetime], datetime], cause: Cause
) -> None:
    around = [change + n * HOUR for change in clock_changes(2026) for n in range(-12, 13)]
    (pattern,) = diagnose(pairs(spoil, YEAR + around))
    assert (pattern.cause, len(pattern.pairs)) == (cause, 110)


def test_right_rows_have_no_pattern() -> None:
    assert diagnose(pairs(lambda at: at)) == []


def test_rows_of_one_season_name_the_clock_change_before_them() -> None:
    (summer,) = diagnose(pairs(lambda at: at + HOUR if is_summer(at) else at))
    assert summer.since == date(2026, 3, 8)
    (winter,) = diagnose(pairs(lambda at: at if is_summer(at) else at - HOUR))
    assert winter.since == date(2025, 11, 2)


def test_rows_that_are_all_of_one_season_name_no_day() -> None:
    june = [datetime(2026, 6, day, 12, tzinfo=UTC) for day in range(1, 20)]
    (pattern,) = diagnose(pairs(lambda at: at + HOUR, june))
    assert (pattern.cause, pattern.since) == (Cause.SUMMER_IGNORED, None)


def test_a_mixture_is_taken_apart() -> None:
    odd = iter(range(60))

    def spoil(at: datetime) -> datetime:
        n = next(odd)
        if n % 2:
            return at + 5 * HOUR
        return at + timedelta(minutes=17 * n) if n % 20 == 10 else at - 3 * HOUR if n % 4 else at

    found = {pattern.cause: len(pattern.pairs) for pattern in diagnose(pairs(spoil))}
    assert found == {Cause.UTC_READ_AS_LOCAL: 30, Cause.CONSTANT: 12, Cause.SCATTERED: 3}


def test_rows_that_were_moved_either_way_are_two_patterns() -> None:
    both = iter(range(60))

    def spoil(at: datetime) -> datetime:
        offset = montreal_offset(at)
        return on_its_day(at, at + offset if next(both) % 3 else at - offset)

    patterns = diagnose(pairs(spoil))
    assert [(p.cause, len(p.pairs)) for p in patterns[:2]] == [(Cause.DATE_LOST, 40), (Cause.DATE_LOST, 20)]


def test_a_single_row_that_is_off_keeps_its_shift() -> None:
    first = YEAR[0]
    (pattern,) = diagnose(pairs(lambda at: at + 3 * HOUR if at == first else at))
    assert (pattern.cause, pattern.shift, len(pattern.pairs)) == (Cause.CONSTANT, 3 * HOUR, 1)


INSTANTS = st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None), timezones=st.just(UTC))


@given(st.lists(st.tuples(INSTANTS, st.one_of(st.none(), INSTANTS)), max_size=30))
def test_every_row_that_is_off_is_in_exactly_one_pattern(rows: list[tuple[datetime, datetime | None]]) -> None:
    given_pairs = [Pair(f"evt_{n}", at, at, found) for n, (at, found) in enumerate(rows)]
    told = [pair.external_id for pattern in diagnose(given_pairs) for pair in pattern.pairs]
    assert sorted(told) == sorted(pair.external_id for pair in given_pairs if pair.is_off)


@given(st.integers(min_value=1970, max_value=2030))
def test_the_clock_changes_of_a_year_are_zoneinfos(year: int) -> None:
    hours = [datetime(year, 1, 1, tzinfo=UTC) + n * HOUR for n in range(365 * 24)]
    offsets = [hour.astimezone(MONTREAL).utcoffset() for hour in hours]
    expected = [hour for n, hour in enumerate(hours) if n and offsets[n] != offsets[n - 1]]
    assert list(clock_changes(year)) == expected


def test_the_ends_of_the_calendar_are_no_errors() -> None:
    ends = [FIRST, LAST]
    assert rows_off(diagnose(pairs(lambda at: at.replace(minute=30), ends))) == 2
    assert rows_off(diagnose(pairs(lambda at: at + HOUR, ends))) == 2


@pytest.mark.parametrize(
    ("shift", "written"),
    [(5 * HOUR, "+5 h"), (-5 * HOUR, "\N{MINUS SIGN}5 h"), (4 * HOUR + timedelta(minutes=30), "+4 h 30")],
)
def test_a_shift_is_written_as_a_person_writes_it(shift: timedelta, written: str) -> None:
    assert signed_hours(shift) == written
