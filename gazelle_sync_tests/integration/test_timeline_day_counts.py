"""The counts of the timeline's days are kept by whatever writes its rows, and are always those of the rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from gazelle_sync.montreal import montreal_day
from gazelle_sync.pull import timeline_held
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.session import Pull
from gazelle_sync.pull.timeline_held import TimelineHeld
from gazelle_sync.warehouse.pool import Connections
from gazelle_sync.warehouse.schema_repair import repair
from gazelle_sync_tests.support.shop import Shop

COUNTED = """
SELECT gazelle.timeline_day(occurred_at), count(*) FROM gazelle_timeline_entries
WHERE deleted_at IS NULL AND NOT is_stub AND occurred_at IS NOT NULL AND NOT starts_with(external_id, 'v4_')
GROUP BY 1
"""
KEPT = "SELECT day, sum(entries)::bigint FROM sync_timeline_days GROUP BY day HAVING sum(entries) <> 0"
ADD = "INSERT INTO gazelle_timeline_entries (external_id, occurred_at) VALUES (%s, %s)"
BY_HAND = (
    "UPDATE gazelle_timeline_entries SET deleted_at = now() WHERE id % 7 = 0",
    "UPDATE gazelle_timeline_entries SET deleted_at = NULL WHERE id % 14 = 0",
    "UPDATE gazelle_timeline_entries SET occurred_at = occurred_at + interval '1 day' WHERE id % 5 = 0",
    "UPDATE gazelle_timeline_entries SET description = 'rien' WHERE id % 3 = 0",
    "UPDATE gazelle_timeline_entries SET is_stub = true, occurred_at = NULL WHERE id % 11 = 0",
    "UPDATE gazelle_timeline_entries SET is_stub = false, occurred_at = now() WHERE is_stub",
    "UPDATE gazelle_timeline_entries SET occurred_at = 'infinity' WHERE id % 13 = 0",
    "UPDATE gazelle_timeline_entries SET occurred_at = '-infinity' WHERE id % 17 = 0",
    "DELETE FROM gazelle_timeline_entries WHERE id % 4 = 0",
    "INSERT INTO gazelle_timeline_entries (external_id, occurred_at) VALUES ('tme_a', now()), ('tme_b', '0001-01-01')",
    "INSERT INTO gazelle_timeline_entries (external_id, occurred_at) VALUES ('v4_timeline_entries_1', now())",
    "UPDATE gazelle_timeline_entries SET occurred_at = '2020-01-01' WHERE external_id = 'v4_timeline_entries_1'",
    "DELETE FROM gazelle_timeline_entries WHERE external_id = 'v4_timeline_entries_1'",
    "INSERT INTO gazelle_timeline_entries (external_id, occurred_at) VALUES ('v4_timeline_entries_2', now())",
    "INSERT INTO gazelle_timeline_entries (external_id, is_stub) VALUES ('tme_stub', true)",
    "INSERT INTO gazelle_timeline_entries (external_id, occurred_at) VALUES ('tme_a', '2020-01-01')"
    " ON CONFLICT (external_id) DO UPDATE SET occurred_at = excluded.occurred_at",
    "TRUNCATE gazelle_timeline_entries",
    "INSERT INTO gazelle_timeline_entries (external_id, occurred_at) VALUES ('tme_c', '2020-01-01')",
)


@pytest.fixture
def held(shop: Shop) -> TimelineHeld:
    return TimelineHeld(Connections(shop.url))


def assert_kept(shop: Shop) -> None:
    assert dict(shop.query(KEPT)) == dict(shop.query(COUNTED))


@contextmanager
def session(shop: Shop) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(shop.url) as connection:
        yield connection


def test_after_a_first_pull_the_counts_are_those_of_the_rows(shop: Shop, held: TimelineHeld) -> None:
    assert shop.count("gazelle_timeline_entries") > 100
    assert_kept(shop)
    assert held.count() == shop.count("gazelle_timeline_entries", "deleted_at IS NULL AND NOT is_stub")
    assert held.repair_counts() == 0


def test_whatever_somebody_writes_by_hand_is_counted(shop: Shop) -> None:
    for statement in BY_HAND:
        shop.query(statement)
        assert_kept(shop)


def test_what_is_rolled_back_was_never_counted(shop: Shop) -> None:
    before = dict(shop.query(KEPT))
    with session(shop) as connection:
        connection.execute("DELETE FROM gazelle_timeline_entries")
        connection.execute(ADD, ["tme_x", datetime.now(UTC)])
        connection.rollback()
    assert dict(shop.query(KEPT)) == before


def test_transactions_that_change_the_same_days_do_not_wait_for_each_other(shop: Shop) -> None:
    one, other = datetime(2024, 5, 1, 12, tzinfo=UTC), datetime(2024, 5, 2, 12, tzinfo=UTC)
    with session(shop) as first, session(shop) as second:
        for connection, name, days in ((first, "a", (one, other)), (second, "b", (other, one))):
            connection.execute("SET LOCAL lock_timeout = '2s'")
            for n, day in enumerate(days):
                connection.execute(ADD, [f"tme_{name}{n}", day])
        assert dict(second.execute(KEPT).fetchall()) == dict(second.execute(COUNTED).fetchall())
    assert_kept(shop)


def test_the_triggers_are_a_part_of_the_rights_of_whoever_may_write_entries(shop: Shop) -> None:
    with session(shop) as connection:
        connection.execute("CREATE ROLE somebody")
        connection.execute("GRANT INSERT, UPDATE, SELECT, TRUNCATE ON gazelle_timeline_entries TO somebody")
        connection.execute("SET LOCAL ROLE somebody")
        connection.execute("TRUNCATE gazelle_timeline_entries")
        connection.execute(ADD, ["tme_x", datetime.now(UTC)])
        connection.execute("RESET ROLE")
        assert connection.execute(KEPT).fetchall() == connection.execute(COUNTED).fetchall() != []
        connection.rollback()


def test_rows_of_counts_are_folded_when_they_are_many_and_say_the_same(
    shop: Shop, held: TimelineHeld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(30):
        shop.query(ADD, f"tme_{n}", datetime(2024, 5, n % 3 + 1, 12, tzinfo=UTC))
    shop.query("DELETE FROM gazelle_timeline_entries WHERE external_id = 'tme_0'")
    days = held.days()
    monkeypatch.setattr(timeline_held, "FOLD_ABOVE", -(10**6))
    assert held.days() == days
    assert shop.count("sync_timeline_days") == len(dict(shop.query(COUNTED)))
    assert_kept(shop)


def test_rows_that_are_added_while_the_counts_are_folded_count(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline_held, "FOLD_ABOVE", -(10**6))
    done = threading.Event()

    def fold() -> None:
        while not done.is_set():
            TimelineHeld(Connections(shop.url)).count()

    folding = threading.Thread(target=fold)
    folding.start()
    try:
        for n in range(60):
            shop.query(ADD, f"tme_{n}", datetime(2024, 5, n % 3 + 1, 12, tzinfo=UTC))
    finally:
        done.set()
        folding.join()
    assert_kept(shop)


@pytest.mark.parametrize("mode", [Mode.NIGHTLY, Mode.DEEP])
def test_a_full_run_puts_counts_right_that_somebody_changed_and_says_so(shop: Shop, mode: Mode) -> None:
    shop.query("INSERT INTO sync_timeline_days (day, entries) VALUES ('2024-05-01', 3)")
    shop.query("DELETE FROM sync_timeline_days WHERE day = (SELECT min(day) FROM sync_timeline_days)")
    outcome = shop.sync(mode)
    assert_kept(shop)
    assert any("2 days" in note and "corrected" in note for note in outcome["timeline"].notes)
    assert not any("corrected" in note for note in shop.sync(mode)["timeline"].notes)


def test_a_dropped_table_of_counts_and_its_triggers_come_back_full(shop: Shop) -> None:
    shop.query("DROP TABLE sync_timeline_days")
    assert repair(shop.url).made == ["sync_timeline_days"]
    assert_kept(shop)
    shop.query("DROP TRIGGER gazelle_count_days_update ON gazelle_timeline_entries")
    shop.query("ALTER TABLE gazelle_timeline_entries DISABLE TRIGGER gazelle_count_days_insert")
    shop.query(ADD, "tme_x", datetime.now(UTC))
    assert len(repair(shop.url).made) == 2
    assert_kept(shop)
    shop.sync()
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()


def test_what_only_an_older_system_knows_is_in_no_count_however_the_counts_are_made_again(shop: Shop) -> None:
    shop.query(ADD, "v4_timeline_entries_1", datetime(2020, 1, 1, 12, tzinfo=UTC))
    assert_kept(shop)
    shop.query("DROP TABLE sync_timeline_days")
    repair(shop.url)
    assert_kept(shop)


def test_a_replay_counts_what_it_makes_again(shop: Shop) -> None:
    shop.replay()
    assert_kept(shop)


def test_what_is_staged_and_not_applied_counts_on_its_day(shop: Shop, held: TimelineHeld) -> None:
    entry = shop.rows("gazelle_timeline_entries", "deleted_at IS NULL")[0]
    was, now = montreal_day(entry["occurred_at"]), date(2020, 2, 29)
    before = held.days()
    shop.query(
        "INSERT INTO staging_timeline (external_id, raw_data, content_hash, fetched_at, sync_status) "
        "SELECT external_id, raw_data || %s::jsonb, content_hash, now(), 'pending' FROM staging_timeline "
        "WHERE external_id = %s",
        '{"occurredAt": "2020-02-29T15:00:00Z"}', entry["external_id"],
    )  # fmt: skip
    after = held.days()
    assert after[was] == before[was] - 1
    assert after[now] == before.get(now, 0) + 1
    assert held.count() == sum(before.values())


def test_a_history_that_is_staged_and_not_applied_is_counted_part_by_part(
    new_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Pull(new_shop.settings, entities=["timeline"], applies=[]) as pull:
        pull.stage("timeline")
    held = TimelineHeld(Connections(new_shop.url))
    at_once, between = held.days(), held.between(None, None)
    monkeypatch.setattr(timeline_held, "UNAPPLIED_AT_ONCE", 7)
    assert (held.days(), held.between(None, None)) == (at_once, between)
    assert sum(at_once.values()) == len(between) == len(new_shop.admin.dump("timeline"))
