"""What may stand in a record: it is stored, or waits in staging with its reason, and the others go on."""

from __future__ import annotations

import pytest

from gazelle_sync.pull.apply import Applier, StagedSelection
from gazelle_sync.pull.context import Mode
from gazelle_sync.warehouse.connect import Connection
from gazelle_sync_tests.support.shop import Shop

LOCATION = {"usageType": "STREET", "municipality": "Lévis", "countryCode": "CA"}


def assert_consistent(shop: Shop) -> None:
    """No row dangles and nothing half-done is left behind."""
    shop.assert_nothing_dangles()
    assert shop.count("sync_logs", "status = 'running'") == 0


def test_nul_and_lone_surrogates_become_a_replacement_and_the_row_says_so(shop: Shop) -> None:
    client = shop.admin.dump("clients")[0]["id"]
    shop.admin.edit("clients", client, personalNotes="nul \0, moitié \ud83c, entier 🎹")
    shop.sync()
    assert shop.row("gazelle_clients", client)["personal_notes"] == "nul \ufffd, moitié \ufffd, entier 🎹"
    replaced = shop.value(
        "SELECT replaced_characters FROM staging_clients WHERE external_id = %s ORDER BY fetched_at DESC LIMIT 1",
        client,
    )
    assert replaced == 2
    shop.quiet_down()
    before = shop.physical()
    shop.sync()
    shop.sync(Mode.DEEP)
    assert shop.physical() == before
    shop.assert_equals_api()


@pytest.mark.parametrize("kind", ["bad_text"])
def test_a_whole_account_of_bad_text_is_stored(new_shop: Shop, kind: str) -> None:
    new_shop.admin.fault(kind, times=0)
    new_shop.sync()
    notes = {row["notes"] for row in new_shop.rows("gazelle_pianos")}
    assert notes == {"coup\u00e9 \ufffd et nul \ufffd fin"}


def test_a_note_of_a_megabyte_arrives_whole(shop: Shop) -> None:
    text = "Accord, réglage, harmonisation. " * 32_768
    client = shop.admin.dump("clients")[0]["id"]
    entry = shop.admin.create("timeline", clientId=client, summary="Long", comment=text)["id"]
    shop.admin.edit("clients", client, personalNotes=text)
    shop.sync()
    assert shop.row("gazelle_timeline_entries", entry)["description"] == text
    assert shop.row("gazelle_clients", client)["personal_notes"] == text


def test_unknown_enum_values_are_stored_as_they_came(shop: Shop) -> None:
    client = shop.admin.dump("clients")[0]["id"]
    shop.admin.fault("unknown_enum", times=0, field="type", value="TELEPATHY")
    entry = shop.admin.create("timeline", clientId=client, summary="?")["id"]
    shop.sync()
    assert shop.row("gazelle_timeline_entries", entry)["entry_type"] == "TELEPATHY"
    shop.admin.clear_faults()
    shop.admin.edit("clients", client, status="ACTIVE")
    shop.admin.fault("unknown_enum", times=0, field="status", value="HIBERNATING")
    shop.sync()
    assert shop.row("gazelle_clients", client)["status"] == "HIBERNATING"


def test_bodies_without_updated_at_are_stored(new_shop: Shop) -> None:
    new_shop.admin.fault("null_updated_at", times=0)
    new_shop.sync()
    new_shop.sync()
    new_shop.admin.clear_faults()
    new_shop.sync(Mode.NIGHTLY)
    new_shop.assert_equals_api()


@pytest.mark.parametrize(("kind", "field"), [("events", "start"), ("timeline", "occurredAt"), ("clients", "id")])
def test_a_record_that_cannot_be_right_waits_in_staging_with_its_reason(shop: Shop, kind: str, field: str) -> None:
    root = {"events": "allEventsBatched", "timeline": "allTimelineEntries", "clients": "allClients"}[kind]
    shop.admin.fault("missing_field", times=0, operation=root, field=field)
    shop.admin.fault("missing_field", times=0, operation="ById", field=field)
    shop.change_something()
    shop.sync(Mode.DEEP, check=False)
    assert_consistent(shop)
    shop.admin.clear_faults()
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()


def test_one_record_that_cannot_be_reconciled_is_set_in_error_and_the_batch_goes_on(shop: Shop) -> None:
    bad, good = (c["id"] for c in shop.admin.dump("clients")[:2])
    shop.admin.edit("clients", bad, noContactUntil="demain")
    shop.admin.edit("clients", good, personalNotes="Bonne fiche")
    outcome = shop.sync()
    assert outcome["clients"].errors == 1
    assert shop.row("gazelle_clients", good)["personal_notes"] == "Bonne fiche"
    ((message, stack),) = shop.query(
        "SELECT error_message, error_stack FROM staging_clients WHERE sync_status = 'error'"
    )
    assert bad in message
    assert "noContactUntil" in message
    assert "Traceback" in stack
    assert shop.last_log()["status"] == "warning"
    shop.admin.edit("clients", bad, noContactUntil="2026-12-24")
    shop.sync()
    assert shop.value("SELECT count(*) FROM staging_clients WHERE sync_status = 'error'") == 0
    shop.assert_equals_api()


