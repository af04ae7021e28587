"""Production again from staging: the same to the byte but for `synced_at`, without one call to the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gazelle_sync.clock import midnight, montreal_day
from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.shop import PRODUCTION, Shop


def test_a_replay_gives_the_same_production_to_the_byte_without_one_request(lived_in: Shop) -> None:
    before = lived_in.fingerprint()
    lived_in.admin.reset_stats()
    lived_in.replay()
    assert lived_in.fingerprint() == before
    assert lived_in.admin.stats()["arrivals"] == 0


def test_a_replay_of_what_is_right_writes_no_row(lived_in: Shop) -> None:
    lived_in.replay()
    before = lived_in.physical()
    assert lived_in.replay() == 0
    assert lived_in.physical() == before


@pytest.mark.parametrize("only", ["users", "products", "clients", "pianos", "invoices", "appointments", "timeline"])
def test_a_replay_of_one_entity_gives_the_same_production(lived_in: Shop, only: str) -> None:
    before = lived_in.fingerprint()
    lived_in.replay(only=[only])
    assert lived_in.fingerprint() == before


DAMAGE = [
    "UPDATE gazelle_clients SET company_name = 'abîmé', city = NULL WHERE NOT is_stub",
    "UPDATE gazelle_appointments SET start_at = start_at + interval '5 hours', appointment_time = '00:00'",
    "UPDATE gazelle_timeline_entries SET description = NULL, deleted_at = now()",
    "UPDATE gazelle_pianos SET gazelle_tags = NULL WHERE tags IS NULL",
    "UPDATE gazelle_invoice_items SET total = total + 1",
    "UPDATE gazelle_clients SET deleted_at = NULL",
]


def test_a_replay_puts_damaged_rows_right(lived_in: Shop) -> None:
    before = lived_in.fingerprint()
    for statement in DAMAGE:
        lived_in.query(statement)
    assert lived_in.fingerprint() != before
    lived_in.replay()
    assert lived_in.fingerprint() == before


def test_a_deep_run_puts_damaged_rows_right_as_well(lived_in: Shop) -> None:
    before = lived_in.fingerprint()
    for statement in DAMAGE:
        lived_in.query(statement)
    outcome = lived_in.sync(Mode.DEEP)
    assert lived_in.fingerprint() == before
    assert "put right" in " ".join(outcome["clients"].notes)


def test_a_replay_brings_back_rows_that_were_removed_by_hand_and_only_their_ids_differ(lived_in: Shop) -> None:
    before, full = lived_in.fingerprint(with_ids=False), lived_in.fingerprint()
    lived_in.query("DELETE FROM gazelle_timeline_entries WHERE id % 3 = 0")
    lived_in.query("DELETE FROM gazelle_invoice_items WHERE id % 2 = 0")
    lived_in.query("DELETE FROM gazelle_locations")
    lived_in.replay()
    assert lived_in.fingerprint(with_ids=False) == before
    after = lived_in.fingerprint()
    touched = {"gazelle_timeline_entries", "gazelle_invoice_items", "gazelle_locations"}
    assert {name for name in full if after[name] != full[name]} <= touched


def test_a_replay_after_every_table_was_truncated_gives_the_same_but_for_ids_and_local_tags(lived_in: Shop) -> None:
    lived_in.query("UPDATE gazelle_clients SET tags = gazelle_tags")
    lived_in.query("UPDATE gazelle_pianos SET tags = gazelle_tags")
    before = lived_in.fingerprint(with_ids=False)
    lived_in.query(f"TRUNCATE {', '.join(PRODUCTION)} CASCADE")
    lived_in.replay()
    assert lived_in.fingerprint(with_ids=False) == before


def test_a_replay_removes_rows_that_no_staged_version_speaks_of(lived_in: Shop) -> None:
    before = lived_in.fingerprint()
    lived_in.query("INSERT INTO gazelle_products (external_id, name_fr) VALUES ('mit_intrus', 'Intrus')")
    lived_in.query(
        "INSERT INTO gazelle_contacts (external_id, client_external_id) "
        "SELECT 'con_intrus', external_id FROM gazelle_clients LIMIT 1"
    )
    lived_in.replay()
    assert lived_in.fingerprint() == before


def test_a_replay_of_a_range_of_days_mends_those_days_and_no_others(lived_in: Shop) -> None:
    lived_in.query("UPDATE gazelle_timeline_entries SET description = 'abîmé'")
    day = montreal_day(datetime.fromisoformat(max(e["occurredAt"] for e in lived_in.admin.dump("timeline"))))
    start = midnight(day - timedelta(days=20))
    lived_in.replay(days=(start, midnight(day + timedelta(days=1))))
    damaged = lived_in.rows("gazelle_timeline_entries", "description = 'abîmé' AND deleted_at IS NULL")
    assert damaged
    assert all(row["occurred_at"] < start for row in damaged)
    whole = lived_in.rows("gazelle_timeline_entries", "description IS DISTINCT FROM 'abîmé' AND deleted_at IS NULL")
    assert whole
    assert all(row["occurred_at"] >= start for row in whole)
    lived_in.replay(days=(datetime.min.replace(tzinfo=UTC), start))
    lived_in.assert_equals_api()


def test_a_replay_moves_no_watermark_and_logs_itself(lived_in: Shop) -> None:
    marks = lived_in.watermarks()
    lived_in.replay()
    assert lived_in.watermarks() == marks
    log = lived_in.last_log()
    assert (log["task_type"], log["mode"], log["status"]) == ("replay", "replay", "success")


def test_a_pull_after_a_replay_is_quiet(lived_in: Shop) -> None:
    lived_in.query(f"TRUNCATE {', '.join(PRODUCTION)} CASCADE")
    lived_in.local_tags.clear()
    lived_in.replay()
    lived_in.quiet_down()
    before = lived_in.physical()
    lived_in.sync()
    assert lived_in.physical() == before
    lived_in.assert_equals_api()


def test_a_deep_run_brings_back_tables_that_were_truncated_by_hand(lived_in: Shop) -> None:
    lived_in.query(f"TRUNCATE {', '.join(PRODUCTION)} CASCADE")
    lived_in.local_tags.clear()
    lived_in.sync(Mode.DEEP)
    lived_in.assert_equals_api()


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
