"""The timeline has no stamps: recent bodies, and a count check for what is back-dated or deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gazelle_sync.montreal import montreal_day
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.session import Pull
from gazelle_sync_tests.support.shop import Shop

Record = dict[str, Any]


def noon(days_ago: int) -> datetime:
    return datetime.now(UTC).replace(hour=17, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)


def note(shop: Shop, at: datetime, comment: str = "Accord 440", **values: Any) -> str:
    piano = shop.admin.dump("pianos")[0]
    made = shop.admin.create(
        "timeline", occurredAt=at.strftime("%Y-%m-%dT%H:%M:%SZ"), type="SERVICE_ENTRY_MANUAL", comment=comment,
        clientId=piano["clientId"], pianoId=piano["id"], **values,
    )  # fmt: skip
    return str(made["id"])


def of_day(shop: Shop, at: datetime) -> list[Record]:
    day = montreal_day(at)
    return [e for e in shop.admin.dump("timeline") if montreal_day(datetime.fromisoformat(e["occurredAt"])) == day]


def entries_served(shop: Shop) -> int:
    return int(shop.admin.stats()["bodies"].get("timeline", 0))


def test_a_note_of_this_quarter_of_an_hour_arrives_with_the_tick(shop: Shop) -> None:
    made = note(shop, datetime.now(UTC) - timedelta(minutes=1))
    shop.sync()
    assert shop.row("gazelle_timeline_entries", made)["description"] == "Accord 440"
    assert entries_served(shop) == 1


def test_back_dated_notes_are_found_by_the_count_and_only_their_days_are_read(shop: Shop) -> None:
    days = [noon(20), noon(400), noon(2000)]
    made = [note(shop, day, f"Antidaté {day:%Y}") for day in days]
    shop.admin.reset_stats()
    shop.sync()
    for external_id, day in zip(made, days, strict=True):
        assert shop.row("gazelle_timeline_entries", external_id)["occurred_at"] == day
    assert entries_served(shop) == sum(len(of_day(shop, day)) for day in days)
    shop.assert_equals_api()


def test_a_note_older_than_any_other_is_found(shop: Shop) -> None:
    made = note(shop, datetime(2003, 5, 4, 12, tzinfo=UTC))
    shop.sync()
    assert shop.row("gazelle_timeline_entries", made)["deleted_at"] is None
    shop.assert_equals_api()


def test_a_note_of_tomorrow_is_found_and_not_read_twice(shop: Shop) -> None:
    made = note(shop, noon(-3))
    shop.sync()
    assert shop.row("gazelle_timeline_entries", made)["deleted_at"] is None
    before = shop.physical()
    shop.sync()
    assert shop.physical() == before


def test_a_deleted_entry_is_marked_and_keeps_its_data(shop: Shop) -> None:
    gone = next(e for e in shop.admin.dump("timeline") if e.get("comment") and e["occurredAt"] < "2025")
    before = shop.row("gazelle_timeline_entries", gone["id"])
    shop.admin.delete("timeline", gone["id"])
    shop.admin.reset_stats()
    shop.sync()
    after = shop.row("gazelle_timeline_entries", gone["id"])
    assert after["deleted_at"] is not None
    assert {**before, "deleted_at": 0, "synced_at": 0} == {**after, "deleted_at": 0, "synced_at": 0}
    assert entries_served(shop) <= 2 * len(of_day(shop, datetime.fromisoformat(gone["occurredAt"])))
    shop.assert_equals_api()


def test_a_deletion_that_a_back_dated_note_hides_from_the_count_is_found_by_the_deep_run(shop: Shop) -> None:
    gone = next(e for e in shop.admin.dump("timeline") if e["occurredAt"] < "2025")
    shop.admin.delete("timeline", gone["id"])
    note(shop, noon(700))
    shop.sync()
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()


def test_a_late_correction_arrives_with_the_nightly_run(shop: Shop) -> None:
    recent = max(shop.admin.dump("timeline"), key=lambda e: str(e["occurredAt"]))
    shop.admin.edit("timeline", recent["id"], comment="Corrigé le soir")
    shop.sync(Mode.NIGHTLY)
    assert shop.row("gazelle_timeline_entries", recent["id"])["description"] == "Corrigé le soir"


def test_a_correction_of_an_old_entry_arrives_with_the_deep_run(shop: Shop) -> None:
    old = min(shop.admin.dump("timeline"), key=lambda e: str(e["occurredAt"]))
    shop.admin.edit("timeline", old["id"], comment="Corrigé des années après")
    shop.sync(Mode.DEEP)
    assert shop.row("gazelle_timeline_entries", old["id"])["description"] == "Corrigé des années après"
    shop.assert_equals_api()


def test_an_entry_that_moved_to_another_day_is_there_once(shop: Shop) -> None:
    old = min(shop.admin.dump("timeline"), key=lambda e: str(e["occurredAt"]))
    shop.admin.edit("timeline", old["id"], occurredAt=noon(100).strftime("%Y-%m-%dT%H:%M:%SZ"))
    note(shop, noon(100))
    shop.sync()
    shop.sync(Mode.DEEP)
    assert shop.row("gazelle_timeline_entries", old["id"])["occurred_at"] == noon(100)
    shop.assert_equals_api()


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.NIGHTLY])
@pytest.mark.parametrize("to_days_ago", [10, 900])
def test_an_entry_that_moved_to_a_day_of_which_another_was_deleted_stays_alive(
    shop: Shop, mode: Mode, to_days_ago: int
) -> None:
    """Between two runs: the day that it moved to has as many entries as before, so no count tells of it."""
    moved = note(shop, noon(20), "Déplacée")
    deleted = note(shop, noon(to_days_ago), "Supprimée")
    shop.sync()
    shop.admin.edit("timeline", moved, occurredAt=noon(to_days_ago).strftime("%Y-%m-%dT%H:%M:%SZ"))
    shop.admin.delete("timeline", deleted)
    shop.sync(mode)
    row = shop.row("gazelle_timeline_entries", moved)
    assert (row["deleted_at"], row["occurred_at"]) == (None, noon(to_days_ago))
    assert shop.row("gazelle_timeline_entries", deleted)["deleted_at"] is not None
    shop.assert_equals_api()


@pytest.mark.parametrize("lie", ["empty_list", "skip_row"])
def test_a_client_s_timeline_that_is_not_whole_proves_no_absence(shop: Shop, lie: str) -> None:
    gone = note(shop, noon(30))
    shop.sync()
    shop.admin.delete("timeline", gone)
    shop.admin.fault(lie, times=0, operation="TimelineIds")
    assert shop.sync()["timeline"].partial
    assert shop.row("gazelle_timeline_entries", gone)["deleted_at"] is None
    shop.admin.clear_faults()
    shop.sync()
    assert shop.row("gazelle_timeline_entries", gone)["deleted_at"] is not None


def test_a_client_whose_timeline_is_refused_leaves_the_word_to_the_run_that_reads_everything(shop: Shop) -> None:
    gone = note(shop, noon(30))
    shop.sync()
    shop.admin.delete("timeline", gone)
    shop.admin.fault("status", code=404, times=0, operation="TimelineIds")
    shop.sync()
    assert shop.row("gazelle_timeline_entries", gone)["deleted_at"] is None
    shop.sync(Mode.DEEP)
    assert shop.row("gazelle_timeline_entries", gone)["deleted_at"] is not None


@pytest.mark.parametrize("was_held", [True, False])
def test_an_entry_that_came_with_another_s_body_is_not_gone_where_that_other_lies(shop: Shop, was_held: bool) -> None:
    """Found by the fault campaign: it was looked for on the day and in the timeline of the other record's client."""
    for recent in shop.admin.dump("timeline"):
        if datetime.fromisoformat(recent["occurredAt"]) > noon(46):
            shop.admin.delete("timeline", recent["id"])
    client = shop.admin.dump("clients")[-1]["id"]
    shop.admin.create("timeline", occurredAt=f"{noon(44):%Y-%m-%dT%H:%M:%SZ}", clientId=client, comment="D'un autre")
    neighbour = note(shop, noon(2) - timedelta(hours=1), "Du même jour")
    held = [note(shop, noon(2))] if was_held else []
    shop.sync(allow_deletes=True)
    (entry,) = held or [note(shop, noon(2))]
    shop.admin.delete("timeline", neighbour)  # so that the count of its day tells nothing
    shop.admin.fault("duplicate_id", times=3, operation="TimelinePage")  # every try to read the 45 days
    shop.sync(Mode.NIGHTLY)
    assert shop.admin.faults()[0]["struck"] == 3
    shop.sync()
    row = shop.row("gazelle_timeline_entries", entry)
    assert row["deleted_at"] is None
    assert (row["occurred_at"] == noon(2)) == was_held
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()


