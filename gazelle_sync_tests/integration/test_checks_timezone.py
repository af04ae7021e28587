"""The timezone checks: each fault is made to happen in the real tables, and named; healthy data passes."""

from __future__ import annotations

import pytest

from gazelle_sync_tests.support.evaluating import assert_passes, look_at
from gazelle_sync_tests.support.shop import Shop

MOVE = """
    UPDATE gazelle_appointments SET start_at = ({0}),
        appointment_date = (({0}) AT TIME ZONE 'UTC')::date, appointment_time = (({0}) AT TIME ZONE 'UTC')::time
    WHERE NOT is_stub
"""
LOCAL = "start_at AT TIME ZONE 'America/Toronto'"
AS_UTC = f"({LOCAL}) AT TIME ZONE 'UTC'"
IS_SUMMER = f"({AS_UTC}) - start_at = interval '-4 hours'"
LATER = "UPDATE gazelle_appointments SET start_at = start_at + interval '1 hour'"
ALL = ("timezone_instants", "timezone_view", "timezone_reference", "timezone_titles", "timezone_schema")
OF_ROWS = ALL[:4]
WRONG_VIEW = """
    CREATE OR REPLACE VIEW v_appointments_montreal AS
    SELECT a.external_id, a.title, a.client_external_id, a.appointment_date, a.appointment_time,
        {starts} AS starts_at_montreal, {day} AS date_montreal, {time} AS time_montreal,
        NULL::text AS technician, a.status, a.technician_external_id, a.event_type, a.duration_minutes,
        NULL::text AS client
    FROM gazelle_appointments AS a
    WHERE a.deleted_at IS NULL
"""
RIGHT_TIME = f"CASE WHEN a.is_all_day IS NOT TRUE THEN ({LOCAL})::time END"


def view(starts: str = LOCAL, day: str = f"({LOCAL})::date", time: str = RIGHT_TIME) -> str:
    return WRONG_VIEW.format(starts=starts, day=day, time=time)


def test_a_healthy_calendar_passes(shop: Shop) -> None:
    for name in ALL:
        for thorough in (False, True):
            assert assert_passes(shop, name, thorough=thorough).numbers["checked"] > 0


@pytest.mark.parametrize(
    ("moved", "words"),
    [
        ("start_at + interval '5 hours'", "all {total} rows shifted by +5 h: UTC read as local time"),
        (f"start_at + (start_at - {AS_UTC})", "all {total} rows: UTC read as local time"),
        (AS_UTC, "all {total} rows: local time stored as UTC"),
        ("start_at + interval '10 hours'", "all {total} rows shifted by +10 h: converted twice"),
        (f"start_at + CASE WHEN {IS_SUMMER} THEN interval '1 hour' ELSE '0' END", "daylight saving ignored (+1 h)"),
    ],
    ids=["five hours", "utc as local", "local as utc", "ten hours", "summer"],
)
def test_a_moved_calendar_is_named(shop: Shop, moved: str, words: str) -> None:
    shop.query(MOVE.format(moved))
    found = look_at(shop, "timezone_instants", thorough=False)
    assert found.is_failure
    total = shop.count("gazelle_appointments", "NOT is_stub")
    assert words.format(total=total) in found.summary
    assert found.numbers["off"] > 0
    assert "evt_" in found.examples[0]
    assert "replay" in str(found.advice)


def test_a_date_at_the_end_of_the_calendar_does_not_hide_how_the_others_were_moved(shop: Shop) -> None:
    last = "external_id = (SELECT min(external_id) FROM gazelle_appointments WHERE NOT is_stub)"
    shop.query(MOVE.format("timestamptz '9999-12-31 23:59:59Z'") + f" AND {last}")
    shop.query(
        'UPDATE staging_appointments SET raw_data = raw_data || \'{"start": "9999-12-31T23:59:59Z"}\' '  # noqa: S608
        f"WHERE {last} AND jsonb_typeof(raw_data) = 'object'"
    )
    assert_passes(shop, "timezone_instants")
    assert_passes(shop, "timezone_view")
    shop.query(MOVE.format("start_at + interval '5 hours'"))
    for thorough in (False, True):
        found = look_at(shop, "timezone_instants", thorough=thorough)
        total = shop.count("gazelle_appointments", "NOT is_stub")
        # The row beyond the calendar reads as its end on both sides.
        assert f"{total - 1} of {total} rows shifted by +5 h: UTC read as local time" in found.summary


@pytest.mark.parametrize("instant", ["infinity", "-infinity", "0044-03-15 12:00 BC"])
def test_an_instant_beyond_the_calendar_is_told_as_a_row_that_is_off(shop: Shop, instant: str) -> None:
    shop.query(
        f"UPDATE gazelle_appointments SET start_at = '{instant}' "  # noqa: S608 - the test's own words
        "WHERE external_id = (SELECT min(external_id) FROM gazelle_appointments WHERE NOT is_stub)"
    )
    for thorough in (False, True):
        found = look_at(shop, "timezone_instants", thorough=thorough)
        assert (found.is_failure, found.numbers["off"]) == (True, 1), found.summary
        assert_passes(shop, "timezone_view", thorough=thorough)
    assert "start_at" in look_at(shop, "integrity_production").examples[0]


