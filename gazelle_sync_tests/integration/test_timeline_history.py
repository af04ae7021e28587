"""What a tick does with the timeline does not grow with history: no statement reads a large table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.history import make_history_at_gazelle, make_history_here
from gazelle_sync_tests.support.sandbox import start_sandbox
from gazelle_sync_tests.support.shop import Shop

ENTRIES = 100_000
LARGE = ("gazelle_timeline_entries", "staging_timeline")
READ = """
SELECT coalesce(sum(seq_tup_read), 0)::bigint + (
    SELECT coalesce(sum(idx_tup_read), 0)::bigint FROM pg_stat_user_indexes WHERE relname = ANY (%s)
)
FROM pg_stat_user_tables
WHERE relname = ANY (%s)
"""
MOST_READ = 2000
"""Rows and index entries: some for each changed entry and each day that differs, far fewer than there are entries."""


@pytest.fixture(scope="module")
def old_shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop whose timeline is long on both sides."""
    home = tmp_path_factory.mktemp("history")
    file = home / "sandbox.sqlite"
    young = start_sandbox(file, scale=0.02)
    with databases.temporary() as url:
        shop = Shop.on(url, young, home)
        shop.sync()
        young.stop()
        make_history_at_gazelle(file, ENTRIES)
        make_history_here(url, ENTRIES)
        port = young.url.split(":")[2].split("/")[0]
        shop.sandbox = start_sandbox(file, scale=0.02, extra=("--port", port))
        try:
            shop.sync()
            yield shop
        finally:
            shop.leave()
            shop.sandbox.stop()


def rows_read(shop: Shop) -> int:
    return int(shop.value(READ, list(LARGE), list(LARGE)))


def scans(shop: Shop) -> dict[str, int]:
    """Table → how often it was read from end to end, or begun to be, by sessions that have ended."""
    shop.leave()
    query = "SELECT relname::text, seq_scan FROM pg_stat_user_tables WHERE relname = ANY (%s)"
    return dict(shop.query(query, list(LARGE)))


def note(shop: Shop, at: datetime) -> str:
    client = shop.admin.dump("clients")[0]["id"]
    made = shop.admin.create(
        "timeline", occurredAt=at.strftime("%Y-%m-%dT%H:%M:%SZ"), type="USER_COMMENT", comment="Note", clientId=client
    )
    return str(made["id"])


def test_no_statement_of_a_tick_scans_a_large_table(old_shop: Shop) -> None:
    shop = old_shop
    before, scans_before = rows_read(shop), scans(shop)
    shop.sync()
    made = [note(shop, datetime.now(UTC) - timedelta(days=n, minutes=2)) for n in (0, 5, 20)]
    outcome = shop.sync()
    assert not outcome["timeline"].partial
    for entry in made:
        assert shop.row("gazelle_timeline_entries", entry)["deleted_at"] is None
    assert rows_read(shop) - before < MOST_READ
    assert scans(shop) == scans_before


def test_a_difference_of_one_old_day_is_found_without_reading_history(old_shop: Shop) -> None:
    shop = old_shop
    before = rows_read(shop)
    shop.admin.reset_stats()
    made = note(shop, datetime(2012, 5, 5, 12, tzinfo=UTC))
    shop.sync()
    assert shop.count("gazelle_timeline_entries", f"external_id = '{made}'") == 1
    assert shop.admin.stats()["bodies"]["timeline"] < 200
    assert rows_read(shop) - before < MOST_READ