def test_entries_at_the_seams_of_montreals_days_are_counted_once(shop: Shop) -> None:
    # Midnight in Montreal is 04:00 or 05:00 UTC; 2025-03-09 has 23 hours and 2025-11-02 has 25.
    seams = ["2025-03-09T04:59:59", "2025-03-09T05:00:00", "2025-03-10T03:59:59", "2025-03-10T04:00:00",
             "2025-11-02T03:59:59", "2025-11-02T04:00:00", "2025-11-03T04:59:59", "2025-11-03T05:00:00"]  # fmt: skip
    made = [note(shop, datetime.fromisoformat(seam).replace(tzinfo=UTC), seam) for seam in seams]
    shop.sync()
    assert [shop.row("gazelle_timeline_entries", i)["description"] for i in made] == seams
    shop.assert_equals_api()


def test_of_twins_both_stay_and_the_imported_one_names_the_other(shop: Shop) -> None:
    at = noon(900)
    imported = note(shop, at, "Jumeaux", id="tle_jumeauximporte0000")
    own = note(shop, at, "Jumeaux", id="tme_jumeauxgazelle0000")
    other = note(shop, at, "Autres mots", id="tme_autresmots00000000")
    shop.sync()
    assert shop.row("gazelle_timeline_entries", imported)["duplicate_of"] == own
    assert shop.row("gazelle_timeline_entries", own)["duplicate_of"] is None
    assert shop.row("gazelle_timeline_entries", other)["duplicate_of"] is None
    shop.admin.delete("timeline", own)
    shop.sync()
    assert shop.row("gazelle_timeline_entries", imported)["duplicate_of"] is None
    shop.assert_equals_api()