def test_rows_of_the_summer_only_name_the_day_of_the_clock_change(shop: Shop) -> None:
    shop.query(f"{LATER} WHERE start_at >= '2026-03-08 7:00Z' AND {IS_SUMMER}")
    found = look_at(shop, "timezone_instants")
    assert "start_at is not what Gazelle sent: rows after 8 March 2026 only" in found.summary
    assert "daylight saving ignored" in found.summary


def test_a_lost_date_and_a_mixture_are_told_apart(shop: Shop) -> None:
    shop.query(
        "UPDATE gazelle_appointments SET appointment_time = ((start_at - interval '5 hours') AT TIME ZONE 'UTC')::time"
    )
    lost = look_at(shop, "timezone_instants")
    assert "appointment_date, appointment_time is not" in lost.summary
    assert "the time was moved and the date was not" in lost.summary
    shop.query(MOVE.format("start_at + CASE WHEN id % 3 = 0 THEN interval '5 hours' ELSE interval '-2 hours' END"))
    mixture = look_at(shop, "timezone_instants")
    assert "a mixture: " in mixture.summary
    assert "+5 h: UTC read as local time" in mixture.summary
    assert "\N{MINUS SIGN}2 h: a constant shift" in mixture.summary


def test_the_findings_speak_french(shop: Shop) -> None:
    shop.query(MOVE.format("start_at + interval '5 hours'"))
    found = look_at(shop, "timezone_instants", language="fr")
    assert "décalage de +5 h, UTC pris pour l'heure locale" in found.summary


def test_one_row_that_was_edited_is_found(shop: Shop) -> None:
    (external_id,) = shop.query("SELECT external_id FROM gazelle_appointments WHERE NOT is_stub LIMIT 1")[0]
    shop.query(
        "UPDATE gazelle_appointments SET appointment_date = appointment_date + 1 WHERE external_id = %s", external_id
    )
    found = look_at(shop, "timezone_instants", thorough=False)
    assert found.is_failure
    assert found.numbers["off"] == 1
    assert found.examples[0].startswith(external_id)


def test_a_row_without_a_body_to_compare_with_has_not_passed(shop: Shop) -> None:
    shop.query(
        "DELETE FROM staging_appointments WHERE external_id = (SELECT min(external_id) FROM gazelle_appointments)"
    )
    found = look_at(shop, "timezone_instants")
    assert found.is_failure
    assert found.numbers["without body"] == 1


def test_another_way_to_write_the_same_instant_is_no_fault(shop: Shop) -> None:
    shop.query(
        """UPDATE staging_appointments SET raw_data = jsonb_set(raw_data, '{start}',
            to_jsonb(to_char((raw_data ->> 'start')::timestamptz AT TIME ZONE 'Etc/GMT+3', 'YYYY-MM-DD"T"HH24:MI:SS')
                || '.000-03:00'))
        WHERE jsonb_typeof(raw_data) = 'object'"""
    )
    assert_passes(shop, "timezone_instants", thorough=False)


def test_a_newer_version_that_waits_says_nothing_of_the_row(shop: Shop) -> None:
    shop.query(
        """INSERT INTO staging_appointments (external_id, raw_data, fetched_at, sync_status)
        SELECT external_id, jsonb_set(raw_data, '{start}', '"2030-01-01T00:00:00Z"'), now(), 'pending'
        FROM staging_appointments WHERE jsonb_typeof(raw_data) = 'object' LIMIT 5"""
    )
    assert_passes(shop, "timezone_instants")


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (view(starts="a.start_at AT TIME ZONE 'UTC'"), "UTC read as local time"),
        (view(starts="a.start_at AT TIME ZONE 'Etc/GMT+5'"), "daylight saving ignored"),
        (view(day="a.appointment_date"), "the date"),
        (view(time="((a.start_at AT TIME ZONE 'Etc/GMT+5'))::time"), "daylight saving ignored"),
        (view(time=f"({LOCAL})::time"), "show a time though they last all day"),
        (view() + " AND a.id % 2 = 0", "missing from it"),
    ],
    ids=["utc shown", "no daylight saving", "utc date", "time without season", "all day", "rows left out"],
)
def test_a_view_that_does_not_show_montreals_clock_is_named(
    shop: Shop, statement: str, words: str, thorough: bool
) -> None:
    assert_passes(shop, "timezone_view", thorough=thorough)
    shop.query(statement)
    found = look_at(shop, "timezone_view", thorough=thorough)
    assert found.is_failure, found
    assert words in found.summary


def test_the_view_of_the_predecessor_cannot_pass(shop: Shop) -> None:
    shop.query("DROP VIEW v_appointments_montreal")
    shop.query(
        """CREATE VIEW v_appointments_montreal AS SELECT external_id, appointment_date,
        appointment_time AT TIME ZONE 'UTC' AT TIME ZONE 'America/Toronto' AS time_montreal, title, client_external_id
        FROM gazelle_appointments"""
    )
    for name in ("timezone_view", "timezone_reference", "timezone_titles"):
        found = look_at(shop, name)
        assert found.is_failure
        assert "could not be checked" in found.summary


