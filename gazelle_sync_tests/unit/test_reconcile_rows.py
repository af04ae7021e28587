"""The conversions that every reconciler uses."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.reconcile import rows
from gazelle_sync.reconcile.product import in_language
from gazelle_sync.reconcile.rows import NOT_SAID, Conversion, ReconcileError

OFFSETS = st.integers(min_value=-14 * 60, max_value=14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001 (Hypothesis wants its bounds naive and adds the zone itself)
    max_value=datetime(2090, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def clock_changes(first_year: int, last_year: int) -> list[datetime]:
    """Every instant at which Montreal's clocks change, found by halving."""
    found = []
    day = datetime(first_year, 1, 1, tzinfo=UTC)
    while day.year <= last_year:
        following = day + timedelta(days=1)
        if day.astimezone(MONTREAL).utcoffset() != following.astimezone(MONTREAL).utcoffset():
            low, high = day, following
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                same = middle.astimezone(MONTREAL).utcoffset() == low.astimezone(MONTREAL).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high.replace(microsecond=0))
        day = following
    return found


CLOCK_CHANGES = clock_changes(2016, 2037)


def test_there_are_two_clock_changes_a_year() -> None:
    assert len(CLOCK_CHANGES) == 2 * 22


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=str)
@pytest.mark.parametrize("seconds", [-3601, -3600, -1, 0, 1, 1800, 3599, 3600, 7200])
def test_every_instant_around_a_clock_change_is_kept(change: datetime, seconds: int) -> None:
    moment = change + timedelta(seconds=seconds)
    written_in_utc = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    written_in_montreal = moment.astimezone(MONTREAL).isoformat()
    assert rows.instant(written_in_utc) == moment
    assert rows.instant(written_in_montreal) == moment
    assert rows.instant(written_in_montreal).tzinfo is UTC


@settings(deadline=None)
@given(moment=INSTANTS, zone=OFFSETS)
def test_an_instant_is_the_same_instant_from_whatever_offset_it_is_written(moment: datetime, zone: timezone) -> None:
    read = rows.instant(moment.astimezone(zone).isoformat())
    assert read == moment
    assert read.tzinfo is UTC


@settings(deadline=None)
@given(moment=INSTANTS)
def test_an_instant_without_a_zone_is_refused(moment: datetime) -> None:
    with pytest.raises(ReconcileError, match="must say its zone"):
        rows.instant(moment.replace(tzinfo=None).isoformat())


@settings(deadline=None)
@given(moment=INSTANTS)
def test_the_montreal_day_is_the_day_on_the_wall_there(moment: datetime) -> None:
    assert rows.day_in_montreal(moment.isoformat()) == moment.astimezone(ZoneInfo("America/Toronto")).date()


def test_late_evening_in_montreal_is_the_next_day_in_utc_and_not_there() -> None:
    assert rows.day_in_montreal("2026-01-10T03:30:00Z") == date(2026, 1, 9)
    assert rows.day_in_montreal("2026-07-10T03:30:00Z") == date(2026, 7, 9)
    assert rows.day_in_montreal("2026-07-10T04:30:00Z") == date(2026, 7, 10)
    assert rows.day_in_montreal("1900-01-01T00:00:00Z") == date(1899, 12, 31)
    assert rows.day_in_montreal("2199-12-31T23:59:59Z") == date(2199, 12, 31)


@settings(deadline=None)
@given(number=st.integers(min_value=-(10**12) + 1, max_value=10**12 - 1))
def test_cents_become_dollars_without_rounding(number: int) -> None:
    dollars = rows.hundredths(number)
    assert dollars * 100 == number
    assert dollars.as_tuple().exponent == -2
    assert rows.hundredths(str(number)) == dollars


