"""Nested rows are not removed because an answer leaves them out: they are read again, guarded, and confirmed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import MassEmptying, MassVanishing
from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.support.shop import Shop

NESTED = {table.name: entity.name for entity in ENTITIES for table in entity.tables if table.owner is not None}
FAULTS = [
    ("empty_nested", {}),
    ("thin_nested", {"share": 0.9}),
    ("thin_nested", {"share": 0.9, "field": "allPianoMeasurements"}),
]


def living(shop: Shop) -> dict[str, dict[str, int]]:
    """Nested table → id → integer id of its living rows."""
    return {
        name: {row["external_id"]: row["id"] for row in shop.rows(name, "deleted_at IS NULL AND NOT is_stub")}
        for name in NESTED
    }


def full_client(shop: Shop) -> str:
    """A client with three contacts or more, all of which one body carries."""
    counts = Counter(str(contact["clientId"]) for contact in shop.admin.dump("contacts"))
    return next(client for client, count in counts.most_common() if count < 50)


def remove_contacts(shop: Shop, client: str) -> list[str]:
    contacts = [c["id"] for c in shop.admin.dump("contacts") if c["clientId"] == client]
    for contact in contacts:
        shop.admin.delete("contacts", contact)
    shop.admin.edit("clients", client, personalNotes="Plus personne")
    return contacts


def living_contacts(shop: Shop, client: str) -> int:
    return shop.count("gazelle_contacts", f"client_external_id = '{client}' AND deleted_at IS NULL")


@pytest.mark.parametrize(("fault", "options"), FAULTS, ids=["wholly", "partly", "some measurements"])
def test_lists_inside_records_that_come_without_their_rows_remove_nothing(
    shop: Shop, fault: str, options: dict[str, Any]
) -> None:
    before = living(shop)
    shop.admin.fault(fault, times=0, **options)
    outcome = shop.sync(Mode.DEEP, check=False)
    assert living(shop) == before
    concerned = {"pianos"} if "field" in options else set(NESTED.values())
    assert {name for name, error in outcome.errors.items() if isinstance(error, MassEmptying)} == concerned
    said = str(outcome.errors["pianos"])
    aside = shop.count("staging_pianos", "rejected_at IS NOT NULL AND sync_status = 'error'")
    assert aside > 0
    assert f"The bodies of {aside} records were set aside" in said
    assert "rows of gazelle_piano_measurements" in said
    assert said.count("gazelle-sync sync --full --allow-deletes --only pianos") == 1
    assert shop.last_log()["status"] == "error"

    shop.replay()  # set aside is set aside: neither a replay nor a tick on the same bad day applies those bodies
    shop.sync(check=False)
    assert living(shop) == before

    shop.admin.clear_faults()
    shop.sync(Mode.DEEP)
    assert living(shop) == before
    shop.assert_equals_api()
    assert shop.count("v_sync_errors") == 0, "what Gazelle takes back is nobody's error"


@pytest.mark.parametrize("field", ["allContacts", "allLocations", "allInvoiceItems", "allEventPianos"])
def test_a_tick_that_reads_emptied_lists_removes_nothing(shop: Shop, field: str) -> None:
    before = living(shop)
    for kind in ("clients", "invoices", "events"):
        for record in shop.admin.dump(kind):
            shop.admin.edit(kind, record["id"])
    shop.admin.fault("empty_nested", times=0, field=field)
    outcome = shop.sync(check=False)
    assert [type(error) for error in outcome.errors.values()] == [MassVanishing]
    assert living(shop) == before
    shop.admin.clear_faults()
    shop.sync()
    assert living(shop) == before
    assert shop.count("v_sync_errors") == 0


def new_visit(shop: Shop, start: str) -> str:
    """A visit for a piano, made at Gazelle a while ago: its stamp alone is no reason to read it again."""
    piano = shop.admin.dump("pianos")[0]
    visit = shop.admin.create(
        "events", start=start, clientId=piano["clientId"], type="APPOINTMENT", status="ACTIVE",
        pianos=[{"pianoId": piano["id"], "isTuning": True}],
    )["id"]  # fmt: skip
    shop.admin.edit("events", visit, touch="2026-01-02T12:00:00Z")
    return str(visit)


def soon() -> str:
    return (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT12:00:00Z")


def named_unreadable(shop: Shop) -> set[str]:
    return {visit for (visit,) in shop.query("SELECT external_id FROM v_sync_errors WHERE error_message LIKE %s", SAID)}


SAID = "gazelle_appointment_pianos: Gazelle sent nothing%"


@pytest.mark.parametrize("mode", [Mode.NIGHTLY, Mode.TICK])
def test_new_visits_that_came_without_pianos_beside_visits_that_were_set_aside_get_them_with_the_next_tick(
    shop: Shop, mode: Mode
) -> None:
    visits = {new_visit(shop, soon())}
    if mode is Mode.TICK:
        for event in shop.admin.dump("events"):
            if event["id"] not in visits:
                shop.admin.edit("events", event["id"])
    else:
        visits.add(new_visit(shop, "2003-05-05T12:00:00Z"))  # a tick's window does not reach it
    shop.admin.fault("empty_nested", times=0, field="allEventPianos")
    assert isinstance(shop.sync(mode, check=False).errors["appointments"], MassVanishing)
    assert visits <= named_unreadable(shop)
    for _ in range(2):  # while the fault lasts they stay in doubt
        assert isinstance(shop.sync(check=False).errors["appointments"], MassVanishing)
        assert visits <= named_unreadable(shop)
    shop.admin.clear_faults()
    shop.sync()
    for visit in visits:
        assert shop.row("gazelle_appointments", visit)["piano_external_id"] is not None
    assert shop.count("v_sync_errors") == 0
    shop.sync(Mode.NIGHTLY)
    shop.assert_equals_api()


def test_new_visits_that_came_without_pianos_are_read_again_by_the_same_run_where_that_repairs_the_others(
    shop: Shop,
) -> None:
    visit = new_visit(shop, soon())
    shop.admin.fault("empty_nested", times=0, operation="AppointmentsPage")
    shop.sync(Mode.NIGHTLY)
    assert shop.row("gazelle_appointments", visit)["piano_external_id"] is not None
    shop.admin.clear_faults()
    shop.assert_equals_api()


def test_a_table_that_comes_empty_altogether_is_not_believed_however_often_it_comes(shop: Shop) -> None:
    before = living(shop)
    shop.admin.fault("empty_nested", times=0)
    for _ in range(3):
        assert shop.sync(Mode.DEEP, check=False).errors
    assert living(shop) == before


def test_a_small_table_whose_rows_all_vanish_is_not_believed_either(shop: Shop) -> None:
    of_pianos = {measurement["pianoId"]: measurement["id"] for measurement in shop.admin.dump("measurements")}
    kept = sorted(of_pianos.values())[:5]
    for measurement in shop.admin.dump("measurements"):
        if measurement["id"] not in kept:
            shop.admin.delete("measurements", measurement["id"])
    shop.sync(Mode.DEEP, allow_deletes=True)
    assert living(shop)["gazelle_piano_measurements"].keys() == set(kept)
    shop.admin.fault("empty_nested", times=0, field="allPianoMeasurements")
    assert isinstance(shop.sync(Mode.DEEP, check=False).errors["pianos"], MassVanishing)
    assert living(shop)["gazelle_piano_measurements"].keys() == set(kept)


def test_lists_that_came_empty_once_are_read_again_by_the_same_run(shop: Shop) -> None:
    before = living(shop)
    for operation in ("ClientsPage", "PianosPage", "InvoicesPage", "AppointmentsPage"):
        shop.admin.fault("empty_nested", times=0, operation=operation)
    shop.sync(Mode.DEEP)
    assert living(shop) == before
    shop.admin.clear_faults()
    shop.assert_equals_api()


def test_lists_that_come_empty_by_id_too_are_asked_for_by_their_own_pages(shop: Shop) -> None:
    client = full_client(shop)
    shop.admin.edit("clients", client, personalNotes="Encore")
    before = living(shop)
    shop.admin.fault("empty_nested", times=0, field="allContacts", operation="ClientsById")
    shop.sync()
    assert living(shop) == before
    assert shop.row("gazelle_clients", client)["personal_notes"] == "Encore"


def test_one_contact_that_a_person_removed_goes_at_once_and_revives_under_its_id(shop: Shop) -> None:
    contact = next(c for c in shop.admin.dump("contacts") if not c["isDefault"])
    before = shop.row("gazelle_contacts", contact["id"])
    shop.admin.delete("contacts", contact["id"])
    shop.sync(Mode.NIGHTLY)
    gone = shop.row("gazelle_contacts", contact["id"])
    assert gone["deleted_at"] is not None
    assert gone | {"deleted_at": None, "synced_at": None} == before | {"synced_at": None}
    assert shop.rows("gazelle.contacts", "external_id = %s", contact["id"]) == []
    shop.assert_equals_api()
    shop.admin.create("contacts", **contact)
    shop.sync(Mode.NIGHTLY)
    assert shop.row("gazelle_contacts", contact["id"])["id"] == before["id"]
    shop.assert_equals_api()


def test_a_list_that_a_person_emptied_is_confirmed_by_the_next_full_run(shop: Shop) -> None:
    client = full_client(shop)
    contacts = remove_contacts(shop, client)
    assert len(contacts) >= 3
    for _ in range(2):  # a tick confirms nothing, however often it reads the same
        assert isinstance(shop.sync(check=False).errors["clients"], MassEmptying)
        assert living_contacts(shop, client) == len(contacts)
    shop.sync(Mode.NIGHTLY)
    assert living_contacts(shop, client) == 0
    shop.assert_equals_api()
    assert shop.count("v_sync_errors") == 0


def test_a_full_run_does_not_confirm_what_it_read_first_itself(shop: Shop) -> None:
    client = full_client(shop)
    remove_contacts(shop, client)
    assert isinstance(shop.sync(Mode.DEEP, check=False).errors["clients"], MassEmptying)
    shop.sync(Mode.DEEP)
    assert living_contacts(shop, client) == 0
    shop.assert_equals_api()


def test_an_emptied_list_is_no_confirmation_of_what_lies_in_its_rows(shop: Shop) -> None:
    before = living(shop)
    contacts = [contact for contact in shop.admin.dump("contacts") if contact["locations"]][:30]
    removed = {location["id"] for contact in contacts for location in contact["locations"]}
    assert max(10, 0.02 * len(before["gazelle_locations"])) < len(removed) < len(before["gazelle_locations"])
    shop.admin.fault("empty_nested", times=0, field="allContacts")
    assert isinstance(shop.sync(Mode.DEEP, check=False).errors["clients"], MassVanishing)
    shop.admin.clear_faults()

    for contact in contacts:  # another answer: the contacts are there, without their locations
        shop.admin.edit("contacts", contact["id"], locations=[])
    assert isinstance(shop.sync(Mode.DEEP, check=False).errors["clients"], MassVanishing)
    assert living(shop) == before, "the contacts were not there, so nothing was said of their locations"

    shop.sync(Mode.DEEP)  # the same lists, read the same twice
    assert not living(shop)["gazelle_locations"].keys() & removed
    shop.assert_equals_api()


def test_many_removals_are_confirmed_by_the_next_full_run_where_other_lists_are_there(shop: Shop) -> None:
    gone = [m["id"] for m in shop.admin.dump("measurements")][:12]
    other = shop.admin.dump("pianos")[-1]["id"]
    shop.admin.create("measurements", pianoId=other, takenOn="2026-01-09", humidity=41, temperature=20)
    shop.sync(Mode.DEEP)
    for measurement in gone:
        shop.admin.delete("measurements", measurement)
    assert "leaves out 12 rows" in str(shop.sync(Mode.DEEP, check=False).errors["pianos"])
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()


def contact_with_locations(shop: Shop, count: int) -> str:
    """A contact who is not its client's first, with so many locations; production holds them."""
    contacts = shop.admin.dump("contacts")
    contact = next(c for c in contacts if not c["isDefault"])["id"]
    one = next(c["locations"][0] for c in contacts if c["locations"])
    locations = [{**one, "id": f"loc_{n:020}"} for n in range(count)]
    shop.admin.edit("contacts", contact, locations=locations)
    shop.sync(Mode.DEEP)
    assert living_locations(shop, contact) == count
    return str(contact)