def test_a_row_that_the_database_refuses_is_found_by_splitting_its_batch(shop: Shop) -> None:
    bad, *others = (c["id"] for c in shop.admin.dump("clients")[:9])
    shop.query("ALTER TABLE gazelle_clients ADD CONSTRAINT a_shop_rule CHECK (personal_notes <> 'refusée')")
    for external_id in others:
        shop.admin.edit("clients", external_id, personalNotes="acceptée")
    shop.admin.edit("clients", bad, personalNotes="refusée")
    outcome = shop.sync()
    assert outcome["clients"].errors == 1
    assert all(shop.row("gazelle_clients", external_id)["personal_notes"] == "acceptée" for external_id in others)
    message = shop.value("SELECT error_message FROM staging_clients WHERE sync_status = 'error'")
    assert bad in message
    assert "a_shop_rule" in message


def test_an_institution_with_120_contacts_has_them_all(shop: Shop) -> None:
    counts = shop.query("SELECT client_external_id, count(*) FROM gazelle_contacts GROUP BY 1 ORDER BY 2 DESC LIMIT 1")
    ((client, count),) = counts
    assert count == 120
    shop.admin.edit("clients", client, personalNotes="Encore")
    contact = shop.admin.create("contacts", clientId=client, firstName="La", lastName="Cent-vingt-et-unième")
    shop.admin.reset_stats()
    shop.sync()
    assert shop.row("gazelle_contacts", contact["id"])["first_name"] == "La"
    assert shop.value("SELECT count(*) FROM gazelle_contacts WHERE client_external_id = %s", client) == 121
    shop.assert_equals_api()


def test_a_client_whose_further_contacts_are_forbidden_is_alone_in_error(shop: Shop) -> None:
    crowd = shop.value("SELECT client_external_id FROM gazelle_contacts GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
    other = next(client["id"] for client in shop.admin.dump("clients") if client["id"] != crowd)
    for client in (crowd, other):
        shop.admin.edit("clients", client, personalNotes="Encore")
    shop.admin.fault("status", times=0, code=403, operation="ClientContacts")
    outcome = shop.sync(check=False)
    assert outcome.errors == {}
    assert shop.row("gazelle_clients", other)["personal_notes"] == "Encore"
    assert [row["external_id"] for row in shop.rows("v_sync_errors")] == [crowd]
    shop.admin.clear_faults()
    shop.sync(Mode.NIGHTLY)
    shop.assert_equals_api()


@pytest.mark.parametrize("count", [101, 230])
def test_a_contact_with_more_locations_than_a_page_has_them_all(shop: Shop, count: int) -> None:
    crowd = shop.value("SELECT client_external_id FROM gazelle_contacts GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
    # One of the contacts comes with the body, the other is beyond the first page of contacts.
    contacts = sorted(
        (c for c in shop.admin.dump("contacts") if c["clientId"] == crowd), key=lambda c: c.get("sortOrder") or 0
    )
    for contact in (contacts[0], contacts[-1]):
        locations = [
            {**LOCATION, "id": f"loc_{contact['id']}_{n}", "street1": f"{n}, rue Longue"} for n in range(count)
        ]
        shop.admin.edit("contacts", contact["id"], locations=locations)
    shop.admin.edit("clients", crowd, personalNotes="Un réseau d'écoles")
    shop.sync()
    for contact in (contacts[0], contacts[-1]):
        held = shop.rows("gazelle_locations", "contact_external_id = %s AND deleted_at IS NULL", contact["id"])
        assert {row["street1"] for row in held} == {f"{n}, rue Longue" for n in range(count)}
    shop.assert_equals_api()


def test_a_full_run_tries_what_is_in_error_once_more_and_leaves_the_others(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = shop.admin.dump("clients")[0]["id"]
    shop.admin.edit("clients", bad, noContactUntil="demain")
    shop.quiet_down()
    applied = set()

    def note(self: Applier, connection: Connection, which: StagedSelection) -> None:
        applied.add((self._entity.name, which))
        apply_batches(self, connection, which)

    apply_batches = Applier._apply_batches
    monkeypatch.setattr(Applier, "_apply_batches", note)
    before = shop.physical()
    assert shop.sync(Mode.DEEP)["clients"].errors == 1
    assert applied == {("clients", StagedSelection.PENDING), ("clients", StagedSelection.UNAPPLIED)}
    assert shop.physical() == before
