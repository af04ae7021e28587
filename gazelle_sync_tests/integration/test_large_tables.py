"""What a tick does besides the pull, and `status`, reads no table of a shop with a long history from end to end."""

from __future__ import annotations

from gazelle_sync.defs.sync.metadata import read_counts
from gazelle_sync.entities import ENTITIES
from gazelle_sync.incidents.facts import EndedRun
from gazelle_sync.incidents.watch import watch
from gazelle_sync.monitoring.status import read_status
from gazelle_sync.quality.context import CheckContext
from gazelle_sync.quality.registry import CHECKS, evaluate_all
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync_tests.support.shop import Shop

LONG = 110_000


def test_checks_of_a_tick_metadata_alerts_and_status_scan_no_long_table(shop: Shop) -> None:
    shop.query(
        "INSERT INTO gazelle_timeline_entries (external_id, entry_type, title, occurred_at) "
        "SELECT 'tme_long' || n, 'USER_COMMENT', 'Longtemps', '2010-01-01'::timestamptz + n * interval '1 minute' "
        "FROM generate_series(1, %s) AS n",
        LONG,
    )
    shop.query(
        "INSERT INTO staging_timeline (external_id, raw_data, content_hash, fetched_at, sync_status, run_id) "
        "SELECT 'tme_long' || n, jsonb_build_object('id', 'tme_long' || n), decode(md5(n::text), 'hex'), "
        "'2010-01-01'::timestamptz + n * interval '1 minute', 'processed', 'long' FROM generate_series(1, %s) AS n",
        LONG,
    )
    shop.query("ANALYZE gazelle_timeline_entries")
    shop.query("ANALYZE staging_timeline")
    before = scans(shop)
    list(evaluate_all([c for c in CHECKS.values() if c.in_tick], CheckContext(shop.settings, thorough=False)))
    with borrow(shop.url) as connection:
        counts = read_counts(connection, ENTITIES, exactly=False)
    watch(shop.settings, EndedRun("run", "tick", succeeded=True))
    status = {row.entity: row for row in read_status(shop.settings)}
    assert scans(shop) == before
    with borrow(shop.url) as connection:
        read_counts(connection, ENTITIES, exactly=True)
    assert scans(shop) != before, "what counts exactly is seen"
    rows, is_estimate = counts["timeline"].rows["gazelle_timeline_entries"]
    assert is_estimate
    assert rows >= LONG
    assert status["timeline"].rows == rows
    assert counts["clients"].rows["gazelle_clients"] == (status["clients"].rows, False)


def scans(shop: Shop) -> dict[str, int]:
    """Table → how often it was read from end to end, by those that have gone since."""
    shop.leave()
    return dict(
        shop.query(
            "SELECT relname::text, seq_scan FROM pg_stat_user_tables "
            "WHERE relname IN ('gazelle_timeline_entries', 'staging_timeline')"
        )
    )
