"""What somebody drops is named by a check and by the doctor, and `migrate` makes it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazelle_sync.doctor.database import _migrations
from gazelle_sync.errors import DatabaseError
from gazelle_sync.monitoring.report import write_report
from gazelle_sync.pull.context import Mode
from gazelle_sync.status import read_status
from gazelle_sync.warehouse.connect import connect
from gazelle_sync.warehouse.relations import BOOKS, EDITS, PRODUCTION, STAGING, VIEWS
from gazelle_sync.warehouse.wholeness import TRIGGER, restore
from gazelle_sync_tests.looking import assert_passes, look_at
from gazelle_sync_tests.pushing import Office
from gazelle_sync_tests.shop import Shop


def test_every_view_that_is_dropped_is_named_and_made_again(shop: Shop) -> None:
    assert_passes(shop, "integrity_ids")
    kinds = "SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.relkind = '{}' AND c.relnamespace IN ({})"
    ours = "'public'::regnamespace, 'gazelle'::regnamespace"
    assert {name for (name,) in shop.query(kinds.format("v", ours))} == set(VIEWS)
    tables = {*STAGING, *PRODUCTION, *BOOKS, "schema_migrations"}
    assert {name for (name,) in shop.query(kinds.format("r", ours))} == tables
    for n, view in enumerate(VIEWS):
        shop.query(f"DROP VIEW {view} CASCADE")
        found = look_at(shop, "integrity_ids")
        assert found.is_failure
        assert view in found.summary
        assert "gazelle-sync migrate" in (found.advice or "")
        assert found.summary.count(",") == n
    with connect(shop.url) as connection:
        told = _migrations(connection, shop.settings)
    assert not told.ok
    assert "gazelle.timeline_entries" in told.text
    assert restore(shop.url).made == list(VIEWS)
    assert restore(shop.url).made == []
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
    restored = restore(shop.url)
    assert table in restored.made
    assert restored.lacking == []
    (said,) = restored.advice()
    assert advice in said
    if advice == "sync --full":
        shop.sync(Mode.DEEP)
    elif advice == "replay":
        shop.replay()
    shop.assert_equals_api()
    assert_passes(shop, "integrity_ids")


def test_without_its_trigger_no_edit_is_marked_and_migrate_puts_it_back(new_shop: Shop) -> None:
    office = Office(new_shop)
    marks = "SELECT prosrc FROM pg_proc WHERE proname = 'gazelle_mark_edit'"
    before = new_shop.value(marks)
    new_shop.query("DROP FUNCTION gazelle_mark_edit CASCADE")
    restored = restore(new_shop.url)
    assert (restored.made, restored.lacking, restored.advice()) == ([TRIGGER], [], [])
    assert new_shop.value(marks) == before, "as the last migration left it, not the first"
    office.edit("pno_a", notes="x", needs_sync=False)
    assert office.row("pno_a")["needs_sync"]
