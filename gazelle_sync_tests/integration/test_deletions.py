"""Only a definite "not there" is a deletion, many at once are held back, and a record that comes back is revived."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from gazelle_sync.errors import EntityFailed
from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.support.evaluating import assert_passes
from gazelle_sync_tests.support.shop import ENTITY, PRODUCTION, Shop

Record = dict[str, Any]


def delete(shop: Shop, kind: str, count: int) -> list[str]:
    ids = [record["id"] for record in shop.admin.dump(kind)][-count:]  # the first are the odd ones
    for external_id in ids:
        shop.admin.delete(kind, external_id)
    return ids


def living(shop: Shop, table: str) -> int:
    return shop.count(table, "deleted_at IS NULL AND NOT is_stub")


def all_living(shop: Shop) -> dict[str, int]:
    return {table: living(shop, table) for table in PRODUCTION}


def busiest_client(shop: Shop) -> str:
    """The client with the most timeline entries."""
    return str(Counter(e["clientId"] for e in shop.admin.dump("timeline")).most_common(1)[0][0])


@pytest.mark.parametrize(
    ("kind", "entity"),
    [("pianos", "pianos"), ("invoices", "invoices"), ("users", "users"), ("products", "products")],
)
def test_a_deleted_record_is_marked_and_keeps_its_data(shop: Shop, kind: str, entity: str) -> None:
    (gone,) = delete(shop, kind, 1)
    table = ENTITY[entity].table.name
    before = shop.row(table, gone)
    outcome = shop.sync(Mode.DEEP)
    after = shop.row(table, gone)
    assert outcome[entity].deleted == 1
    assert after["deleted_at"] is not None
    assert not after["is_stub"]
    assert {**before, "deleted_at": 0, "synced_at": 0} == {**after, "deleted_at": 0, "synced_at": 0}
    shop.assert_equals_api()


def test_a_tombstone_is_a_staged_version_and_the_last_body_stays(shop: Shop) -> None:
    (gone,) = delete(shop, "pianos", 1)
    shop.sync()
    versions = shop.query(
        "SELECT jsonb_typeof(raw_data), sync_status FROM staging_pianos WHERE external_id = %s ORDER BY fetched_at",
        gone,
    )
    assert versions == [("object", "processed"), ("null", "processed")]


def test_a_deleted_clients_cascade_counts_as_one(shop: Shop) -> None:
    client = busiest_client(shop)
    shop.admin.delete("clients", client)
    outcome = shop.sync(Mode.DEEP)
    assert outcome["clients"].deleted == 1
    assert outcome["timeline"].deleted > 10
    shop.assert_equals_api()


def test_a_deleted_clients_cascade_counts_as_one_in_the_tick_too(shop: Shop) -> None:
    shop.admin.delete("clients", busiest_client(shop))
    outcome = shop.sync()
    assert outcome["timeline"].deleted > 10
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()


def test_a_deleted_clients_cascade_counts_as_one_though_staging_lost_its_notes(shop: Shop) -> None:
    """Then only production says whose they are."""
    shop.query("TRUNCATE staging_timeline")
    shop.admin.delete("clients", busiest_client(shop))
    outcome = shop.sync(Mode.DEEP)
    assert outcome["timeline"].deleted > 10
    shop.assert_equals_api()


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.DEEP])
@pytest.mark.parametrize("kind", ["pianos", "products", "timeline"])
def test_more_deletions_than_the_guard_lets_through_stop_the_entity(shop: Shop, kind: str, mode: Mode) -> None:
    limit = max(10, len(shop.admin.dump(kind)) // 50)
    before = all_living(shop)
    marks = shop.watermarks()
    delete(shop, kind, limit + 1)
    outcome = shop.sync(mode, check=False, only=[kind])
    assert all_living(shop) == before
    failure = outcome[kind].failure or ""
    assert "--allow-deletes" in failure
    assert str(limit) in failure
    assert f"--only {kind}" in failure
    assert shop.watermarks()[kind] == marks[kind]
    assert shop.last_log()["status"] == "error"


def test_as_many_deletions_as_the_guard_lets_through_are_made(shop: Shop) -> None:
    gone = delete(shop, "pianos", 10)
    outcome = shop.sync()
    assert outcome["pianos"].deleted == 10
    assert shop.value("SELECT count(*) FROM gazelle_pianos WHERE deleted_at IS NOT NULL") == len(gone)
    shop.sync(Mode.DEEP)  # visits lose their piano without a new stamp
    shop.assert_equals_api()


def test_what_is_new_or_changed_is_kept_when_the_guard_stops_deletions(shop: Shop) -> None:
    delete(shop, "pianos", 12)
    kept = shop.admin.dump("pianos")[0]
    shop.admin.edit("pianos", kept["id"], notes="Changé le même jour")
    outcome = shop.sync(check=False)
    assert set(outcome.errors) == {"pianos"}
    assert shop.row("gazelle_pianos", kept["id"])["notes"] == "Changé le même jour"


def test_allow_deletes_lets_the_deletions_through(shop: Shop) -> None:
    delete(shop, "pianos", 12)
    delete(shop, "timeline", 60)
    assert isinstance(shop.sync(Mode.DEEP, check=False)["pianos"].failure, str)
    shop.sync(Mode.DEEP, allow_deletes=True)
    shop.assert_equals_api()


@pytest.mark.parametrize(("kind", "entity"), [("pianos", "pianos"), ("timeline", "timeline"), ("users", "users")])
def test_a_record_that_comes_back_is_revived(shop: Shop, kind: str, entity: str) -> None:
    record = shop.admin.dump(kind)[0]
    shop.admin.delete(kind, record["id"])
    shop.sync()
    row = shop.row(ENTITY[entity].table.name, record["id"])
    assert row["deleted_at"] is not None
    shop.admin.create(kind, **record)
    shop.sync()
    revived = shop.row(ENTITY[entity].table.name, record["id"])
    assert revived["deleted_at"] is None
    assert revived["id"] == row["id"]
    shop.assert_equals_api()


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.DEEP])
def test_lists_that_came_empty_delete_nothing_while_the_records_answer_by_id(shop: Shop, mode: Mode) -> None:
    before = all_living(shop)
    shop.admin.fault("empty_account", times=0)
    outcome = shop.sync(mode, check=False)
    assert all_living(shop) == before
    assert "timeline" in outcome.errors, "an emptied timeline cannot be asked for by id: the guard must stop it"
    shop.admin.clear_faults()
    shop.sync(mode)
    shop.assert_equals_api()


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.DEEP])
def test_an_emptied_account_deletes_nothing(shop: Shop, mode: Mode) -> None:
    before = all_living(shop)
    shop.admin.fault("empty_account", times=0, by_id=True)
    outcome = shop.sync(mode, check=False)
    assert all_living(shop) == before
    assert set(outcome.errors) == {"clients"}, "one cause is told once"
    for name in ("pianos", "invoices", "appointments"):
        assert "they wait, since clients" in " ".join(outcome[name].notes)
    assert "taken for a fault" in " ".join(outcome["users"].notes + outcome["products"].notes)
    shop.admin.clear_faults()
    shop.sync(mode)
    shop.assert_equals_api()


def test_an_emptied_timeline_deletes_no_entry_that_shares_its_day_with_those_of_a_deleted_client(shop: Shop) -> None:
    """Found by the fault campaign: what a client takes along is not counted, so the first days showed too few."""
    stays, gone = (shop.admin.create("clients", companyName=name)["id"] for name in ("Reste", "Part"))
    for minute in range(15):
        client = gone if minute < 12 else stays
        at = f"2019-03-05T15:{minute:02d}:00Z"
        shop.admin.create("timeline", occurredAt=at, summary=f"Note {minute}", clientId=client)
    shop.sync(Mode.DEEP)
    before = living(shop, "gazelle_timeline_entries")
    shop.admin.delete("clients", gone)
    shop.admin.fault("empty_account", times=0)
    outcome = shop.sync(check=False)
    assert "no longer listed at Gazelle" in str(outcome.errors["timeline"])
    assert living(shop, "gazelle_timeline_entries") == before
    shop.admin.clear_faults()
    shop.sync()
    shop.assert_equals_api()


def test_an_account_that_really_is_empty_passes_with_the_flag(shop: Shop) -> None:
    for kind in ("clients", "events", "invoices", "timeline", "pianos"):
        for record in shop.admin.dump(kind):
            if shop.admin.record(kind, record["id"]):
                shop.admin.delete(kind, record["id"])
    with pytest.raises(EntityFailed, match="--allow-deletes"):
        shop.sync(Mode.DEEP, only=["clients"])
    shop.sync(Mode.DEEP, allow_deletes=True)
    assert [living(shop, t) for t in ("gazelle_clients", "gazelle_pianos", "gazelle_appointments")] == [0, 0, 0]
    assert living(shop, "gazelle_timeline_entries") == 0


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.NIGHTLY])
@pytest.mark.parametrize("lie", ["null_by_id", "not_found"])
def test_what_gazelle_denies_together_with_a_listed_record_is_not_deleted(shop: Shop, lie: str, mode: Mode) -> None:
    """Found by the fault campaign: a cancelled visit is in no list, so nothing would ever have revived it."""
    now = datetime.now(UTC).isoformat()
    visit = next(e["id"] for e in shop.admin.dump("events") if e["status"] == "ACTIVE" and e["start"] > now)
    shop.admin.edit("events", visit, status="CANCELED")
    shop.admin.fault("null_by_id", times=0, operation="AppointmentsById")
    if lie == "not_found":
        shop.admin.fault("not_found", times=0, operation="AppointmentsById")
    shop.sync(mode, check=False)
    assert shop.row("gazelle_appointments", visit)["deleted_at"] is None
    assert shop.last_log()["status"] == "warning"
    shop.admin.clear_faults()
    shop.sync(mode)
    assert shop.row("gazelle_appointments", visit)["status"] == "CANCELED"
    assert shop.last_log()["status"] == "success"


def test_records_that_are_gone_are_marked_where_gazelle_says_so_by_an_error(shop: Shop) -> None:
    gone = delete(shop, "pianos", 3)
    shop.admin.fault("not_found", times=0, operation="PianosById")
    outcome = shop.sync()
    assert outcome["pianos"].deleted == 3
    assert all(shop.row("gazelle_pianos", external_id)["deleted_at"] for external_id in gone)
    assert shop.last_log()["status"] == "success"


def test_the_control_record_of_deletions_may_be_one_that_cannot_be_given(shop: Shop) -> None:
    contacts = {contact["clientId"]: contact["id"] for contact in shop.admin.dump("contacts")}
    alone = [client["id"] for client in shop.admin.dump("clients") if client["id"] not in contacts]
    gone = [*alone, contacts.popitem()[0]]
    for external_id in gone:
        shop.admin.delete("clients", external_id)
    for contact in contacts.values():
        shop.admin.edit("contacts", contact, touch=False, archived=None)
    shop.sync(check=False)
    assert all(shop.row("gazelle_clients", external_id)["deleted_at"] for external_id in gone)


def test_a_record_that_is_asked_for_and_cannot_be_read_is_not_deleted(shop: Shop) -> None:
    delete(shop, "pianos", 2)
    shop.admin.fault("graphql_errors", times=0, operation="PianosById")
    outcome = shop.sync(check=False)
    assert shop.value("SELECT count(*) FROM gazelle_pianos WHERE deleted_at IS NOT NULL") == 0
    assert outcome["pianos"].errors == 2
    shop.admin.clear_faults()
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()


def test_what_a_deleted_record_once_listed_and_another_has_now_stays(shop: Shop) -> None:
    """Found by the fault campaign: answers gave one client's contacts to another, which was then deleted."""
    crowded, thief = (c["id"] for c in shop.admin.dump("clients")[:2])
    contact = next(c["id"] for c in shop.admin.dump("contacts") if c["clientId"] == crowded)
    shop.admin.edit("contacts", contact, touch=False, clientId=thief)
    shop.admin.edit("clients", thief)
    shop.sync()
    assert shop.row("gazelle_contacts", contact)["client_external_id"] == thief
    shop.admin.edit("contacts", contact, touch=False, clientId=crowded)
    shop.admin.delete("clients", thief)
    shop.sync()
    shop.sync(Mode.DEEP)
    assert shop.row("gazelle_contacts", contact)["deleted_at"] is None
    shop.assert_equals_api()
    assert_passes(shop, "integrity_production")
    production = shop.fingerprint()
    shop.replay()
    assert shop.fingerprint() == production


