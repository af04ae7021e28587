"""Production again from staging: the same to the byte but for `synced_at`, without one call to the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import SettingsError, StagingIncomplete
from gazelle_sync.montreal import midnight, montreal_day
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.replay import WithoutStaging
from gazelle_sync.warehouse.relations import STAGING
from gazelle_sync_tests.support.shop import PRODUCTION, Shop


def test_a_replay_gives_the_same_production_to_the_byte_without_one_request(shop_with_history: Shop) -> None:
    before = shop_with_history.fingerprint()
    shop_with_history.admin.reset_stats()
    shop_with_history.replay()
    assert shop_with_history.fingerprint() == before
    assert shop_with_history.admin.stats()["arrivals"] == 0


def test_a_replay_of_what_is_right_writes_no_row(shop_with_history: Shop) -> None:
    shop_with_history.replay()
    before = shop_with_history.physical()
    assert shop_with_history.replay() == 0
    assert shop_with_history.physical() == before


@pytest.mark.parametrize("only", ["users", "products", "clients", "pianos", "invoices", "appointments", "timeline"])
def test_a_replay_of_one_entity_gives_the_same_production(shop_with_history: Shop, only: str) -> None:
    before = shop_with_history.fingerprint()
    shop_with_history.replay(only=[only])
    assert shop_with_history.fingerprint() == before


DAMAGE = [
    "UPDATE gazelle_clients SET company_name = 'abîmé', city = NULL WHERE NOT is_stub",
    "UPDATE gazelle_appointments SET start_at = start_at + interval '5 hours', appointment_time = '00:00'",
    "UPDATE gazelle_timeline_entries SET description = NULL, deleted_at = now()",
    "UPDATE gazelle_pianos SET gazelle_tags = NULL WHERE tags IS NULL",
    "UPDATE gazelle_invoice_items SET total = total + 1",
    "UPDATE gazelle_clients SET deleted_at = NULL",
]


def test_a_replay_puts_damaged_rows_right(shop_with_history: Shop) -> None:
    before = shop_with_history.fingerprint()
    for statement in DAMAGE:
        shop_with_history.query(statement)
    assert shop_with_history.fingerprint() != before
    shop_with_history.replay()
    assert shop_with_history.fingerprint() == before


def test_a_deep_run_puts_damaged_rows_right_as_well(shop_with_history: Shop) -> None:
    before = shop_with_history.fingerprint()
    for statement in DAMAGE:
        shop_with_history.query(statement)
    outcome = shop_with_history.sync(Mode.DEEP)
    assert shop_with_history.fingerprint() == before
    notes = " ".join(outcome["clients"].notes)
    assert "corrected" in notes
    assert "gazelle_clients cli_" in notes


def forget_what_vanished(shop: Shop) -> None:
    """Rows that vanished from a living record's body stand in no newest version: nothing can make them again."""
    for table, owners in (("gazelle_locations", "gazelle_clients"), ("gazelle_contacts", "gazelle_clients")):
        shop.query(
            f"DELETE FROM {table} AS t USING {owners} AS o WHERE o.external_id = t.client_external_id "  # noqa: S608
            "AND o.deleted_at IS NULL AND t.deleted_at IS NOT NULL AND NOT t.is_stub"
        )


def test_a_replay_brings_back_rows_that_were_removed_by_hand_and_only_their_ids_differ(shop_with_history: Shop) -> None:
    forget_what_vanished(shop_with_history)
    before, full = shop_with_history.fingerprint(with_ids=False), shop_with_history.fingerprint()
    shop_with_history.query("DELETE FROM gazelle_timeline_entries WHERE id % 3 = 0")
    shop_with_history.query("DELETE FROM gazelle_invoice_items WHERE id % 2 = 0")
    shop_with_history.query("DELETE FROM gazelle_locations")
    shop_with_history.replay()
    assert shop_with_history.fingerprint(with_ids=False) == before
    after = shop_with_history.fingerprint()
    touched = {"gazelle_timeline_entries", "gazelle_invoice_items", "gazelle_locations"}
    assert {name for name in full if after[name] != full[name]} <= touched


def test_a_replay_after_every_table_was_truncated_gives_the_same_but_for_ids_and_local_tags(
    shop_with_history: Shop,
) -> None:
    forget_what_vanished(shop_with_history)
    shop_with_history.query("UPDATE gazelle_clients SET tags = gazelle_tags")
    shop_with_history.query("UPDATE gazelle_pianos SET tags = gazelle_tags")
    before = shop_with_history.fingerprint(with_ids=False)
    shop_with_history.query(f"TRUNCATE {', '.join(PRODUCTION)} CASCADE")
    shop_with_history.replay()
    assert shop_with_history.fingerprint(with_ids=False) == before


