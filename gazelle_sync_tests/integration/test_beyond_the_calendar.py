"""`infinity` written by hand into our own books ends no command, and the records behind it go on being read."""

from __future__ import annotations

import pytest

from gazelle_sync.monitoring.report import render_report
from gazelle_sync.monitoring.status import read_situation
from gazelle_sync.monitoring.status_screen import render_status
from gazelle_sync.notifications.ledger import read_ledger_status
from gazelle_sync.pull.context import Mode
from gazelle_sync.warehouse.connect import connect
from gazelle_sync_tests.support.evaluating import assert_passes
from gazelle_sync_tests.support.shop import Shop

STAMPS = {
    "staging_pianos": (
        ("gazelle_updated_at", "fetched_at", "processed_at", "created_at"),
        "external_id = (SELECT max(external_id) FROM gazelle_pianos WHERE NOT is_stub)",
    ),
    "sync_logs": (("started_at",), "id = (SELECT max(id) FROM sync_logs)"),
    "system_settings": (("updated_at",), "key = 'last_sync_date.pianos'"),
}


def look(shop: Shop) -> str:
    settings = shop.settings.replace(language="fr")
    with connect(shop.url) as connection:
        read_ledger_status(connection)
    render_report(settings)
    return render_status(settings, read_situation(settings))


@pytest.mark.parametrize("instant", ["infinity", "-infinity", "20226-07-01 12:00+00"])
def test_an_instant_that_no_clock_shows_ends_no_command(shop: Shop, instant: str) -> None:
    for table, (columns, where) in STAMPS.items():
        for column in columns:
            shop.query(f"UPDATE {table} SET {column} = %s WHERE {where}", instant)  # noqa: S608
    look(shop)
    piano = shop.value("SELECT max(external_id) FROM gazelle_pianos WHERE NOT is_stub")
    shop.admin.edit("pianos", piano, notes="Première")
    shop.sync()
    look(shop)
    shop.admin.edit("pianos", piano, notes="Seconde")
    shop.sync(Mode.NIGHTLY)
    assert shop.row("gazelle_pianos", piano)["notes"] == "Seconde"
    shop.assert_equals_api()
    assert shop.count("staging_pianos", "fetched_at > now() + interval '1 day'") == 0
    assert_passes(shop, "integrity_production")
    shop.quiet_down()
    before = shop.physical()
    assert shop.sync(only=["pianos"]).fetched == 0, "a stamp that was mended is not read again by each tick"
    assert shop.physical() == before
