"""Servers with a short `statement_timeout`, and people who keep a transaction open: no run waits, no run is cut off."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from gazelle_sync.errors import DatabaseError
from gazelle_sync.pull.context import Mode
from gazelle_sync.quality.context import CheckContext
from gazelle_sync.quality.production import evaluate_production
from gazelle_sync.warehouse import connect as connecting
from gazelle_sync.warehouse.connect import connect, statement
from gazelle_sync.warehouse.limits import LONG
from gazelle_sync.warehouse.loads import begin_loads, end_loads
from gazelle_sync.warehouse.migrate import apply_again, migrate
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.shop import PRODUCTION, Shop


def set_database(shop: Shop, **settings: str) -> None:
    """Settings of the shop's database; sessions that are open keep theirs."""
    for name, value in settings.items():
        shop.query(f"ALTER DATABASE {shop.value('SELECT current_database()')} SET {name} = '{value}'")
    shop.leave()


@contextmanager
def in_a_transaction(shop: Shop, query: str) -> Iterator[psycopg.Connection[Any]]:
    """A session that runs this statement and stays in its transaction."""
    with psycopg.connect(shop.url) as other:
        other.execute(query.encode())
        yield other


def nothing() -> None:
    """Nothing."""


def test_a_reader_who_keeps_a_transaction_open_holds_no_import_up(shop: Shop) -> None:
    """It waited for the reader, and everybody who came after waited for it."""
    shop.query("TRUNCATE gazelle_timeline_entries")
    set_database(shop, lock_timeout="5s")  # without the mend this would fail instead of waiting for ever
    tables = ("gazelle_clients", "gazelle_pianos", "gazelle_users", "gazelle_timeline_entries")
    with in_a_transaction(shop, "; ".join(f"TABLE {table}" for table in tables)):
        shop.replay(only=["timeline"])
    shop.assert_equals_api()


def test_a_first_load_beside_a_reader_waits_for_nobody_and_keeps_its_keys(new_shop: Shop) -> None:
    index = "SELECT 'gazelle_contacts_client'::regclass::oid"
    before = new_shop.value(index)
    set_database(new_shop, lock_timeout="5s")
    with in_a_transaction(new_shop, "TABLE gazelle_clients; TABLE staging_timeline"):
        new_shop.sync()
    new_shop.assert_equals_api()
    assert new_shop.value(index) == before


def test_whoever_reads_during_a_first_load_does_not_wait_for_it(new_shop: Shop) -> None:
    """A load waits for a second for the tables that it changes, and others no longer than that."""
    ended = threading.Event()

    def read() -> int:
        reads = 0
        with psycopg.connect(new_shop.url, autocommit=True) as reader:
            reader.execute("SET lock_timeout = '2s'")
            while not ended.is_set():
                for table in PRODUCTION:
                    reader.execute(f"SELECT count(*) FROM {table}".encode())  # noqa: S608 - the tests' own names
                reads += 1
        return reads

    with ThreadPoolExecutor() as pool:
        reading = pool.submit(read)
        new_shop.sync(page_size=25)
        ended.set()
        assert reading.result() > 1
    new_shop.assert_equals_api()


def test_a_migration_does_not_wait_for_a_reader_and_says_who_is_in_the_way(shop: Shop) -> None:
    set_database(shop, lock_timeout="0")
    with (
        in_a_transaction(shop, "SELECT * FROM gazelle_clients; SELECT * FROM vincent_dindy_piano_updates"),
        pytest.raises(DatabaseError, match=r"lock timeout.*who locks the table"),
        borrow(shop.url) as connection,
    ):
        apply_again(connection)


TAKES_AN_HOUR = """CREATE FUNCTION takes_an_hour() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('statement_timeout')::interval < interval '1 hour' THEN
        RAISE EXCEPTION 'canceling statement due to statement timeout' USING ERRCODE = 'query_canceled';
    END IF;
    RETURN NULL;
END $$"""


def test_pruning_outlasts_a_short_statement_timeout(shop: Shop) -> None:
    """Cut off once, it would be cut off every night: there is only ever more to prune."""
    shop.query("INSERT INTO staging_pianos (external_id, raw_data, fetched_at, sync_status) "
               "SELECT external_id, raw_data, '2020-01-01+00', 'processed' FROM staging_pianos")  # fmt: skip
    shop.query(TAKES_AN_HOUR)
    shop.query(
        "CREATE TRIGGER slow AFTER DELETE ON staging_pianos FOR EACH ROW "
        "WHEN (OLD.fetched_at < '2021-01-01+00') EXECUTE FUNCTION takes_an_hour()"
    )
    set_database(shop, statement_timeout="2min")
    shop.sync(Mode.NIGHTLY, only=["pianos"])
    assert shop.count("staging_pianos", "fetched_at < '2021-01-01+00'") == 0


