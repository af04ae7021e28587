"""A shop's database as an older version made it, in every awkward state, is migrated while somebody reads it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from gazelle_sync.errors import DatabaseError
from gazelle_sync.pull.context import Mode
from gazelle_sync.warehouse.connect import connect
from gazelle_sync.warehouse.migrate import migrate, migration_files, pending
from gazelle_sync.warehouse.schema_repair import missing_objects, repair
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.integration.test_migrate import schema_of
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Shop

LANDED = "036_import_lookups.sql"
"""The newest migration of the version of 2026-11-29."""
READINGS = (
    "SELECT count(*), min(starts_at_montreal) FROM v_appointments_montreal",
    "SELECT count(*) FROM v_piano_history",
    "SELECT count(*) FROM gazelle.clients JOIN gazelle.pianos ON pianos.client_external_id = clients.external_id",
    "SELECT count(*) FROM v_maintenance_open",
    "SELECT count(*) FROM v_agenda",
)


@pytest.fixture
def older_shop(shop_with_history: Shop, databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop with a history on a database that the landed version made."""
    with databases.temporary("template1") as url:
        older = [path for path in migration_files() if path.name <= LANDED]
        with monkeypatch.context() as patch:
            patch.setattr("gazelle_sync.warehouse.migrate.migration_files", lambda: older)
            assert migrate(url) == [path.name for path in older]
        copy_rows(shop_with_history.url, url)
        was = shop_with_history
        yield Shop(url, was.sandbox, was.settings.replace(database_url=url), was.local_tags)


def copy_rows(source: str, target: str) -> None:
    """Every row of the tables and columns that the older database has as well, without any trigger."""
    with psycopg.connect(source) as old, psycopg.connect(target) as new:
        new.execute("SET session_replication_role = replica")
        columns = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        columns += " AND is_generated = 'NEVER' AND table_name IN (SELECT tablename FROM pg_tables)"
        known = set(old.execute(columns.encode()).fetchall())
        wanted: dict[str, list[str]] = {}
        for table, column in new.execute(f"{columns} ORDER BY 1, ordinal_position".encode()).fetchall():
            if (table, column) in known and table != "schema_migrations":
                wanted.setdefault(table, []).append(column)
        tables = sql.SQL(", ").join(sql.Identifier("public", name) for name in wanted)
        new.execute(sql.SQL("TRUNCATE {}").format(tables))
        for table, names in wanted.items():
            listed = sql.SQL(", ").join(map(sql.Identifier, names))
            place = sql.SQL("public.{} ({})").format(sql.Identifier(table), listed)
            read = sql.SQL("COPY {} TO STDOUT").format(place)
            with old.cursor().copy(read) as out, new.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(place)) as into:
                for block in out:
                    into.write(block)
        sequences = "SELECT seqrelid::regclass::text FROM pg_sequence"
        for (name,) in new.execute(sequences).fetchall():
            new.execute(sql.SQL("SELECT setval({}, 1000000)").format(sql.Literal(name)))


@contextmanager
def reading(url: str) -> Iterator[Callable[[], int]]:
    """Somebody reads all the time, as a program of the shop does; gives how many times it has read.

    A reading that fails fails the test.
    """
    ended, failures, count = threading.Event(), list[BaseException](), [0]

    def read() -> None:
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                while not ended.is_set():
                    for query in READINGS:
                        connection.execute(query.encode())
                    count[0] += 1
        except psycopg.Error as error:
            failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        while not count[0] and thread.is_alive():
            ended.wait(0.01)
        yield lambda: count[0]
    finally:
        ended.set()
        thread.join()
    assert failures == []


def as_it_was(shop: Shop) -> None:
    """Nothing awkward."""


def killed_in_the_middle(shop: Shop) -> None:
    """A run that says it is running, bodies that wait, one in error, a push that does not know what came of it."""
    shop.query("INSERT INTO sync_logs (run_id, task_type, mode, status) VALUES ('killed', 'pull', 'tick', 'running')")
    shop.query(
        "UPDATE staging_clients SET sync_status = 'pending', processed_at = NULL WHERE id IN "
        "(SELECT id FROM staging_clients ORDER BY fetched_at DESC LIMIT 20)"
    )
    shop.query(
        "UPDATE staging_pianos SET sync_status = 'error', error_message = 'an older reconciler could not' WHERE id = "
        "(SELECT id FROM staging_pianos ORDER BY fetched_at DESC LIMIT 1)"
    )


def things_dropped(shop: Shop) -> None:
    """Somebody has dropped a table, a view, triggers and an index."""
    shop.query("DROP TABLE gazelle_piano_measurements CASCADE")
    shop.query("DROP VIEW v_agenda")
    shop.query("DROP TRIGGER gazelle_keep_state ON vincent_dindy_piano_updates")
    shop.query("DROP INDEX IF EXISTS staging_import_gazelle_id")


def records_of_an_older_system(shop: Shop) -> None:
    """Rows that only an older system knows, stubs, and rows whose day is out of the calendar."""
    shop.query("INSERT INTO gazelle_clients (external_id, company_name) VALUES ('v4_1', 'Ancien client')")
    shop.query("INSERT INTO gazelle_pianos (external_id, client_external_id) VALUES ('v4_2', 'v4_1')")
    shop.query("INSERT INTO gazelle_clients (external_id, is_stub) VALUES ('cli_gone', true)")


STATES = (as_it_was, killed_in_the_middle, things_dropped, records_of_an_older_system)


@pytest.mark.parametrize("awkward", STATES, ids=lambda state: state.__name__)
def test_an_older_database_is_migrated_under_a_reader_and_the_shop_goes_on(
    older_shop: Shop, databases: Databases, awkward: Callable[[Shop], None]
) -> None:
    shop, office = older_shop, EditedShop(older_shop)
    piano = office.piano(notes="Clé")
    shop.query(
        "INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes) VALUES (%s, 'Attend la nouvelle version')", piano
    )
    awkward(shop)
    counted = {name: shop.count(name) for name in ("gazelle_clients", "staging_timeline", "sync_logs", "push_state")}
    shop.leave()
    if awkward is things_dropped:  # what reads it cannot be there
        assert migrate(shop.url)
    else:
        with reading(shop.url) as times:
            assert migrate(shop.url) == [path.name for path in migration_files() if path.name > LANDED]
            seen = times()
            while times() == seen:
                pass
    repaired = repair(shop.url)
    assert repaired.missing == []
    with connect(shop.url) as connection:
        assert missing_objects(connection) == []
    with databases.temporary() as fresh:
        assert schema_of(shop.url) == schema_of(fresh)
    assert {name: shop.count(name) for name in counted} == counted
    assert counted["gazelle_clients"] > 20

    if awkward is things_dropped:
        shop.replay()
    shop.sync()
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()
    office.settle(piano)
    assert office.comments(piano) == ["Attend la nouvelle version"]
    assert migrate(shop.url) == []


def test_a_reader_that_does_not_end_is_said_and_nothing_is_half_done(older_shop: Shop) -> None:
    shop = older_shop
    shop.leave()
    names = [path.name for path in migration_files() if path.name > LANDED]
    with psycopg.connect(shop.url) as reader:
        for query in READINGS:
            reader.execute(query.encode())
        try:
            migrate(shop.url)
        except DatabaseError as error:
            assert "lock" in str(error)  # noqa: PT017 - whether a migration needs a lock depends on the migration
        left = pending(shop.url)
        assert left == names[len(names) - len(left) :]
        assert reader.execute(b"SELECT count(*) FROM gazelle_clients").fetchone()
    migrate(shop.url)
    assert pending(shop.url) == []