def clients_with_most(shop: Shop, count: int) -> list[str]:
    """Clients with pianos, visits and many notes."""
    notes = Counter(str(entry["clientId"]) for entry in shop.admin.dump("timeline"))
    return sorted((str(c["id"]) for c in shop.admin.dump("clients")), key=lambda client: -notes[client])[:count]


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.NIGHTLY, Mode.DEEP])
def test_many_deleted_clients_are_told_once_with_one_command_and_few_requests(shop: Shop, mode: Mode) -> None:
    before = all_living(shop)
    normal = shop.sync(mode).requests
    gone = clients_with_most(shop, 20)
    for client in gone:
        shop.admin.delete("clients", client)
    outcome = shop.sync(mode, check=False)
    assert all_living(shop) == before
    assert list(outcome.errors) == ["clients"]
    said = str(outcome.errors["clients"])
    assert "20 records are no longer listed at Gazelle, more than the 10" in said
    assert "20 of 20 that were looked for are gone" in said
    assert shop.last_log()["error_message"].count("--allow-deletes") == 1
    assert outcome.requests < normal + 10

    shop.sync(Mode.DEEP, allow_deletes=True, only=["clients"])
    shop.sync(Mode.DEEP)  # what belongs to them is not counted: no guard, no flag
    shop.assert_equals_api()


def test_of_very_many_only_a_sample_is_looked_for(shop: Shop) -> None:
    normal = shop.sync().requests
    gone = delete(shop, "timeline", 300)
    outcome = shop.sync(check=False, only=["timeline"])
    limit = max(10, shop.count("gazelle_timeline_entries", "deleted_at IS NULL") // 50)
    said = str(outcome.errors.get("timeline") or outcome["timeline"].failure)
    assert f"{len(gone)} records are no longer listed at Gazelle, more than the {limit}" in said
    assert "10 of 10 that were looked for are gone" in said
    assert outcome.requests < normal + 45