STAGING_LOSES = {
    "a truncated table": ("TRUNCATE staging_timeline", ["gazelle_timeline_entries"]),
    "a third of a table's records": (
        "DELETE FROM staging_clients WHERE hashtext(external_id) % 3 = 0",
        ["gazelle_clients", "gazelle_contacts", "gazelle_locations"],
    ),
    "records of which only nested rows are left": (
        "TRUNCATE staging_invoices; UPDATE gazelle_invoices SET deleted_at = now()",
        ["gazelle_invoice_items"],
    ),
}


@pytest.mark.parametrize("loss", STAGING_LOSES)
@pytest.mark.parametrize("by_days", [False, True])
def test_a_replay_from_a_staging_that_lost_rows_is_refused_before_it_changes_anything(
    shop_with_history: Shop, loss: str, by_days: bool
) -> None:
    statement, tables = STAGING_LOSES[loss]
    shop_with_history.query(statement)
    shop_with_history.query("UPDATE gazelle_users SET first_name = 'abîmé'")
    before = shop_with_history.physical()
    days = (datetime(2016, 1, 1, tzinfo=UTC), datetime.now(UTC)) if by_days else None
    with pytest.raises(StagingIncomplete, match="--without-staging keep") as refused:
        shop_with_history.replay(days=days)
    assert shop_with_history.physical() == before
    for table in tables:
        living = shop_with_history.count(table, "deleted_at IS NULL")
        assert f" of the {living} living rows of {table}" in str(refused.value)
    log = shop_with_history.last_log()
    assert (log["task_type"], log["status"], log["error_message"]) == ("replay", "error", str(refused.value))


def test_a_person_may_insist_that_rows_without_a_staged_version_stay(shop_with_history: Shop) -> None:
    shop_with_history.query("UPDATE gazelle_users SET first_name = 'abîmé' WHERE NOT is_stub")
    shop_with_history.query("TRUNCATE staging_timeline, staging_clients")
    before = shop_with_history.fingerprint()
    shop_with_history.replay(without_staging=WithoutStaging.KEEP)
    after = shop_with_history.fingerprint()
    assert {name for name in before if before[name] != after[name]} == {"gazelle_users"}
    assert shop_with_history.count("gazelle_users", "first_name = 'abîmé'") == 0
    stats = shop_with_history.last_log()["stats"]
    assert stats["timeline"]["kept"] == shop_with_history.count("gazelle_timeline_entries", "deleted_at IS NULL")


def test_a_person_may_insist_that_they_go_and_they_come_back_under_their_ids(shop_with_history: Shop) -> None:
    shop_with_history.query("UPDATE gazelle_users SET deleted_at = '2020-01-01+00' WHERE is_stub")
    shop_with_history.query("TRUNCATE staging_timeline, staging_clients")
    before = shop_with_history.fingerprint()
    numbers = shop_with_history.query("SELECT id, external_id FROM gazelle_clients ORDER BY 1")
    shop_with_history.replay(without_staging=WithoutStaging.DELETE)
    for table in ("gazelle_timeline_entries", "gazelle_clients", "gazelle_contacts", "gazelle_locations"):
        assert shop_with_history.count(table, "deleted_at IS NULL") == 0
    assert shop_with_history.query("SELECT id, external_id FROM gazelle_clients ORDER BY 1") == numbers
    shop_with_history.sync(Mode.DEEP)
    shop_with_history.assert_equals_api()
    assert shop_with_history.fingerprint().keys() == before.keys()
    assert shop_with_history.query("SELECT id, external_id FROM gazelle_clients ORDER BY 1") == numbers


def test_rows_without_a_staged_version_cannot_be_deleted_by_days(shop_with_history: Shop) -> None:
    days = (datetime(2016, 1, 1, tzinfo=UTC), datetime.now(UTC))
    with pytest.raises(SettingsError, match="no day"):
        shop_with_history.replay(days=days, without_staging=WithoutStaging.DELETE)


def test_a_few_rows_without_a_staged_version_are_kept_and_counted(shop_with_history: Shop) -> None:
    shop_with_history.query(
        "INSERT INTO gazelle_timeline_entries (external_id, title, occurred_at) VALUES ('tme_ici', 'Ici', now())"
    )
    shop_with_history.query(
        "INSERT INTO gazelle_clients (external_id, is_stub, deleted_at) VALUES ('cli_stub', true, now())"
    )
    before = shop_with_history.fingerprint()
    shop_with_history.replay()
    assert shop_with_history.fingerprint() == before
    log = shop_with_history.last_log()
    assert log["status"] == "warning"
    assert log["stats"]["timeline"]["kept"] == 1
    assert "1 living rows of gazelle_timeline_entries were kept" in str(log["stats"]["timeline"]["notes"])