def living_locations(shop: Shop, contact: str) -> int:
    return shop.count("gazelle_locations", f"contact_external_id = '{contact}' AND deleted_at IS NULL")


def test_what_one_contact_takes_along_counts_in_its_own_table(shop: Shop) -> None:
    contact = contact_with_locations(shop, 12)
    shop.admin.delete("contacts", contact)
    said = str(shop.sync(Mode.NIGHTLY, check=False).errors["clients"])
    assert "leaves out 12 rows of gazelle_locations" in said
    assert living_locations(shop, contact) == 12
    assert shop.row("gazelle_contacts", contact)["deleted_at"] is None
    shop.sync(Mode.NIGHTLY)  # it reads the same by id: a person did it
    assert living_locations(shop, contact) == 0
    shop.assert_equals_api()
    assert shop.count("v_sync_errors") == 0


def test_a_contact_takes_its_few_locations_along_at_once(shop: Shop) -> None:
    contact = contact_with_locations(shop, 4)
    shop.admin.delete("contacts", contact)
    shop.sync(Mode.NIGHTLY)
    assert living_locations(shop, contact) == 0
    shop.assert_equals_api()


def test_allow_deletes_lets_emptied_lists_through_at_once(shop: Shop) -> None:
    for measurement in shop.admin.dump("measurements"):
        shop.admin.delete("measurements", measurement["id"])
    assert shop.sync(Mode.DEEP, check=False).errors
    shop.sync(Mode.DEEP, allow_deletes=True, only=["pianos"])
    assert shop.count("gazelle.piano_measurements") == 0
    assert shop.count("v_sync_errors") == 0
    shop.assert_equals_api()


