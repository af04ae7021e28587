"""How changes are found: by stamps, by full runs, in windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gazelle_sync.entities import ENTITIES
from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.support.shop import Shop

Record = dict[str, Any]


def bodies(shop: Shop) -> dict[str, int]:
    """Bodies served since the counts were reset, by kind, zeros left out."""
    return {kind: count for kind, count in shop.admin.stats()["bodies"].items() if count}


def zulu(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_days(days: float) -> str:
    return zulu(datetime.now(UTC) + timedelta(days=days))


def a_visit(shop: Shop, first: float = 5, last: float = 300) -> Record:
    """A listed visit that starts between so many days from now."""
    for event in shop.admin.dump("events"):
        if event["status"] != "CANCELED" and in_days(first) < event["start"] < in_days(last):
            return event
    raise AssertionError("no such visit")


def oldest(shop: Shop, kind: str) -> Record:
    return min((r for r in shop.admin.dump(kind) if r["updatedAt"]), key=lambda r: str(r["createdAt"]))


@pytest.mark.parametrize(
    ("kind", "field", "table", "column"),
    [
        ("clients", "personalNotes", "gazelle_clients", "personal_notes"),
        ("pianos", "notes", "gazelle_pianos", "notes"),
        ("invoices", "notes", "gazelle_invoices", "notes"),
        ("users", "firstName", "gazelle_users", "first_name"),
        ("products", "externalUrl", "gazelle_products", "external_url"),
    ],
)
def test_an_edit_of_an_old_record_is_found_by_the_next_tick(
    shop: Shop, kind: str, field: str, table: str, column: str
) -> None:
    record = oldest(shop, kind)
    shop.admin.edit(kind, record["id"], **{field: "Révisé"})
    shop.sync()
    assert shop.row(table, record["id"])[column] == "Révisé"
    shop.assert_equals_api()


def test_exactly_the_bodies_that_changed_are_fetched(shop: Shop) -> None:
    changed = shop.admin.random_edits(clients=5, pianos=2, events=25, timeline=30)
    shop.sync()
    assert bodies(shop) == {kind: len(ids) for kind, ids in changed.items()}
    shop.assert_equals_api()


def test_a_stamp_that_goes_back_is_a_change(shop: Shop) -> None:
    client = oldest(shop, "clients")
    shop.admin.edit("clients", client["id"], touch="2011-01-01T00:00:00Z", personalNotes="Restauré")
    shop.sync()
    assert shop.row("gazelle_clients", client["id"])["personal_notes"] == "Restauré"


def test_an_edit_of_a_record_without_stamp_is_found_by_the_full_run(shop: Shop) -> None:
    client = oldest(shop, "clients")
    shop.admin.edit("clients", client["id"], touch=False, updatedAt=None)
    shop.sync()
    shop.admin.edit("clients", client["id"], touch=False, personalNotes="Sans date")
    shop.sync()
    assert shop.row("gazelle_clients", client["id"])["personal_notes"] != "Sans date"
    shop.sync(Mode.NIGHTLY)
    assert shop.row("gazelle_clients", client["id"])["personal_notes"] == "Sans date"
    shop.assert_equals_api()


def test_a_contacts_new_phone_arrives_with_the_full_run(shop: Shop) -> None:
    contact = next(c for c in shop.admin.dump("contacts") if c["phones"] and c["isDefault"])
    phone = contact["phones"][0] | {"phoneNumber": "+15145550199"}
    shop.admin.edit("contacts", contact["id"], touch=False, phones=[phone])
    assert shop.sync().staged == 0
    shop.sync(Mode.NIGHTLY)
    assert shop.row("gazelle_contacts", contact["id"])["phone"] == "+15145550199"
    assert shop.row("gazelle_clients", contact["clientId"])["phone"] == "+15145550199"
    shop.assert_equals_api()


def test_a_measurement_arrives_with_the_full_run(shop: Shop) -> None:
    piano = oldest(shop, "pianos")
    made = shop.admin.create("measurements", pianoId=piano["id"], takenOn="2026-01-09", humidity=41, temperature=20)
    shop.sync(Mode.NIGHTLY)
    assert shop.row("gazelle_piano_measurements", made["id"])["humidity"] == 41
    shop.assert_equals_api()


def test_a_nested_record_that_leaves_its_parents_body_is_removed_with_it(shop: Shop) -> None:
    contact = next(c for c in shop.admin.dump("contacts") if not c["isDefault"])
    shop.admin.delete("contacts", contact["id"])
    shop.sync(Mode.NIGHTLY)
    assert shop.rows("gazelle_contacts", "external_id = %s AND deleted_at IS NULL", contact["id"]) == []
    assert shop.rows("gazelle_locations", "contact_external_id = %s AND deleted_at IS NULL", contact["id"]) == []
    shop.assert_equals_api()


@pytest.mark.parametrize("kind", ["clients", "events"])
def test_two_edits_within_one_second_both_arrive(shop: Shop, kind: str) -> None:
    record = a_visit(shop) if kind == "events" else oldest(shop, kind)
    field = "notes" if kind == "events" else "personalNotes"
    # A second that is not over when the record is read: the two edits carry the same stamp.
    stamp = zulu(datetime.now(UTC) + timedelta(seconds=2))
    shop.admin.edit(kind, record["id"], touch=stamp, **{field: "première"})
    shop.sync()
    shop.admin.edit(kind, record["id"], touch=stamp, **{field: "seconde"})
    shop.sync()
    table, column = ("gazelle_appointments", "notes") if kind == "events" else ("gazelle_clients", "personal_notes")
    assert shop.row(table, record["id"])[column] == "seconde"


def test_a_record_whose_stamp_has_settled_is_not_read_again(shop: Shop) -> None:
    client = oldest(shop, "clients")
    shop.admin.edit("clients", client["id"], touch=in_days(-0.001), personalNotes="réglé")
    shop.sync()
    shop.admin.reset_stats()
    before = shop.physical()
    shop.sync()
    assert bodies(shop) == {}
    assert shop.physical() == before


def test_so_many_changes_that_pages_are_cheaper_are_read_by_pages(shop: Shop) -> None:
    for client in shop.admin.dump("clients"):
        shop.admin.edit("clients", client["id"], personalNotes="Tous")
    for event in shop.admin.dump("events"):
        shop.admin.edit("events", event["id"], notes="Tous")
    shop.sync()
    operations = shop.admin.stats()["by_operation"]
    assert operations["AppointmentsPage"] == 1
    assert "AppointmentsById" not in operations
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()


def test_a_body_that_comes_back_unchanged_is_not_stored_twice(shop: Shop) -> None:
    client = oldest(shop, "clients")
    shop.admin.edit("clients", client["id"], touch=False)
    before = shop.value("SELECT count(*) FROM staging_clients")
    outcome = shop.sync(Mode.NIGHTLY)
    assert shop.value("SELECT count(*) FROM staging_clients") == before
    assert outcome["clients"].fetched == len(shop.admin.dump("clients"))
    assert outcome["clients"].staged == 0


def test_a_row_that_somebody_marked_deleted_here_lives_again_with_the_tick_that_reads_its_body(shop: Shop) -> None:
    invoice = oldest(shop, "invoices")["id"]
    shop.query("UPDATE gazelle_invoices SET deleted_at = now() WHERE external_id = %s", invoice)
    shop.query("UPDATE staging_invoices SET is_unsettled = true WHERE external_id = %s", invoice)
    outcome = shop.sync()
    assert outcome["invoices"].staged == 0, "its body is as it was"
    shop.assert_equals_api()


# ---- the calendar's window


def test_a_cancelled_visit_that_left_its_list_becomes_a_change_and_is_not_asked_for_again(shop: Shop) -> None:
    visit = a_visit(shop)
    shop.admin.edit("events", visit["id"], status="CANCELED")
    shop.sync()
    row = shop.row("gazelle_appointments", visit["id"])
    assert (row["status"], row["deleted_at"]) == ("CANCELED", None)
    shop.quiet_down()
    shop.admin.reset_stats()
    before = shop.physical()
    shop.sync()
    assert shop.physical() == before
    assert bodies(shop) == {}
    shop.assert_equals_api()


def test_a_cancelled_visit_whose_stamp_is_unsettled_is_read_once_a_tick_and_nothing_is_written(shop: Shop) -> None:
    visit = a_visit(shop)
    shop.admin.edit("events", visit["id"], touch=in_days(0.04), status="CANCELED")  # the API's clock went back since
    shop.sync()
    before = shop.physical()
    shop.admin.reset_stats()
    shop.sync()
    assert bodies(shop) == {"events": 1}
    assert shop.physical() == before
    shop.admin.edit("events", visit["id"], touch=False, notes="Dans la même seconde")
    shop.sync()
    assert shop.row("gazelle_appointments", visit["id"])["notes"] == "Dans la même seconde"


def test_a_visit_that_is_uncancelled_comes_back(shop: Shop) -> None:
    visit = a_visit(shop)
    shop.admin.edit("events", visit["id"], status="CANCELED")
    shop.sync()
    shop.admin.edit("events", visit["id"], status="ACTIVE")
    shop.sync()
    assert shop.row("gazelle_appointments", visit["id"])["status"] == "ACTIVE"
    shop.admin.delete("events", visit["id"])
    shop.sync()
    assert shop.row("gazelle_appointments", visit["id"])["deleted_at"] is not None


@pytest.mark.parametrize("days", [500, -90])
def test_a_visit_moved_out_of_the_window_has_moved_and_is_not_gone(shop: Shop, days: float) -> None:
    visit = a_visit(shop)
    shop.admin.edit("events", visit["id"], start=in_days(days))
    shop.sync()
    row = shop.row("gazelle_appointments", visit["id"])
    assert row["deleted_at"] is None
    assert row["start_at"] == datetime.fromisoformat(in_days(days)).replace(second=row["start_at"].second)
    shop.quiet_down()
    shop.admin.reset_stats()
    shop.sync()
    assert bodies(shop) == {}
    shop.assert_equals_api()


@pytest.mark.parametrize("dialect", ["published", "seed"])
def test_a_visit_whose_start_could_not_be_read_is_not_lost_when_it_leaves_the_window(shop: Shop, dialect: str) -> None:
    """Found by the fault campaign: nothing held says that the visit was in the window."""
    shop.admin.settings(dialect=dialect)
    shop.query("DELETE FROM system_settings WHERE key = 'api_features'")
    visit = a_visit(shop)
    shop.admin.fault("naive_starts", times=0)
    shop.admin.edit("events", visit["id"], notes="Sans fuseau")
    shop.sync()
    shop.admin.clear_faults()
    shop.admin.edit("events", visit["id"], start=in_days(500))
    shop.sync()
    assert shop.row("gazelle_appointments", visit["id"])["start_at"] > datetime.now(UTC) + timedelta(days=499)
    shop.assert_equals_api()


def test_a_visit_moved_into_the_window_is_found(shop: Shop) -> None:
    visit = a_visit(shop, -3000, -60)
    shop.admin.edit("events", visit["id"], start=in_days(3))
    shop.sync()
    assert shop.row("gazelle_appointments", visit["id"])["start_at"] > datetime.now(UTC)
    shop.assert_equals_api()


def test_an_edit_of_a_visit_outside_the_window_waits_for_the_full_run(shop: Shop) -> None:
    visit = a_visit(shop, -3000, -60)
    shop.admin.edit("events", visit["id"], notes="Corrigé")
    shop.sync()
    assert shop.row("gazelle_appointments", visit["id"])["notes"] != "Corrigé"
    shop.sync(Mode.NIGHTLY)
    assert shop.row("gazelle_appointments", visit["id"])["notes"] == "Corrigé"


# ---- time passes


def test_after_three_days_down_the_next_tick_brings_everything(shop: Shop) -> None:
    long_ago = zulu(datetime.now(UTC) - timedelta(days=3))
    shop.query("UPDATE system_settings SET value = %s WHERE key LIKE 'last_sync_date%%'", long_ago)
    client, visit = oldest(shop, "clients"), a_visit(shop)
    shop.admin.edit("clients", client["id"], touch=in_days(-2.9), personalNotes="Il y a trois jours")
    shop.admin.edit("events", visit["id"], touch=in_days(-1.5), notes="Avant-hier")
    for days in (-2.8, -1, -0.1):
        shop.admin.create("timeline", occurredAt=in_days(days), summary="Pendant la panne", clientId=client["id"])
    shop.sync()
    shop.assert_equals_api()


@pytest.mark.parametrize("hours", [1, -1])
def test_clocks_that_disagree_by_an_hour_lose_nothing(shop: Shop, hours: int) -> None:
    shop.admin.settings(clock_skew_s=3600 * hours)
    for round_number in range(3):
        shop.admin.random_edits(seed=round_number, timeline=3, events=4)
        shop.sync()
        shop.assert_equals_api()
    mark = shop.watermarks()["clients"]
    assert timedelta(minutes=50) < hours * (mark - datetime.now(UTC)) < timedelta(minutes=70)
    shop.quiet_down()
    before = shop.physical()
    shop.sync()
    assert shop.physical() == before


def test_the_apis_clock_may_jump_back_between_two_runs(shop: Shop) -> None:
    shop.admin.settings(clock_skew_s=3600)
    shop.admin.random_edits(seed=1, timeline=3)
    shop.sync()
    shop.admin.settings(clock_skew_s=0)
    shop.admin.random_edits(seed=2, timeline=3)
    shop.sync()
    shop.assert_equals_api()


def test_the_watermark_is_the_start_of_the_run_by_the_apis_clock(shop: Shop) -> None:
    began = datetime.now(UTC) - timedelta(seconds=2)
    shop.sync()
    marks = shop.watermarks()
    assert set(marks) == {"", *(entity.name for entity in ENTITIES)}
    assert all(began <= mark <= datetime.now(UTC) for mark in marks.values())
    assert marks[""] == min(marks.values())


def test_superseded_versions_go_after_their_retention_and_the_newest_stays_for_ever(shop: Shop) -> None:
    client = oldest(shop, "clients")
    for note in ("un", "deux"):
        shop.admin.edit("clients", client["id"], personalNotes=note)
        shop.sync()
    shop.query("UPDATE staging_clients SET fetched_at = fetched_at - interval '100 days'")
    shop.sync(Mode.NIGHTLY)
    versions = shop.rows("staging_clients", "external_id = %s", client["id"])
    assert [version["raw_data"]["personalNotes"] for version in versions] == ["deux"]
    assert shop.value("SELECT count(DISTINCT external_id) FROM staging_clients") == len(shop.admin.dump("clients")) + 1


def test_a_watermark_that_a_person_spoiled_is_read_as_none(shop: Shop) -> None:
    shop.query("UPDATE system_settings SET value = 'hier' WHERE key = 'last_sync_date.clients'")
    outcome = shop.sync()
    assert outcome["clients"].strategy == "full pages"
    assert shop.watermarks()["clients"] > datetime.now(UTC) - timedelta(minutes=5)
    shop.assert_equals_api()