@pytest.mark.parametrize(
    ("convert", "value", "expected"),
    [
        (rows.text, "", ""),
        (rows.text, " Érable ", " Érable "),
        (rows.text, 1923, "1923"),
        (rows.text, 1.5, "1.5"),
        (rows.boolean, True, True),
        (rows.boolean, False, False),
        (rows.integer, 0, 0),
        (rows.integer, "440", 440),
        (rows.integer, "-7", -7),
        (rows.integer, 60.0, 60),
        (rows.hundredths, 150, Decimal("1.50")),
        (rows.hundredths, 0, Decimal("0.00")),
        (rows.hundredths, -5, Decimal("-0.05")),
        (rows.decimal_degrees, "45.5017", 45.5017),
        (rows.decimal_degrees, -73, -73.0),
        (rows.decimal_degrees, " ", None),
        (rows.day, "2024-02-29", date(2024, 2, 29)),
        (rows.instant, "2026-01-09T12:00:00Z", datetime(2026, 1, 9, 12, tzinfo=UTC)),
        (rows.instant, "2026-01-09T07:00:00.250-05:00", datetime(2026, 1, 9, 12, 0, 0, 250000, tzinfo=UTC)),
        (rows.texts, [], []),
        (rows.texts, ["TOP", "École", "TOP"], ["TOP", "École", "TOP"]),
        (rows.reference, "cli_1", "cli_1"),
        (rows.reference, "", None),
        (rows.reference_in_record, {"id": "cli_1"}, "cli_1"),
        (rows.reference_in_record, {"id": None}, None),
        (rows.reference_in_record, {}, NOT_SAID),
        (rows.inner("email", rows.text), {"email": "a@b.ca"}, "a@b.ca"),
        (in_language("fr"), {"fr_CA": "Accord", "en_US": "Tuning"}, "Accord"),
        (in_language("en"), {"fr_CA": "Accord", "en_US": "Tuning"}, "Tuning"),
        (in_language("fr"), {"fr_CA": "de Montréal", "fr": "de partout"}, "de partout"),
        (in_language("fr"), {"fr": None, "fr_CA": "Accord"}, "Accord"),
        (in_language("fr"), {"en_US": "Tuning"}, None),
        (in_language("fr"), {}, None),
        (in_language("fr"), "Accord", "Accord"),
        (in_language("en"), "Accord", "Accord"),
        (in_language("fr", "en"), {"es": "Afinación"}, "Afinación"),
        (in_language("fr"), {"es": "Afinación", "en": None}, "Afinación"),
        (in_language("en"), {"es": "Afinación", "de": "Stimmung"}, "Stimmung"),
        (in_language("en"), {"es": "Afinación", "fr": "Accord"}, None),
        (in_language("fr", "en", ""), {"de": "Stimmung", "en": "Tuning"}, "Tuning"),
    ],
)
def test_a_value_becomes_what_its_column_holds(convert: Conversion, value: object, expected: object) -> None:
    converted = convert(value)
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("convert", "value"),
    [
        (rows.text, ["a"]),
        (rows.text, {"a": 1}),
        (rows.text, True),
        (rows.boolean, 1),
        (rows.boolean, "true"),
        (rows.integer, "12a"),
        (rows.integer, ""),
        (rows.integer, 1.5),
        (rows.integer, True),
        (rows.integer, float("inf")),
        (rows.integer, "٣"),
        (rows.integer, 2**31),
        (rows.integer, -(2**31) - 1),
        pytest.param(rows.integer, 10**5000, id="integer of 5001 digits"),
        (rows.hundredths, 10**12),
        pytest.param(rows.hundredths, "9" * 5000, id="cents of 5000 digits"),
        (rows.hundredths, "10.50"),
        (rows.decimal_degrees, "north"),
        (rows.decimal_degrees, "nan"),
        (rows.decimal_degrees, 10**400),
        (rows.decimal_degrees, False),
        (rows.day, "2024-02-30"),
        (rows.day, "2024-02-29T00:00:00Z"),
        (rows.day, 20240229),
        (rows.instant, "yesterday"),
        (rows.instant, "2026-01-09"),
        (rows.instant, "2026-01-09T24:30:00Z"),
        (rows.instant, "0001-01-01T00:00:00Z"),
        (rows.instant, "1899-12-31T23:59:59Z"),
        (rows.instant, "2200-01-01T00:00:00Z"),
        (rows.instant, "9999-12-31T23:59:59Z"),
        (rows.instant, "0001-01-01T00:00:00+14:00"),
        (rows.instant, "9999-12-31T23:59:59-14:00"),
        (rows.instant, 1767960000),
        (rows.texts, "TOP"),
        (rows.texts, [None]),
        (rows.texts, [["TOP"]]),
        (rows.reference_in_record, "cli_1"),
        (rows.reference_in_record, {"id": ["cli_1"]}),
        (rows.reference_in_record, []),
        (in_language("fr"), ["Accord"]),
        (in_language("fr"), {"fr": ["Accord"]}),
        (rows.identity, {}),
        (rows.identity, {"id": None}),
        (rows.identity, {"id": ""}),
        (rows.identity, []),
        (rows.identity, None),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(convert: Conversion, value: object) -> None:
    with pytest.raises(ReconcileError):
        convert(value)


def test_a_reconcile_error_belongs_to_the_one_tree() -> None:
    assert issubclass(ReconcileError, GazelleSyncError)


def test_the_message_names_the_field_and_shows_a_long_value_shortened() -> None:
    fields: rows.FieldMap = (("phone", "defaultPhone", rows.inner("phoneNumber", rows.text)),)
    with pytest.raises(ReconcileError) as caught:
        rows.read({"defaultPhone": {"phoneNumber": ["5" * 1_000_000]}}, fields)
    message = str(caught.value)
    assert message.startswith("defaultPhone: phoneNumber: expected text, got ['555")
    assert len(message) < 200


def test_absent_null_and_given_are_three_things() -> None:
    fields: rows.FieldMap = (("notes", "notes", rows.text),)
    assert rows.read({}, fields) == {}
    assert rows.read({"notes": None}, fields) == {"notes": None}
    assert rows.read({"notes": ""}, fields) == {"notes": ""}


def test_a_list_that_was_not_sent_is_not_an_empty_list() -> None:
    assert rows.nodes({}, "allContacts") is None
    assert rows.nodes({"allContacts": None}, "allContacts") is None
    assert rows.nodes({"allContacts": {}}, "allContacts") is None
    assert rows.nodes({"allContacts": {"nodes": None}}, "allContacts") is None
    assert rows.nodes({"allContacts": {"nodes": []}}, "allContacts") == []
    assert rows.nodes({"allContacts": {"nodes": [None, {"id": "con_1"}]}}, "allContacts") == [{"id": "con_1"}]


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        ([], "allContacts: expected a connection"),
        ({"nodes": {}}, "allContacts.nodes: expected a list"),
        ({"nodes": [{}, "con_1"]}, r"allContacts.nodes\[1\]: expected a record"),
        ({"nodes": [], "pageInfo": {"hasNextPage": True}}, "allContacts: the list goes on"),
    ],
)
def test_a_list_that_cannot_be_taken_as_whole_is_refused(connection: object, message: str) -> None:
    with pytest.raises(ReconcileError, match=message):
        rows.nodes({"allContacts": connection}, "allContacts")


def test_tags_go_to_both_columns_as_two_lists() -> None:
    said = rows.tags({"tags": ["TOP"]})
    assert said == {"tags": ["TOP"], "gazelle_tags": ["TOP"]}
    assert said["tags"] is not said["gazelle_tags"]
    assert rows.tags({"tags": []}) == {"tags": [], "gazelle_tags": []}
    assert rows.tags({"tags": None}) == {}
    assert rows.tags({}) == {}


@settings(deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)
@pytest.mark.parametrize(
    "convert",
    [
        rows.text, rows.boolean, rows.integer, rows.hundredths, rows.decimal_degrees, rows.instant, rows.day,
        rows.day_in_montreal, rows.texts, rows.reference, rows.reference_in_record, in_language("fr"),
    ],
)  # fmt: skip
def test_a_conversion_answers_or_refuses_and_does_nothing_else(convert: Conversion, value: object) -> None:
    if value is None:
        return
    with contextlib.suppress(ReconcileError):
        convert(value)
