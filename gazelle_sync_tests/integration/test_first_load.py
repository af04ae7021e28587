"""A load of empty tables: killed anywhere it is ended by whoever comes next, and nobody waits for it."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import AnotherPullRunning, DatabaseError
from gazelle_sync.gazelle.client import Answer
from gazelle_sync.pull import load, write
from gazelle_sync.pull.reading_order import ReadingOrder
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.pull.session import Pull
from gazelle_sync.pull.stage import Staging
from gazelle_sync.pull.write import PageWriter, UpsertedRows
from gazelle_sync.warehouse import limits, loads
from gazelle_sync.warehouse.connect import Connection, connect
from gazelle_sync.warehouse.loads import SETTING, begin_loads, end_loads, open_loads
from gazelle_sync.warehouse.lock import PullLock
from gazelle_sync.warehouse.pool import Connections
from gazelle_sync.warehouse.schema_repair import repair
from gazelle_sync.warehouse.settings_table import read_setting
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.distance import COUNTED_S, far_away
from gazelle_sync_tests.support.processes import Processes
from gazelle_sync_tests.support.sandbox import RunningSandbox
from gazelle_sync_tests.support.shop import ENTITY, Shop

DEFINITIONS = """
SELECT array_agg(d ORDER BY d)
FROM (
    SELECT pg_get_indexdef(indexrelid) AS d FROM pg_index WHERE indrelid::regclass::text ~ '^(gazelle|staging)_'
    UNION ALL
    SELECT conrelid::regclass || pg_get_constraintdef(oid) || convalidated
    FROM pg_constraint
    WHERE conrelid::regclass::text ~ '^gazelle_'
    UNION ALL
    SELECT oid::regclass || array_to_string(reloptions, ', ')
    FROM pg_class
    WHERE relkind = 'r' AND relname ~ '^(gazelle|staging)_'
) AS made
"""
"""Every index and key of the tables that loads fill, and what autovacuum is told of them."""
INVOICES = ["gazelle_invoices", "gazelle_invoice_items"]


def nothing() -> None:
    """Nothing."""


def open_names(shop: Shop) -> list[str] | None:
    with connect(shop.url) as connection:
        return open_loads(read_setting(connection, SETTING))


def indexes(shop: Shop) -> set[int]:
    """The indexes of all tables: one that was dropped and made again is another."""
    return {oid for (oid,) in shop.query("SELECT indexrelid FROM pg_index WHERE indrelid::regclass::text ~ '^gazelle'")}


# ---- what is dropped, and for whom


def test_a_load_needs_no_lock_on_a_table_that_holds_rows(shop: Shop) -> None:
    shop.query("TRUNCATE gazelle_timeline_entries")
    with psycopg.connect(shop.url) as reader, connect(shop.url, autocommit=True) as connection:
        reader.execute("SELECT FROM gazelle_clients, gazelle_pianos, gazelle_users, gazelle_invoices LIMIT 1")
        assert begin_loads(connection, {"timeline": ["gazelle_timeline_entries"]}) == {"timeline"}
        assert (
            shop.value("SELECT count(*) FROM pg_constraint WHERE conrelid = 'gazelle_timeline_entries'::regclass") > 3
        )


def test_a_replay_of_nothing_and_one_into_rows_begin_no_load(shop: Shop) -> None:
    shop.query("TRUNCATE staging_invoices, gazelle_invoices CASCADE")
    before = indexes(shop)
    shop.replay(only=["invoices"])
    assert indexes(shop) == before
    with connect(shop.url, autocommit=True) as connection:
        shop.query("INSERT INTO gazelle_invoices (external_id) VALUES ('inv_1')")
        assert begin_loads(connection, {"invoices": INVOICES}) == set()
    assert indexes(shop) == before


def test_a_replay_into_empty_tables_is_a_load(shop_with_history: Shop) -> None:
    before, made = shop_with_history.fingerprint(with_ids=False), shop_with_history.value(DEFINITIONS)
    shop_with_history.query("TRUNCATE gazelle_timeline_entries")
    old = indexes(shop_with_history)
    shop_with_history.replay(only=["timeline"])
    assert indexes(shop_with_history) != old
    assert (shop_with_history.fingerprint(with_ids=False), shop_with_history.value(DEFINITIONS)) == (before, made)


def test_autovacuum_stays_away_from_tables_while_they_are_loaded(shop: Shop) -> None:
    away = "SELECT relname::text FROM pg_class WHERE 'autovacuum_enabled=off' = ANY (reloptions) ORDER BY 1"
    shop.query("TRUNCATE gazelle_invoices CASCADE")
    assert shop.query(away) == []
    with connect(shop.url, autocommit=True) as connection:
        begin_loads(connection, {"invoices": INVOICES})
        assert [name for (name,) in shop.query(away)] == sorted(INVOICES)
        end_loads(connection, {"invoices": INVOICES}, nothing)
    assert shop.query(away) == []


def test_a_second_load_forgets_nothing_of_one_that_is_open(shop: Shop) -> None:
    shop.query("TRUNCATE gazelle_invoices, gazelle_timeline_entries CASCADE")
    with connect(shop.url, autocommit=True) as connection:
        begin_loads(connection, {"invoices": INVOICES})
        begin_loads(connection, {"timeline": ["gazelle_timeline_entries"]})
        assert open_names(shop) == ["invoices", "timeline"]


def test_a_row_that_somebody_put_there_during_a_load_does_not_hold_its_end_up(shop: Shop) -> None:
    keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'gazelle_invoice_items'::regclass"
    before = shop.value(keys)
    shop.query("TRUNCATE gazelle_invoices CASCADE")
    with connect(shop.url, autocommit=True) as connection:
        assert begin_loads(connection, {"invoices": INVOICES}) == {"invoices"}
        assert shop.value(keys) < before
        shop.query("INSERT INTO gazelle_invoice_items (external_id, invoice_external_id) VALUES ('ivi_1', 'inv_0')")
        end_loads(connection, {"invoices": INVOICES}, nothing)
        assert open_names(shop) == []
    assert shop.value(keys) == before
    assert shop.value(f"{keys} AND NOT convalidated") == 1


@pytest.fixture
def writer(shop: Shop) -> Iterator[Connection]:
    """Somebody whose open transaction has written to a table of a load that is to end."""
    shop.query("TRUNCATE gazelle_invoices CASCADE")
    with connect(shop.url, autocommit=True) as connection:
        assert begin_loads(connection, {"invoices": INVOICES}) == {"invoices"}
    with connect(shop.url) as writing:
        writing.execute("INSERT INTO gazelle_invoices (external_id) VALUES ('inv_1')")
        yield writing


@pytest.mark.usefixtures("real_waits")
def test_a_load_ends_when_those_that_write_have_ended_and_readers_wait_for_nobody(
    shop: Shop, writer: Connection
) -> None:
    ended = threading.Event()

    def end() -> None:
        with connect(shop.url, autocommit=True) as connection:
            end_loads(connection, {"invoices": INVOICES}, nothing)
        ended.set()

    ending = threading.Thread(target=end)
    ending.start()
    while not shop.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        assert not ended.is_set()
    with connect(shop.url) as reader:
        reader.execute("SET LOCAL lock_timeout = '1ms'")
        assert reader.execute("SELECT count(*) FROM gazelle_invoices").fetchone() == (0,)
    assert open_names(shop) == ["invoices"]
    writer.commit()
    ending.join()
    assert ended.is_set()
    assert open_names(shop) == []


def test_a_load_that_somebody_holds_up_stays_open_and_lets_others_write(
    shop: Shop, writer: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LOCK_WAIT", "50ms")
    with connect(shop.url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.LockNotAvailable):
            end_loads(connection, {"invoices": INVOICES}, nothing)
        shop.query("INSERT INTO gazelle_invoices (external_id) VALUES ('inv_2')")
        assert open_names(shop) == ["invoices"]
        writer.commit()
        end_loads(connection, {"invoices": INVOICES}, nothing)
    assert open_names(shop) == []


def test_a_page_leaves_a_record_that_names_an_unknown_one_pending(shop: Shop) -> None:
    piano = shop.rows("gazelle_pianos", "NOT is_stub")[0]["external_id"]
    body = shop.value("SELECT raw_data FROM staging_pianos WHERE external_id = %s", piano)
    with connect(shop.url, autocommit=True) as connection:
        for client, ready in ((body["client"], {piano}), ({"id": "cli_0Inconnue"}, set())):
            (method,) = PageWriter(ENTITY["pianos"], loads=False).methods(
                {piano: {**body, "client": client}}, datetime.now(UTC), None
            )
            assert isinstance(method, UpsertedRows)
            assert method.ready(connection) == ready


def test_what_a_page_leaves_pending_is_applied_though_the_pages_after_it_leave_nothing(shop: Shop) -> None:
    first, second = shop.rows("gazelle_pianos", "NOT is_stub ORDER BY external_id LIMIT 2")
    writer, now, waiting = PageWriter(ENTITY["pianos"], loads=False), datetime.now(UTC), set[str]()
    order, report = ReadingOrder(now), EntityReport()
    staging = Staging(Connections(shop.url), ENTITY["pianos"], "run", order, report, writer, waiting=waiting)
    for piano, named in ((first, {"client": {"id": "cli_0Inconnue"}}), (second, {"notes": "accordé à 442 Hz"})):
        body = shop.value("SELECT raw_data FROM staging_pianos WHERE external_id = %s", piano["external_id"])
        staging.write([{**body, **named}], Answer({}, now, False), {})
    assert shop.value("SELECT count(*) FROM staging_pianos WHERE sync_status = 'pending'") == 1
    assert waiting == {"pianos"}


def test_the_loads_of_all_entities_end_in_as_many_round_trips_as_that_of_one(new_shop: Shop) -> None:
    with far_away(new_shop.url, COUNTED_S) as far, connect(far.url, autocommit=True) as connection:
        trips = []
        for entities in (ENTITIES, [ENTITY["timeline"]]):
            load.begin(connection, entities)
            far.round_trips()
            load.end(connection, entities)
            trips.append(sum(map(len, far.round_trips())))
    assert trips[0] == trips[1] <= 5


@pytest.mark.usefixtures("real_waits")
def test_where_somebody_holds_a_table_only_the_entity_of_that_table_fails_and_the_next_run_ends_its_load(
    new_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    definitions = new_shop.value(DEFINITIONS)
    monkeypatch.setattr(limits, "LOCK_WAIT", "50ms")
    monkeypatch.setattr(loads, "WRITERS_S", 0.5)
    failed = []
    with connect(new_shop.url) as writing:
        with Pull(new_shop.settings) as pull:
            for entity in pull.entities:
                pull.stage(entity.name)
            writing.execute("LOCK TABLE gazelle_taxes IN ROW EXCLUSIVE MODE")
            for entity in pull.entities:
                try:
                    pull.apply(entity.name)
                except DatabaseError:
                    failed.append(entity.name)
        assert failed == open_names(new_shop) == ["taxes"]
    assert new_shop.value("SELECT count(*) FROM system_settings WHERE key = 'last_sync_date.clients'") == 1
    new_shop.sync()
    assert_whole(new_shop, definitions)


def test_what_is_made_of_a_page_in_parts_goes_into_a_table_as_one(
    new_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: Counter[str] = Counter()
    copy = psycopg.Cursor.copy

    def counted(cursor: psycopg.Cursor, statement: sql.Composed) -> AbstractContextManager[psycopg.Copy]:
        begun[statement.as_string(cursor).split('"')[1]] += 1
        return copy(cursor, statement)

    monkeypatch.setattr(psycopg.Cursor, "copy", counted)
    monkeypatch.setattr(write, "BODIES_AT_ONCE", 7)
    new_shop.sync()
    new_shop.assert_equals_api()
    assert begun["staging_pianos"] == begun["gazelle_pianos"] == 1
    assert begun["staging_invoices"] == begun["gazelle_invoices"] == begun["gazelle_invoice_items"] == 1


def test_four_pages_are_under_way_at_once_where_the_way_is_long(new_shop: Shop) -> None:
    with far_away(new_shop.url, 0.02) as far:
        new_shop.sync(database_url=far.url, page_size=25)
        assert len(far.round_trips()) == 4 + 1, "and one connection holds the lock"


# ---- killed, and who ends it


def begin_and_die(shop: Shop) -> None:
    """A run that began the load of all entities, wrote a row, and was killed."""
    with connect(shop.url, autocommit=True) as connection:
        assert load.begin(connection, ENTITIES) == {entity.name for entity in ENTITIES}
    shop.query("INSERT INTO gazelle_users (external_id, is_stub, deleted_at) VALUES ('usr_0', true, now())")


def migrate_as_a_person(shop: Shop) -> None:
    """`gazelle-sync migrate`."""
    load.end_abandoned_alone(shop.url)
    assert repair(shop.url).made == []


@pytest.mark.parametrize("successor", [Shop.sync, Shop.replay, migrate_as_a_person], ids=["sync", "replay", "migrate"])
def test_a_load_that_was_killed_is_ended_by_whoever_comes_next(
    new_shop: Shop, successor: Callable[[Shop], object]
) -> None:
    before = new_shop.value(DEFINITIONS)
    begin_and_die(new_shop)
    assert new_shop.value(DEFINITIONS) != before
    successor(new_shop)
    assert new_shop.value(DEFINITIONS) == before
    assert open_names(new_shop) == []


def test_a_first_pull_of_which_an_entity_fails_ends_the_load_of_that_one_too(new_shop: Shop) -> None:
    before = new_shop.value(DEFINITIONS)
    new_shop.admin.fault("status", times=0, code=404, operation="Invoices")
    assert "invoices" in new_shop.sync(check=False).errors
    assert open_names(new_shop) == []
    assert new_shop.value(DEFINITIONS) == before


@pytest.mark.parametrize("scribbled", ["x", "[]", '{"clients": 1}'])
def test_where_somebody_wrote_over_what_was_dropped_every_key_and_index_is_made_again(
    new_shop: Shop, scribbled: str
) -> None:
    before = new_shop.value(DEFINITIONS)
    begin_and_die(new_shop)
    new_shop.query("UPDATE system_settings SET value = %s WHERE key = %s", scribbled, SETTING)
    new_shop.sync()
    assert_whole(new_shop, before)


def test_migrate_does_not_end_a_load_that_is_going_on(new_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "WAIT_S", 0)
    begin_and_die(new_shop)
    with PullLock(new_shop.url, wait_s=0), pytest.raises(AnotherPullRunning):
        load.end_abandoned_alone(new_shop.url)
    assert open_names(new_shop) == [entity.name for entity in ENTITIES]


def test_migrate_makes_the_settings_again_where_somebody_dropped_them(shop: Shop) -> None:
    shop.query("DROP TABLE system_settings CASCADE")
    load.end_abandoned_alone(shop.url)
    assert "system_settings" in repair(shop.url).made


def assert_whole(shop: Shop, definitions: list[str]) -> None:
    """Production is the account, with every key and index there, and no load is open."""
    shop.assert_equals_api()
    assert shop.value(DEFINITIONS) == definitions
    assert open_names(shop) == []


def test_first_pulls_killed_one_after_another_at_statements_of_their_own_end_whole(
    new_shop: Shop, processes: Processes
) -> None:
    definitions = new_shop.value(DEFINITIONS)
    environment = new_shop.environment(GAZELLE_PAGE_SIZE="25")
    number = 12
    while processes.pull_killed_at(environment, number):
        number += 23
    assert number > 100, "it came far"
    assert_whole(new_shop, definitions)


@pytest.mark.slow("a first pull for each of its hundreds of statements; the default lane kills it at a few moments")
@pytest.mark.parametrize("part", range(4))
def test_a_first_pull_killed_at_any_of_its_statements_is_taken_up_by_the_next(
    databases: Databases, sandbox: RunningSandbox, tmp_path: Path, processes: Processes, part: int
) -> None:
    for number in itertools.count(1 + part, 4):
        with databases.temporary() as url:
            shop = Shop.on(url, sandbox, tmp_path)
            definitions = shop.value(DEFINITIONS)
            was_killed = processes.pull_killed_at(shop.environment(GAZELLE_PAGE_SIZE="25"), number)
            if was_killed:
                shop.sync()
            assert_whole(shop, definitions)
            shop.leave()
        if not was_killed:
            assert number > 100, "it came far"
            return
