"""Times that a person reads off Montreal's clock, among them the hour that is missing and the one that is twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.montreal import MONTREAL
from gazelle_sync.shop.calendar.wall_clock import NoSuchTime, TimeIsTwice, instant_of

minutes_of_the_years = st.datetimes(datetime(2007, 3, 12), datetime(2050, 12, 31)).map(  # noqa: DTZ001 - a wall clock
    lambda one: one.replace(second=0, microsecond=0, fold=0)
)


def test_a_time_is_montreals_in_winter_and_in_summer() -> None:
    assert instant_of("2027-01-14 09:00") == datetime(2027, 1, 14, 14, tzinfo=UTC)
    assert instant_of(" 2027-07-14T09:00 ") == datetime(2027, 7, 14, 13, tzinfo=UTC)
    assert instant_of("2027-07-14T09:00Z") == datetime(2027, 7, 14, 9, tzinfo=UTC)
    assert instant_of("2027-07-14T09:00-04:00") == datetime(2027, 7, 14, 13, tzinfo=UTC)


@pytest.mark.parametrize("time", ["02:00", "02:30", "02:59"])
def test_a_time_that_does_not_exist_is_refused_with_the_two_nearest_that_do(time: str) -> None:
    with pytest.raises(NoSuchTime, match="2027-03-14 01:59 and 2027-03-14 03:00"):
        instant_of(f"2027-03-14 {time}")
    with pytest.raises(NoSuchTime):
        instant_of(f"2027-03-14 {time}", fold=1)


def test_a_time_that_is_twice_is_asked_about() -> None:
    with pytest.raises(TimeIsTwice, match=r"--fold 0.*05:30 UTC.*--fold 1.*06:30 UTC"):
        instant_of("2027-11-07 01:30")
    assert instant_of("2027-11-07 01:30", fold=0) == datetime(2027, 11, 7, 5, 30, tzinfo=UTC)
    assert instant_of("2027-11-07 01:30", fold=1) == datetime(2027, 11, 7, 6, 30, tzinfo=UTC)
    assert instant_of("2027-11-07 02:00") == datetime(2027, 11, 7, 7, tzinfo=UTC)
    assert instant_of("2027-11-07 00:59") == datetime(2027, 11, 7, 4, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "demain",
        "2027-03-14",
        "09:00",
        "2027-02-30 09:00",
        "14/03/2027 09:00",
        "2027-03-14 25:00",
        "0001-01-01 00:00",
        "0001-01-01 00:00+05:00",
        "1899-12-31 23:59",
        "2200-01-01 00:00",
        "9999-12-31 23:59",
        "9999-12-31 23:59-05:00",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(NoSuchTime):
        instant_of(text)


@given(minutes_of_the_years)
def test_every_minute_is_one_instant_or_none_or_asked_about(wall: datetime) -> None:
    text = f"{wall:%Y-%m-%d %H:%M}"
    # Every instant of the day before, of that day and the next, whose clock shows this time.
    around = wall.replace(tzinfo=UTC)
    shown = [
        instant
        for instant in (around + timedelta(hours=hours) for hours in (4, 5))
        if instant.astimezone(MONTREAL).replace(tzinfo=None, fold=0) == wall
    ]
    if len(shown) == 1:
        assert instant_of(text) == shown[0]
    else:
        with pytest.raises(NoSuchTime if not shown else TimeIsTwice):
            instant_of(text)
        if shown:
            assert [instant_of(text, fold=0), instant_of(text, fold=1)] == shown