def test_contacts_that_move_to_another_client_are_not_missed(shop: Shop) -> None:
    client = full_client(shop)
    other = next(c["id"] for c in shop.admin.dump("clients") if c["id"] != client)
    before = living(shop)
    for contact in shop.admin.dump("contacts"):
        if contact["clientId"] == client:
            shop.admin.edit("contacts", contact["id"], clientId=other)
    shop.sync(Mode.DEEP)
    assert living(shop) == before
    shop.assert_equals_api()


def test_a_deleted_clients_contacts_go_with_it_and_come_back_with_it(shop: Shop) -> None:
    client = full_client(shop)
    numbers = {r["external_id"]: r["id"] for r in shop.rows("gazelle_contacts", "client_external_id = %s", client)}
    kept = {kind: [r for r in shop.admin.dump(kind) if r.get("clientId", r["id"]) == client]
            for kind in ("clients", "contacts")}  # fmt: skip
    shop.admin.delete("clients", client)
    shop.sync(Mode.DEEP)
    assert living_contacts(shop, client) == 0
    for kind, records in kept.items():
        for record in records:
            shop.admin.create(kind, **record)
    shop.sync(Mode.DEEP)
    rows = shop.rows("gazelle_contacts", "client_external_id = %s AND deleted_at IS NULL", client)
    assert {row["external_id"]: row["id"] for row in rows} == numbers