GROWS = {
    "pull/staging_all", "pull/staging_pending", "pull/staging_held", "pull/staging_prune",
    "pull/staging_pending_bodies",
    "pull/unverified", "pull/staging_set_aside", "pull/stubs_unanswered", "pull/staging_mark_superseded",
    "pull/staging_unapplied", "pull/staging_fix_future_dates", "pull/staging_deleted",
    "pull/timeline_days", "pull/timeline_days_repair", "pull/timeline_between", "pull/timeline_missing",
    "pull/timeline_unapplied", "pull/timeline_unapplied_missing", "pull/timeline_nameless",
    "warehouse/timeline_duplicates", "pull/unstaged_count", "pull/unstaged_ids", "pull/newest",
    "pull/naming_unknown",
}  # fmt: skip
"""Statements that read or write a table from end to end: what they take grows with a shop's history."""


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """Name of a statement → the `statement_timeout`s under which it was sent."""
    found: dict[str, set[str]] = defaultdict(set)
    names = {statement(name).splitlines()[0]: name for name in GROWS}

    def note(connection: Any, query: object) -> None:
        text = query if isinstance(query, str) else query.as_string(None) if hasattr(query, "as_string") else ""
        first = text.partition("\n")[0].rpartition(" FOR ")[2]  # of a cursor's declaration: the query's
        if (name := names.get(first)) is not None:
            with psycopg.Cursor(connection) as asking:
                row = asking.execute("SHOW statement_timeout").fetchone()
            found[name].add(str(row[0]) if row else "")

    class Noting(psycopg.Cursor[Any]):
        def execute(self, query: Any, *args: Any, **more: Any) -> Any:
            note(self.connection, query)
            return super().execute(query, *args, **more)

    class NotingAtServer(psycopg.ServerCursor[Any]):
        def execute(self, query: Any, *args: Any, **more: Any) -> Any:
            note(self.connection, query)
            return super().execute(query, *args, **more)

    monkeypatch.setattr(connecting._ReportingConnection, "cursor_factory", Noting, raising=False)
    connect_plainly = connecting._ReportingConnection.connect

    def connect_noting(*args: Any, **more: Any) -> Any:
        connection = connect_plainly(*args, **more)
        connection.cursor_factory = Noting
        connection.server_cursor_factory = NotingAtServer
        return connection

    monkeypatch.setattr(connecting._ReportingConnection, "connect", connect_noting)
    return found


def test_every_statement_that_grows_with_history_brings_its_own_time(
    shop_with_history: Shop, databases: Databases, limits: dict[str, set[str]]
) -> None:
    with databases.temporary() as url:
        first = Shop.on(url, shop_with_history.sandbox, shop_with_history.settings.home)
        set_database(first, statement_timeout="2min")
        first.sync()
        first.leave()
    set_database(shop_with_history, statement_timeout="2min")
    deleted = [record["id"] for record in shop_with_history.admin.dump("pianos")[:2]]
    for external_id in deleted:
        shop_with_history.admin.delete("pianos", external_id)
    shop_with_history.admin.delete("timeline", shop_with_history.admin.dump("timeline")[0]["id"])
    shop_with_history.admin.random_edits(clients=2, timeline=2)
    shop_with_history.query("UPDATE staging_products SET sync_status = 'pending' WHERE id = (SELECT min(id::text) FROM "
                   "staging_products)::uuid")  # fmt: skip
    for mode in (Mode.TICK, Mode.DEEP):
        shop_with_history.sync(mode)
    shop_with_history.replay()
    evaluate_production(CheckContext(shop_with_history.settings), "integrity_production")
    assert limits.keys() == GROWS
    assert {name: found for name, found in limits.items() if found != {LONG}} == {}


def test_limits_end_with_their_transaction(shop: Shop) -> None:
    set_database(shop, statement_timeout="2min", lock_timeout="7s")
    migrate(shop.url)
    tables = ["staging_products", "gazelle_products"]
    shop.query("TRUNCATE staging_products, gazelle_products CASCADE")
    with connect(shop.url, autocommit=True) as connection:
        assert begin_loads(connection, {"products": tables}) == {"products"}
        end_loads(connection, {"products": tables}, nothing)
        row = connection.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
        assert row.fetchone() == ("2min", "7s")
