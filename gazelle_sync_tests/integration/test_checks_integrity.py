"""The integrity checks: each fault is made to happen in the real tables, and found; healthy data passes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gazelle_sync.pull import comparison
from gazelle_sync.pull.context import Mode
from gazelle_sync.quality import production
from gazelle_sync.quality.context import CheckContext
from gazelle_sync.quality.production import SAMPLE
from gazelle_sync_tests.support.evaluating import assert_passes, look_at
from gazelle_sync_tests.support.shop import PRODUCTION, Shop

NAMES = (
    "integrity_production", "integrity_ownership", "integrity_ids", "integrity_references", "integrity_counts",
    "integrity_values", "integrity_twins",
)  # fmt: skip
REMOVE = "SET session_replication_role = replica; DELETE FROM"
"""How rows come to dangle: foreign keys are switched off."""


def test_a_shop_with_a_history_passes(shop_with_history: Shop) -> None:
    for name in NAMES:
        found = assert_passes(shop_with_history, name)
        assert found.numbers["checked"] > 0
    sample = assert_passes(shop_with_history, "integrity_production", thorough=False)
    assert 0 < sample.numbers["checked"] <= 7 * SAMPLE


def test_empty_tables_pass_nowhere(shop: Shop) -> None:
    shop.query(f"TRUNCATE {', '.join(PRODUCTION)}")
    for name in NAMES:
        found = look_at(shop, name)
        assert found.is_failure, name


def test_tables_that_were_never_filled_pass_nowhere(new_shop: Shop) -> None:
    for name in NAMES:
        assert look_at(new_shop, name).is_failure, name
        assert look_at(new_shop, name, thorough=False).is_failure, name


def test_a_shop_that_truly_has_no_products_passes(new_shop: Shop) -> None:
    for product in new_shop.admin.dump("products"):
        new_shop.admin.delete("products", product["id"])
    new_shop.sync()
    assert new_shop.count("gazelle_products", "NOT is_stub") == 0
    for name in NAMES:
        assert_passes(new_shop, name)


@pytest.mark.parametrize(
    ("statement", "example"),
    [
        ("UPDATE gazelle_clients SET city = 'abîmé' WHERE external_id = %s", "city"),
        ("UPDATE gazelle_clients SET gazelle_tags = '{abîmé}' WHERE external_id = %s", "gazelle_tags"),
        ("UPDATE gazelle_clients SET deleted_at = now() WHERE external_id = %s", "is marked deleted"),
        ("DELETE FROM gazelle_contacts WHERE client_external_id = %s", "gazelle_contacts"),
        (
            "INSERT INTO gazelle_contacts (external_id, client_external_id) VALUES ('con_x', %s)",
            "con_x: no staged",
        ),
        (f"{REMOVE} gazelle_clients WHERE external_id = %s", "is missing"),
    ],
    ids=[
        "a column",
        "what Gazelle said of tags",
        "deleted",
        "nested rows removed",
        "a nested row added",
        "a row removed",
    ],
)
def test_a_row_that_is_not_what_gazelle_said_is_found(shop: Shop, statement: str, example: str) -> None:
    client = shop.value("SELECT min(external_id) FROM gazelle_clients WHERE NOT is_stub")
    shop.query(statement.replace("%s", f"'{client}'"))
    found = look_at(shop, "integrity_production")
    assert found.is_failure
    assert any(example in shown for shown in found.examples), found.examples
    assert "replay" in str(found.advice)
    assert "abîmé" not in str(found), "what a row holds is a client's affair"


def test_a_row_that_nobody_staged_is_found(shop: Shop) -> None:
    shop.query("INSERT INTO gazelle_pianos (external_id) VALUES ('ins_invented')")
    found = look_at(shop, "integrity_production")
    assert found.examples == ("gazelle_pianos ins_invented: staging holds no version of its record",)
    assert "sync --full" in str(found.advice)


def test_a_deleted_record_that_lives_is_found(shop_with_history: Shop) -> None:
    gone = shop_with_history.value("SELECT min(external_id) FROM gazelle_timeline_entries WHERE deleted_at IS NOT NULL")
    shop_with_history.query("UPDATE gazelle_timeline_entries SET deleted_at = NULL WHERE external_id = %s", gone)
    found = look_at(shop_with_history, "integrity_production")
    assert found.examples == (f"gazelle_timeline_entries {gone}: is gone at Gazelle and not marked deleted",)


def test_a_full_run_proves_production_once_and_the_check_shows_what_stays_wrong(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = shop.value("SELECT min(external_id) FROM gazelle_clients WHERE NOT is_stub")
    shop.query(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.city := 'abîmé'; RETURN NEW; END$$; "
        "CREATE TRIGGER spoil BEFORE UPDATE ON gazelle_clients FOR EACH ROW EXECUTE FUNCTION spoil()"
    )
    shop.query("UPDATE gazelle_clients SET company_name = 'abîmé' WHERE external_id = %s", client)
    reports = shop.sync(Mode.DEEP).reports
    monkeypatch.setattr(production, "compare", None)  # another comparison would be an error
    found = production.evaluate_production(CheckContext(shop.settings, reports=reports), "integrity_production")
    assert found.is_failure
    assert found.examples == (f"gazelle_clients {client}: city",)
    assert found.numbers["checked"] > len(shop.admin.dump("clients"))


def test_a_sample_finds_what_is_wrong_everywhere(shop: Shop) -> None:
    shop.query("UPDATE gazelle_timeline_entries SET title = 'abîmé'")
    found = look_at(shop, "integrity_production", thorough=False)
    assert found.is_failure
    assert found.numbers["off"] == SAMPLE


def test_tags_that_were_added_here_and_versions_that_wait_are_no_faults(shop: Shop) -> None:
    shop.query("UPDATE gazelle_pianos SET tags = tags || '{ici}'::text[]")
    shop.query(
        """UPDATE staging_clients SET sync_status = 'pending', raw_data = raw_data || '{"region": "x"}'
        WHERE jsonb_typeof(raw_data) = 'object'"""
    )
    found = assert_passes(shop, "integrity_production")
    assert found.numbers["not applied yet"] == len(shop.admin.dump("clients"))


@pytest.mark.parametrize("batch", [1, 2000], ids=["apart", "together"])
def test_a_contact_that_moved_to_another_client_is_no_fault(
    shop: Shop, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "BATCH", batch)
    contact = next(c for c in shop.admin.dump("contacts") if not c["isDefault"])
    other = next(c for c in shop.admin.dump("clients") if c["id"] != contact["clientId"])
    shop.admin.edit("contacts", contact["id"], clientId=other["id"])
    shop.admin.edit("clients", other["id"], region="x")
    shop.sync()
    assert shop.row("gazelle_contacts", contact["id"])["client_external_id"] == other["id"]
    assert_passes(shop, "integrity_production")


def test_ids_that_stand_twice_are_found(shop: Shop) -> None:
    shop.query("ALTER TABLE gazelle_timeline_entries DROP CONSTRAINT gazelle_timeline_entries_external_id_key")
    unguarded = look_at(shop, "integrity_ids", thorough=False)
    assert unguarded.is_failure
    assert "unique index on external_id is gone" in unguarded.summary
    shop.query(
        "INSERT INTO gazelle_timeline_entries (external_id, occurred_at) "
        "SELECT external_id, occurred_at FROM gazelle_timeline_entries LIMIT 3"
    )
    for thorough in (False, True):
        found = look_at(shop, "integrity_ids", thorough=thorough)
        assert found.numbers["doubled"] == 3
        assert found.examples[0].endswith("2 \N{MULTIPLICATION SIGN}")


def test_rows_that_name_nothing_are_found(shop: Shop) -> None:
    client = shop.value("SELECT min(client_external_id) FROM gazelle_pianos")
    shop.query(f"{REMOVE} gazelle_clients WHERE external_id = '{client}'")
    found = look_at(shop, "integrity_references")
    assert found.is_failure
    assert "gazelle_pianos.client_external_id" in found.summary
    assert any(shown.endswith(f"→ {client}") for shown in found.examples)


def test_records_that_are_lost_here_are_counted_and_named(shop: Shop) -> None:
    piano = shop.value("SELECT max(external_id) FROM gazelle_pianos WHERE NOT is_stub")
    shop.query(f"{REMOVE} gazelle_pianos WHERE external_id = '{piano}'")
    found = look_at(shop, "integrity_counts")
    assert found.is_failure
    assert found.examples == (f"gazelle_pianos {piano}",)


def test_records_that_gazelle_never_had_are_counted(shop: Shop) -> None:
    shop.query("INSERT INTO gazelle_pianos (external_id) VALUES ('ins_invented')")
    found = look_at(shop, "integrity_counts")
    assert found.is_failure
    assert found.numbers["off"] == 1


def test_timeline_entries_that_are_lost_here_are_counted(shop: Shop) -> None:
    shop.query("DELETE FROM gazelle_timeline_entries WHERE id IN (SELECT id FROM gazelle_timeline_entries LIMIT 4)")
    found = look_at(shop, "integrity_counts")
    assert found.is_failure
    assert found.numbers["off"] == 4


def test_what_came_since_the_last_run_is_news_and_no_fault(shop: Shop) -> None:
    shop.quiet_down()
    new = shop.admin.create("clients", companyName="Nouveau")
    shop.admin.create("timeline", occurredAt="2026-05-05T12:00:00Z", clientId=new["id"], summary="Nouveau")
    shop.admin.create("events", start="2026-05-05T12:00:00Z", title="Accord")
    shop.admin.delete("pianos", shop.admin.dump("pianos")[-1]["id"])
    found = assert_passes(shop, "integrity_counts")
    assert "Gazelle has changed since the last run: Clients +1" in found.summary


def test_a_gazelle_that_cannot_be_asked_is_no_proof(shop: Shop) -> None:
    deaf = replace(shop, settings=shop.settings.replace(api_url="http://127.0.0.1:9", timeout_s=0.5))
    found = look_at(deaf, "integrity_counts")
    assert not found.passed
    assert not found.is_failure
    assert "cannot be asked" in found.summary
    shop.query("DELETE FROM gazelle_timeline_entries WHERE id IN (SELECT id FROM gazelle_timeline_entries LIMIT 4)")
    assert look_at(deaf, "integrity_counts").is_failure, "it is known from the last run that they are too few"


def test_records_that_gazelle_cannot_give_are_a_warning(shop: Shop) -> None:
    broken = shop.admin.dump("timeline")[5]["id"]
    shop.query("DELETE FROM gazelle_timeline_entries WHERE external_id = %s", broken)
    shop.query("DELETE FROM staging_timeline WHERE external_id = %s", broken)
    shop.query("UPDATE sync_logs SET stats = jsonb_set(stats, '{timeline,errors}', '1')")
    found = look_at(shop, "integrity_counts")
    assert not found.passed
    assert not found.is_failure
    assert "cannot give" in found.summary


def test_a_value_that_was_never_seen_warns_and_is_stored(shop: Shop) -> None:
    entry = shop.admin.dump("timeline")[-1]["id"]
    shop.query("UPDATE gazelle_timeline_entries SET entry_type = 'HOLOGRAM' WHERE external_id = %s", entry)
    found = look_at(shop, "integrity_values")
    assert not found.passed
    assert not found.is_failure
    assert "gazelle_timeline_entries.entry_type HOLOGRAM (1)" in found.summary
    assert entry in found.examples[0]


@pytest.mark.parametrize("columns", ["tags = '{}'", "tags = NULL", "tags = '{}', gazelle_tags = '{}'"])
def test_tags_that_were_emptied_in_bulk_are_found(shop: Shop, columns: str) -> None:
    shop.query(f"UPDATE gazelle_clients SET {columns}")  # noqa: S608 - the tests' own
    found = look_at(shop, "integrity_ownership")
    assert found.is_failure
    assert "gazelle_clients.tags was emptied" in found.summary
    if "gazelle_tags" not in columns:
        assert look_at(shop, "integrity_ownership", thorough=False).is_failure, "a tick sees it as well"


def test_a_few_tags_that_people_removed_are_no_fault(shop: Shop) -> None:
    shop.query(
        "UPDATE gazelle_clients SET tags = '{}' WHERE id IN "
        "(SELECT id FROM gazelle_clients WHERE cardinality(gazelle_tags) > 0 LIMIT 5)"
    )
    assert assert_passes(shop, "integrity_ownership").numbers["empty here"] == 5


def test_an_imported_note_that_is_shown_twice_is_found(shop: Shop) -> None:
    own = next(entry for entry in shop.admin.dump("timeline") if entry["id"].startswith("tme_"))
    twin = shop.admin.create("timeline", **{**own, "id": "tle_twin"})
    shop.sync(Mode.DEEP)
    assert_passes(shop, "integrity_twins")
    assert shop.row("gazelle_timeline_entries", twin["id"])["duplicate_of"] == own["id"]
    shop.query("UPDATE gazelle_timeline_entries SET duplicate_of = NULL")
    found = look_at(shop, "integrity_twins")
    assert found.is_failure
    assert f"tle_twin = {own['id']}" in found.examples
    shop.query("UPDATE gazelle_timeline_entries SET duplicate_of = 'tme_none' WHERE external_id = 'tle_twin'")
    assert look_at(shop, "integrity_twins").numbers["astray"] == 1


def test_a_staged_body_that_something_changed_is_named_though_production_follows_it(shop: Shop) -> None:
    visit = shop.admin.dump("events")[0]["id"]
    shop.query(
        "UPDATE staging_appointments SET raw_data = jsonb_set(raw_data, '{title}', '\"Autre chose\"') "
        "WHERE external_id = %s",
        visit,
    )
    shop.replay()
    found = look_at(shop, "integrity_production")
    assert found.is_failure
    assert f"gazelle_appointments {visit}: its body in staging is not the one that Gazelle sent" in found.examples
    assert found.advice is not None
    assert "sync --full" in found.advice
    shop.sync(Mode.DEEP)
    assert_passes(shop, "integrity_production")