def ids_of_records(shop: Shop) -> dict[str, dict[str, int]]:
    names = [entity.table.name for entity in ENTITIES]
    return {name: {row["external_id"]: row["id"] for row in shop.rows(name)} for name in names}


@pytest.mark.parametrize("lost", ["TRUNCATE {}", "DELETE FROM {} WHERE hashtext(external_id) % 2 = 0"])
def test_after_staging_lost_rows_a_full_run_asks_gazelle_about_every_row_that_is_here(shop: Shop, lost: str) -> None:
    """Some records are gone by then: nothing staged tells of them, and the list is silent."""
    gone: dict[str, list[str]] = {}
    for kind, table in (("products", "products"), ("pianos", "pianos"), ("timeline", "timeline_entries")):
        gone[f"gazelle_{table}"] = [record["id"] for record in shop.admin.dump(kind)[-4:]]
        for external_id in gone[f"gazelle_{table}"]:
            shop.admin.delete(kind, external_id)
    for entity in ENTITIES:
        shop.query(lost.format(entity.staging_table))
    numbers = ids_of_records(shop)
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()
    for table, ids in gone.items():
        assert all(shop.row(table, external_id)["deleted_at"] is not None for external_id in ids)
    assert ids_of_records(shop) == numbers
    shop.replay()
    shop.assert_equals_api()


def test_a_replay_of_a_range_of_days_mends_those_days_and_no_others(shop_with_history: Shop) -> None:
    shop_with_history.query("UPDATE gazelle_timeline_entries SET description = 'abîmé'")
    day = montreal_day(datetime.fromisoformat(max(e["occurredAt"] for e in shop_with_history.admin.dump("timeline"))))
    start = midnight(day - timedelta(days=20))
    shop_with_history.replay(days=(start, midnight(day + timedelta(days=1))))
    damaged = shop_with_history.rows("gazelle_timeline_entries", "description = 'abîmé' AND deleted_at IS NULL")
    assert damaged
    assert all(row["occurred_at"] < start for row in damaged)
    whole = shop_with_history.rows(
        "gazelle_timeline_entries", "description IS DISTINCT FROM 'abîmé' AND deleted_at IS NULL"
    )
    assert whole
    assert all(row["occurred_at"] >= start for row in whole)
    shop_with_history.replay(days=(datetime.min.replace(tzinfo=UTC), start))
    shop_with_history.assert_equals_api()


def test_a_replay_moves_no_watermark_and_logs_itself(shop_with_history: Shop) -> None:
    marks = shop_with_history.watermarks()
    shop_with_history.replay()
    assert shop_with_history.watermarks() == marks
    log = shop_with_history.last_log()
    assert (log["task_type"], log["mode"], log["status"]) == ("replay", "replay", "success")


def test_a_pull_after_a_replay_is_quiet(shop_with_history: Shop) -> None:
    shop_with_history.query(f"TRUNCATE {', '.join(PRODUCTION)} CASCADE")
    shop_with_history.local_tags.clear()
    shop_with_history.replay()
    shop_with_history.quiet_down()
    before = shop_with_history.physical()
    shop_with_history.sync()
    assert shop_with_history.physical() == before
    shop_with_history.assert_equals_api()


def test_a_deep_run_brings_back_tables_that_were_truncated_by_hand(shop_with_history: Shop) -> None:
    shop_with_history.query(f"TRUNCATE {', '.join(PRODUCTION)} CASCADE")
    shop_with_history.local_tags.clear()
    shop_with_history.sync(Mode.DEEP)
    shop_with_history.assert_equals_api()


STAGED_DAMAGE = """UPDATE staging_appointments SET raw_data = jsonb_set(
    raw_data, '{start}', to_jsonb(to_char((raw_data ->> 'start')::timestamptz AT TIME ZONE 'UTC' + interval '5 hours',
                                          'YYYY-MM-DD"T"HH24:MI:SS"Z"')))
WHERE raw_data ? 'start'"""


def test_bodies_that_something_changed_in_staging_are_read_again_by_a_deep_run(shop: Shop) -> None:
    shop.query(STAGED_DAMAGE)
    shop.replay()
    assert shop.differences(), "a replay believes staging"
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()
    shop.quiet_down()
    before = shop.physical()
    shop.sync(Mode.DEEP)
    assert shop.physical() == before


def test_a_list_that_is_read_again_for_a_parent_is_not_stored_twice(shop: Shop) -> None:
    """Staging lost everything, and others name a user who is gone: the list is read, and once more for that one."""
    shop.query(f"TRUNCATE {', '.join(STAGING)}")
    shop.replay(without_staging=WithoutStaging.KEEP)
    shop.sync()
    for table in STAGING:
        versions = f"SELECT count(*) FROM {table} GROUP BY external_id HAVING count(*) > 1"  # noqa: S608 - our names
        assert shop.query(versions) == [], table