def test_more_new_entries_than_a_page_all_arrive(shop: Shop) -> None:
    for number in range(25):
        note(shop, datetime.now(UTC) - timedelta(seconds=number), f"Rafale {number}")
    shop.sync(page_size=10)
    shop.assert_equals_api()


def test_a_day_with_more_entries_than_a_page_is_read_whole(shop: Shop) -> None:
    for number in range(23):
        note(shop, noon(300) + timedelta(seconds=number), f"Import {number}")
    shop.sync(page_size=10)
    shop.assert_equals_api()


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_note_of_a_mistyped_year_is_refused_with_its_reason_and_the_others_go_on(shop: Shop, at: str) -> None:
    client = shop.admin.dump("clients")[0]
    made = shop.admin.create("timeline", occurredAt=at, type="USER_COMMENT", comment="Faute", clientId=client["id"])
    back_dated = note(shop, noon(300))
    shop.sync()
    assert shop.count("gazelle_timeline_entries", f"external_id = '{made['id']}'") == 0
    assert "1900 to 2199" in shop.value("SELECT error_message FROM v_sync_errors")
    assert shop.row("gazelle_timeline_entries", back_dated)["deleted_at"] is None
    shop.admin.delete("timeline", back_dated)
    shop.sync()
    assert shop.row("gazelle_timeline_entries", back_dated)["deleted_at"] is not None
    shop.sync(Mode.NIGHTLY)
    shop.sync(Mode.DEEP)
    assert shop.count("v_sync_errors") == 1
    shop.admin.delete("timeline", made["id"])
    shop.sync()
    assert shop.count("v_sync_errors") == 0
    shop.assert_equals_api()


def test_records_of_every_kind_that_bear_such_a_date_keep_what_was_known_of_them(shop: Shop) -> None:
    visit = next(e for e in shop.admin.dump("events") if e["status"] == "ACTIVE")
    invoice = shop.admin.dump("invoices")[0]
    shop.admin.edit("events", visit["id"], start="0001-01-01T00:00:00Z")
    shop.admin.edit("invoices", invoice["id"], createdAt="0001-01-01T00:00:00Z")
    shop.sync(Mode.DEEP)
    assert shop.row("gazelle_appointments", visit["id"])["start_at"] == datetime.fromisoformat(visit["start"])
    assert shop.count("v_sync_errors", "error_message LIKE '%1900 to 2199%'") == 2
    shop.sync()
    shop.admin.edit("events", visit["id"], start=visit["start"])
    shop.admin.edit("invoices", invoice["id"], createdAt=invoice["createdAt"])
    shop.sync(Mode.DEEP)
    assert shop.count("v_sync_errors") == 0
    shop.assert_equals_api()


def test_a_watermark_at_the_beginning_of_time_reads_from_there(shop: Shop) -> None:
    shop.query("UPDATE system_settings SET value = '0001-01-01T00:00:00+00:00' WHERE key LIKE 'last_sync_date%'")
    shop.sync()
    shop.query("UPDATE system_settings SET value = '0001-01-01T00:00:00+00:00' WHERE key LIKE 'last_sync_date%'")
    shop.sync(Mode.NIGHTLY)
    shop.assert_equals_api()