def test_the_reference_appointments_show_when_gazelle_itself_sends_the_wrong_hours(shop: Shop) -> None:
    for event in shop.admin.dump("events"):
        if "Coyote" in str(event["title"]):
            shop.admin.edit("events", event["id"], start=event["start"][:11] + "12:00:00Z")
    shop.sync()
    assert_passes(shop, "timezone_instants")
    found = look_at(shop, "timezone_reference")
    assert found.is_failure
    assert 0 < found.numbers["off"] < 4


@pytest.mark.parametrize("instant", ["0001-01-01 12:00Z", "9999-12-31 23:00Z", "infinity", "-infinity"])
def test_a_reference_appointment_beyond_the_calendar_says_nothing_of_gazelles_hours(shop: Shop, instant: str) -> None:
    before = look_at(shop, "timezone_reference").numbers["checked"]
    coyote = "external_id = (SELECT min(external_id) FROM gazelle_appointments WHERE title ~ 'Coyote')"
    shop.query(f"UPDATE gazelle_appointments SET start_at = %s WHERE {coyote}", instant)  # noqa: S608
    assert look_at(shop, "timezone_instants").is_failure
    found = look_at(shop, "timezone_reference")
    assert (found.passed, found.numbers["checked"]) == (True, before - 1), found.summary


def test_a_calendar_without_reference_appointments_warns(shop: Shop) -> None:
    shop.query("UPDATE gazelle_appointments SET title = 'Accord'")
    found = look_at(shop, "timezone_reference")
    assert not found.passed
    assert not found.is_failure
    assert "Tire le Coyote" in str(found.advice)


def test_a_title_that_people_mistyped_warns_without_naming_anybody(shop: Shop) -> None:
    shop.query(
        "UPDATE gazelle_appointments SET title = 'Mme Unetelle à 3h33' WHERE external_id = "
        "(SELECT min(external_id) FROM v_appointments_montreal WHERE time_montreal IS NOT NULL)"
    )
    found = look_at(shop, "timezone_titles")
    assert not found.passed
    assert not found.is_failure
    assert "Unetelle" not in str(found)
    assert "announces 03:33" in found.examples[0]


def test_titles_that_are_all_off_by_the_same_hours_are_no_mistyping(shop: Shop) -> None:
    shop.query(MOVE.format("start_at - interval '4 hours'"))
    found = look_at(shop, "timezone_titles")
    assert found.is_failure
    assert "the same \N{MINUS SIGN}4 h" in found.summary


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (
            "CREATE FUNCTION fn_fix_gazelle_api_time() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$",
            "fn_fix_gazelle_api_time",
        ),
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$; "
            "CREATE TRIGGER tr_fix_api_import BEFORE INSERT ON gazelle_appointments FOR EACH ROW EXECUTE FUNCTION f()",
            "tr_fix_api_import",
        ),
        ("CREATE RULE moved AS ON INSERT TO gazelle_appointments DO ALSO SELECT 1", "moved"),
        ("ALTER TABLE gazelle_appointments ADD COLUMN appointment_time_montreal time", "appointment_time_montreal"),
        ("ALTER TABLE gazelle_timeline_entries ADD COLUMN seen_at timestamp", "seen_at"),
        ("ALTER TABLE staging_clients ADD COLUMN local_time text", "local_time"),
    ],
)
def test_whatever_may_move_hours_is_named(shop: Shop, statement: str, named: str) -> None:
    shop.query(statement)
    found = look_at(shop, "timezone_schema")
    assert found.is_failure
    assert named in found.summary


def test_local_time_in_somebody_elses_table_is_a_warning(shop: Shop) -> None:
    shop.query("CREATE TABLE tournees (depart_local time, local_id text, locale text, est_actif boolean)")
    found = look_at(shop, "timezone_schema")
    assert not found.passed
    assert not found.is_failure
    assert found.examples == ("tournees.depart_local (time without time zone)",)


def test_an_empty_calendar_has_not_passed(shop: Shop) -> None:
    shop.query("TRUNCATE gazelle_appointments CASCADE")
    for name in OF_ROWS:
        found = look_at(shop, name)
        assert found.is_failure
        assert "An empty table proves nothing" in found.summary


def test_a_calendar_that_is_empty_at_gazelle_passes_once_gazelle_has_said_so(new_shop: Shop) -> None:
    for event in new_shop.admin.dump("events"):
        new_shop.admin.delete("events", event["id"])
    for name in OF_ROWS:
        assert look_at(new_shop, name).is_failure, "nothing was ever asked"
    new_shop.sync()
    for name in OF_ROWS:
        assert "here or at Gazelle" in assert_passes(new_shop, name).summary


def test_a_table_that_cannot_be_read_has_not_passed(shop: Shop) -> None:
    shop.query("ALTER TABLE gazelle_appointments RENAME TO somewhere_else")
    shop.query("DROP VIEW v_appointments_montreal CASCADE")
    for name in ALL:
        assert look_at(shop, name).is_failure, name
