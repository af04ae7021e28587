"""What somebody drops is named by a check and by the doctor, and `migrate` makes it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazelle_sync.cli.doctor.database import _migrations
from gazelle_sync.errors import DatabaseError
from gazelle_sync.i18n.translator import translator
from gazelle_sync.monitoring.report import write_report
from gazelle_sync.monitoring.status import read_status
from gazelle_sync.pull.context import Mode
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.warehouse.connect import connect
from gazelle_sync.warehouse.relations import CONTROL_TABLES, EDITS, PRODUCTION, PUSHED, STAGING, VIEWS
from gazelle_sync.warehouse.schema_repair import UNIQUE, describe_object, repair
from gazelle_sync_tests.support.evaluating import assert_passes, look_at
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Shop


@pytest.mark.usefixtures("just_pulled")
def test_every_view_that_is_dropped_is_named_and_made_again(shop: Shop) -> None:
    assert_passes(shop, "integrity_ids")
    kinds = "SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.relkind = '{}' AND c.relnamespace IN ({})"
    ours = "'public'::regnamespace, 'gazelle'::regnamespace"
    assert {name for (name,) in shop.query(kinds.format("v", ours))} == set(VIEWS)
    tables = {*STAGING, *PRODUCTION, *CONTROL_TABLES, "schema_migrations"}
    assert {name for (name,) in shop.query(kinds.format("r", ours))} == tables
    for n, view in enumerate(VIEWS):
        shop.query(f"DROP VIEW {view} CASCADE")
        found = look_at(shop, "integrity_ids")
        assert found.is_failure
        assert view in found.summary
        assert "gazelle-sync migrate" in (found.advice or "")
        assert found.summary.count(",") == n
    with connect(shop.url) as connection:
        told = _migrations(connection, shop.settings, translator("en"))
    assert not told.passed
    assert "gazelle.timeline_entries" in told.summary
    assert repair(shop.url).made == list(VIEWS)
    assert repair(shop.url).made == []
    assert_passes(shop, "integrity_ids")
    assert {row.light for row in read_status(shop.settings)} == {"green"}


@pytest.mark.parametrize(
    ("table", "advice"), [("staging_invoices", "sync --full"), ("gazelle_products", "replay"), (EDITS, "backup")]
)
def test_a_table_that_is_dropped_comes_back_with_what_is_to_be_done(
    shop: Shop, tmp_path: Path, table: str, advice: str
) -> None:
    shop.query(f"DROP TABLE {table} CASCADE")
    assert table in look_at(shop, "integrity_ids").summary
    if table != EDITS:
        for look in (lambda: read_status(shop.settings), lambda: write_report(shop.settings, tmp_path / "r.html")):
            with pytest.raises(DatabaseError, match=r"somebody dropped it, `gazelle-sync migrate` makes it again"):
                look()
    repaired = repair(shop.url)
    assert table in repaired.made
    assert repaired.missing == []
    (said,) = repaired.advice(translator("en"))
    assert advice in said
    if advice == "sync --full":
        shop.sync(Mode.DEEP)
    elif advice == "replay":
        shop.replay()
    shop.assert_equals_api()
    assert_passes(shop, "integrity_ids")


def test_without_its_trigger_no_edit_is_marked_and_migrate_puts_it_back(new_shop: Shop) -> None:
    office = EditedShop(new_shop)
    marks = "SELECT prosrc FROM pg_proc WHERE proname = 'gazelle_mark_edit'"
    before = new_shop.value(marks)
    new_shop.query("DROP FUNCTION gazelle_mark_edit CASCADE")
    repaired = repair(new_shop.url)
    made = [f"the trigger gazelle_mark_edit ({table})" for table in PUSHED]
    assert (repaired.made, repaired.missing, repaired.advice(translator("en"))) == (made, [], [])
    assert new_shop.value(marks) == before, "as the last migration left it, not the first"
    office.edit("pno_a", notes="x", needs_sync=False)
    assert office.row("pno_a")["needs_sync"]


def test_a_trigger_of_a_pushed_table_that_is_dropped_or_disabled_is_named_and_made_again(shop: Shop) -> None:
    assert {pushable.table for pushable in PUSHABLES} == set(PUSHED)
    shop.query(f"ALTER TABLE {EDITS} DISABLE TRIGGER gazelle_keep_state")
    shop.query("DROP TRIGGER gazelle_keep_state ON shop_products")
    expected = [f"the trigger gazelle_keep_state ({table})" for table in (EDITS, "shop_products")]
    assert (repair(shop.url).made, repair(shop.url).made) == (expected, [])


CATALOGUE = """
SELECT c.conrelid::regclass || ' ' || pg_get_constraintdef(c.oid) FROM pg_constraint AS c
WHERE c.contype <> 'n' AND c.connamespace = 'public'::regnamespace AND c.conrelid <> 0
UNION ALL
SELECT pg_get_indexdef(i.indexrelid) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
WHERE c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT pg_get_triggerdef(t.oid) FROM pg_trigger AS t WHERE NOT t.tgisinternal
UNION ALL
SELECT c.oid::regclass || ' ' || pg_get_viewdef(c.oid) FROM pg_class AS c
WHERE c.relkind = 'v' AND c.relnamespace IN ('public'::regnamespace, 'gazelle'::regnamespace)
UNION ALL
SELECT c.oid::regclass || ' ' || a.grantee::regrole || ' ' || a.privilege_type
FROM pg_class AS c, aclexplode(c.relacl) AS a
WHERE c.relnamespace IN ('public'::regnamespace, 'gazelle'::regnamespace)
"""


def catalogue(shop: Shop) -> set[str]:
    """Constraints, indexes, triggers, views and rights, as PostgreSQL writes them."""
    return {text for (text,) in shop.query(CATALOGUE)}


def test_a_dropped_table_comes_back_with_the_foreign_keys_of_others_its_indexes_views_and_rights(shop: Shop) -> None:
    before = catalogue(shop)
    for table in ("gazelle_clients", "gazelle_pianos"):
        shop.query(f"DROP TABLE {table} CASCADE")
    found = look_at(shop, "integrity_ids")
    assert found.is_failure
    for name in ("gazelle_timeline_entries.client_external_id", "the index gazelle_pianos_client", "gazelle.pianos"):
        assert name in found.summary
    repaired = repair(shop.url)
    assert repaired.missing == []
    (said,) = repaired.advice(translator("en"))
    assert "`gazelle-sync replay`" in said
    assert "`gazelle-sync migrate`" in said
    assert {text.removesuffix(" NOT VALID") for text in catalogue(shop)} == {
        text.removesuffix(" NOT VALID") for text in before
    }
    shop.replay()
    shop.assert_equals_api()
    assert repair(shop.url).made == []
    assert catalogue(shop) == before, "the foreign keys are held against all rows now"
    assert_passes(shop, "integrity_ids")


def test_each_foreign_key_and_each_named_index_that_is_dropped_is_named_and_made_again(shop: Shop) -> None:
    before = catalogue(shop)
    keys = shop.query("SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f'")
    indexes = shop.query(
        "SELECT i.indexrelid::regclass::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid "
        "WHERE c.relnamespace = 'public'::regnamespace AND NOT i.indisunique AND c.relname NOT LIKE 'staging%'"
    )
    assert len(keys) > 20
    assert len(indexes) > 20
    for table, name in keys:
        shop.query(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for (name,) in indexes:
        shop.query(f"DROP INDEX {name}")
    with connect(shop.url) as connection:
        told = _migrations(connection, shop.settings, translator("en"))
    assert not told.passed
    assert told.summary.count("the foreign key ") == len(keys)
    assert told.summary.count("the index ") == len(indexes)
    repaired = repair(shop.url)
    assert len(repaired.made) == len(keys) + len(indexes)
    assert repaired.missing == []
    assert catalogue(shop) == before


def test_what_is_created_again_is_named_in_french() -> None:
    say = translator("fr")
    assert (
        describe_object(f"the trigger gazelle_mark_edit ({EDITS})", say)
        == "le déclencheur gazelle_mark_edit (vincent_dindy_piano_updates)"
    )
    assert describe_object(UNIQUE, say) == "un index unique sur vincent_dindy_piano_updates.gazelle_id"
    assert describe_object("the index gazelle_pianos_client", say) == "l'index gazelle_pianos_client"
    assert describe_object("gazelle_pianos", say) == "gazelle_pianos"