def test_a_note_is_found_where_the_date_header_runs_ahead_and_a_deletion_evens_the_count(shop: Shop) -> None:
    """The watermark is then ahead of the notes: the quarter of an hour that every tick reads again lies after them."""
    shop.admin.settings(clock_skew_s=3600)
    shop.sync()
    gone = next(e for e in shop.admin.dump("timeline") if e["occurredAt"] < "2025")
    shop.admin.delete("timeline", gone["id"])
    made = note(shop, datetime.now(UTC) - timedelta(minutes=1))
    shop.sync(only=["timeline"])  # whose first request is the first of the run: no answer has told the time before
    assert shop.row("gazelle_timeline_entries", made)["description"] == "Accord 440"


@pytest.mark.parametrize("mode", [Mode.NIGHTLY, Mode.DEEP])
def test_an_entry_that_was_staged_and_never_applied_is_missed_when_it_is_gone(shop: Shop, mode: Mode) -> None:
    """Found by the fault campaign: a run that ended before its second stage leaves what the next one applies."""
    entry = note(shop, datetime.now(UTC) - timedelta(minutes=1))
    with Pull(shop.settings, entities=["timeline"]) as pull:
        pull.stage("timeline")
    shop.admin.delete("timeline", entry)
    shop.sync(mode)
    assert shop.count("gazelle_timeline_entries", f"external_id = '{entry}' AND deleted_at IS NULL") == 0
    shop.assert_equals_api()


@pytest.mark.parametrize("times", [1, 0])
@pytest.mark.parametrize("lie", ["empty_list", "skip_row"])
def test_recent_notes_that_an_answer_leaves_out_are_asked_for_again(shop: Shop, lie: str, times: int) -> None:
    """Found by the fault campaign. A deletion evens the whole count; the count of the note's day tells of it."""
    shop.admin.delete("timeline", shop.admin.dump("timeline")[-1]["id"])
    made = note(shop, datetime.now(UTC) - timedelta(minutes=1))
    shop.admin.fault(lie, times=times, operation="TimelineTick")
    outcome = shop.sync(only=["timeline"])
    assert outcome["timeline"].partial == (times == 0)
    assert shop.row("gazelle_timeline_entries", made)["description"] == "Accord 440"


def test_more_recent_notes_than_a_page_of_which_one_is_left_out_are_said(shop: Shop) -> None:
    for minute in range(5):
        note(shop, datetime.now(UTC) - timedelta(minutes=minute + 1))
    shop.admin.fault("skip_row", times=0, operation="TimelinePage")
    outcome = shop.sync(only=["timeline"], page_size=2)
    assert outcome["timeline"].partial


def test_entries_that_were_staged_and_never_applied_are_read_once_where_gazelle_has_them(shop: Shop) -> None:
    note(shop, datetime.now(UTC) - timedelta(minutes=1))
    with Pull(shop.settings, entities=["timeline"]) as pull:
        pull.stage("timeline")
    shop.admin.reset_stats()
    shop.sync(Mode.DEEP, only=["timeline"])
    assert entries_served(shop) == len(shop.admin.dump("timeline"))


def test_a_deleted_entry_whose_tombstone_staging_lost_does_not_live_again(shop: Shop) -> None:
    """Found by the fault campaign: a full run makes rows again from what is staged, and Gazelle was not asked."""
    entry = note(shop, noon(400))
    shop.sync()
    shop.admin.delete("timeline", entry)
    shop.sync()
    shop.query("DELETE FROM staging_timeline WHERE external_id = %s AND raw_data = 'null'", entry)
    shop.sync(Mode.DEEP)
    assert shop.row("gazelle_timeline_entries", entry)["deleted_at"] is not None
    shop.assert_equals_api()


def test_an_entry_that_is_gone_on_both_sides_does_not_come_back_from_staging(shop: Shop) -> None:
    """Somebody removed its row here, and Gazelle deleted it: a full run makes rows again from what is staged."""
    entry = note(shop, noon(400))
    shop.sync(Mode.DEEP)
    shop.admin.delete("timeline", entry)
    shop.query("DELETE FROM gazelle_timeline_entries WHERE external_id = %s", entry)
    shop.sync(Mode.DEEP)
    assert shop.count("gazelle_timeline_entries", f"external_id = '{entry}' AND deleted_at IS NULL") == 0
    shop.assert_equals_api()
