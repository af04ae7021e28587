"""Montreal's days and UTC's instants: days of 23, 24 and 25 hours, and a clock that only goes on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gazelle_sync.defs.sync.partitions import RANGE_END_TAG, RANGE_START_TAG, range_tags, tick_days
from gazelle_sync.montreal import (
    FIRST,
    LAST,
    MONTREAL,
    day_window,
    midnight,
    montreal_day,
    parse_instant,
)
from gazelle_sync.pull.reading_order import ReadingOrder

DAYS = st.dates(min_value=date(2007, 1, 1), max_value=date(2037, 1, 1))
INSTANTS = st.datetimes(datetime(2007, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - a bound


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 7, 1), 24)])
def test_a_day_is_as_long_as_it_is(day: date, hours: int) -> None:
    assert midnight(day + timedelta(days=1)) - midnight(day) == timedelta(hours=hours)


@given(DAYS)
def test_a_day_begins_in_itself_and_the_instant_before_does_not(day: date) -> None:
    assert montreal_day(midnight(day)) == day
    assert montreal_day(midnight(day) - timedelta(microseconds=1)) == day - timedelta(days=1)


@given(INSTANTS)
def test_every_instant_lies_in_the_window_of_its_day(instant: datetime) -> None:
    day = montreal_day(instant)
    assert midnight(day) <= instant < midnight(day + timedelta(days=1))


@given(st.datetimes(timezones=st.just(UTC)))
@example(datetime.min.replace(tzinfo=UTC))
@example(datetime.max.replace(tzinfo=UTC))
@example(LAST - timedelta(microseconds=1))
def test_every_instant_that_is_read_lies_in_the_window_of_its_day(instant: datetime) -> None:
    for text in (instant.isoformat(), f"{instant.replace(tzinfo=None).isoformat()}+14:00"):
        read = parse_instant(text)
        assert read is not None
        assert FIRST <= read <= LAST
        start, end = day_window(montreal_day(read))
        assert start <= read < end or read == LAST


@given(st.dates())
@example(date.min)
@example(date.max)
def test_the_window_of_any_day_is_in_the_calendar(day: date) -> None:
    start, end = day_window(day)
    assert FIRST <= start <= end <= LAST


@given(INSTANTS)
def test_an_instant_survives_its_text(instant: datetime) -> None:
    assert parse_instant(instant.isoformat().replace("+00:00", "Z")) == instant
    assert parse_instant(instant.astimezone(MONTREAL).isoformat()) == instant


@pytest.mark.parametrize("value", [None, 5, "", "hier", "2026-01-09T12:00:00", {}, "2026-13-01T00:00:00Z"])
def test_what_names_no_instant_is_none(value: object) -> None:
    assert parse_instant(value) is None


NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("watermark", "first", "last"),
    [
        (None, date(2026, 11, 21), date(2026, 11, 21)),
        (NOW - timedelta(minutes=15), date(2026, 11, 21), date(2026, 11, 21)),
        (datetime(2026, 11, 21, 4, 59, tzinfo=UTC), date(2026, 11, 20), date(2026, 11, 21)),
        (NOW - timedelta(days=3), date(2026, 11, 18), date(2026, 11, 21)),
        (NOW + timedelta(days=2), date(2026, 11, 21), date(2026, 11, 21)),
        (datetime(2001, 1, 1, tzinfo=UTC), date(2026, 11, 15), date(2026, 11, 21)),
    ],
)
def test_a_tick_covers_the_days_since_the_watermark(watermark: datetime | None, first: date, last: date) -> None:
    assert tick_days(watermark, NOW, date(2016, 1, 1)) == (first, last)


def test_no_partition_lies_before_the_first_on_offer() -> None:
    assert tick_days(NOW - timedelta(days=3), NOW, date(2026, 11, 20)) == (date(2026, 11, 20), date(2026, 11, 21))


def test_a_range_is_two_tags() -> None:
    assert range_tags(date(2026, 1, 2), date(2026, 1, 3)) == {
        RANGE_START_TAG: "2026-01-02",
        RANGE_END_TAG: "2026-01-03",
    }


def test_the_order_of_reading_only_goes_on() -> None:
    order = ReadingOrder(datetime.now(UTC))
    instants = [order.next() for _ in range(1000)]
    assert instants == sorted(set(instants))


def test_the_order_of_reading_begins_after_the_newest_that_is_held() -> None:
    ahead = datetime.now(UTC) + timedelta(hours=2)
    assert ReadingOrder(ahead).next() > ahead
